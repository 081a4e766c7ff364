package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

// record appends the headers of every request to a file, one line of JSON each, refused
// ones included. For tests only: the file holds the secrets that the requests carry.
func record(path string, next http.Handler) http.Handler {
	if path == "" {
		return next
	}
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var headers [][2]string
		for name, values := range r.Header {
			for _, value := range values {
				headers = append(headers, [2]string{strings.ToLower(name), value})
			}
		}
		line, err := json.Marshal(map[string]any{"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery, "headers": headers})
		if err == nil {
			err = appendLine(&mu, path, line)
		}
		if err != nil {
			log.Printf("record: %v", err)
		}
		next.ServeHTTP(w, r)
	})
}

func appendLine(mu *sync.Mutex, path string, line []byte) error {
	mu.Lock()
	defer mu.Unlock()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		_ = file.Close() // the write has failed already
		return err
	}
	return file.Close()
}
