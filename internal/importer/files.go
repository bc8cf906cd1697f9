package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

var errNoBundles = errors.New("no *.json file found")

// Files lists the files to import: the named ones, and the *.json files in the named
// folders and all folders below, sorted. Hidden ones are left out. "-" stands for
// standard input.
func Files(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		if path == "-" {
			files = append(files, path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("looking for bundles: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := bundlesBelow(path)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("looking for bundles: %w", errNoBundles)
	}
	return files, nil
}

func bundlesBelow(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != folder && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		// A pipe is left out, because reading it could wait for ever.
		case (d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0) && strings.EqualFold(filepath.Ext(path), ".json"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for bundles: %w", err)
	}
	return files, nil
}

// printable is the file's name, quoted when it has characters that control
// a terminal.
func printable(name string) string {
	if name == "-" {
		return "standard input"
	}
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
