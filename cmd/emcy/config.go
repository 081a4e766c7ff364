package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// config is everything that the environment decides. This file is its only reader.
type config struct {
	DataDir     string
	DatabaseURL string
	KeyFile     string
	PublicURL   string
	Public      *url.URL
	// Listen are the console's listeners; on localhost both loopback addresses.
	Listen           []string
	TLSCert, TLSKey  string
	Placement        workspaces.Placement
	EdgeListen       string
	EdgeScheme       string
	EdgeCert, EdgeTK string
	EdgePages        edge.Pages
	Console          bool
	Edge             bool
	Worker           bool
	AllowPrivate     bool
	PrivateByItself  bool // AllowPrivate was not asked for, but follows from the public URL
	TrustedProxies   []netip.Prefix
	// Mail is where mail is handed in; nil where no server is set.
	Mail     *mail.Server
	MailFrom string
	LogLevel slog.Level
	LogJSON  bool
}

// variable is one setting of the environment.
type variable struct{ name, def, what string }

var variables = []variable{
	{"EMCY_PUBLIC_URL", "http://localhost:8080", "the console's origin"},
	{"EMCY_LISTEN", "", "the console's listener, host:port; by default the port of EMCY_PUBLIC_URL on loopback, or :8080"},
	{"EMCY_TLS_CERT", "", "certificate file (PEM) of the console's listener"},
	{"EMCY_TLS_KEY", "", "key file (PEM) of the console's listener"},
	{"EMCY_EDGE_PORTS", "8081-8180", "ports of the workspaces on one machine, one each"},
	{"EMCY_EDGE_ORIGIN", "", "origin of the workspaces, such as https://{tenant}.mcp.example.com; needs EMCY_EDGE_LISTEN"},
	{"EMCY_EDGE_LISTEN", "", "one listener, host:port, for every workspace, told apart by Host"},
	{"EMCY_EDGE_TLS_CERT", "", "certificate file (PEM) of that listener"},
	{"EMCY_EDGE_TLS_KEY", "", "key file (PEM) of that listener"},
	{"EMCY_EDGE_ALLOWED_ORIGINS", "loopback", "origins of web pages that may call MCP URLs, separated by commas; loopback stands for pages on the user's own machine, none for no page"},
	{"EMCY_DATA_DIR", "./emcy-data", "folder for the database, the key and the event spool"},
	{"EMCY_DATABASE_URL", "", "postgres:// URL; empty means SQLite in the data folder"},
	{"EMCY_DATABASE_URL_FILE", "", "file that holds EMCY_DATABASE_URL"},
	{"EMCY_KEY_FILE", "", "file with the key that wraps all others; by default made in the data folder"},
	{"EMCY_ROLES", "console,edge,worker", "what this process does"},
	{"EMCY_ALLOW_PRIVATE_UPSTREAMS", "", "true lets runtimes be on loopback and private addresses; by default only where the console is on localhost"},
	{"EMCY_TRUSTED_PROXIES", "", "address ranges whose X-Forwarded-For is believed, separated by commas"},
	{"EMCY_SMTP_URL", "", "mail server: smtp://, smtp+starttls:// or smtps://[user:password@]host[:port]; none means that no mail is sent"},
	{"EMCY_SMTP_URL_FILE", "", "file that holds EMCY_SMTP_URL"},
	{"EMCY_MAIL_FROM", "", "sender of mail, such as Acme Gateway <alerts@example.com>; goes with EMCY_SMTP_URL"},
	{"EMCY_LOG_LEVEL", "info", "debug, info, warn or error"},
	{"EMCY_LOG_FORMAT", "text", "text or json"},
}

// foreign names of the EMCY_ family belong to runtimes and to the client commands.
func foreign(name string) bool {
	return strings.HasPrefix(name, "EMCY_WORKER_") || strings.HasPrefix(name, "EMCY_UPSTREAM_") ||
		slices.Contains([]string{"EMCY_API_URL", "EMCY_API_KEY", "EMCY_WORKSPACE"}, name)
}

