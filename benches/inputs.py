#!/usr/bin/env python3
"""inputs.py IMAGES VERSIONS OUT: what a family's images (tests/harness/images.sh) hold, read without restrata, as JSON:

  held     of each image vN-MEMBER the numbers of its contents, each once
  digests  of each content, by number, its SHA-256
  sizes    of each content, by number, its bytes as one zstd frame, with checksum and size: at level 3 if an image of version 1 has
           it, else at level 9. These are restrata's own levels for first runs and updates.
  gzip     of each image the digest and the bytes of its layer as one gzip stream at level 6

A content is the bytes of a file that has any. Paths and metadata are no part of it."""
import array
import concurrent.futures
import hashlib
import json
import os
import sys
import zlib

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/harness"))
import archive
import zstandard

FIRST, UPDATE = 3, 9


def read(path, level, known):
    """Of each content its digest, and its compressed size if it is not known yet. A compressor may not be used by two threads at once."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
    found = {}
    for _, stream in archive.entries(path):
        if stream is None:
            continue
        data = stream.read()
        digest = hashlib.sha256(data).digest()
        if digest not in found:
            found[digest] = None if digest in known else len(compressor.compress(data))
    return found


def gzipped(path):
    digest, size, stream = hashlib.sha256(), 0, zlib.compressobj(6, wbits=31)
    with archive.layer(path) as layer:
        while block := layer.read(1 << 20):
            part = stream.compress(block)
            size += len(part)
            digest.update(part)
    part = stream.flush()
    digest.update(part)
    return "sha256:" + digest.hexdigest(), size + len(part)


def main(images, versions, out):
    numbers, sizes, held, gzip = {}, array.array("Q"), {}, {}
    members = sorted(name.removesuffix(".tar") for name in os.listdir(f"{images}/v1"))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for version in range(1, int(versions) + 1):
            paths = [f"{images}/v{version}/{member}.tar" for member in members]
            streams = [pool.submit(gzipped, path) for path in paths]
            for member, path in zip(members, paths):
                found = read(path, FIRST if version == 1 else UPDATE, numbers)
                for digest, size in found.items():
                    if size is not None:
                        numbers[digest] = len(sizes)
                        sizes.append(size)
                held[f"v{version}-{member}"] = [numbers[digest] for digest in found]
            gzip |= {f"v{version}-{member}": stream.result() for member, stream in zip(members, streams)}
    with open(out + ".part", "w") as f:
        json.dump({"members": members, "versions": int(versions), "held": held, "digests": [d.hex() for d in numbers], "sizes": list(sizes), "gzip": gzip}, f)
    os.rename(out + ".part", out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
