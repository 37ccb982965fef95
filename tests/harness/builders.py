"""builders.py: random images as the builders of the field write them, in two or three versions each. One number makes one chain, always
the same. A chain has the odd things that docker, buildah, kaniko, jib, ko, apko, bazel and Nix were seen to write, and what reports tell of."""
import os
import random
from dataclasses import replace

from rawtar import NS, Dialect, Entry
from styles import CAPABILITY, DIR_MODES, MODES, NAMES, NOW, OWNERS, PLACES, STYLES, Chain, Layer


class Builder:
    """What a builder knows while it writes layers: what stands where, and how directories look."""

    def __init__(self, seed):
        self.rng = random.Random(f"chain {seed}")
        self.style_name = self.rng.choice(sorted(STYLES))
        self.style = STYLES[self.style_name]
        self.tree, self.dirs, self.links, self.count = {}, {}, {}, 0
        self.places = PLACES + self.style.places * 3
        # podman refuses a layer that has a path twice, or one below a file; docker takes it. Such are a few chains only.
        self.is_wild = self.chance(0.05)
        # Overlay's own xattrs and whiteout devices: root and others read them in different ways (chains.py, why_not_compared).
        self.overlay = self.pick(("trusted", "user", "device")) if self.chance(0.2) else None

    def chance(self, share):
        return self.rng.random() < share

    def pick(self, things):
        return self.rng.choice(things)

    def time(self):
        kind = self.pick(self.style.times)
        if kind == "odd":
            return self.pick((0, NS, -NS, -3 * NS // 2, -3_000_000_000 * NS, 2_524_608_000 * NS + 1, 9_000_000_000 * NS, 999_999_999))
        return {"zero": 0, "one": NS, "whole": (NOW + self.rng.randrange(9)) * NS,
                "fraction": NOW * NS + self.pick((1, 250_000_000, 123_456_789, 999_999_999))}[kind]

    def content(self):
        if self.chance(0.1):
            return b""
        if self.chance(0.02):
            return self.rng.randbytes(2000) * 150  # long enough to be cut into chunks
        seed, size = self.rng.randrange(30) if self.chance(0.3) else self.rng.random(), self.pick((1, 100, 511, 512, 513, 700, 2000))
        return random.Random(f"{seed}").randbytes(size)

    def xattrs(self, kind):
        r = self.rng.random()
        if kind == "dir" and self.overlay in ("trusted", "user") and r < 0.15:
            return {f"{self.overlay}.overlay.{self.pick(('opaque', 'opaque', 'opaque', 'origin', 'impure', 'redirect', 'metacopy'))}": b"y"}
        if kind == "file" and r < 0.04:
            return {"security.capability": CAPABILITY}
        if kind in ("file", "dir") and r < 0.07:
            return {self.pick(("user.a", "user.binary", "trusted.t", "user.component")): self.pick((b"v", bytes(range(256)), b"a=b\n"))}
        return {}

    def entry(self, name, kind, **given):
        self.count += 1
        owner = self.pick(OWNERS) if self.chance(0.4) else (0, 0)
        mode = {"dir": self.pick(DIR_MODES), "symlink": 0o777}.get(kind, self.pick(MODES))
        meta = {"mode": mode, "uid": owner[0], "gid": owner[1], "mtime": self.time(), "xattrs": self.xattrs(kind)}
        return Entry(name, kind, number=self.count, **(meta | given))

    def directory(self, path, fresh=False):
        """Tools say the same of a directory in every layer; what changes it is an operation."""
        if path not in self.dirs or fresh:
            self.dirs[path] = self.entry(path, "dir")
            if self.chance(0.5) and not fresh:
                self.dirs[path] = replace(self.dirs[path], mode=0o755, uid=0, gid=0, xattrs={})
        self.count += 1
        return replace(self.dirs[path], number=self.count)

    def place(self):
        known = [p for p, k in self.tree.items() if k == "dir"]
        return self.pick(known) if known and self.chance(0.5) else self.pick(self.places)

    def path(self):
        path = self.place() + b"/" + self.pick(NAMES)
        r = self.rng.random()
        if r < 0.02:
            path = self.place() + b"/" + self.pick((b"d" * 120, b"d" * 90 + b"/" + b"e" * 90, b"l" * 255, b"\xff", b"new\nline", b"-rf"))
        elif r < 0.03:
            path = self.pick(NAMES)
        return path

    def known(self, *kinds):
        found = [p for p, k in self.tree.items() if not kinds or k in kinds]
        return self.pick(found) if found else None

    # What a layer is made of. Each operation gives the entries that it adds.

    def under_parents(self, layer, entry):
        """The entry, and before it entries for directories above that this layer does not have yet."""
        out, has = [], {e.name for e in layer}
        parts = entry.name.split(b"/")
        for depth in range(1, len(parts)):
            path = b"/".join(parts[:depth])
            if path not in has and self.tree_kind(path) in (None, "dir") and self.chance(self.style.parents):
                out.append(self.directory(path))
            if self.tree_kind(path) is None:
                self.tree[path] = "dir"
        self.note(entry)
        return out + [entry]

    def tree_kind(self, path):
        return self.tree.get(path)

    def note(self, entry):
        if b"/.wh." in b"/" + entry.name:
            return
        if entry.kind != "dir":
            self.forget(entry.name)
        self.tree[entry.name] = "file" if entry.kind == "link" else entry.kind
        self.links[entry.name] = entry.link

    def forget(self, path):
        for p in [p for p in self.tree if p == path or p.startswith(path + b"/")]:
            del self.tree[p]

    def op_file(self, layer):
        return self.under_parents(layer, self.entry(self.path(), "file", data=self.content()))

    def op_again(self, layer):
        path = self.known("file", "symlink")
        return self.under_parents(layer, self.entry(path, "file", data=self.content())) if path else []

    def op_dir(self, layer):
        path = self.known("dir") if self.chance(0.6) else self.path()
        if not path:
            return []
        if self.tree_kind(path) not in (None, "dir"):
            self.forget(path)
        self.tree[path] = "dir"
        return [self.directory(path, fresh=self.chance(0.5))]

    def op_dir_for_other(self, layer):
        path = self.known("file", "symlink")
        if not path:
            return []
        self.forget(path)
        return self.under_parents(layer, self.entry(path, "dir")) + self.under_parents(layer, self.entry(path + b"/f", "file", data=self.content()))

    def op_other_for_dir(self, layer):
        path = self.known("dir")
        if not path or any(e.name == path or e.name.startswith(path + b"/") for e in layer):
            return []
        if self.chance(0.5):
            return self.under_parents(layer, self.entry(path, "file", data=self.content()))
        return self.under_parents(layer, self.entry(path, "symlink", link=self.target(path)))

    def target(self, path):
        r, to = self.rng.random(), self.known() or b"nowhere"
        if r < 0.4:
            return b"/" + to
        if r < 0.7:
            return b"../" * path.count(b"/") + to
        return self.pick((b"f", b"../lib", b"/usr/lib", b"no/such", b"..", b"t" * 130, b"/a/b", b"."))

    def op_symlink(self, layer):
        path = self.path()
        return self.under_parents(layer, self.entry(path, "symlink", link=self.target(path)))

    def op_usrmerge(self, layer):
        """A link to a directory, which names in layers above may go through."""
        name = self.pick((b"lib", b"bin", b"l"))
        if self.tree_kind(name):
            return []
        return self.under_parents(layer, self.entry(name, "symlink", link=self.pick((b"usr/" + name, b"/usr/" + name, b"a", b"a/b"))))

    def op_through_link(self, layer):
        link = self.known("symlink")
        own = any(e.name == link and e.kind == "symlink" for e in layer)
        to = os.path.normpath(os.path.join(os.path.dirname(link), self.links.get(link, b"")).lstrip(b"/")) if link else b""
        if not link or (own and not any(e.name == to and e.kind == "dir" for e in layer)):
            return []
        name = self.pick(NAMES)
        if any(e.name == to + b"/" + name for e in layer):
            return []
        below = link + b"/" + name
        entry = self.entry(below, "file", data=self.content()) if self.chance(0.8) else self.entry(below, "dir")
        if not own:
            self.forget(link)
            return self.under_parents(layer, entry)
        self.goes_through_link = True
        return [entry]

    def op_hardlink(self, layer):
        own = [e for e in layer if e.kind == "file" and b"/.wh." not in b"/" + e.name]
        if not own:
            return []
        target = self.pick(own)
        name = target.name
        if self.chance(0.02):
            name = self.known("file") or name  # of a lower layer perhaps: clients refuse that
        to = self.pick((b"", b"", b"./", b"/")) + name
        path = self.path()
        if path == target.name:
            return []
        same = {"mode": target.mode, "uid": target.uid, "gid": target.gid, "mtime": target.mtime, "xattrs": target.xattrs}
        link = self.entry(path, "link", link=to, **({} if self.chance(0.3) else same))
        return self.under_parents(layer, link)

    def op_special(self, layer):
        kind = self.pick(("char", "block", "fifo", "char"))
        dev = self.pick(((1, 3), (7, 300), (8, 1)))
        if self.overlay == "device" and self.chance(0.8):
            kind, dev = "char", (0, 0)
        path = (self.known("file", "dir") if dev == (0, 0) and self.chance(0.5) else None) or self.path()
        return self.under_parents(layer, self.entry(path, kind, dev=dev if kind != "fifo" else (0, 0), xattrs={}))

    def whiteout(self, path):
        at, _, name = path.rpartition(b"/")
        return self.entry((at + b"/" if at else b"") + b".wh." + name, "file", mode=self.pick((0, 0, 0o644)), xattrs={})

    def op_whiteout(self, layer):
        path = self.known() if self.chance(0.9) else self.path()
        if not path:
            return []
        hide = self.whiteout(path)
        self.forget(path)
        if self.chance(0.25):  # what it hides comes again in the same layer, before or after it
            new = self.entry(path, self.pick(("file", "dir")))
            if new.kind == "file":
                new = replace(new, data=self.content())
            both = self.under_parents(layer, new)
            return both + [hide] if self.chance(0.4) else [hide] + both
        return self.under_parents(layer, hide) if self.chance(0.7) else [hide]

    def op_opaque(self, layer):
        path = self.known("dir") if self.chance(0.97) else b""
        if path is None:
            return []
        marker = self.entry((path + b"/" if path else b"") + b".wh..wh..opq", "file", mode=0, xattrs={})
        for p in [p for p in self.tree if p.startswith(path + b"/" if path else b"")]:
            if not any(e.name == p for e in layer):
                del self.tree[p]
        new = self.entry((path + b"/" if path else b"") + self.pick(NAMES), "file", data=self.content())
        new = self.under_parents(layer, new) if self.chance(0.7) else []
        return new + [marker] if self.chance(0.4) else [marker] + new

    def op_aufs(self, layer):
        return [self.entry(b".wh..wh.aufs", "file", mode=0o444, xattrs={}), self.entry(b".wh..wh.plnk", "dir", mode=0o700, xattrs={})]

    def op_repeat(self, layer):
        if not layer:
            return []
        e = self.pick(layer)
        if b"/.wh." in b"/" + e.name or e.kind == "link":
            return []
        again = self.entry(e.name, e.kind, data=self.content() if e.kind == "file" else b"", link=e.link, dev=e.dev)
        return [again if self.chance(0.7) else replace(e, number=again.number)]

    def operations(self):
        s = self.style
        return {self.op_file: 10, self.op_again: 2, self.op_dir: 2, self.op_dir_for_other: 0.6, self.op_other_for_dir: 0.6,
                self.op_symlink: 1.5, self.op_usrmerge: 0.5, self.op_through_link: 0.6, self.op_hardlink: 1.2 * s.links,
                self.op_special: 3 if self.overlay == "device" else 0.5, self.op_whiteout: 1.5 * s.whiteouts, self.op_opaque: 0.5 * s.whiteouts,
                self.op_aufs: 0.05 * s.whiteouts, self.op_repeat: 20 * s.repeats * self.is_wild}

    def fill(self, entries, size):
        ops = self.operations()
        for op in self.rng.choices(list(ops), list(ops.values()), k=size):
            self.goes_through_link = False
            new = op(entries)
            if self.is_wild or self.fits(entries, new):
                entries += new
        return entries

    def fits(self, layer, new):
        """Can a client that takes no path twice unpack this, too?"""
        kinds = {e.name: e.kind for e in layer}
        for e in new:
            above = [e.name[:at] for at in range(len(e.name)) if e.name[at:at + 1] == b"/"]
            in_the_way = [p for p in above if kinds.get(p, "dir") != "dir" and not (kinds[p] == "symlink" and self.goes_through_link)]
            at, _, last = e.name.rpartition(b"/")
            hidden = (at + b"/" if at else b"") + last[4:] if last.startswith(b".wh.") and not last.startswith(b".wh..wh.") else None
            if hidden and any(p == hidden or p.startswith(hidden + b"/") for p in kinds):
                return False  # podman can't hide what it has just made
            if e.name in kinds or in_the_way or (e.kind != "dir" and any(p.startswith(e.name + b"/") for p in kinds)):
                return False
            kinds[e.name] = e.kind
        return True

    def dialect(self):
        s = self.style
        odd = self.style_name == "odd"
        return Dialect(self.pick(s.forms), self.pick(s.prefixes), s.slash or self.chance(0.5), self.chance(0.1), not self.chance(0.06),
                       self.pick((2, 2, 2, 20, 1, 0) if odd else (2, 2, 2, 20)))

    def layer(self, size):
        entries = [self.entry(b"", "dir", mode=self.pick((0o755, 0o700, 0o555, 0o1777, 0o2755)))] if self.chance(self.style.roots) else []
        compression = self.pick(self.style.compressions)
        if self.chance(0.02):
            compression = self.pick(("zstd", "xz", "bzip2"))
        return Layer(self.fill(entries, size), self.dialect(), compression)

    # Versions.

    def changed(self, e):
        """An entry as the next version may have it, or None."""
        r = self.rng.random()
        if r < 0.04:
            return None
        if r < 0.16 and e.kind == "file" and b"/.wh." not in b"/" + e.name:
            return replace(e, data=self.content(), mtime=self.time())
        if r < 0.20:
            return replace(e, mode=self.pick(DIR_MODES if e.kind == "dir" else MODES)) if e.name else e
        if r < 0.24:
            return replace(e, mtime=self.time())
        if r < 0.26:
            return replace(e, uid=1000)
        if r < 0.28:
            return replace(e, xattrs=self.xattrs(e.kind))
        if r < 0.29 and e.kind == "symlink":
            return replace(e, link=self.target(e.name))
        return e

    def edited(self, layer, later):
        entries = []
        for e in layer.entries:
            e = self.changed(e)
            if e:
                entries.append(replace(e, mtime=e.mtime + later) if later else e)
        names = {e.name for e in entries if e.kind == "file"}
        lost = lambda e: e.kind == "link" and e.link.removeprefix(b"./").removeprefix(b"/") not in names
        entries = [e for e in entries if not lost(e) or self.chance(0.01)]
        return replace(layer, entries=self.fill(entries, self.rng.randrange(4)))

    def next(self, version):
        later = self.pick((0, 0, 1000 * NS))  # a rebuild gives everything a new time
        same, out = True, []
        for layer in version:
            same = same and not later and self.chance(0.5)
            out.append(layer if same else self.edited(layer, later))
        if len(out) > 1 and self.chance(0.1):
            out.pop()
        if self.chance(0.4):
            out.append(self.layer(1 + self.rng.randrange(5)))
        return out

    def twin(self, version):
        """The version with one thing changed, which a mount may show or not."""
        out = [replace(layer, entries=list(layer.entries)) for layer in version]
        full = [layer for layer in out if layer.entries]
        if not full:
            return out
        entries = self.pick(full).entries
        at = self.rng.randrange(len(entries))
        e = entries[at]
        flip = lambda data: bytes([data[0] ^ 1]) + data[1:] if data else b"x"
        changes = [
            lambda: replace(e, mode=e.mode ^ self.pick((0o1, 0o200, 0o4000, 0o2000, 0o1000) if e.name else (0o1, 0o200, 0o2000))),
            lambda: replace(e, uid=e.uid + 1),
            lambda: replace(e, gid=e.gid + 1),
            # Clients show what is older than 1970 as of 1970.
            lambda: replace(e, mtime=max(0, e.mtime) + self.pick((1, NS))),
            lambda: replace(e, data=flip(e.data)) if e.kind == "file" else replace(e, link=e.link + b"x") if e.kind == "symlink" else None,
            lambda: replace(e, xattrs=e.xattrs | {"user.twin": b"1"}) if e.kind in ("file", "dir") else None,
            lambda: None,
            lambda: replace(e, kind="dir", data=b"") if e.kind == "file" else replace(e, kind="file", data=b"") if e.name else e,
        ]
        new = self.pick(changes)()
        entries[at:at + 1] = [new] if new else []
        return out


def chain(seed, most_layers=4, most_entries=14):
    """Chain number `seed`."""
    b = Builder(seed)
    version = [b.layer(1 + b.rng.randrange(most_entries)) for _ in range(1 + b.rng.randrange(most_layers))]
    versions = [version]
    for _ in range(b.pick((1, 1, 2))):
        versions.append(b.next(versions[-1]))
    options = list(b.pick(((), (), ("--max-layers", "2"), ("--max-layers", "4"), ("--max-waste", "0"), ("--max-waste", "60%"),
                           ("--order", "canonical"), ("--index", "end"), ("--keep-foreign",))))
    keeps = b.chance(0.5)
    archive = b.chance(0.1)
    if archive:
        versions = [[replace(layer, compression="none") for layer in v] for v in versions]
    twin = b.twin(versions[-1])
    return Chain(f"{seed} ({b.style_name})", versions, twin, options + (["--mtime", "keep"] if keeps else []), keeps, archive)
