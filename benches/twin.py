#!/usr/bin/env python3
"""Tables of what twin.sh measured."""

import glob
import hashlib
import json
import os
import statistics
import sys
import tarfile
import zlib


def contents(image):
    """Digest, path and content of every regular file in a docker-archive."""
    with tarfile.open(image) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        for name in manifest[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name), mode="r|*") as layer:
                for member in layer:
                    if member.isreg() and member.size:
                        content = layer.extractfile(member).read()
                        yield hashlib.sha256(content).digest(), member.name, content


def changed(images, sequence):
    """For each update: the bytes of `gzip -6` of a tar of the files whose content the version before has nowhere."""
    before, sums = None, []
    for number in range(1, 1000):
        image = f"{images}/{sequence}/v{number}.tar"
        if not os.path.exists(image):
            return sums
        now, out, packer = set(), 0, zlib.compressobj(6, zlib.DEFLATED, 31)
        for digest, name, content in contents(image):
            if before is not None and digest not in before and digest not in now:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                padding = b"\0" * (-len(content) % 512)
                for part in (info.tobuf(tarfile.PAX_FORMAT), content, padding):
                    out += len(packer.compress(part))
            now.add(digest)
        out += len(packer.flush())
        if before is not None:
            sums.append(out)
        before = now


def main():
    work, images, *sequences = sys.argv[1:]

    def median(name, field):
        with open(f"{work}/{name}.times") as times:
            return statistics.median(float(line.split()[field]) for line in times)

    print("| image | run | seconds | / without the twin | CPU seconds | / without the twin | peak, MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    kinds = [("first.alone", "first run, without a twin"), ("first.twin", "first run, `--twin gzip`"),
             ("first.skopeo", "`skopeo copy` to gzip"), ("update.alone", "update, without a twin"), ("update.twin", "update, `--twin gzip`")]
    for sequence in sequences:
        for kind, what in kinds:
            name, base = f"{sequence}.{kind}", f"{sequence}.{kind.split('.')[0]}.alone"
            row = [median(name, 0), median(name, 0) / median(base, 0), median(name, 1), median(name, 1) / median(base, 1)]
            print(f"| {sequence} | {what} | {row[0]:.1f} | {row[1]:.2f} | {row[2]:.1f} | {row[3]:.2f} | {median(name, 2) * 1024 / 1e6:.0f} |")
    threads = sorted(glob.glob(f"{work}/*.threads.*.times"), key=lambda path: (path, int(path.split(".")[-2])))
    if threads:
        print("\n| image | threads | peak of `--twin gzip`, MB |\n| --- | ---: | ---: |")
        for path in threads:
            sequence, number = os.path.basename(path).split(".")[0], path.split(".")[-2]
            print(f"| {sequence} | {number} | {median(os.path.basename(path)[:-6], 2) * 1024 / 1e6:.0f} |")
    print("\n| sequence | updates | changed, as gzip, MB | gzip image: plain client pulls, MB | / changed | docker, graph driver, MB "
          "| changed, zstd, MB | zstd image: plain client pulls, MB | / changed |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for sequence in sequences:
        with open(f"{work}/{sequence}.history") as f:
            history = json.load(f)
        pulls = {}
        for pair in history["matrix"]:
            if pair["from"] is not None and pair["to"] == pair["from"] + 1:
                for cell in pair["pulls"]:
                    if cell["registry"] == "multi-range":
                        pulls[cell["client"]] = pulls.get(cell["client"], 0) + cell["blob_bytes"]
        gzip, zstd = changed(images, sequence), history["changed_bytes"]
        mb = lambda number: f"{number / 1e6:.1f}"
        print(f"| {sequence} | {len(gzip)} | {mb(sum(gzip))} | {mb(pulls['plain-gzip'])} | {pulls['plain-gzip'] / sum(gzip):.3f} | {mb(pulls['docker'])} "
              f"| {mb(zstd)} | {mb(pulls['plain'])} | {pulls['plain'] / zstd:.3f} |")


main()
