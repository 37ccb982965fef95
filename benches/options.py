#!/usr/bin/env python3
"""options.py PULLS: the table of options.sh, from its JSON lines."""
import json
import sys


def main(name):
    with open(name) as f:
        pulls = [json.loads(line) for line in f]
    print("| image | client | options | pull | MB | requests | index ranges | content ranges | layers whole | seconds | store, MB |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for pull in pulls:
        scene, tag = pull["image"].split(":")
        # The config is a blob without ranges, too.
        whole = sum(not layer["index_ranges"] for layer in pull["layers"].values()) - 1
        cells = [scene, pull["client"], pull["options"] or "none", tag]
        if pull["ok"]:
            cells += [f"{pull['blob_bytes'] / 1e6:.2f}", pull["requests"], pull["index_ranges"], pull["data_ranges"], max(0, whole),
                      f"{pull['seconds']:.1f}", f"{pull['store_bytes'] / 1e6:.0f}"]
        else:
            cells += ["failed: " + pull["error"][-200:].replace("\n", " ")]
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main(*sys.argv[1:])
