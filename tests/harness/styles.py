"""styles.py: what layers, chains of versions, and the habits of builders are."""
import struct
from dataclasses import dataclass, field

from rawtar import Dialect, tar


@dataclass
class Layer:
    entries: list
    dialect: Dialect
    compression: str
    data: bytes = None  # the tar, where somebody else wrote it

    def tar(self):
        return tar(self.entries, self.dialect) if self.data is None else self.data


@dataclass
class Chain:
    name: str
    versions: list  # of lists of layers, lowest first
    twin: list = None  # the last version with one thing changed: `verify` has to see what a mount sees
    options: list = field(default_factory=list)  # of rechunk
    keeps_times: bool = False
    archive: bool = False  # the inputs are docker-archives


@dataclass
class Style:
    forms: tuple
    prefixes: tuple
    parents: float  # how often the directories above an entry have entries
    whiteouts: float = 1.0  # weight beside the other operations
    repeats: float = 0.02
    links: float = 1.0
    slash: bool = True
    roots: float = 0.2  # how often a layer has an entry for the root
    compressions: tuple = ("gzip", "none")
    times: tuple = ("whole", "fraction", "odd")
    places: tuple = ()


STYLES = {
    "docker": Style(("pax", "pax", "ustar"), (b"",), 0.9, roots=0.05),
    "buildah": Style(("pax",), (b"", b"./"), 1.0, times=("fraction", "odd")),
    "kaniko": Style(("pax", "gnu"), (b"", b"/"), 0.95, whiteouts=1.5, links=1.5, roots=0.4),
    "jib": Style(("gnu", "ustar", "pax"), (b"", b"/"), 0.8, whiteouts=0, links=0, times=("one",), places=(b"app", b"app/classes", b"app/libs")),
    "ko": Style(("ustar", "pax"), (b"", b"/"), 0.6, whiteouts=0, links=0.5, times=("zero",), places=(b"ko-app", b"var/run/ko")),
    "apko": Style(("pax", "ustar"), (b"",), 0.9, whiteouts=0.1, links=2, times=("zero", "whole"), places=(b"usr/bin", b"usr/lib", b"etc/apk")),
    "bazel": Style(("ustar", "gnu", "v7", "pax"), (b"./", b"", b"/"), 0.3, whiteouts=0.1, repeats=0.1, times=("zero", "one"), slash=False, roots=0.4),
    "nix": Style(("ustar", "gnu"), (b"", b"./", b"/"), 0.7, whiteouts=0.1, links=1.5, times=("one",), roots=0.6,
                 places=tuple(b"nix/store/" + bytes([c]) * 8 + b"-p" for c in b"abcd")),
    "odd": Style(("pax", "gnu", "ustar", "v7"), (b"", b"./", b"/"), 0.5, whiteouts=2, links=2, repeats=0.15, slash=False, compressions=("gzip", "none", "zstd")),
}
PLACES = (b"a", b"a/b", b"a/b/c", b"usr", b"usr/lib", b"usr/bin", b"etc", b"opt/app", b"tmp", b"home/u")
NAMES = (b"f", b"g", b"h", b"lib", b"b", b"c", b"x.py", b".wh", b"name with space", "ünï".encode())
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
MODES = (0o644, 0o644, 0o755, 0o755, 0o600, 0o444, 0o4755, 0o2755, 0, 0o777)
DIR_MODES = (0o755, 0o755, 0o755, 0o700, 0o1777, 0o775, 0o2775, 0o555, 0o750)
OWNERS = ((0, 0), (0, 0), (0, 0), (1000, 1000), (65534, 65534), (0, 42), (3_000_000, 200_000_000))
NOW = 1_700_000_000
