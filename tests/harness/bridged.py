#!/usr/bin/env python3
"""bridged.py WHAT CLIENT DIRECT PULLS [REPORT..]: PASS and FAIL lines for pulls of an image's versions in turn through a bridge (PULLS, JSON lines of
pull.sh with PULL_MIRROR), held against the same pulls straight from a multi-range registry (DIRECT), and against what the REPORTs of the versions
predict for CLIENT, as judge.py does. The reports of updates are those of `restrata diff --registry bridge`.

Each pull is to be partial, ask for the same ranges in as many requests, and get the same bytes. To the registry go single ranges alone, all of them
by the bridge, with at most 2 % more bytes than the client asked for.

bridged.py --ranges LEAST LINES: whether the last pull asked for so many data ranges."""
import json
import sys

import judge

UPSTREAM = 1.02


def bridged(what, direct, pull):
    judge.verdict(pull["ok"], f"{what}: succeeds in {pull['seconds']} s" + ("" if pull["ok"] else f" -- {pull.get('error')!r}"))
    if not pull["ok"]:
        return
    layers = [layer for layer in pull["layers"].values() if layer["index_ranges"]]
    # The config is a blob of one 200.
    wrong = [status for layer in layers for status in layer["statuses"] if status != 206]
    judge.verdict(layers and not wrong and pull["statuses"].get("200", 0) <= 1,
                  f"{what}: {len(layers)} layers pulled in part, none whole (statuses {pull['statuses']})")
    for name, key in ("blob bytes", "asked_bytes"), ("requests", "requests"), ("data ranges", "data_ranges"):
        judge.verdict(pull[key] == direct[key], f"{what}: {pull[key]} {name}, from a multi-range registry {direct[key]}")
    behind = pull["behind"]
    ratio = behind["blob_bytes"] / pull["asked_bytes"]
    judge.verdict(1 <= ratio <= UPSTREAM, f"{what}: from the registry {ratio:.5f} of these bytes, in {behind['requests']} requests")
    judge.verdict(behind["several"] == 0, f"{what}: the registry was asked for single ranges only ({behind['several']} others)")


def behind_it(what, behind, report, client):
    """What `restrata diff --registry bridge` says of the registry."""
    told, = [p for p in report["pulls"] if p["client"] == client and p["registry"] == "bridge" and p["from"]]
    requests, most, least = told["upstream_requests"], told["upstream_bytes"], told["upstream_bytes"] - told["shared_bytes"]
    judge.verdict(behind["requests"] == requests, f"{what}: predicted {requests} requests to the registry, seen {behind['requests']}")
    judge.verdict(least * 0.999 <= behind["blob_bytes"] <= most * 1.001,
                  f"{what}: predicted {most} bytes from the registry, seen {behind['blob_bytes']}")


def lines(name):
    with open(name) as f:
        return [json.loads(line) for line in f]


def main(what, client, direct, pulls, *reports):
    direct, pulls = lines(direct), lines(pulls)
    judge.verdict(len(direct) == len(pulls) > 0, f"{what}: {len(pulls)} pulls through the bridge, {len(direct)} without")
    for number, (without, pull) in enumerate(zip(direct, pulls)):
        name = f"{what} {f'update {number}' if number else 'first pull'}"
        bridged(name, without, pull)
        if reports:
            report = judge.load(reports[number])
            judge.oracle(name, pull, report, client, number > 0)
            if number > 0:
                behind_it(name, pull["behind"], report, client)


if __name__ == "__main__":
    if sys.argv[1] == "--ranges":
        found = lines(sys.argv[3])[-1]["data_ranges"]
        sys.exit(None if found >= int(sys.argv[2]) else f"{found} data ranges, not {sys.argv[2]}")
    main(*sys.argv[1:])
