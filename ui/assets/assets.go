package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Prefix is the path below which Handler expects to be mounted, on the console and on every tenant's origin.
const Prefix = "/assets/"

// immutable is right because a file's name changes with its content.
const immutable = "public, max-age=31536000, immutable"

//go:embed dist
var dist embed.FS

// Manifest says which file of dist stands for which name, and what dist was made of.
type Manifest struct {
	// Sources is the hash over everything that the bundles are made of.
	Sources string `json:"sources"`
	// Files maps a name such as "app.css" to the file's name in dist.
	Files map[string]string `json:"files"`
}

type file struct {
	contentType string
	etag        string
	plain       []byte
	packed      []byte
}

type catalogue struct {
	manifest Manifest
	files    map[string]file
}

var contents = sync.OnceValue(func() catalogue {
	loaded, err := load()
	if err != nil {
		// dist is part of the binary, so this is a broken build and not a state to recover from.
		panic(fmt.Errorf("embedded assets: %w", err))
	}
	return loaded
})

func load() (catalogue, error) {
	raw, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return catalogue{}, fmt.Errorf("read manifest: %w", err)
	}
	loaded := catalogue{files: map[string]file{}}
	if err := json.Unmarshal(raw, &loaded.manifest); err != nil {
		return catalogue{}, fmt.Errorf("parse manifest: %w", err)
	}
	for _, name := range loaded.manifest.Files {
		plain, err := dist.ReadFile("dist/" + name)
		if err != nil {
			return catalogue{}, fmt.Errorf("read %s: %w", name, err)
		}
		sum := sha256.Sum256(plain)
		entry := file{
			contentType: contentType(name),
			etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			plain:       plain,
		}
		// woff2 is compressed already.
		if path.Ext(name) != ".woff2" {
			entry.packed, err = pack(plain)
			if err != nil {
				return catalogue{}, fmt.Errorf("compress %s: %w", name, err)
			}
		}
		loaded.files[name] = entry
	}
	return loaded, nil
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}

func pack(plain []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("open gzip: %w", err)
	}
	if _, err := writer.Write(plain); err != nil {
		return nil, fmt.Errorf("write gzip: %w", err)
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("close gzip: %w", err)
	}
	return packed.Bytes(), nil
}

// Path is the address of an asset by its plain name: Path("app.css") is "/assets/app-4F2C….css".
// It panics on an unknown name, since names are constants of this project's templates.
func Path(name string) string {
	hashed, ok := contents().manifest.Files[name]
	if !ok {
		panic(fmt.Sprintf("assets: there is no asset %q", name))
	}
	return Prefix + hashed
}

// Handler serves the assets below Prefix by GET and HEAD, compressed where the client takes it.
func Handler() http.Handler {
	return http.HandlerFunc(serve)
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	entry, ok := contents().files[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", immutable)
	header.Set("Content-Type", entry.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	body, etag := entry.plain, entry.etag
	if entry.packed != nil {
		header.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body = entry.packed
			// A strong validator names one representation, so the compressed one has its own.
			etag = strings.TrimSuffix(etag, `"`) + `-gz"`
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// The client may have gone; there is nobody left to tell.
	_, _ = w.Write(body)
}

func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !found {
			return true
		}
		quality, err := strconv.ParseFloat(weight, 64)
		return err == nil && quality > 0
	}
	return false
}

func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		candidate := strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if candidate == "*" || candidate == etag {
			return true
		}
	}
	return false
}
