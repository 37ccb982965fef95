#!/usr/bin/env python3
"""fstree.py: one canonical listing for a mounted tree and for an image, and the differences between two listings.

  fstree.py root DIR            a directory tree, as the kernel shows it (run as root to see owners and xattrs)
  fstree.py image FILE|DIR      the merged file system of a docker-archive or an OCI layout, straight from its tars
  fstree.py layer < TAR         one layer as it stands, whiteouts and all
  fstree.py diff A B [--previous P] [--except CLASSES] [--classes]
                                exit 1 if listings A (expected) and B differ.
                                --previous P: an entry whose only difference is its mtime may have the one it has in P.
                                --except CLASSES: differences that do not count, as dir:mtime,fifo:missing; the
                                image's root directory is of type root.
                                --classes: print the classes of what differs, instead of each difference.

A listing is a JSON object on each line, sorted by path: path, type, mode, uid, gid, size, mtime (nanoseconds), sha256,
link, rdev, xattrs (hex), group (the first path of its hard links).
"""
import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from decimal import Decimal

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink",
         stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}


def text(name):
    """Names are bytes; JSON wants text. Bytes that are no UTF-8 survive as base64."""
    raw = os.fsencode(name)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(raw).decode()


def digest(stream):
    sha, size = hashlib.sha256(), 0
    while block := stream.read(1 << 20):
        sha.update(block)
        size += len(block)
    return sha.hexdigest(), size


def from_root(root):
    groups = {}

    def entry(full, path):
        st = os.lstat(full)
        kind = KINDS[stat.S_IFMT(st.st_mode)]
        e = {"path": text(path), "type": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid,
             "mtime": st.st_mtime_ns}
        e["xattrs"] = {k: os.getxattr(full, k, follow_symlinks=False).hex()
                       for k in sorted(os.listxattr(full, follow_symlinks=False))}
        if kind == "file":
            with open(full, "rb") as f:
                e["sha256"], e["size"] = digest(f)
        elif kind == "symlink":
            e["link"] = text(os.readlink(full))
        elif kind in ("char", "block"):
            e["rdev"] = [os.major(st.st_rdev), os.minor(st.st_rdev)]
        if kind != "dir" and st.st_nlink > 1:
            groups.setdefault((st.st_dev, st.st_ino), []).append(e)
        return e

    yield entry(root, ".")
    for at, dirs, files in os.walk(root):
        for name in dirs + files:
            full = os.path.join(at, name)
            try:
                yield entry(full, os.path.relpath(full, root))
            except FileNotFoundError:
                # Overlay lists a whiteout device of a directory that only one layer has, and does not find what it lists.
                continue
            except PermissionError:
                # Overlay refuses a directory whose xattr says that it stands elsewhere.
                yield {"path": text(os.path.relpath(full, root)), "type": "refused"}
    mark_groups(groups.values())


def mark_groups(groups):
    for group in groups:
        if len(group) > 1:
            first = min(e["path"] for e in group)
            for e in group:
                e["group"] = first


def from_tar(stream):
    """The entries of one tar in order; hard links resolved to what they link to."""
    seen, groups = {}, {}
    with tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as tar:
        for m in tar:
            path = os.path.normpath(m.name.lstrip("/"))
            if m.islnk():
                target = os.path.normpath(m.linkname.lstrip("/"))
                e = dict(seen[target], path=text(path))
                groups.setdefault(groups_key(seen, target), [seen[target]]).append(e)
                seen[path] = e
                yield e
                continue
            kind = ("file" if m.isreg() else "dir" if m.isdir() else "symlink" if m.issym() else "char" if m.ischr()
                    else "block" if m.isblk() else "fifo" if m.isfifo() else "?%s" % m.type)
            when = Decimal(m.pax_headers.get("mtime", m.mtime))
            e = {"path": text(path), "type": kind, "mode": m.mode & 0o7777, "uid": m.uid, "gid": m.gid,
                 "mtime": int(when * 10**9)}
            e["xattrs"] = {k[13:]: v.encode("utf-8", "surrogateescape").hex() for k, v in sorted(m.pax_headers.items())
                           if k.startswith("SCHILY.xattr.")}
            if kind == "file":
                e["sha256"], e["size"] = digest(tar.extractfile(m))
            elif kind == "symlink":
                e["link"] = text(m.linkname)
            elif kind in ("char", "block"):
                e["rdev"] = [m.devmajor, m.devminor]
            seen[path] = e
            yield e
    mark_groups(groups.values())


def groups_key(seen, target):
    """All links of one group share the identity of the xattrs dict of their first member."""
    return id(seen[target]["xattrs"])


