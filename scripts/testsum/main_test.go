package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountGo(t *testing.T) {
	t.Parallel()

	events := `
{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"run","Package":"a","Test":"TestOne/sub"}
{"Action":"output","Package":"a","Test":"TestOne/sub","Output":"    a_test.go:3: said in passing\n"}
{"Action":"output","Package":"a","Test":"TestOne/sub","Output":"    a_test.go:4: report: 30/30 required\n"}
{"Action":"pass","Package":"a","Test":"TestOne/sub"}
{"Action":"pass","Package":"a","Test":"TestOne"}
{"Action":"run","Package":"a","Test":"TestSkipped"}
{"Action":"output","Package":"a","Test":"TestSkipped","Output":"    a_test.go:7: the registry cannot be reached\n"}
{"Action":"skip","Package":"a","Test":"TestSkipped"}
{"Action":"pass","Package":"a","Elapsed":0.1}
{"Action":"run","Package":"b","Test":"TestPanics"}
{"Action":"output","Package":"b","Test":"TestPanics","Output":"panic: oh\n"}
{"Action":"fail","Package":"b","Elapsed":0.1}
{"Action":"build-output","ImportPath":"c [c.test]","Output":"c.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"c [c.test]"}
{"Action":"start","Package":"c"}
{"Action":"fail","Package":"c","FailedBuild":"c [c.test]"}
go: the command itself says something
{"Action":"skip","Package":"no-test-files"}
`
	var show strings.Builder
	sum, err := countGo(strings.NewReader(strings.TrimSpace(events)), &show)
	require.NoError(t, err)
	require.Equal(t, tally{passed: 2, failed: 2, skipped: []string{"a TestSkipped: the registry cannot be reached"}}, sum)
	require.Contains(t, show.String(), "panic: oh")
	require.Contains(t, show.String(), "undefined: x")
	require.Contains(t, show.String(), "go: the command itself")
	require.NotContains(t, show.String(), "TestOne")
	require.Contains(t, show.String(), " 30/30 required\n", "what a test reports")
	require.NotContains(t, show.String(), "said in passing")
}

func TestCountUnittest(t *testing.T) {
	t.Parallel()

	for end, want := range map[string]tally{
		"OK":                              {passed: 12},
		"FAILED (failures=1, errors=2)":   {passed: 9, failed: 3},
		"OK (skipped=2)":                  {passed: 10, skipped: []string{"2 in unittest (skipped)"}},
		"FAILED (errors=20)":              {failed: 20},
		"FAILED (unexpected successes=1)": {passed: 11, failed: 1},
	} {
		sum, err := countUnittest(strings.NewReader("....\nRan 12 tests in 0.1s\n\n"+end+"\n"), io.Discard)
		require.NoError(t, err)
		require.Equal(t, want, sum, end)
	}
}

func TestCountNode(t *testing.T) {
	t.Parallel()

	sum, err := countNode(strings.NewReader("not ok 1 - x\n# tests 4\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 0\n# todo 0\n"), io.Discard)
	require.NoError(t, err)
	require.Equal(t, tally{passed: 2, failed: 2}, sum)
}

func TestCountFuzz(t *testing.T) {
	t.Parallel()

	sum, err := countFuzz(strings.NewReader("ok    FuzzA in a: 5000x, 1 s\n--- FAIL: FuzzB\nok    a test's own line\nFAIL  FuzzB in b\nFAIL  c does not build\n"), io.Discard)
	require.NoError(t, err)
	require.Equal(t, tally{passed: 1, failed: 2}, sum)
}

func TestRun(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	missing := filepath.Join(root, ".cache", "missing")
	require.NoError(t, os.MkdirAll(missing, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(missing, "node"), []byte("npm ci failed\n"), 0o644))

	for name, c := range map[string]struct {
		suite  suite
		want   tally
		notRun string
	}{
		"check holds":              {suite: suite{command: sh("exit 0"), count: countExit, check: true}, want: tally{passed: 1}},
		"check fails":              {suite: suite{command: sh("exit 3"), count: countExit, check: true}, want: tally{failed: 1}},
		"no test at all":           {suite: suite{command: sh("exit 0"), count: countUnittest}, want: tally{failed: 1}},
		"fails without saying so":  {suite: suite{command: sh("echo Ran 3 tests in 1s; echo OK; exit 1"), count: countUnittest}, want: tally{passed: 3, failed: 1}},
		"command does not exist":   {suite: suite{command: []string{"/does/not/exist"}, count: countUnittest}, want: tally{failed: 1}},
		"registry not reached":     {suite: suite{command: sh("exit 0"), needs: []string{"python", "node"}}, notRun: "npm ci failed"},
		"nothing there to run yet": {suite: suite{command: sh("exit 0"), present: "test/e2e"}, notRun: "test/e2e does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(root, c.suite, io.Discard)
			require.Equal(t, c.want, got.tally)
			require.Equal(t, c.notRun, got.notRun)
		})
	}
}

func TestSummarise(t *testing.T) {
	t.Parallel()

	good := result{name: "go", tally: tally{passed: 7}}
	bad := result{name: "go", tally: tally{passed: 7, failed: 1}}
	skipped := result{name: "go", tally: tally{passed: 7, skipped: []string{"a TestX"}}}
	notRun := result{name: "e2e", notRun: "npm ci failed"}
	for name, c := range map[string]struct {
		results []result
		ci, ok  bool
		last    string
	}{
		"good":                    {results: []result{good}, ok: true, ci: true, last: "7 passed, 0 failed"},
		"bad":                     {results: []result{bad}, last: "7 passed, 1 failed"},
		"not run":                 {results: []result{good, notRun}, ok: true, last: "7 passed, 0 failed"},
		"not run fails CI":        {results: []result{good, notRun}, ci: true, last: "7 passed, 1 failed"},
		"a skipped test fails CI": {results: []result{skipped}, ci: true, last: "7 passed, 1 failed"},
		"a skipped test":          {results: []result{skipped}, ok: true, last: "7 passed, 0 failed"},
		"nothing at all":          {last: "0 passed, 0 failed"},
	} {
		var show strings.Builder
		require.Equal(t, c.ok, summarise(c.results, c.ci, &show), name)
		lines := strings.Split(strings.TrimSpace(show.String()), "\n")
		require.Equal(t, c.last, lines[len(lines)-1], name)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()

	all := suites("/")
	chosen, err := choose(all, []string{"e2e"})
	require.NoError(t, err)
	require.Len(t, chosen, 1)
	_, err = choose(all, []string{"nope"})
	require.ErrorContains(t, err, "sdk/typescript")
}
