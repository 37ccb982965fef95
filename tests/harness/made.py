#!/usr/bin/env python3
"""made.py DIR UPDATES LAYERS FILES LEAST-MOST CHANGED: v1.part, v2.part, .. in DIR, docker-archives of LAYERS layers with FILES files each, of random
bytes and LEAST to MOST bytes long, that nobody owns. In each version after the first, CHANGED files at most, chosen at random, have new bytes. The same
numbers make the same images."""
import os
import random
import sys
import tarfile

import pack


def header(name, size=0, kind=tarfile.REGTYPE, when=1700000000):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.type = size, when, kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def write_layer(out, layer, files, sizes, version_of):
    """`version_of` tells when a file got the bytes that it has now, if not in the first version."""
    with open(out, "wb") as tar:
        for number in range(files):
            if number % 20 == 0:
                tar.write(header(f"part{layer}/dir{number // 20}", kind=tarfile.DIRTYPE))
            size = random.Random(f"{layer} {number}").randint(*sizes)
            data = random.Random(f"{layer} {number} {version_of.get((layer, number), 1)}").randbytes(size)
            tar.write(header(f"part{layer}/dir{number // 20}/file{number}", size) + data + bytes(-size % 512))
        tar.write(bytes(1024))


def main(folder, updates, layers, files, sizes, changed):
    draw, version_of = random.Random("changes"), {}
    parts = [f"{folder}/layer{layer}" for layer in range(layers)]
    for version in range(1, updates + 2):
        stale = set(range(layers))
        if version > 1:
            drawn = draw.sample(range(layers * files), draw.randint(1, changed))
            version_of |= {divmod(at, files): version for at in drawn}
            stale = {at // files for at in drawn}
        for layer in stale:
            write_layer(parts[layer], layer, files, sizes, version_of)
        pack.main(f"{folder}/v{version}.part", parts)
    for part in parts:
        os.remove(part)


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), [int(n) for n in sys.argv[5].split("-")], int(sys.argv[6]))
