package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	return string(content)
}

// notServer are names of the worker contract and of the client commands, which
// the server tolerates and does not read.
var notServer = regexp.MustCompile(`^EMCY_(WORKER_|UPSTREAM_|API_URL$|API_KEY$|WORKSPACE$|TEST_|EXAMPLE_)`)

// serverNames returns the EMCY_ names in a text that configure the server.
func serverNames(text string, expr string) []string {
	var names []string
	for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(text, -1) {
		if !notServer.MatchString(m[1]) && !strings.HasSuffix(m[1], "_") && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}

// TestReadmeNamesTheConfiguration keeps the table of the README equal to what
// the composition root reads.
func TestReadmeNamesTheConfiguration(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("../../cmd/emcy/*.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			source.WriteString(read(t, strings.TrimPrefix(f, "../../")))
		}
	}
	_, table, ok := strings.Cut(read(t, "README.md"), "\n## Configuration\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	require.Equal(t, serverNames(source.String(), `"(EMCY_[A-Z_]+)"`), serverNames(table, "`(EMCY_[A-Z_]+)`"))
}

func TestComposeFile(t *testing.T) {
	t.Parallel()

	var compose struct {
		Services map[string]struct {
			Image       string
			Build       any
			Environment map[string]string
			DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
			Ports       []string
			Volumes     []string
			Healthcheck struct{ Test []string }
		}
		Volumes map[string]any
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &compose))
	require.Len(t, compose.Services, 4)

	_, table, _ := strings.Cut(read(t, "README.md"), "\n## Configuration\n")
	documented := serverNames(table, "`(EMCY_[A-Z_]+)`")
	gateway := compose.Services["gateway"]
	for name := range gateway.Environment {
		require.Contains(t, documented, name)
	}
	require.Equal(t, "service_healthy", gateway.DependsOn["postgres"].Condition)
	require.Equal(t, "postgres:16", compose.Services["postgres"].Image)
	require.NotEmpty(t, compose.Services["postgres"].Healthcheck.Test)
	// What the gateway sends goes to the catcher, and nowhere else.
	require.Regexp(t, `^axllent/mailpit:v[0-9.]+$`, compose.Services["mail"].Image)
	require.Equal(t, "smtp://mail:1025", gateway.Environment["EMCY_SMTP_URL"])
	require.NotEmpty(t, gateway.Environment["EMCY_MAIL_FROM"])
	for name, service := range compose.Services {
		for _, port := range service.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s publishes %s to other machines", name, port)
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			require.Contains(t, compose.Volumes, source)
		}
	}
	build, ok := compose.Services["fastmcp"].Build.(map[string]any)
	require.True(t, ok)
	require.FileExists(t, filepath.Join("../..", build["dockerfile"].(string)))
}

func TestDockerfileServesUnprivileged(t *testing.T) {
	t.Parallel()

	stages := strings.Split("\n"+read(t, "Dockerfile"), "\nFROM ")
	last := stages[len(stages)-1]
	require.Regexp(t, `^scratch\n`, last)
	require.Regexp(t, `(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`, last)
	require.Contains(t, last, "ca-certificates.crt")
	require.Contains(t, last, `CMD ["/emcy", "healthcheck"]`)
	require.Contains(t, stages[1], "CGO_ENABLED=0")
}

// TestWorkflowRunsWhatPeopleRun keeps continuous integration to make test.
func TestWorkflowRunsWhatPeopleRun(t *testing.T) {
	t.Parallel()

	info, err := os.Stat("../../.ci/run")
	require.NoError(t, err)
	require.NotZero(t, info.Mode().Perm()&0o100)
	require.Contains(t, read(t, ".ci/run"), "\nmake test\n")
}
