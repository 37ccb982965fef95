#!/usr/bin/env python3
"""sequence.py WORK: the tables of sequence.sh, from what it left in WORK: for each version rechunk's report vN.json, diff's against
older ones in diff-vN.json and `SECONDS PEAK_KB USER_SECONDS SYSTEM_SECONDS` in vN.time, the layouts restrata and skopeo-*, and pulls.jsonl, a line for each
real pull (tests/harness/pulled.py).

What changed are the files that no layer of the older version has, each content once, whatever paths and layers have it: diff's `changed_bytes`. Clients
pull a content again in every layer that has it, and most of them at each of its paths: that is the layout's cost, and no part of what changed."""
import collections
import glob
import json
import os
import sys


def read_json(path):
    with open(path) as f:
        return json.load(f)


def manifests(layout):
    """Of each tag: its manifest's digest and size, and the manifest."""
    for entry in read_json(f"{layout}/index.json")["manifests"]:
        tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        yield tag, entry, read_json(f"{layout}/blobs/" + entry["digest"].replace(":", "/"))


def table(*columns):
    print("\n| " + " | ".join(columns) + " |\n| --- " + "| ---: " * (len(columns) - 1) + "|")


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def mb(n):
    return f"{n / 1e6:,.1f}"


def over(a, b):
    return f"{a / b:.3f}" if b else "-"


