package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServerScenarios(t *testing.T) {
	t.Parallel()

	list := "Required for 2025-11-25 (3 scenarios):\n\nServer scenarios (test against a server):\n  - ping\n  - tools-list\n\n" +
		"Client scenarios (test against a client):\n  - initialize\n"
	require.Equal(t, []string{"ping", "tools-list"}, serverScenarios(list))
	require.Empty(t, serverScenarios("no list at all\n  - ping\n"))
}

func TestReadReport(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	_, err := readReport(dir)
	require.ErrorContains(t, err, "no results")

	write := func(folder, checks string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, folder, "checks.json"), []byte(checks), 0o600))
	}
	write("server-server-initialize-2026-11-22T23-41-29-523Z", `[{"id":"a","status":"SUCCESS"},{"id":"b","status":"WARNING"}]`)
	write("authorization-server-authorization-code-grant-2026-11-22T23-48-42-017Z", `[{"id":"c","status":"SKIPPED","errorMessage":"no client id"}]`)
	report, err := readReport(dir)
	require.NoError(t, err)
	require.Equal(t, map[string][]Check{
		"server-initialize":        {{ID: "a", Status: Success}, {ID: "b", Status: Warning}},
		"authorization-code-grant": {{ID: "c", Status: Skipped, ErrorMessage: "no client id"}},
	}, report.Scenarios)
	require.Equal(t, map[string]string{"a": Success, "b": Warning, "c": Skipped}, report.Statuses())
	require.Equal(t, 1, report.Count(Success))

	write("server-server-initialize-2026-11-22T23-41-30-000Z", `[]`)
	_, err = readReport(dir)
	require.ErrorContains(t, err, "two results")
}

func TestUnmet(t *testing.T) {
	t.Parallel()

	report := &Report{Scenarios: map[string][]Check{
		"passes":  {{ID: "a", Status: Success}, {ID: "b", Status: Warning}, {ID: "c", Status: "INFO"}},
		"fails":   {{ID: "a", Status: Success}, {ID: "b", Status: Failure, ErrorMessage: "it is wrong"}},
		"skips":   {{ID: "a", Status: Success}, {ID: "b", Status: Skipped}},
		"nothing": {{ID: "a", Status: Warning}},
	}}
	for name, want := range map[string][]string{
		"passes":  nil,
		"fails":   {"fails: b FAILURE it is wrong"},
		"skips":   {"skips: b SKIPPED "},
		"nothing": {"nothing has no check that succeeded"},
		"absent":  {"absent was not executed"},
	} {
		require.Equal(t, want, report.Unmet([]string{name}))
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()

	report := func(status, message string) *Report {
		return &Report{Scenarios: map[string][]Check{
			"ping":  {{ID: "a", Status: Success}, {ID: "b", Status: status, ErrorMessage: message}},
			"tools": {{ID: "a", Status: Success}},
		}}
	}
	require.Empty(t, Differences(report(Failure, "at port 1"), report(Failure, "at port 2")))

	other := report(Success, "")
	require.Equal(t, []string{"ping: b FAILURE, and b SUCCESS"}, Differences(report(Failure, ""), other))
	delete(other.Scenarios, "tools")
	other.Scenarios["ping"] = report(Failure, "").Scenarios["ping"]
	require.Equal(t, []string{"tools: a SUCCESS, and no such check"}, Differences(report(Failure, ""), other))
	require.Equal(t, []string{"tools: no such check, and a SUCCESS"}, Differences(other, report(Failure, "")))
}
