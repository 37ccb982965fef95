#!/usr/bin/env python3
"""mounts.py < REFS: what podman shows of many images. Runs inside a client's chroot (as root, or inside `podman unshare`).

REFS has a line `ID REFERENCE [load]` for each image: its config's digest, and an oci: reference to pull, or a docker-archive's path to
`podman load`. All are pulled into one store by one podman, mounted by one podman, and walked. Prints a JSON line for each image:
{"ref", "tree": {path: what stat, getxattr and readlink say}}, or {"ref", "error"} where podman refuses. The first line says the time
span of the pulls in ns: what has a time within it got that from the clock.
"""
import json
import os
import subprocess
import sys
import time

import fstree

PODMAN = ["podman", "--log-level=error"]
# podman starts itself anew for every layer; without garbage collection that takes a quarter less.
ENV = dict(os.environ, GOGC="off", PODMAN_IGNORE_CGROUPSV1_WARNING="1")


def podman(*args):
    return subprocess.run([*PODMAN, *args], capture_output=True, text=True, errors="replace", env=ENV)


def fetch(images):
    pulls = [ref for _, ref, *load in images if not load]
    if pulls:
        podman("pull", "-q", *pulls)
    for _, ref, *load in images:
        if load:
            podman("load", "-q", "-i", ref)


def mounted(ids):
    listed = podman("images", "--all", "--no-trunc", "--format", "{{.ID}}")
    there = {line.removeprefix("sha256:") for line in listed.stdout.split()}
    wanted = sorted(there & ids)
    if not wanted:
        return {}
    done = podman("image", "mount", "--format", "json", *wanted)
    if done.returncode == 0:
        return {m["id"]: m["mountpoint"] for m in json.loads(done.stdout)}
    # An image without layers is pulled, and can't be mounted.
    each = {i: podman("image", "mount", i) for i in wanted}
    return {i: None if one.returncode else one.stdout.strip() for i, one in each.items()}


def tree(at):
    return {e.pop("path"): e for e in list(fstree.from_root(at))} if at else {}


def why(ref, load):
    """The error of one image, which podman tells among those of others."""
    again = podman(*(("load", "-q", "-i") if load else ("pull", "-q")), ref)
    return again.stderr.strip()[-600:] or f"exit {again.returncode}, no image, nothing said"


def main():
    images = [line.split() for line in sys.stdin if line.strip()]
    start = time.time_ns()
    fetch(images)
    span = [start, time.time_ns()]
    mounts = mounted({i for i, *_ in images})
    print(json.dumps(span))
    for i, ref, *load in images:
        line = {"ref": ref}
        if i in mounts:
            line["tree"] = tree(mounts[i])
        else:
            line["error"] = why(ref, load)
        print(json.dumps(line))


if __name__ == "__main__":
    main()
