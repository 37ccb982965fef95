#!/usr/bin/env python3
"""corners.py VERSION OUT.tar [whiteouts]: what real packages rarely hold, as one layer in two versions (1 and 2).

Under /corner: hard links, devices, xattrs, odd names and modes, nanosecond and far-off times, holes, a file that changes in part,
and entries that between the versions change their type, only their mode, only their mtime, or vanish.
With `whiteouts` the layer on top of it instead, which deletes a file and replaces a directory.
"""
import io
import random
import struct
import sys
import tarfile

version, out, upper = int(sys.argv[1]), sys.argv[2], "whiteouts" in sys.argv[3:]
tar = tarfile.open(out, "w", format=tarfile.PAX_FORMAT)
NOW = "1750000000.123456789"


def add(path, content=None, kind=None, mode=0o644, mtime=NOW, owner=(0, 0), link="", dev=(0, 0), xattrs=None):
    info = tarfile.TarInfo("corner/" + path if path else "corner")
    info.type = kind or (tarfile.REGTYPE if content is not None else tarfile.DIRTYPE)
    info.mode = mode if kind or content is not None or mode != 0o644 else 0o755
    info.uid, info.gid = owner
    info.linkname = link
    info.devmajor, info.devminor = dev
    info.size = len(content or b"")
    info.pax_headers = {"mtime": mtime}
    for key, value in (xattrs or {}).items():
        info.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
    tar.addfile(info, io.BytesIO(content or b""))


def noise(size, seed):
    """Text that compresses to about a third and never repeats."""
    rng = random.Random(seed)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    return b" ".join(rng.choices(words, k=size // 5))[:size].ljust(size, b".")


def lower():
    add("")
    # Hard links: three names, the group of version 2 loses one and its content changes.
    add("links")
    add("links/a", noise(30000, version))
    add("links/b", kind=tarfile.LNKTYPE, link="corner/links/a")
    add("links/z", kind=tarfile.LNKTYPE, link="corner/links/a") if version == 1 else add("links/z", b"alone now\n")
    add("devices")
    add("devices/null", kind=tarfile.CHRTYPE, mode=0o666, dev=(1, 3))
    add("devices/loop", kind=tarfile.BLKTYPE, mode=0o660, dev=(7, 300), owner=(0, 6))
    add("devices/pipe", kind=tarfile.FIFOTYPE, mode=0o600)
    add("xattrs", xattrs={"user.on-a-directory": b"yes"})
    add("xattrs/text", b"text\n", xattrs={"user.comment": b"plain text"})
    add("xattrs/binary", b"binary\n", xattrs={"user.binary": bytes(range(256))})
    add("xattrs/ping", b"#!/bin/true\n", mode=0o755,
        xattrs={"security.capability": struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)})
    add("modes", mode=0o1777)
    add("modes/private", mode=0o700, owner=(65534, 65534))
    add("modes/setuid", b"s", mode=0o4755)
    add("modes/setgid", b"s", mode=0o2755, owner=(0, 42))
    add("modes/none", b"unreadable", mode=0)
    add("modes/many", b"id", owner=(3_000_000, 200_000_000))
    add("names")
    add("names/with space 'and' \"quotes\" and \\ backslash", b"1")
    add("names/new\nline", b"2")
    add("names/Ünïcödé-文件", b"3")
    add("names/-rf", b"4")
    add("names/" + "d" * 120)
    add("names/" + "d" * 120 + "/" + "f" * 200, b"5")
    add("names/symlink", kind=tarfile.SYMTYPE, mode=0o777, link="/absolute/" + "target/" * 30)
    add("names/dangling", kind=tarfile.SYMTYPE, mode=0o777, link="../no-such\nfile")
    add("times")
    add("times/nanosecond", b"t", mtime="1700000000.000000001")
    add("times/whole", b"t", mtime="1700000000")
    add("times/epoch", b"t", mtime="0")
    add("times/y2050", b"t", mtime="2524608000.5")
    add("empty-directory", mtime="1600000000.25")
    add("empty-file", b"")
    add("holes")
    add("holes/zeros", bytes(300_000))
    add("holes/middle", noise(100_000, 7) + bytes(1_000_000) + noise(100_000, 8))
    # 3 MB that changes in one place only, and 1 MB that is new each time.
    add("parts", noise(1_500_000, 3) + (b"the second version" * 100 if version == 2 else b"") + noise(1_500_000, 4))
    add("fresh", noise(1_000_000, 100 + version))
    # What changes between the versions.
    add("mode-only", b"same content\n" * 5000, mode=0o644 if version == 1 else 0o755)
    add("mtime-only", b"other content\n" * 5000, mtime=f"17{version}0000000.5")
    if version == 1:
        add("becomes-a-file")
        add("becomes-a-file/child", b"c" * 5000)
        add("becomes-a-directory", b"f" * 5000)
        add("becomes-a-link", b"f" * 4000)
        add("vanishes", b"v" * 3000)
        add("vanishing-directory")
        add("vanishing-directory/child", b"v" * 3000)
    else:
        add("becomes-a-file", b"c" * 5000)
        add("becomes-a-directory")
        add("becomes-a-directory/child", b"f" * 5000)
        add("becomes-a-link", kind=tarfile.SYMTYPE, mode=0o777, link="fresh")
        add("appears", noise(20_000, 55))
    add("deleted-above", b"deleted by the layer above\n")
    add("replaced-above")
    add("replaced-above/old", b"old\n")


if upper:
    add("")
    add(".wh.deleted-above", b"", mode=0)
    add("replaced-above", mode=0o750)
    add("replaced-above/.wh..wh..opq", b"", mode=0)
    add("replaced-above/new", b"new\n")
else:
    lower()
tar.close()