class Sequence:
    def __init__(self, work):
        self.work = work
        count = len(glob.glob(f"{work}/v*.json"))
        self.versions = [f"v{i}" for i in range(1, count + 1)]
        self.report = {v: read_json(f"{work}/{v}.json") for v in self.versions}
        self.layers = {tag: {l["digest"]: l["size"] for l in m["layers"]} for tag, _, m in manifests(f"{work}/restrata")}
        self.changes = {}
        for v in self.versions[1:]:
            diff = read_json(f"{work}/diff-{v}.json")
            self.changes |= {(v, d["old"]): d["changed_bytes"] for d in [diff, *diff.get("diffs", [])]}
        self.used = {}
        for v in self.versions:
            with open(f"{work}/{v}.time") as f:
                # A command that fails gets a line before it.
                seconds, kb, user, system = map(float, f.read().splitlines()[-1].split())
            self.used[v] = (seconds, kb, user + system)

    def layout(self, v):
        return f"oci:{self.work}/restrata:{v}"

    def changed(self, v, before):
        """Nothing is told of a first pull."""
        return self.changes[v, self.layout(before)] if before else 0

    def pull(self, client, v, before):
        """The report's pull of v by a client that has an older version (or nothing: None); None when it was not a --previous."""
        origin = before and self.layout(before)
        found = [p for p in self.report[v]["pulls"]
                 if p["from"] == origin and p["client"] == client and p["registry"] == "multi-range"]
        return found[0] if found else None

    def plain(self, v, before):
        """Bytes of the layers that a client of an older version lacks, by the manifests; the report must say the same."""
        size = sum(n for digest, n in self.layers[v].items() if not before or digest not in self.layers[before])
        told = self.pull("plain", v, before)
        if told and told["data_bytes"] != size:
            sys.exit(f"error: {v} from {before}: the report tells {told['data_bytes']} bytes for a plain client, the manifests {size}")
        return size

    def moved(self, v, before):
        """Bytes from the lowest layer up that differs."""
        old, new = list(self.layers[before]) if before else [], list(self.layers[v].items())
        same = 0
        while same < min(len(old), len(new)) and old[same] == new[same][0]:
            same += 1
        return sum(size for _, size in new[same:])

    def updates(self):
        print("\nUpdates. Changed: compressed bytes of the files that the version before has not, each content once. Plain: layers that are not in its manifest."
              "\nPodman: all blob bytes of a partial pull from a multi-range registry, as the report predicts them."
              "\nMoved: bytes from the lowest layer up that is not in the version before, which docker's graph drivers pull.")
        table("update", "changed, MB", "plain, MB", "plain / changed", "moved, MB", "podman, MB", "podman / changed", "ranges", "waste", "layers", "kept",
              "seconds", "of the first run", "CPU seconds", "of the first run", "peak, MiB")
        sums, first = [0, 0, 0, 0.0, 0.0, 0], self.used["v1"]
        for before, v in zip([None, *self.versions], self.versions):
            podman, layers = self.pull("podman", v, before), self.report[v]["layers"]
            changed, plain, (seconds, kb, cpu) = self.changed(v, before), self.plain(v, before), self.used[v]
            row(v, mb(changed) if before else "-", mb(plain), over(plain, changed), mb(self.moved(v, before)), mb(podman["blob_bytes"]), over(podman["blob_bytes"], changed),
                podman["ranges"], f"{self.report[v]['waste']:.1%}", len(layers), sum(l["state"] == "kept" for l in layers),
                f"{seconds:.1f}", over(seconds, first[0]), f"{cpu:.1f}", over(cpu, first[2]), f"{kb / 1024:.0f}")
            if before:
                sums = [a + b for a, b in zip(sums, (changed, plain, podman["blob_bytes"], seconds, cpu, self.moved(v, before)))]
        n = len(self.versions) - 1
        if n:
            changed, plain, podman, seconds, cpu, moved = sums
            row(f"{n} updates", mb(changed), mb(plain), f"**{over(plain, changed)}**", mb(moved), mb(podman), f"**{over(podman, changed)}**", "",
                "", "", "", f"{seconds:.1f}", over(seconds / n, first[0]), f"{cpu:.1f}", over(cpu / n, first[2]), "")

    def skips(self):
        print("\nClients that come from further back: all such pulls of the sequence, and the worst of them.")
        table("versions behind", "pulls", "changed, MB", "plain, MB", "plain / changed", "worst", "podman, MB", "podman / changed", "worst")
        for k in range(1, len(self.versions)):
            pulls = [(self.pull("podman", v, before), v, before) for before, v in zip(self.versions, self.versions[k:])]
            pulls = [(self.changed(v, before), self.plain(v, before), p["blob_bytes"]) for p, v, before in pulls if p]
            if not pulls:
                break
            changed, plain, podman = map(sum, zip(*pulls))
            worst = [max((p[i] / p[0] for p in pulls if p[0]), default=0) for i in (1, 2)]
            row(k, len(pulls), mb(changed), mb(plain), over(plain, changed), f"{worst[0]:.3f}", mb(podman), over(podman, changed), f"{worst[1]:.3f}")

    def storage(self):
        stored = {}
        for layout in sorted(glob.glob(f"{self.work}/restrata") + glob.glob(f"{self.work}/skopeo-*")):
            seen, added = set(), stored.setdefault(os.path.basename(layout), {})
            for tag, entry, manifest in manifests(layout):
                blobs = {b["digest"]: b["size"] for b in (entry, manifest["config"], *manifest["layers"])}
                added[tag] = sum(size for digest, size in blobs.items() if digest not in seen)
                seen |= blobs.keys()
        print("\nWhat each version adds to a registry, MB.")
        table("version", *stored)
        for v in self.versions:
            row(v, *(mb(added[v]) for added in stored.values()))
        row("all", *(mb(sum(added.values())) for added in stored.values()))

    def real_pulls(self):
        if not os.path.exists(f"{self.work}/pulls.jsonl"):
            return
        pulls = collections.defaultdict(dict)
        with open(f"{self.work}/pulls.jsonl") as f:
            for p in map(json.loads, f):
                tool, v = p["image"].split("-")[1], p["image"].rsplit(":", 1)[1]
                pulls[p["client"]][f"{tool}, {p['registry']}", v] = p
        print("\nReal pulls, in turn into one store: MB of blobs that the registry sent, without what an S3-like one (whole-200) sent before it"
              "\nsaw the client hang up, which stands behind a +; data ranges in brackets. Predicted: by the report.")
        for client, by in pulls.items():
            ways = list(dict.fromkeys(way for way, _ in by))
            table(client, "predicted", *ways)
            for before, v in zip([None, *self.versions], self.versions):
                row(v, mb(self.pull("podman", v, before)["blob_bytes"]), *(cell(by[way, v]) for way in ways))
            sums = [total([by[way, v] for v in self.versions[1:]]) for way in ways]
            row("updates", mb(sum(self.pull("podman", v, before)["blob_bytes"] for before, v in zip(self.versions, self.versions[1:]))),
                *("-" if n is None else mb(n) for n in sums))
            base = dict(zip(ways, sums)).get("skopeo, multi-range")
            if base:
                row("against skopeo, multi-range", "", *("-" if n is None else over(n, base) for n in sums))


def net(p):
    return p["blob_bytes"] - p["over_read"]


def total(pulls):
    return sum(map(net, pulls)) if all(p["ok"] for p in pulls) else None


def cell(p):
    if not p["ok"]:
        return "fails"
    return f"{mb(net(p))}{' + ' + mb(p['over_read']) if p['over_read'] else ''} ({p['data_ranges']})"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sequence = Sequence(sys.argv[1])
    sequence.updates()
    sequence.skips()
    sequence.storage()
    sequence.real_pulls()
