package edge

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/usage/event"
)

// Recorder takes usage events. Record must not block; when it returns, the event
// must survive the end of the process. An event with the ID of an earlier one
// replaces it.
type Recorder interface{ Record(event.Event) }

// Config is what the edge needs. Limits may be left at zero.
type Config struct {
	Snapshots *snapshot.Store
	// Auth serves everything on a tenant's origin that is neither MCP nor
	// protected-resource metadata: the authorization server and its pages.
	Auth func(http.ResponseWriter, *http.Request, *snapshot.Tenant)
	// Transport reaches the runtimes. It must follow no redirect and check the
	// address that it dials.
	Transport http.RoundTripper
	Recorder  Recorder
	Clock     clock.Clock
	Log       *slog.Logger
	Limits    Limits
	// Via is a pseudonym of this installation, the same on all of its nodes. It goes
	// with every request to a runtime, and a request that comes with it is answered
	// instead of forwarded once more. Empty switches that off.
	Via string
	// Pages are the origins of web pages that may call every tenant's MCP URLs.
	Pages Pages
	// Tracer takes the steps of connecting clients; nil takes none.
	Tracer Tracer
	// StepUps takes what calls lacked; nil takes nothing.
	StepUps StepUps
	// Downstreams has people's access to the APIs behind runtimes; nil has none.
	Downstreams Downstreams
}

// Limits bound a request. Zero fields take the defaults.
type Limits struct {
	Body        int64         // of a client's message; 4 MiB
	BodyTime    time.Duration // to read it; 30 s
	HeaderTime  time.Duration // until the runtime's headers; 5 min, because a tool may work that long
	WriteTime   time.Duration // for one write to a client that does not read; 30 s
	KnownTokens int           // verified tokens that are remembered; 32,768
	ConnectWait time.Duration // for a person who is connecting an account, per round; 20 s
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Body, 4<<20)
	orDefault(&l.BodyTime, 30*time.Second)
	orDefault(&l.HeaderTime, 5*time.Minute)
	orDefault(&l.WriteTime, 30*time.Second)
	orDefault(&l.KnownTokens, 32<<10)
	orDefault(&l.ConnectWait, 20*time.Second)
	return l
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// New makes the edge. Start it before it serves.
func New(cfg Config) (*Front, error) {
	switch {
	case cfg.Snapshots == nil:
		return nil, errors.New("edge: no snapshots")
	case cfg.Auth == nil:
		return nil, errors.New("edge: no authorization server")
	case cfg.Transport == nil:
		return nil, errors.New("edge: no transport")
	case cfg.Recorder == nil:
		return nil, errors.New("edge: no recorder")
	case cfg.Clock == nil:
		return nil, errors.New("edge: no clock")
	case cfg.Log == nil:
		return nil, errors.New("edge: no log")
	case cfg.Via != "" && !httpguts.ValidHeaderFieldName(cfg.Via):
		return nil, errors.New("edge: the pseudonym for Via is no token")
	}
	limits := cfg.Limits.withDefaults()
	if cfg.Downstreams == nil {
		cfg.Downstreams = noDownstreams{}
	}
	return &Front{
		snapshots:   cfg.Snapshots,
		auth:        cfg.Auth,
		transport:   cfg.Transport,
		recorder:    cfg.Recorder,
		clock:       cfg.Clock,
		log:         cfg.Log,
		limits:      limits,
		via:         cfg.Via,
		pages:       cfg.Pages,
		tracer:      cfg.Tracer,
		stepUps:     cfg.StepUps,
		downstreams: cfg.Downstreams,
		connecting:  make(chan struct{}, maxConnecting),
		strangers:   newStrangers(cfg.Log),
		tokens:      newTokenCache(limits.KnownTokens),
		proofs:      newProofs(),
		streams:     newStreams(cfg.Snapshots, cfg.Clock),
	}, nil
}
