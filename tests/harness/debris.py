#!/usr/bin/env python3
"""debris.py OUT [--unknown]: what builders left in the layers of the archives OUT/CLIENT/NAME.1.tar and NAME.2.tar, two builds of one file.
With --unknown, prints `CLIENT NAME PATH` of paths that docs/debris.md has no row for.

Prints a Markdown table: each path that the Containerfile does not name, in which of the RUN, COPY or commit layers it is (counted
from the bottom, 0 is the base), its type, mode and bytes, and what of it differs in the second build."""
import io
import json
import os
import sys
import tarfile

# What debris.sh's Containerfiles say.
ASKED = {"opt", "opt/x", "opt/y", "opt/z"}
KNOWN = {"dev", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "mnt", "mnt/volume", "proc", "run", "run/.containerenv", "run/secrets", "sys"}
KINDS = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}


def layers(path):
    """Of each layer but the base: {path: (type, mode, bytes, content, time)}."""
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        # podman save links a layer to another's when they are the same.
        for name in manifest[0]["Layers"][1:]:
            member = archive.getmember(name)
            while member.issym():
                member = archive.getmember(os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname)))
            with tarfile.open(fileobj=io.BytesIO(archive.extractfile(member).read())) as tar:
                entries = {}
                for entry in tar:
                    content = tar.extractfile(entry).read() if entry.isreg() else entry.linkname.encode()
                    kind = KINDS.get(entry.type, "other")
                    entries[entry.name.strip("/")] = (kind, f"{entry.mode:04o}", entry.size, content, entry.mtime)
                yield entries


def changes(one, other):
    if other is None:
        return "absent"
    names = ("type", "mode", "bytes", "content", "time")
    return ", ".join(name for name, a, b in zip(names, one, other) if a != b) or "nothing"


def rows(out, client, name):
    first, second = (list(layers(f"{out}/{client}/{name}.{n}.tar")) for n in (1, 2))
    found = {}
    for number, entries in enumerate(first, 1):
        for path, entry in entries.items():
            if path in ASKED:
                continue
            differs = changes(entry, second[number - 1].get(path))
            shown = repr(entry[3][:24].decode(errors="replace")) if entry[0] != "directory" and entry[3] else ""
            key = (path, *entry[:3], shown, differs)
            found.setdefault(key, []).append(str(number))
    return found


def main(out, option=None):
    names = sorted((client, f.removesuffix(".1.tar")) for client in os.listdir(out) for f in os.listdir(f"{out}/{client}") if f.endswith(".1.tar"))
    # The builders that leave the same, in one row.
    table = {}
    for client, name in names:
        found = rows(out, client, name)
        if option == "--unknown":
            for path in {row[0] for row in found} - KNOWN:
                print(client, name, path)
            continue
        if not found:
            table.setdefault(("none",) + ("",) * 6, []).append(f"{client} {name}")
        for (path, kind, mode, size, shown, differs), numbers in found.items():
            key = (path or "/", kind, mode, str(size) if kind == "file" else "", shown, differs, " ".join(numbers))
            table.setdefault(key, []).append(f"{client} {name}")
    if option == "--unknown":
        return
    print("| path | type | mode | bytes | content | second build differs in | layers | builders |")
    print("| --- | --- | --- | ---: | --- | --- | --- | --- |")
    for row, builders in sorted(table.items()):
        print(f"| {' | '.join(row)} | {', '.join(builders)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
