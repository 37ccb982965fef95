"""rawtar.py: tar headers as the tools of the field write them, byte for byte: v7, ustar, GNU and pax, with long names, base-256
numbers, `./` and `/` before names, and ends without padding. Python's own tarfile writes none of the odd ones."""
from dataclasses import dataclass, field

TYPES = {"file": b"0", "link": b"1", "symlink": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}
NS = 10**9


@dataclass
class Entry:
    """One entry as it is meant. `mtime` counts nanoseconds; `name` has neither a prefix nor a slash at its end."""
    name: bytes
    kind: str = "file"
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 1_700_000_000 * NS
    link: bytes = b""
    dev: tuple = (0, 0)
    xattrs: dict = field(default_factory=dict)
    number: int = 0
    """Tells an entry from all others of its chain, in every version that has it. The shrinker takes entries out by it."""


@dataclass
class Dialect:
    form: str = "pax"  # v7, ustar, gnu or pax
    prefix: bytes = b""  # before every name: nothing, `./` or `/`
    slash: bool = True  # behind a directory's name
    base256: bool = False  # numbers in base 256 where octal would do
    padding: bool = True  # behind the last file
    end: int = 2  # zero blocks at the end


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def binary(value, width):
    return bytes([0x80 if value >= 0 else 0xFF]) + (value % (1 << 8 * (width - 1))).to_bytes(width - 1, "big")


def number(value, width, form, force=False):
    fits = 0 <= value < 8 ** (width - 1)
    if form == "gnu" and (force or not fits):
        return binary(value, width)
    return octal(value if fits else 0, width)


def block(name, kind, size, e, form, force=False):
    """One header block. What does not fit is cut: then something stands before it that says it in full."""
    prefix = b""
    if form in ("ustar", "pax") and len(name) > 100:
        at = name.rfind(b"/", 0, 156)
        if at > 0 and len(name) - at - 1 <= 100 and name[at + 1:]:
            prefix, name = name[:at], name[at + 1:]
    small = lambda value, width: number(value, width, form, force)
    head = name[:100].ljust(100, b"\0") + octal(e.mode, 8) + small(e.uid, 8) + small(e.gid, 8)
    head += small(size, 12) + small(e.mtime // NS, 12) + b" " * 8 + kind + e.link[:100].ljust(100, b"\0")
    if form != "v7":
        head += b"ustar  \0" if form == "gnu" else b"ustar\x0000"
        head += bytes(64)
        head += small(e.dev[0], 8) + small(e.dev[1], 8) if kind in (b"3", b"4") else bytes(16)
        head += prefix.ljust(155, b"\0")
    head = bytearray(head.ljust(512, b"\0"))
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def padded(data):
    return data + bytes(-len(data) % 512)


def record(key, value):
    """`LEN KEY=VALUE\\n`, where LEN counts its own digits."""
    body = b" " + key + b"=" + value + b"\n"
    size = len(body)
    while size != len(body) + len(b"%d" % size):
        size = len(body) + len(b"%d" % size)
    return b"%d" % size + body


def seconds(ns):
    whole, part = divmod(abs(ns), NS)
    return (b"-" if ns < 0 else b"") + b"%d" % whole + ((b".%09d" % part).rstrip(b"0") if part else b"")


def before(e, name, form):
    """The form in which this entry can be said, and what has to stand before its header."""
    exact = e.mtime % NS == 0 and not e.xattrs
    big = not 0 <= e.mtime < 8**11 * NS or max(e.uid, e.gid) >= 8**7
    long = len(name) > 100 or len(e.link) > 100
    if form == "gnu" and exact:
        meta = Entry(b"", mtime=0)
        out = b""
        for value, kind in (e.link, b"K"), (name, b"L"):
            if len(value) > 100:
                out += block(b"././@LongLink", kind, len(value) + 1, meta, "gnu") + padded(value + b"\0")
        return form, out
    if form in ("v7", "ustar") and exact and not big and not long and not (form == "v7" and e.kind in ("char", "block", "fifo")):
        return form, b""
    records = b""
    if e.mtime % NS or not 0 <= e.mtime < 8**11 * NS:
        records += record(b"mtime", seconds(e.mtime))
    for key, value in ((b"path", name), (b"linkpath", e.link)):
        if len(value) > 100 or not value.isascii():
            records += record(key, value)
    for key, value in ((b"uid", e.uid), (b"gid", e.gid)):
        if value >= 8**7:
            records += record(key, b"%d" % value)
    for key, value in e.xattrs.items():
        records += record(b"SCHILY.xattr." + key.encode(), value)
    if not records:
        return "pax", b""
    return "pax", block(b"PaxHeaders.0/x", b"x", len(records), Entry(b"", mtime=0), "pax") + padded(records)


def tar(entries, d):
    out = bytearray()
    tail = 0
    for e in entries:
        is_dir = e.kind == "dir"
        # The root has no name of its own: tools write `./`, or `/`.
        name = (d.prefix or b"./") if e.name == b"" else d.prefix + e.name + (b"/" if is_dir and d.slash else b"")
        form, prelude = before(e, name, d.form)
        kind = TYPES[e.kind]
        # v7 knows directories by the slash at the end, and files by no type.
        if form == "v7" and (e.kind == "file" or (is_dir and name.endswith(b"/"))):
            kind = b"\0"
        data = e.data if e.kind == "file" else b""
        out += prelude + block(name, kind, len(data), e, form, d.base256) + padded(data)
        tail = -len(data) % 512 if data else 0
    if not d.padding and tail:
        return bytes(out[:-tail])
    return bytes(out) + bytes(512 * d.end)
