#!/usr/bin/env python3
"""united.py OUT ARCHIVE..: one image of one layer that has all entries of the archives' images, each once. The first image's entries keep
their paths. So do those of the others, unless another image has something else there: then they are in a folder of their own. Times do not
tell entries apart."""
import hashlib
import io
import os
import sys
import tarfile

import archive
import pack


def identity(info, data):
    content = data if data is None else hashlib.sha256(data).digest()
    return info.type, info.mode, info.uid, info.gid, info.linkname, info.devmajor, info.devminor, content


def main(out, archives):
    there = {}
    with tarfile.open(f"{out}.layer", "w", format=tarfile.GNU_FORMAT) as whole:
        for number, path in enumerate(archives):
            moved = set()
            for info, stream in archive.entries(path):
                info.name = info.name.removeprefix("./")
                if info.islnk():
                    info.linkname = info.linkname.removeprefix("./")
                data = stream and stream.read()
                known = identity(info, data)
                before = there.setdefault(info.name, known)
                is_there = before is not known
                if is_there and (before == known or info.isdir()) and not (info.islnk() and info.linkname in moved):
                    continue
                if is_there:
                    moved.add(info.name)
                    info.name = f"image{number}/{info.name}"
                if info.islnk() and info.linkname in moved:
                    info.linkname = f"image{number}/{info.linkname}"
                # Large numbers and names as they are; extended attributes are few and cost no time.
                info.pax_headers = {}
                whole.addfile(info, stream and io.BytesIO(data))
    pack.main(out, [f"{out}.layer"])
    os.remove(f"{out}.layer")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
