#!/usr/bin/env python3
"""odd_tars.py DIR: an OCI layout in DIR with an image of one layer for each odd tar that clients read in a way of their own; prints the tags.

Names lead through symbolic links of the same layer, hard links say other metadata than their files, archives end without
padding. Which of them clients take is not said here: odd-tars.sh asks them.
"""
import hashlib
import io
import json
import os
import struct
import sys
import tarfile

CAPABILITY = struct.pack("<5I", 0x02000001, 0x400, 0, 0, 0).decode("latin-1")


def entry(name, kind, mode, link="", data=b"", mtime=1700000000, uid=0, xattrs=None, dev=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime, info.uid, info.gid = kind, mode, link, mtime, uid, uid
    info.size, (info.devmajor, info.devminor) = len(data), dev
    info.pax_headers = {"SCHILY.xattr." + key: value for key, value in (xattrs or {}).items()}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data + b"\0" * (-len(data) % 512)


def file(name, data=b"x" * 5000, mode=0o644, **more):
    return entry(name, tarfile.REGTYPE, mode, data=data, **more)


def folder(name, mode=0o755, **more):
    return entry(name, tarfile.DIRTYPE, mode, **more)


def sym(name, to, **more):
    return entry(name, tarfile.SYMTYPE, 0o777, to, **more)


def hard(name, to, mode=0o644, **more):
    return entry(name, tarfile.LNKTYPE, mode, to, **more)


LIB = [folder("usr/"), folder("usr/lib/"), sym("lib", "usr/lib")]
SAID = {"mode": 0o4755, "uid": 5, "mtime": 1700000002}

LINKS = {
    "said": [file("f"), hard("l", "f", **SAID)],
    "said-absolute": [file("d/f"), hard("l", "/d/f", **SAID)],
    "said-dot": [file("./d/f"), hard("./l", "./d/f", **SAID)],
    "said-by-chain": [file("f"), hard("l", "f", **SAID), hard("m", "l", 0o600, uid=7, mtime=1700000003)],
    "said-by-first": [file("f"), hard("m", "f", 0o600, uid=7), hard("l", "f", **SAID)],
    "said-before-target": [hard("l", "f", **SAID), file("f")],
    "said-of-symlink": [sym("s", "nowhere"), hard("l", "s", **SAID)],
    "said-of-fifo": [entry("p", tarfile.FIFOTYPE, 0o600), hard("l", "p", **SAID)],
    "said-of-device": [entry("p", tarfile.CHRTYPE, 0o600, dev=(1, 3)), hard("l", "p", **SAID)],
    "xattrs": [file("f", xattrs={"user.a": "1", "user.b": "2"}), hard("l", "f", xattrs={"user.b": "3", "user.c": "4"})],
    "xattrs-of-file": [file("f", xattrs={"user.a": "1"}), hard("l", "f")],
    "xattrs-of-link": [file("f"), hard("l", "f", xattrs={"user.a": "1"})],
    "capability-stays": [file("f", xattrs={"security.capability": CAPABILITY}), hard("l", "f")],
    "capability-goes": [file("f", xattrs={"security.capability": CAPABILITY}), hard("l", "f", uid=5)],
    "capability-of-link": [file("f"), hard("l", "f", uid=5, xattrs={"security.capability": CAPABILITY})],
}
WAYS = {
    "way": LIB + [file("lib/x"), file("lib/sub/y")],
    "way-absolute": [folder("usr/lib/"), sym("lib", "/usr/lib"), file("lib/x")],
    "way-above-root": [folder("a/b/"), folder("c/"), sym("a/b/l", "../../../../c"), file("a/b/l/x")],
    "way-implied": [file("usr/lib/z"), sym("lib", "usr/lib"), file("lib/x")],
    "way-by-chain": [folder("usr/lib/"), sym("a", "usr/lib"), sym("b", "a"), file("b/x")],
    "way-to-root": [sym("l", "/"), file("l/x"), file("l/l/l/y")],
    "way-of-link": LIB + [sym("lib/s", "../t"), folder("usr/t"), file("lib/s/x")],
    "way-of-dir": LIB + [folder("lib/d/", 0o711, mtime=1700000005), file("lib/d/x")],
    "way-to-same": LIB + [file("usr/lib/z"), file("lib/z", b"new")],
    "way-to-same-dir": LIB + [folder("usr/lib/z/"), file("usr/lib/z/k"), folder("lib/z/", 0o700)],
    "way-of-target": LIB + [file("usr/lib/z"), hard("h", "lib/z", 0o600), hard("lib/g", "/lib/z", 0o600)],
    "way-to-nothing": [sym("lib", "usr/lib"), file("lib/x")],
    "way-to-nothing-deep": [folder("usr/"), sym("lib", "usr/lib"), file("lib/a/x")],
    "way-to-later": [sym("lib", "usr/lib"), file("lib/x"), folder("usr/lib/")],
    "way-to-host": [sym("lib", "/etc"), file("lib/x")],
    "way-to-file": [file("f"), sym("lib", "f"), file("lib/x")],
    "way-in-circle": [sym("lib", "lib"), file("lib/x")],
}
ENDS = {
    "end-whole": ([file("f")], None),
    "end-none": ([folder("d/"), file("d/f")], 512 + 512 + 5120),
    "end-one-block": ([folder("d/"), file("d/f")], 512 + 512 + 5120 + 512),
    "end-no-padding": ([folder("d/"), file("d/f")], 512 + 512 + 5000),
    "end-half-padding": ([folder("d/"), file("d/f")], 512 + 512 + 5060),
    "end-in-content": ([folder("d/"), file("d/f")], 512 + 512 + 4999),
    "end-in-block": ([folder("d/"), file("d/f")], 512 + 512 + 5120 + 100),
    "end-in-header": ([folder("d/"), file("d/f"), file("d/g")], 512 + 512 + 5120 + 100),
}


def main(at):
    os.makedirs(f"{at}/blobs/sha256")

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{at}/blobs/sha256/{digest}", "wb") as out:
            out.write(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": "sha256:" + digest, "size": len(data)}

    manifests = []
    images = {tag: (entries, None) for tag, entries in {**LINKS, **WAYS}.items()} | ENDS
    for tag, (entries, end) in images.items():
        layer = blob((b"".join(entries) + bytes(1024))[:end], "layer.v1.tar")
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        manifest = {"schemaVersion": 2, "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": [layer]}
        entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
        manifests.append(entry | {"annotations": {"org.opencontainers.image.ref.name": tag}})
        print(tag)
    with open(f"{at}/index.json", "w") as out:
        json.dump({"schemaVersion": 2, "manifests": manifests}, out)
    with open(f"{at}/oci-layout", "w") as out:
        out.write('{"imageLayoutVersion":"1.0.0"}')


if __name__ == "__main__":
    main(sys.argv[1])
