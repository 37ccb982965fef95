#!/usr/bin/env python3
"""many.py DIR UPDATES MEMBERS ENTRIES: a family of MEMBERS images with ENTRIES entries each: v1/m01.part, v1/m02.part, .., v2/m01.part, .. in DIR,
docker-archives of one layer. The files are small, of random bytes, and nobody owns them. Of ten files of a member, three are in all members, two in each of
its half, one and a half in its set of five, one and a half in sets that are drawn at random, and two in no other. In each version after the first, one file
of a hundred has new bytes, in all its members. Each image has times of its own. The same numbers make the same images."""
import os
import random
import sys

import made
import pack

FILES_IN_DIRECTORY = 50
SIZES = 1, 512
FIRST_BUILD = 1700000000


def sets(members, files):
    """Pairs of members and a number of files."""
    everyone = range(members)
    yield everyone, files * 30 // 100
    for width, share in (members // 2, 20), (members // 4, 15):
        for at in range(0, members, width):
            yield everyone[at:at + width], files * share // 100
    # A member is in half of these, more or less.
    draw = random.Random("sets")
    for _ in range(30):
        yield sorted(draw.sample(everyone, draw.randint(2, members - 2))), files // 100
    for member in everyone:
        yield [member], files * 20 // 100


def contents(group, files, version):
    """Of each file in the group: its bytes in this version."""
    draw, size = random.Random(f"changes {group}"), random.Random(f"sizes {group}")
    changed = {}
    for v in range(2, version + 1):
        changed |= dict.fromkeys(draw.sample(range(files), files // 100), v)
    for file in range(files):
        yield random.Random(f"{group} {file} {changed.get(file, 1)}").randbytes(size.randint(*SIZES))


def write_group(tars, group, files, version):
    """The group's files into the open layers of its members: pairs of a layer and the time of its build."""
    for file, data in enumerate(contents(group, files, version)):
        folder = f"group{group}/dir{file // FILES_IN_DIRECTORY}"
        for tar, when in tars:
            if file % FILES_IN_DIRECTORY == 0:
                tar.write(made.header(folder, kind=made.tarfile.DIRTYPE, when=when))
            tar.write(made.header(f"{folder}/file{file}", len(data), when=when))
            tar.write(data + bytes(-len(data) % 512))


def write_version(folder, version, members, files):
    os.makedirs(folder, exist_ok=True)
    layers = [f"{folder}/m{member + 1:02}.layer" for member in range(members)]
    tars = [(open(layer, "wb"), FIRST_BUILD + version * 100_000 + 600 * at) for at, layer in enumerate(layers)]
    for group, (those, count) in enumerate(sets(members, files)):
        write_group([tars[member] for member in those], group, count, version)
    for tar, _ in tars:
        tar.write(bytes(1024))
        tar.close()
    for layer in layers:
        pack.main(layer.replace(".layer", ".part"), [layer])
        os.remove(layer)


def main(folder, updates, members, entries):
    files = entries * FILES_IN_DIRECTORY // (FILES_IN_DIRECTORY + 1)
    for version in range(1, updates + 2):
        write_version(f"{folder}/v{version}", version, members, files)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
