package testkit

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files returns the files of the repository, relative to its root and in lexical order. It leaves out .git and the
// directories in .gitignore. It does not ask git, which knows nothing of sources that were exported.
func Files(root string) ([]string, error) {
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		return nil, fmt.Errorf("reading .gitignore: %w", err)
	}
	skip := map[string]bool{".git": true}
	for line := range strings.Lines(string(ignored)) {
		if directory, ok := strings.CutSuffix(strings.TrimSpace(line), "/"); ok {
			skip[strings.TrimPrefix(directory, "/")] = true
		}
	}
	var files []string
	err = fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case skip[path] && entry.IsDir():
			return fs.SkipDir
		case entry.Type().IsRegular() && !skip[path]: // in a worktree .git is a file
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the repository's files: %w", err)
	}
	return files, nil
}
