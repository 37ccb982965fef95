#!/usr/bin/env python3
"""layout.py LAYOUT digest|config|layers: of the last manifest in an OCI layout its digest, its config's digest, or a line
`DIGEST SIZE COMPRESSION FILE` for each layer."""
import json
import os
import sys


def main(layout, what):
    def blob(digest):
        return os.path.join(layout, "blobs", *digest.split(":"))
    with open(os.path.join(layout, "index.json")) as f:
        top = json.load(f)["manifests"][-1]
    if what == "digest":
        return print(top["digest"])
    with open(blob(top["digest"])) as f:
        manifest = json.load(f)
    if what == "config":
        return print(manifest["config"]["digest"])
    for layer in manifest["layers"]:
        compression = layer["mediaType"].rpartition("+")[2]
        print(layer["digest"], layer["size"], compression if "+" in layer["mediaType"] else "none", blob(layer["digest"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
