#!/usr/bin/env python3
"""bulk.py DIR VERSION: a file system of 2 GB in two versions (1 and 2), cheap to make: 24,000 small files and 20 of 64 MB, which compress to a
quarter, and no package database. Version 2 is made from version 1 in place. Then it prints what
differs, as `restrata diff` counts it."""
import json
import os
import random
import sys

SMALL, LARGE, CHANGED, MOVED = 24_000, 20, 200, 10
BLOCK = 64 << 10


def small(number):
    return f"part{number % 12}/dir{number // 400}/file{number}"


def content(name, size):
    """Each block stands four times."""
    rng, out = random.Random(name), bytearray()
    while len(out) < size:
        out += rng.randbytes(min(BLOCK, (size - len(out) + 3) // 4)) * 4
    return out[:size]


def write(root, name, version, size=None):
    path = f"{root}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content(f"{name} {version}", size or random.Random(name).randrange(4_000, 60_000)))


def first(root):
    for number in range(SMALL):
        write(root, small(number), 1)
    for number in range(LARGE):
        write(root, f"large/file{number}", 1, 64_000_000)


def second(root):
    for number in range(0, SMALL, SMALL // CHANGED):
        write(root, small(number), 2)
    with open(f"{root}/large/file0", "r+b") as f:
        f.seek(32_000_000)
        f.write(content("patch", 1000))
    for number in range(MOVED):
        os.remove(f"{root}/{small(number * 1000 + 1)}")
        write(root, small(number * 1000 + 2) + "-new", 2)
    return {"added": MOVED, "removed": MOVED, "changed": CHANGED + 1}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("1", "2"):
        sys.exit(__doc__)
    if sys.argv[2] == "1":
        first(sys.argv[1])
    else:
        print(json.dumps(second(sys.argv[1]), sort_keys=True))
