#!/usr/bin/env python3
"""chunks.py LAYOUT TAG..: what clients with and without chunk reuse lack of each version, from TOCs alone.

Each TAG of the OCI layout is taken as an update of the one before. Prints a Markdown table: bytes of new layers' content that a client
lacks who reuses whole files (podman 5.8 on ext4), and one who reuses chunks, too (podman 5.4, or 5.8 on a store with reflinks);
the runs that the latter asks for in the layer with most; and how many files are in chunks. Needs the program zstd."""
import json
import subprocess
import sys

PREFIX = "io.github.containers.zstd-chunked."


def blob(layout, digest):
    return f"{layout}/blobs/sha256/{digest.split(':')[1]}"


def load(layout, digest):
    with open(blob(layout, digest)) as f:
        return json.load(f)


def toc(layout, layer):
    position = layer.get("annotations", {}).get(PREFIX + "manifest-position")
    if position is None:
        return []
    offset, length = map(int, position.split(":")[:2])
    with open(blob(layout, layer["digest"]), "rb") as f:
        f.seek(offset)
        packed = f.read(length)
    return json.loads(subprocess.run(["zstd", "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout)["entries"]


def files(rows):
    """(digest, size in the blob, [(chunk digest or None, bytes in the blob, zeros)]) of each file with content."""
    found = []
    for row in rows:
        if row["type"] == "reg" and row.get("size", 0) > 0:
            found.append((row["digest"], [row]))
        elif row["type"] == "chunk":
            found[-1][1].append(row)
    for digest, parts in found:
        end = parts[-1].get("endOffset") or parts[0]["endOffset"]
        edges = [part["offset"] for part in parts] + [end]
        chunks = [(p.get("chunkDigest"), edges[n + 1] - edges[n], p.get("chunkType") == "zeros") for n, p in enumerate(parts)]
        yield digest, end - edges[0], chunks


def main(layout, *tags):
    with open(f"{layout}/index.json") as f:
        index = json.load(f)["manifests"]
    names = {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"] for m in index}
    has_layers, has_files, has_chunks = set(), set(), set()
    sums = [0, 0]
    print("| version | new layers | without chunks, MB | with chunks, MB | ratio | most runs in a layer | files in chunks |")
    print("| --- " + "| ---: " * 6 + "|")
    for tag in tags:
        layers = load(layout, names[tag])["layers"]
        new = [layer for layer in layers if layer["digest"] not in has_layers]
        lacks, lacks_chunks, most, cut, seen = 0, 0, 0, 0, []
        for layer in layers:
            rows = list(files(toc(layout, layer)))
            seen.append(rows)
            runs, in_run = 0, False
            for digest, size, chunks in rows if layer in new else []:
                cut += len(chunks) > 1
                if digest in has_files:
                    in_run = False
                    continue
                lacks += size
                for chunk, length, zeros in chunks:
                    # They take no bytes in the blob, so what stands around them is one run.
                    if zeros:
                        continue
                    missing = chunk is None or chunk not in has_chunks
                    lacks_chunks += length if missing else 0
                    runs += missing and not in_run
                    in_run = missing
            most = max(most, runs)
        if has_layers:
            sums = [sums[0] + lacks, sums[1] + lacks_chunks]
            ratio = f"{lacks_chunks / lacks:.3f}" if lacks else "-"
            print(f"| {tag} | {len(new)} | {lacks / 1e6:.2f} | {lacks_chunks / 1e6:.2f} | {ratio} | {most} | {cut} |")
        has_layers = {layer["digest"] for layer in layers}
        has_files = {digest for rows in seen for digest, _, _ in rows}
        has_chunks = {chunk for rows in seen for _, _, chunks in rows for chunk, _, _ in chunks if chunk}
    print(f"| sum | | {sums[0] / 1e6:.2f} | {sums[1] / 1e6:.2f} | {sums[1] / max(1, sums[0]):.3f} | | |")


if __name__ == "__main__":
    main(*sys.argv[1:])
