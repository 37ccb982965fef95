// gotar reads a tar on standard input with Go's archive/tar, as every container client does, and prints each entry as a
// tab-separated line: type, mode, uid, gid, size, mtime in nanoseconds, SHA-256 of the content, quoted name, quoted link.
package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in := tar.NewReader(bufio.NewReaderSize(os.Stdin, 1<<20))
	for {
		h, err := in.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			out.Flush()
			fmt.Fprintln(os.Stderr, "gotar:", err)
			os.Exit(1)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, in); err != nil {
			out.Flush()
			fmt.Fprintf(os.Stderr, "gotar: %q: %v\n", h.Name, err)
			os.Exit(1)
		}
		fmt.Fprintf(out, "%c\t%o\t%d\t%d\t%d\t%d\t%x\t%q\t%q\n",
			h.Typeflag, h.Mode&07777, h.Uid, h.Gid, h.Size, h.ModTime.UnixNano(), sum.Sum(nil), h.Name, h.Linkname)
	}
}
