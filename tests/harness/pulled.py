#!/usr/bin/env python3
"""pulled.py: one pull as a JSON line, from the registry's access log of that time on standard input. Called by pull.sh.

blob_bytes, requests, index_ranges, data_ranges, statuses: over all blob requests. layers: the same for each blob, under its digest.
A partial client's first request for a layer asks for two ranges, its index; further ranges are data.
With MIRROR_PORT, where the client asked a mirror, this is all of the mirror; `behind` is the same of the registry, and `several` how
many requests for several ranges it got: a bridge makes none.
asked_bytes: those of the ranges, without what stands between the parts of an answer; of answers without ranges, all.
over_read: what a server that answers 200 sent beyond the last byte that was asked for, before it saw that the client had gone.
"""
import json
import sys


def needed(ranges):
    """The end of the last range: where a client that reads a whole body for some ranges may stop."""
    return max(int(r.split("-")[1]) for r in ranges) + 1


def size(span):
    first, last = map(int, span.split("-"))
    return last - first + 1


def count(log, port):
    total = {"blob_bytes": 0, "body_bytes": 0, "requests": 0, "index_ranges": 0, "data_ranges": 0, "several": 0, "asked_bytes": 0, "over_read": 0,
             "over_read_max": 0, "statuses": {}, "layers": {}}
    for line in log:
        r = json.loads(line)
        if r["port"] != port:
            continue
        total["body_bytes"] += r["body"]
        if "/blobs/" not in r["path"] or r["method"] != "GET":
            continue
        ranges = r["range"].removeprefix("bytes=").split(",") if r["range"] else []
        digest = r["path"].rsplit("/", 1)[1]
        layer = total["layers"].setdefault(digest, {"bytes": 0, "requests": 0, "index_ranges": 0, "data_ranges": 0,
                                                   "index_bytes": 0, "statuses": []})
        total["several"] += len(ranges) > 1
        total["asked_bytes"] += sum(size(r) for r in ranges) if r["status"] == 206 else r["body"]
        index = layer["requests"] == 0 and len(ranges) == 2
        kind = "index_ranges" if index else "data_ranges"
        # A layer that a client gave up to pull in part is asked for again, whole: that has no ranges.
        layer[kind] += len(ranges)
        total[kind] += len(ranges)
        if index:
            layer["index_bytes"] += r["body"]
        for part in (layer, total):
            part["requests"] += 1
        layer["bytes"] += r["body"]
        layer["statuses"].append(r["status"])
        total["blob_bytes"] += r["body"]
        key = str(r["status"])
        total["statuses"][key] = total["statuses"].get(key, 0) + 1
        if r["status"] == 200 and ranges:
            over = max(0, r["body"] - needed(ranges))
            total["over_read"] += over
            total["over_read_max"] = max(over, total["over_read_max"])
    return total


def main(client, profile, image, partial, port, status, start, end, out, mirror=None):
    result = {"client": client, "registry": profile, "image": image, "partial": partial == "true", "ok": status == "0",
              "seconds": round(float(end) - float(start), 2)}
    log = sys.stdin.readlines()
    result |= count(log, int(mirror or port))
    if mirror:
        result |= {"behind": count(log, int(port)), "at": profile, "registry": "bridge"}
    if status != "0":
        with open(out) as f:
            result["error"] = f.read().strip()[-400:]
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
