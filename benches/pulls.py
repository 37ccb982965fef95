#!/usr/bin/env python3
"""pulls.py empty LAYOUT TAG | table WORK: the parts of pulls.sh that are no shell.

empty: adds an image without layers to a layout, which stands for a client that has nothing.
table: compares what was predicted with what was pulled. Outcome, requests and ranges must be the same; blob bytes, without the predicted
headers between ranges, within a thousandth, or less by no more than what layers of one pull share; what an S3-like registry sent after the client had hung up is told apart.
"""
import hashlib
import json
import pathlib
import sys


def put(layout, value):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def empty(layout, tag):
    layout = pathlib.Path(layout)
    kind = "application/vnd.oci.image."
    config = put(layout, {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    manifest = put(layout, {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                            "config": {"mediaType": kind + "config.v1+json"} | config, "layers": []})
    index_file = layout / "index.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {"schemaVersion": 2, "manifests": []}
    index["manifests"].append({"mediaType": kind + "manifest.v1+json"} | manifest |
                              {"annotations": {"org.opencontainers.image.ref.name": tag}})
    index_file.write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def outcome(pull):
    """What a pull turned out to be, from its requests."""
    if not pull["ok"]:
        return "failed"
    answered = [layer for layer in pull["layers"].values() if layer["index_ranges"] and "400" not in map(str, layer["statuses"])]
    whole = [layer for layer in pull["layers"].values() if not layer["index_ranges"] or "400" in map(str, layer["statuses"])]
    # The config is a blob without ranges, too.
    return "whole" if len(whole) > 1 else "partial" if answered else "reused"


def compare(pull, told):
    """The deviation of the bytes, and what else differs."""
    seen = outcome(pull)
    if "failed" in (told["outcome"], seen):
        return None, [] if told["outcome"] == seen else [f"outcome {told['outcome']}, seen {seen}: {pull.get('error', '')[-120:]}"]
    wrong = [f"outcome {told['outcome']}, seen {seen}"] if told["outcome"] != seen else []
    for name, count in ("requests", pull["requests"]), ("ranges", pull["data_ranges"]):
        if told[name] != count:
            wrong.append(f"{told[name]} {name}, seen {count}")
    # The bodies have headers and boundaries between ranges.
    read, most = pull["blob_bytes"] - pull["over_read"] - told["multipart_bytes"], told["blob_bytes"]
    if not (most - told["shared_bytes"]) * 0.999 <= read <= most * 1.001:
        wrong.append(f"{most} bytes ({told['shared_bytes']} shared), read {read}")
    return read / most - 1, wrong


def table(work):
    work = pathlib.Path(work)
    pulls = [json.loads(line) for line in (work / "pulls.jsonl").read_text().splitlines()]
    registries = ["multi-range", "ranges-299", "ranges-16", "whole-200", "refuse-400", "refuse-501"]
    rows, faults, combinations = {}, [], set()
    for pull in pulls:
        tag = pull["image"].split(":")[1]
        client = "podman" if pull["client"] != "trixie" and pull["fs"] == "ext4" else "podman-reflink"
        report = json.loads((work / f"{tag}.json").read_text())
        told, = [p for p in report["pulls"] if (p["client"], p["registry"]) == (client, pull["registry"])]
        first, second = (work / f"{pull['scene']}.tags").read_text().split()
        # An update after a first pull that failed is a first pull.
        before = [p for p in pulls if p["image"] == f"pulls:{first}" and all(p[k] == pull[k] for k in ("scene", "fs", "client", "registry"))]
        if tag == second and not before[0]["ok"] and pull["ok"]:
            continue
        off, wrong = compare(pull, told)
        what = pull["scene"], "first pull" if tag == first else "update"
        combinations.add((pull["client"], pull["fs"]))
        cell = rows.setdefault(what, {}).setdefault(pull["registry"], {"outcomes": set(), "ranges": set(), "off": [], "bytes": set(), "wrong": 0})
        cell["outcomes"].add(told["outcome"])
        if off is not None:
            cell["ranges"].add(told["ranges"])
            cell["bytes"].add(told["blob_bytes"])
            cell["off"].append(off)
        cell["wrong"] += bool(wrong)
        faults += [f"{' '.join(what)}, {pull['client']} {pull['fs']} {pull['registry']}: {fault}" for fault in wrong]
    print(f"{len(pulls)} pulls of {len(rows)} kinds, by", ", ".join(" on ".join(c) for c in sorted(combinations)))
    print("\n| scene | pull | MB | ranges |", " | ".join(registries), "|\n| --- | --- | ---: | ---: |", " | ".join(["---:"] * len(registries)), "|")
    span = lambda values, show: "–".join(dict.fromkeys([show(min(values)), show(max(values))])) if values else ""
    for what, cells in rows.items():
        row = cells["multi-range"]
        texts = []
        for registry in registries:
            cell = cells[registry]
            said = "/".join(sorted(cell["outcomes"]))
            said += f" {span(cell['off'], lambda off: f'{off:+.3%}')}" if cell["off"] else ""
            texts.append(said + (f" **{cell['wrong']} not as predicted**" if cell["wrong"] else ""))
        print(f"| {what[0]} | {what[1]} | {span(row['bytes'], lambda b: f'{b / 1e6:.2f}')} | {span(row['ranges'], str)} |", " | ".join(texts), "|")
    print()
    print(*(faults or ["Every pull was as predicted."]), sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    {"empty": empty, "table": table}[sys.argv[1]](*sys.argv[2:])
