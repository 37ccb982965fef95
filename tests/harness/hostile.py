#!/usr/bin/env python3
"""hostile.py OUT1 OUT2: two layer tars whose files and owners have names that would be markup in a page, break lines, turn text
around or are not UTF-8. The second has new content in all of them."""
import io
import sys
import tarfile

NAMES = [
    "<script>console.error('a name runs')</script>",
    "<img src=x onerror=console.error(1)>",
    "\" onmouseover=\"console.error(2)\" x=\"",
    "' style='position:fixed;inset:0;background:red",
    "</style></title></code></details></table><h1>a heading</h1>",
    "<!-- <![CDATA[",
    "&lt;b&gt; &amp;nbsp; &#0;",
    "line\nbreak\r\ttab \x1b[2J",
    "\u202etxt.exe\u2069 \u2067\ufeff\u200b",
    "not UTF-8 \udcff\udc80",
    "W" * 250,
    "i" * 250,
]


def main(*outs):
    for version, out in enumerate(outs, 1):
        with tarfile.open(out, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
            for number, name in enumerate(NAMES):
                # Sizes differ, so that the treemap has big and small tiles.
                content = f"{version} {number}".encode() * (20_000 // (number + 1))
                info = tarfile.TarInfo(name.replace("/", "\u2215"))
                info.size = len(content)
                info.pax_headers = {"SCHILY.xattr.user.component": name.replace("\n", " ")}
                tar.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
