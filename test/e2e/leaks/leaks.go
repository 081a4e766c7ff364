package leaks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Mark begins every secret that a fake provider or a test gives to a gateway: access
// and refresh tokens, client secrets, API keys.
const Mark = "canary_"

// Planted begins what a test leaks on purpose, to see that it is found.
const Planted = "plantd_"

// Found is a secret where none may be.
type Found struct {
	// Place is a file, a table or an address.
	Place string
	// Form is how it was written: plain, hex or base64.
	Form string
	// Near is what stands around it, at most 80 bytes.
	Near string
}

func (f Found) String() string { return fmt.Sprintf("%s (%s): %q", f.Place, f.Form, f.Near) }

// Look finds a mark.
type Look struct {
	longest int
	forms   []form
}

type form struct {
	name  string
	bytes []byte
}

// For looks for one mark in all its forms. In base64 the mark stands at one of three
// offsets, and only the characters that depend on nothing else are looked for.
func For(mark string) Look {
	l := Look{forms: []form{{"plain", []byte(mark)}, {"hex", []byte(hex.EncodeToString([]byte(mark)))}}}
	for offset := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), mark...))
		from := []int{0, 2, 3}[offset]
		until := (offset + len(mark)) * 8 / 6
		l.forms = append(l.forms, form{"base64", []byte(text[from:until])})
	}
	for _, f := range l.forms {
		l.longest = max(l.longest, len(f.bytes))
	}
	return l
}

// Bytes looks through a text.
func (l Look) Bytes(place string, text []byte) []Found {
	var out []Found
	for _, f := range l.forms {
		if at := bytes.Index(text, f.bytes); at >= 0 {
			out = append(out, Found{place, f.name, near(text, at)})
		}
	}
	return out
}

// Reader looks through a stream of any length, and tells of the first find of each form.
func (l Look) Reader(place string, r io.Reader) ([]Found, error) {
	var out []Found
	told := map[string]bool{}
	buffer := make([]byte, 0, 1<<20+l.longest)
	for {
		n, err := io.ReadFull(r, buffer[len(buffer):1<<20])
		buffer = buffer[:len(buffer)+n]
		for _, found := range l.Bytes(place, buffer) {
			if !told[found.Form] {
				told[found.Form] = true
				out = append(out, found)
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return out, nil
		default:
			return out, err
		}
		keep := min(len(buffer), l.longest-1) // a mark may lie across two pieces
		buffer = append(buffer[:0], buffer[len(buffer)-keep:]...)
	}
}

// Files looks through every file under a folder. A file that goes away meanwhile is
// passed over.
func (l Look) Files(dir string) ([]Found, error) {
	var out []Found
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // only read
		found, err := l.Reader(path, file)
		out = append(out, found...)
		return err
	})
	return out, err
}

func near(text []byte, at int) string {
	return string(text[max(0, at-30):min(len(text), at+50)])
}