def merge(layers):
    """Overlay rules: whiteouts and opaque directories hide what lower layers have, never their own layer."""
    tree = {}
    for layer in layers:
        entries = list(from_tar(layer))
        for e in entries:
            at, name = os.path.split(e["path"])
            if name == ".wh..wh..opq":
                drop(tree, at, keep_self=True)
            elif name.startswith(".wh."):
                drop(tree, os.path.join(at, name[4:]))
        for e in entries:
            if os.path.basename(e["path"]).startswith(".wh."):
                continue
            old = tree.get(e["path"])
            if old is not None and old["type"] == "dir" != e["type"]:
                drop(tree, e["path"])
            tree[e["path"]] = e
    left = {}
    for e in tree.values():
        if "group" in e:
            left.setdefault(id(e["xattrs"]), []).append(e)
    for group in left.values():
        for e in group:
            del e["group"]
    mark_groups(left.values())
    return tree.values()


def drop(tree, path, keep_self=False):
    for p in [p for p in tree if p.startswith(path + "/") or (p == path and not keep_self)]:
        del tree[p]


def layers_of(image):
    """The layers of a docker-archive or of the one manifest of an OCI layout, as uncompressed streams."""
    if os.path.isdir(image):
        def blob(descriptor):
            return os.path.join(image, "blobs", *descriptor["digest"].split(":"))
        with open(os.path.join(image, "index.json")) as f:
            manifest = json.load(f)["manifests"][-1]
        while "layers" not in manifest:
            with open(blob(manifest)) as f:
                manifest = json.load(f)
        for layer in manifest["layers"]:
            yield expand(open(blob(layer), "rb"), layer["mediaType"])
        return
    archive = tarfile.open(image)
    manifest = json.load(archive.extractfile("manifest.json"))[0]
    for name in manifest["Layers"]:
        layer = io.BufferedReader(archive.extractfile(name))
        # docker with its image store saves the blobs as they are.
        magic = layer.peek(4)[:4]
        kind = "gzip" if magic[:2] == b"\x1f\x8b" else "zstd" if magic == b"\x28\xb5\x2f\xfd" else ""
        if kind:
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(layer, copy)
                copy.seek(0)
                yield expand(copy, kind)
        else:
            yield layer


def expand(f, media_type):
    tool = {"zstd": ["zstd", "-dcq"], "gzip": ["gzip", "-dc"]}.get(media_type.rsplit("+", 1)[-1])
    return subprocess.Popen(tool, stdin=f, stdout=subprocess.PIPE).stdout if tool else f


def differences(a, b, previous):
    """Yields (path, type, key, expected, found)."""
    for path in sorted(a.keys() | b.keys()):
        x, y = a.get(path), b.get(path)
        if path == "." and (x is None or y is None):
            continue  # an image need not say how its root directory looks
        if x is None or y is None:
            yield path, (x or y)["type"], "missing" if y is None else "unexpected", "", ""
            continue
        for key in sorted(x.keys() | y.keys()):
            if x.get(key) == y.get(key) or (key == "mtime" and previous.get(path, {}).get("mtime") == y["mtime"]):
                continue
            yield path, "root" if path == "." else x["type"], key, x.get(key), y.get(key)


def load(name):
    with open(name) as f:
        return {e["path"]: e for e in map(json.loads, f)}


def diff(args):
    options = argparse.ArgumentParser()
    options.add_argument("a", type=load)
    options.add_argument("b", type=load)
    options.add_argument("--previous", type=load, default={})
    options.add_argument("--except", dest="but", default="")
    options.add_argument("--classes", action="store_true")
    options = options.parse_args(args)
    counts = {}
    for path, kind, key, x, y in differences(options.a, options.b, options.previous):
        name = f"{kind}:{key}"
        if name in options.but.split(","):
            continue
        counts[name] = counts.get(name, 0) + 1
        if sum(counts.values()) <= 20 and not options.classes:
            print(f"{path!r}: {key}: {str(x)[:200]} -> {str(y)[:200]}")
    if options.classes:
        print(",".join(sorted(counts)))
    elif counts:
        print("differences: " + ", ".join(f"{v} {k}" for k, v in sorted(counts.items())))
    return bool(counts) and not options.classes


def main(args):
    command = args.pop(0) if args else ""
    if command == "diff":
        return diff(args)
    if command == "root":
        entries = list(from_root(args[0]))
    elif command == "image":
        entries = merge(layers_of(args[0]))
    elif command == "layer":
        entries = list(from_tar(sys.stdin.buffer))
    else:
        sys.exit(__doc__)
    for e in sorted(entries, key=lambda e: e["path"]):
        print(json.dumps(e, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
