#!/usr/bin/env python3
"""judge.py WHAT FIRST UPDATE [--oracle CLIENT REPORT REPORT] [MULTI_FIRST MULTI_UPDATE]: PASS and FAIL lines for a first pull and the
update pull after it, each given as a file with pull.sh's JSON line. For an S3-like registry the same two pulls on a multi-range
registry are the measure. With the reports of both versions, what they predict for CLIENT is held against the pulls: outcome, requests
and ranges exactly, blob bytes within a thousandth, beside the over-read of an S3-like registry, and less by no more than what
the layers of one pull share.

What is asked of a partial pull:
  - refuse-501 fails and says so: when a client learns to fall back, this test must say it. Everywhere else pulls succeed.
  - where ranges work, a first pull needs at most 2 data ranges a layer, an update at most 1, on stores with reflinks too.
  - on whole-200 the blob bytes stay within 1.10 of those on multi-range, beside what the server sent before it saw
    that the client had hung up: at most 8 MB a request (5.7 seen, with six layers on their way at once on a loaded machine).
"""
import json
import sys

OVER_READ = 8_000_000


def verdict(good, text):
    print("PASS" if good else "FAIL", text)


def judge(what, pull, most_ranges, multi):
    partial, registry = pull["partial"], pull["registry"]
    if partial and registry == "refuse-501":
        said = pull.get("error", "")
        verdict(not pull["ok"] and "501" in said, f"{what}: fails on 501 as this client does" +
                ("" if "501" in said else f" -- ok={pull['ok']} {said!r}"))
        return
    verdict(pull["ok"], f"{what}: succeeds" + (f", {pull['blob_bytes'] / 1e6:.2f} MB in {pull['requests']} requests, {pull['seconds']} s"
                                              if pull["ok"] else f" -- {pull.get('error')!r}"))
    if not pull["ok"]:
        return
    if not partial or registry == "refuse-400":
        whole = sum(pull["statuses"].get(s, 0) for s in ("200", "400")) == pull["requests"]
        verdict(whole, f"{what}: layers come whole (statuses {pull['statuses']})")
        return
    layers = {d: l for d, l in pull["layers"].items() if l["index_ranges"]}
    verdict(bool(layers), f"{what}: {len(layers)} layers pulled in part")
    worst = max((l["data_ranges"] for l in layers.values()), default=0)
    total = sum(l["data_ranges"] for l in layers.values())
    verdict(worst <= most_ranges, f"{what}: at most {most_ranges} data ranges a layer (worst {worst}, together {total})")
    if registry == "whole-200":
        ours = pull["blob_bytes"] - pull["over_read"]
        ratio = ours / max(1, multi["blob_bytes"])
        verdict(ratio <= 1.10, f"{what}: {ratio:.3f} of the multi-range bytes, {ours} and {multi['blob_bytes']}")
        verdict(pull["over_read_max"] <= OVER_READ, f"{what}: over-read {pull['over_read']} bytes, at most {pull['over_read_max']} a request")


def load(name):
    with open(name) as f:
        return json.load(f)


def oracle(what, pull, report, client, is_update):
    client = client if pull["partial"] else "plain"
    registry = pull["registry"] if pull["partial"] else "multi-range"
    if registry == "bridge" and not any(p["registry"] == registry for p in report["pulls"]):
        # A report of `rechunk` has no bridge. To a client it is a registry that answers any number of ranges.
        registry = "multi-range"
    told, = [p for p in report["pulls"] if p["client"] == client and p["registry"] == registry and bool(p["from"]) == is_update]
    if told["outcome"] == "failed" or not pull["ok"]:
        verdict(told["outcome"] == "failed" and not pull["ok"], f"{what}: predicted {told['outcome']}, {'pulled' if pull['ok'] else 'failed'}")
        return
    read = pull["blob_bytes"] - pull["over_read"]
    most, shared = told["blob_bytes"], told["shared_bytes"]
    verdict((most - shared) * 0.999 <= read <= most * 1.001,
            f"{what}: predicted {most} blob bytes for {client}, {shared} less at best, read {read}")
    seen = pull["requests"], pull["data_ranges"]
    verdict(seen == (told["requests"], told["ranges"]), f"{what}: predicted {told['requests']} requests and {told['ranges']} data ranges, seen {seen}")


def main(what, first, update, *rest):
    first, update = load(first), load(update)
    if rest[:1] == ("--oracle",):
        client, *reports = rest[1:4]
        for pull, report, name in (first, reports[0], "first"), (update, reports[1], "update"):
            oracle(f"{what} {name} pull", pull, load(report), client, name == "update")
    multi = rest[4:] if rest[:1] == ("--oracle",) else rest
    multi = [load(m) for m in multi] or [None, None]
    judge(f"{what} first pull", first, 2, multi[0])
    judge(f"{what} update pull", update, 1, multi[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
