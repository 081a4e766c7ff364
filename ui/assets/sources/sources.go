package sources

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// lockColumns are file, package, version, licence and SHA-512.
const lockColumns = 5

// Sum is one hash over the names and contents of all files in root's src and vendor folders.
func Sum(root string) (string, error) {
	digest := sha256.New()
	for _, folder := range []string{"src", "vendor"} {
		names, err := list(filepath.Join(root, folder))
		if err != nil {
			return "", fmt.Errorf("list %s: %w", folder, err)
		}
		for _, name := range names {
			content, err := os.ReadFile(filepath.Join(root, folder, name))
			if err != nil {
				return "", fmt.Errorf("read source: %w", err)
			}
			// Line ends are a matter of the checkout, not of the source.
			content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
			fmt.Fprintf(digest, "%s/%s %d\n", folder, filepath.ToSlash(name), len(content))
			digest.Write(content)
		}
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

func list(folder string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("walk: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// Verify compares every vendored file with vendor.lock, both ways: none altered, none missing, none unlisted.
func Verify(root string) error {
	folder := filepath.Join(root, "vendor")
	lock, err := os.ReadFile(filepath.Join(folder, "vendor.lock"))
	if err != nil {
		return fmt.Errorf("read lock: %w", err)
	}
	listed := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(lock))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Fields(line)
		if len(columns) != lockColumns {
			return fmt.Errorf("lock line %q does not have %d columns", line, lockColumns)
		}
		content, err := os.ReadFile(filepath.Join(folder, columns[0]))
		if err != nil {
			return fmt.Errorf("read vendored file: %w", err)
		}
		sum := sha512.Sum512(content)
		if hex.EncodeToString(sum[:]) != columns[lockColumns-1] {
			return fmt.Errorf("%s is not the file that vendor.lock names", columns[0])
		}
		listed[columns[0]] = true
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("scan lock: %w", err)
	}
	names, err := list(folder)
	if err != nil {
		return fmt.Errorf("list vendor: %w", err)
	}
	for _, name := range names {
		if !listed[name] && name != "vendor.lock" && !strings.HasPrefix(name, "LICENSE-") {
			return fmt.Errorf("%s is not in vendor.lock", name)
		}
	}
	return nil
}
