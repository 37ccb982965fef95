#!/usr/bin/env python3
"""built.py OUT WHEN LAYER..: layer tars as the one layer that a build at WHEN, in seconds since 1970, leaves of them. Packages bring the
times of their files; directories and the package database have the build's."""
import sys
import tarfile


def main(out, when, layers):
    directories = set()
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as whole:
        for layer in layers:
            with tarfile.open(layer, "r:") as tar:
                for info in tar:
                    if info.isdir():
                        if info.name in directories:
                            continue
                        directories.add(info.name)
                    if info.isdir() or info.name.startswith("var/lib/dpkg/"):
                        info.mtime = when
                    info.mtime = int(info.mtime)
                    whole.addfile(info, tar.extractfile(info) if info.isreg() else None)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
