// Command build makes ui/assets/dist of ui/assets/src and ui/assets/vendor with the pinned esbuild.
// It runs from the ui folder: `go generate ./ui/...`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/emcy/gateway/ui/assets/sources"
)

const (
	root     = "assets"
	tools    = "../tools/go.mod"
	metaName = "meta.json"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "build assets:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := sources.Verify(root); err != nil {
		return fmt.Errorf("check vendored files: %w", err)
	}
	sum, err := sources.Sum(root)
	if err != nil {
		return fmt.Errorf("hash sources: %w", err)
	}
	target := filepath.Join(root, "dist")
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("clear dist: %w", err)
	}
	scratch, err := os.MkdirTemp("", "emcy-assets-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a leftover in the temporary folder harms nobody
	meta := filepath.Join(scratch, metaName)
	files, err := bundle(target, meta)
	if err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(map[string]any{"sources": sum, "files": files}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(target, "manifest.json"), append(manifest, '\n'), 0o644); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// bundle runs esbuild and returns which output stands for which entry or font.
func bundle(target, meta string) (map[string]string, error) {
	command := exec.CommandContext(context.Background(), "go", "tool", "-modfile="+tools, "esbuild",
		"assets/src/app.js", "assets/src/app.css", "assets/src/enduser.css",
		"--bundle", "--minify", "--format=iife", "--charset=utf8", "--legal-comments=none",
		"--target=chrome123,firefox128,safari17.5", "--loader:.woff2=file",
		"--entry-names=[name]-[hash]", "--asset-names=[name]-[hash]",
		"--outdir="+target, "--metafile="+meta, "--log-level=warning")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("run esbuild: %w", err)
	}
	raw, err := os.ReadFile(meta)
	if err != nil {
		return nil, fmt.Errorf("read metafile: %w", err)
	}
	var report struct {
		Outputs map[string]struct {
			EntryPoint string                     `json:"entryPoint"`
			Inputs     map[string]json.RawMessage `json:"inputs"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		return nil, fmt.Errorf("parse metafile: %w", err)
	}
	files := map[string]string{}
	for output, entry := range report.Outputs {
		name := entry.EntryPoint
		for input := range entry.Inputs {
			if strings.HasSuffix(output, ".woff2") {
				name = input
			}
		}
		if name == "" {
			return nil, fmt.Errorf("output %s has no source", output)
		}
		files[filepath.Base(name)] = filepath.Base(output)
	}
	return files, nil
}
