// gotar reads a tar on standard input with Go's archive/tar, as the container clients do, and prints the listing that
// `fstree.py layer` prints, so that the two readers can be compared.
package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

type entry map[string]any

var kinds = map[byte]string{
	tar.TypeReg: "file", tar.TypeDir: "dir", tar.TypeSymlink: "symlink", tar.TypeChar: "char", tar.TypeBlock: "block", tar.TypeFifo: "fifo",
}

func clean(name string) string { return path.Clean(strings.TrimLeft(name, "/")) }

func convert(h *tar.Header, in io.Reader) (entry, error) {
	kind, known := kinds[h.Typeflag]
	if !known {
		return nil, fmt.Errorf("%q: type %q", h.Name, h.Typeflag)
	}
	xattrs := map[string]string{}
	for key, value := range h.PAXRecords {
		if name := strings.TrimPrefix(key, "SCHILY.xattr."); name != key {
			xattrs[name] = hex.EncodeToString([]byte(value))
		}
	}
	e := entry{"path": clean(h.Name), "type": kind, "mode": h.Mode & 0o7777, "uid": h.Uid, "gid": h.Gid,
		"mtime": h.ModTime.UnixNano(), "xattrs": xattrs}
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	switch kind {
	case "file":
		e["size"], e["sha256"] = size, hex.EncodeToString(sum.Sum(nil))
	case "symlink":
		e["link"] = h.Linkname
	case "char", "block":
		e["rdev"] = []int64{h.Devmajor, h.Devminor}
	}
	return e, err
}

func list(in *tar.Reader) (map[string]entry, error) {
	seen, group := map[string]entry{}, map[string][]string{}
	leader := map[string]string{}
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		name := clean(h.Name)
		if h.Typeflag != tar.TypeLink {
			e, err := convert(h, in)
			if err != nil {
				return nil, err
			}
			seen[name], leader[name] = e, name
			continue
		}
		target := clean(h.Linkname)
		if seen[target] == nil {
			return nil, fmt.Errorf("%q links to %q, which is not there yet", name, target)
		}
		e := entry{}
		for key, value := range seen[target] {
			e[key] = value
		}
		e["path"] = name
		seen[name], leader[name] = e, leader[target]
		group[leader[target]] = append(group[leader[target]], name)
	}
	for first, names := range group {
		names = append(names, first)
		sort.Strings(names)
		for _, name := range names {
			seen[name]["group"] = names[0]
		}
	}
	return seen, nil
}

func main() {
	seen, err := list(tar.NewReader(bufio.NewReaderSize(os.Stdin, 1<<20)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotar:", err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, e := range seen {
		line, _ := json.Marshal(e)
		fmt.Fprintf(out, "%s\n", line)
	}
}
