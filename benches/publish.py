#!/usr/bin/env python3
"""publish.py: the numbers of publish.sh.

run WAY TIME DIGEST REPORT: one run as a line of JSON; standard input is the registry's log of that time, TIME is what `time` wrote, REPORT what
rechunk did.
table WORK: the table, from WORK/runs.jsonl and the images in WORK/made.
checks WORK: a line `WHAT LEFT OPERATOR RIGHT` for each thing that must hold."""
import json
import sys

BODIES = ("PUT", "PATCH", "POST")


def copied(report):
    """Content of new layers that the previous image has: its frames have to be read."""
    try:
        layers = json.load(open(report))["layers"]
    except ValueError:
        return 0  # nothing was rechunked
    return sum(layer["live_bytes"] - layer["new_bytes"] for layer in layers if layer["state"] != "kept")


def run(way, times, digest, report):
    wall, user, system, kb = (float(word) for word in open(times).read().split()[-4:])
    result = {"way": way, "seconds": wall, "cpu": user + system, "peak": kb * 1024, "digest": digest,
              "copied": copied(report),
              "read": 0, "blobs_read": 0, "written": 0, "content": 0, "requests": 0}
    for line in sys.stdin:
        asked = json.loads(line)
        result["requests"] += 1
        result["read"] += asked["body"]
        if "/blobs/" in asked["path"] and asked["method"] == "GET":
            result["blobs_read"] += asked["body"]
        if asked["method"] in BODIES and asked["status"] < 300:
            result["written"] += asked["request"]
            # A body without a length (skopeo's) is not known better.
            result["content"] += int(asked["content"] or asked["request"])
    print(json.dumps(result))


def best(work):
    found = {}
    for line in open(f"{work}/runs.jsonl"):
        one = json.loads(line)
        if one["way"] not in found or one["seconds"] < found[one["way"]]["seconds"]:
            found[one["way"]] = one
    return found


def images(work):
    """Of each tag in the layout: the manifest's digest and size, and the sizes of all blobs by digest."""
    def blob(digest):
        return open(f"{work}/made/blobs/" + digest.replace(":", "/"), "rb").read()
    found = {}
    for entry in json.load(open(f"{work}/made/index.json"))["manifests"]:
        manifest = json.loads(blob(entry["digest"]))
        blobs = {part["digest"]: part["size"] for part in [manifest["config"], *manifest["layers"]]}
        found[entry["annotations"]["org.opencontainers.image.ref.name"]] = entry["digest"], entry["size"], blobs
    return found


def sizes(work):
    """Bytes of the old image, and of what the new one has beyond it, its manifest with it."""
    tags = images(work)
    (_, _, old), (_, manifest, new) = tags["published"], tags["new"]
    return sum(old.values()), manifest + sum(size for digest, size in new.items() if digest not in old)


def table(work):
    runs, (old, update) = best(work), sizes(work)
    today = next(iter(runs.values()))
    print(f"Published before: {old / 1e6:,.1f} MB. New blobs, config and manifest: {update / 1e6:,.2f} MB.\n")
    print("| way | seconds | CPU seconds | read, MB | written, MB | requests | peak memory, MB | time / " + today["way"] + " | read / image |")
    print("| --- |" + " ---: |" * 8)
    for way, one in runs.items():
        print(f"| {way} | {one['seconds']:.2f} | {one['cpu']:.2f} | {one['read'] / 1e6:,.2f} | {one['written'] / 1e6:,.2f} | {one['requests']} "
              f"| {one['peak'] / 1e6:,.0f} | {one['seconds'] / today['seconds']:.2f} | {one['read'] / old * 100:.2f} % |")


def checks(work):
    runs, (old, update) = best(work), sizes(work)
    new = images(work)["new"][0]
    for way, one in runs.items():
        print(f"{way}:_the_image_that_today's_way_makes", int(one["digest"] == new), "==", 1)
        if way.startswith(("straight", "trusting")):
            print(f"{way}:_bytes_written_are_new_blobs,_config_and_manifest", one["content"], "==", update)
            # What is proven by being decoded is read once; of the rest indexes are, and the frames that are copied.
            whole = old if way == "straight-cold" else 0
            what = f"{'the_previous_image_once,_' if whole else ''}2_%_of_it,_and_what_is_copied_of_it"
            print(f"{way}:_bytes_read,_at_most_{what}", one["read"], "<=", whole + old // 50 + one["copied"])


if __name__ == "__main__":
    {"run": run, "table": table, "checks": checks}[sys.argv[1]](*sys.argv[2:])
