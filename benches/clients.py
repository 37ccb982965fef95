#!/usr/bin/env python3
"""clients.py PULLS.JSONL: the table of clients.sh, from a line for each pull. Medians of the runs. An update that took longer than the same update of
one gzip layer, with the same client, has its ratio in bold."""
import collections
import json
import statistics
import sys

FIELDS = ("seconds", "cpu", "written", "size")


def medians(lines):
    """By client, layout and version; None for a pull that failed."""
    found = collections.defaultdict(list)
    for pull in map(json.loads, lines):
        found[pull["client"], pull["layout"], pull["image"].rsplit(":", 1)[1]].append(pull)
    return {key: {f: statistics.median(p[f] for p in pulls) for f in FIELDS} if all(p["ok"] for p in pulls) else None
            for key, pulls in found.items()}


def cell(pulls, show):
    return " / ".join("fails" if p is None else show(p) for p in pulls)


def ratio(pull, base):
    if pull is None or base is None:
        return "-"
    told = f"{pull['seconds'] / base['seconds']:.2f}"
    return f"**{told}**" if pull["seconds"] > base["seconds"] else told


def main(path):
    with open(path) as f:
        pulls = medians(f)
    ways = list(dict.fromkeys(key[:2] for key in pulls))
    versions = list(dict.fromkeys(key[2] for key in pulls))
    print(f"\nEach cell: the first pull, then {len(versions) - 1} updates.\n")
    print("| client | layout | seconds | updates, seconds / those of gzip | CPU seconds | written, MB | store, MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    slower = []
    for client, layout in ways:
        these = [pulls[client, layout, v] for v in versions]
        base = [pulls[client, "gzip", v] for v in versions]
        ratios = [ratio(p, b) for p, b in zip(these[1:], base[1:])]
        slower += [f"{client}, {layout}, {v}" for v, r in zip(versions[1:], ratios) if r.startswith("**")]
        print(f"| {client} | {layout} | {cell(these, lambda p: format(p['seconds'], '.1f'))} | "
              f"{' / '.join(ratios) if layout != 'gzip' else ''} | {cell(these, lambda p: format(p['cpu'], '.1f'))} | "
              f"{cell(these, lambda p: format(p['written'] / 1e6, ',.0f'))} | {cell(these, lambda p: format(p['size'] / 1e6, ',.0f'))} |")
    print("\nSlower than gzip: " + ("; ".join(slower) or "none") + ".")


if __name__ == "__main__":
    main(*sys.argv[1:])