// readConfig reads and checks the environment. Every error is one line that names
// the variable.
func readConfig(environ []string) (config, error) {
	env := map[string]string{}
	for _, v := range variables {
		env[v.name] = v.def
	}
	var unknown []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "EMCY_") || foreign(name) {
			continue
		}
		if _, known := env[name]; !known {
			unknown = append(unknown, name)
			continue
		}
		if value != "" {
			env[name] = value
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return config{}, fmt.Errorf("unknown setting %s (emcy help lists the known ones)", strings.Join(unknown, ", "))
	}
	var c config
	for _, part := range []struct {
		name string
		read func(*config, map[string]string) error
	}{
		{"EMCY_DATABASE_URL_FILE", readDatabase},
		{"EMCY_PUBLIC_URL", readConsole},
		{"EMCY_TLS_CERT", readTLS},
		{"EMCY_EDGE_ORIGIN", readEdge},
		{"EMCY_EDGE_PORTS", readPorts},
		{"EMCY_EDGE_ALLOWED_ORIGINS", readPages},
		{"EMCY_ROLES", readRoles},
		{"EMCY_ALLOW_PRIVATE_UPSTREAMS", readPrivate},
		{"EMCY_TRUSTED_PROXIES", readProxies},
		{"EMCY_SMTP_URL", readMail},
		{"EMCY_LOG_LEVEL", readLog},
	} {
		if err := part.read(&c, env); err != nil {
			return config{}, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return c, c.checkDomains()
}

func readDatabase(c *config, env map[string]string) error {
	c.DataDir = filepath.Clean(env["EMCY_DATA_DIR"])
	c.KeyFile = env["EMCY_KEY_FILE"]
	var err error
	c.DatabaseURL, err = secretSetting(env, "EMCY_DATABASE_URL")
	return err
}

// secretSetting is a setting that can also be in a file, under its name and _FILE.
func secretSetting(env map[string]string, name string) (string, error) {
	file := env[name+"_FILE"]
	if file == "" {
		return env[name], nil
	}
	if env[name] != "" {
		return "", fmt.Errorf("%s is set, too; use one of them", name)
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// readMail never puts the URL into an error: it may hold a password.
func readMail(c *config, env map[string]string) error {
	raw, err := secretSetting(env, "EMCY_SMTP_URL")
	if err != nil {
		return err
	}
	c.MailFrom = env["EMCY_MAIL_FROM"]
	if (raw == "") != (c.MailFrom == "") {
		return errors.New("EMCY_SMTP_URL and EMCY_MAIL_FROM go together")
	}
	if raw == "" {
		return nil
	}
	server, err := mail.ParseServer(raw)
	if err != nil {
		return err
	}
	if _, _, err := mail.ParseFrom(c.MailFrom); err != nil {
		return fmt.Errorf("EMCY_MAIL_FROM: %w", err)
	}
	c.Mail = &server
	return nil
}

func readConsole(c *config, env map[string]string) (err error) {
	if c.PublicURL, c.Public, err = httpx.ParseOrigin(env["EMCY_PUBLIC_URL"]); err != nil {
		return err
	}
	port := c.Public.Port()
	if port == "" {
		port = "80"
		if c.Public.Scheme == "https" {
			port = "443"
		}
	}
	switch {
	case env["EMCY_LISTEN"] != "":
		c.Listen = []string{env["EMCY_LISTEN"]}
	case httpx.IsLoopbackHost(c.Public.Hostname()):
		c.Listen = []string{"127.0.0.1:" + port, "[::1]:" + port}
	default:
		c.Listen = []string{":8080"} // a proxy in front of it ends TLS
	}
	return nil
}

func readTLS(c *config, env map[string]string) error {
	c.TLSCert, c.TLSKey = env["EMCY_TLS_CERT"], env["EMCY_TLS_KEY"]
	c.EdgeCert, c.EdgeTK = env["EMCY_EDGE_TLS_CERT"], env["EMCY_EDGE_TLS_KEY"]
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("EMCY_TLS_CERT and EMCY_TLS_KEY go together")
	}
	if (c.EdgeCert == "") != (c.EdgeTK == "") {
		return errors.New("EMCY_EDGE_TLS_CERT and EMCY_EDGE_TLS_KEY go together")
	}
	return nil
}

func readEdge(c *config, env map[string]string) error {
	c.EdgeListen, c.EdgeScheme = env["EMCY_EDGE_LISTEN"], "http"
	pattern := strings.TrimSuffix(env["EMCY_EDGE_ORIGIN"], "/")
	if pattern == "" {
		return nil
	}
	if err := workspaces.ParsePattern(pattern); err != nil {
		return err
	}
	if c.EdgeListen == "" {
		return errors.New("it needs EMCY_EDGE_LISTEN, the listener that serves these origins")
	}
	normal, u, err := httpx.ParseOrigin(strings.Replace(pattern, "{tenant}", "emcy-tenant", 1))
	if err != nil {
		return err
	}
	c.Placement.Pattern = strings.Replace(normal, "emcy-tenant", "{tenant}", 1)
	c.EdgeScheme = u.Scheme
	return nil
}

func readPorts(c *config, env map[string]string) (err error) {
	c.Placement.FirstPort, c.Placement.LastPort, err = workspaces.ParsePorts(env["EMCY_EDGE_PORTS"])
	return err
}

func readPages(c *config, env map[string]string) (err error) {
	c.EdgePages, err = edge.ParsePages(env["EMCY_EDGE_ALLOWED_ORIGINS"])
	return err
}

func readRoles(c *config, env map[string]string) error {
	for role := range strings.SplitSeq(env["EMCY_ROLES"], ",") {
		switch strings.TrimSpace(role) {
		case "console":
			c.Console = true
		case "edge":
			c.Edge = true
		case "worker":
			c.Worker = true
		default:
			return fmt.Errorf("%q is none of console, edge, worker", role)
		}
	}
	if c.DatabaseURL == "" && (!c.Console || !c.Edge || !c.Worker) {
		return errors.New("SQLite is for one process that does everything; set EMCY_DATABASE_URL to PostgreSQL to split the roles")
	}
	return nil
}

func readPrivate(c *config, env map[string]string) error {
	value := env["EMCY_ALLOW_PRIVATE_UPSTREAMS"]
	if value == "" {
		c.PrivateByItself = httpx.IsLoopbackHost(c.Public.Hostname())
		c.AllowPrivate = c.PrivateByItself
		return nil
	}
	allow, err := strconv.ParseBool(value)
	if err != nil {
		return errors.New("it must be true or false")
	}
	c.AllowPrivate = allow
	return nil
}

func readProxies(c *config, env map[string]string) error {
	for part := range strings.SplitSeq(env["EMCY_TRUSTED_PROXIES"], ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !strings.Contains(part, "/") {
			addr, err := netip.ParseAddr(part)
			if err != nil {
				return fmt.Errorf("%q is not an address or range", part)
			}
			part = netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("%q is not an address or range", part)
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix)
	}
	return nil
}

func readLog(c *config, env map[string]string) error {
	if err := c.LogLevel.UnmarshalText([]byte(env["EMCY_LOG_LEVEL"])); err != nil {
		return errors.New("it must be debug, info, warn or error")
	}
	switch env["EMCY_LOG_FORMAT"] {
	case "text":
	case "json":
		c.LogJSON = true
	default:
		return errors.New("EMCY_LOG_FORMAT must be text or json")
	}
	return nil
}

// checkDomains refuses a console and workspaces under one registrable domain: a
// workspace's page could set cookies that the console receives.
func (c *config) checkDomains() error {
	if c.Placement.Pattern == "" {
		return nil
	}
	u, err := url.Parse(strings.Replace(c.Placement.Pattern, "{tenant}", "x", 1))
	if err != nil {
		return fmt.Errorf("EMCY_EDGE_ORIGIN: %w", err)
	}
	console, edge := c.Public.Hostname(), u.Hostname()
	if httpx.IsLoopbackHost(console) && httpx.IsLoopbackHost(edge) {
		return nil
	}
	a, errA := publicsuffix.EffectiveTLDPlusOne(console)
	b, errB := publicsuffix.EffectiveTLDPlusOne(edge)
	if errA == nil && errB == nil && a == b {
		return fmt.Errorf("EMCY_PUBLIC_URL and EMCY_EDGE_ORIGIN are both under %s: use another registrable domain for the workspaces, or their pages could set cookies for the console", a)
	}
	return nil
}
