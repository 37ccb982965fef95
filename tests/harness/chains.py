#!/usr/bin/env python3
"""chains.py: random builder-like images, version after version, through restrata; podman's mounts say whether the result is right.

Of each chain (builders.py): every version is laid out against the output of the one before. podman pulls and mounts each input and
each output. All that stat, readlink and getxattr say must be the same, and `restrata verify` must say so. Where restrata refuses an
input, podman must refuse it too. Two other pairs of each chain are compared as well, the last input with the first output and with a
twin of itself that differs in one entry: `verify` has to say "the same" exactly where the mounts are the same.

Called by chains.sh, which says what the options mean.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import builders
import known
import trees
import writing

HARNESS = os.path.dirname(os.path.abspath(__file__))
# What restrata refuses although podman takes it, and why that is right. Words of the error: reason.
REFUSED_WITH_REASON = {}


@dataclass
class Fault:
    kind: str
    what: str
    details: list  # lines

    def signature(self):
        """Faults of one kind: the same words but for names, numbers and the like."""
        return self.kind, re.sub(r"[\"'`\n].*|sha256:\w+|\d+|/\S+", "", self.what)[:200]


class Judge:
    """A client that mounts images, and the restrata that is judged."""

    def __init__(self, options):
        self.options = options
        self.bed = os.environ["BED"]
        self.work = os.environ["WORK"]
        self.count = 0

    def inside(self, path):
        return "/bed" + path.removeprefix(self.bed)

    def restrata(self, *args):
        env = dict(os.environ, XDG_CACHE_HOME=f"{self.work}/cache", TMPDIR=self.work)
        env.pop("SOURCE_DATE_EPOCH", None)
        done = subprocess.run([self.options.restrata, *args], capture_output=True, text=True, errors="replace", env=env, timeout=120)
        return done.returncode, (done.stdout + done.stderr).strip()

    def mount(self, images):
        """What the client shows of [(id, reference, is an archive)], by reference, and the time span of the pulls."""
        lines = "".join(f"{i} {ref}{' load' if load else ''}\n" for i, ref, load in dict.fromkeys(images))
        command = "exec python3 /harness/mounts.py"
        if not self.options.rootless:
            command = "for d in /var/lib/containers /run /dev/shm; do mount -t tmpfs tmpfs $d; done; export TMPDIR=/run; " + command
        run = "as_user" if self.options.rootless else "in_client"
        script = f'. {HARNESS}/lib.sh; {run} "$0" bash -euc "$1"'
        done = subprocess.run(["bash", "-c", script, self.options.client, command], input=lines, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the judge failed, exit {done.returncode}: {done.stderr[-2000:]}")
        span, *shown = map(json.loads, done.stdout.splitlines())
        return {s.pop("ref"): s for s in shown}, span

    def judge(self, chains):
        """The faults of each chain, in the same order, and what is to be counted."""
        self.count += 1
        folder = f"{self.work}/{self.count}-{os.urandom(4).hex()}"
        runs = []
        for number, chain in enumerate(chains):
            os.makedirs(f"{folder}/{number}")
            runs.append((Written if self.options.layouts else Run)(self, chain, f"{folder}/{number}"))
        for run in runs:
            run.make()
        shown, span = self.mount([image for run in runs for image in run.images()])
        for run in runs:
            run.compare(shown, span)
        shutil.rmtree(folder)
        return [run.faults for run in runs], sum((run.counts for run in runs), Counter())


class Run:
    """One chain through restrata."""

    def __init__(self, judge, chain, folder):
        self.judge, self.chain, self.folder = judge, chain, folder
        self.faults, self.counts = [], Counter()
        # (id, reference for restrata, is an archive) of inputs and of the twin; of an output None where restrata refused.
        self.inputs, self.outputs, self.refusals, self.twin = [], [], {}, None

    has_times = True

    def keeps_times(self, _name):
        return self.chain.keeps_times

    def fault(self, kind, what, details=()):
        self.faults.append(Fault(kind, what, list(details)))

    def make(self):
        layout, before = writing.Layout(f"{self.folder}/in"), []
        for number, version in enumerate(self.chain.versions, 1):
            if self.chain.archive:
                path = f"{self.folder}/in{number}.tar"
                new = writing.archive(path, version), f"docker-archive:{path}", True
            else:
                new = layout.add(f"v{number}", version), f"oci:{self.folder}/in:v{number}", False
            self.inputs.append(new)
            out = f"oci:{self.folder}/out:v{number}"
            code, said = self.judge.restrata("-q", "rechunk", new[1], out, *before, *self.chain.options)
            if code == 0:
                self.outputs.append((writing.image_id(f"{self.folder}/out", f"v{number}"), out, False))
                before = ["--previous", out]
                continue
            self.outputs.append(None)
            self.refusals[number - 1] = said
            if code != 1:
                self.fault("crash", f"v{number}: exit {code}: {said[:300]}")
        if self.chain.twin:
            self.twin = layout.add("twin", self.chain.twin), f"oci:{self.folder}/in:twin", False

    def images(self):
        """For the client, which has other names for files."""
        made = [*self.inputs, *filter(None, self.outputs), *([self.twin] if self.twin else [])]
        return [(i, self.seen(image), is_archive) for image in made for i, _, is_archive in [image]]

    def seen(self, image):
        kind, _, path = image[1].partition(":")
        return self.judge.inside(path) if kind == "docker-archive" else f"oci:{self.judge.inside(path)}"

    def compare(self, shown, span):
        show = lambda image: shown[self.seen(image)] if image else {}
        previous = None
        for number, (new, out) in enumerate(zip(self.inputs, self.outputs)):
            want, got, name = show(new), show(out), f"v{number + 1}"
            self.counts["versions"] += 1
            if why := self.why_not_compared(self.chain.versions[number]):
                self.counts[f"versions {why}: not compared"] += 1
            elif "error" in want:
                self.counts["versions that podman refuses"] += 1
                self.counts["podman: " + re.sub(r"\s+", " ", want["error"])[-400:]] += self.judge.options.verbose
                if out and "error" in got:
                    self.counts["outputs of these that podman refuses"] += 1
            elif out is None:
                said = self.refusals[number]
                reason = next((r for words, r in REFUSED_WITH_REASON.items() if words in said), None)
                if reason:
                    self.counts["refused: " + reason] += 1
                else:
                    self.fault("refused", f"{name}: podman takes what restrata refuses: {said[-300:]}")
            elif "error" in got:
                self.fault("output refused", f"{name}: {got['error'][-300:]}")
            else:
                self.counts["versions compared"] += 1
                self.counts["paths compared"] += len(want["tree"])
                self.held(name, new, out, want["tree"], got["tree"], span, previous)
            if out and "tree" in got:
                previous = got["tree"]
        if not self.judge.options.rootless and not self.why_not_compared(self.chain.versions[-1]):
            self.told(self.inputs[-1], self.outputs[0], show, span, "the last input and the first output")
            self.told(self.inputs[-1], self.twin, show, span, "the last input and its twin")

    def why_not_compared(self, version):
        """Of overlay's own marks restrata has one reading, and it writes none of them, so that its output shows the same to all.

        As root podman does not look at user.overlay.*. Without root it can't set trusted.*, and makes no devices: neither overlay's
        whiteouts nor one in the place of something in another layer. A redirect is not followed; a note says so."""
        rootless = self.judge.options.rootless
        places = Counter(name for layer in version for name in {e.name for e in layer.entries})
        entries = [e for layer in version for e in layer.entries]
        if any(".overlay.redirect" in x for e in entries for x in e.xattrs):
            return "that overlay redirects"
        obeyed_by_others = "trusted.overlay." if rootless else "user.overlay."
        devices = (e for e in entries if rootless and e.kind in ("char", "block"))
        if any(x.startswith(obeyed_by_others) for e in entries for x in e.xattrs) or any(e.dev == (0, 0) or places[e.name] > 1 for e in devices):
            return "that root and others see in different ways"
        return None

    def held(self, name, new, out, want, got, span, previous):
        """The output is the input."""
        keeps = self.keeps_times(name)
        found = trees.differences(want, got, span, previous=None if keeps else previous or {}, times=self.has_times or keeps)
        if found:
            self.fault("differs", f"{name}: {keys(found)}", lines(found))
        code, said = self.judge.restrata("-q", "verify", *([] if keeps else ["--ignore", "mtime"]), new[1], out[1])
        if code not in (0, 3):
            self.fault("verify fails", f"{name}: exit {code}: {said[-300:]}")
        elif code == 0 and found:
            self.fault("verify is blind", f"{name}: {keys(found)}")
        elif code == 3 and not found and (complaint := self.complaint(new, out)):
            self.fault("verify complains", f"{name}: ", complaint)

    def told(self, a, b, show, span, what):
        """verify sees in two other images what a mount sees."""
        if not b or "error" in show(a) or "error" in show(b):
            return
        found = trees.differences(show(a)["tree"], show(b)["tree"], span, both=True)
        code, said = self.judge.restrata("-q", "verify", a[1], b[1])
        self.counts["pairs that differ" if found else "pairs that are the same"] += 1
        if code not in (0, 3):
            self.fault("verify fails", f"{what}: exit {code}: {said[-300:]}")
        elif code == 0 and found:
            self.fault("verify is blind", f"{what}: {keys(found)}", lines(found))
        elif code == 3 and not found and (complaint := self.complaint(a, b)):
            self.fault("verify complains", f"{what}: ", complaint)

    def complaint(self, a, b):
        """What verify says, but for the root directory (see trees.differences)."""
        said = self.judge.restrata("verify", a[1], b[1])[1].splitlines()
        return [line for line in said if re.match(r"\s*/.*: ", line) and not re.match(r"\s*/: ", line)][:12]


class Written(Run):
    """Images that tests/chain has made: a directory of layouts, and a list of pairs. Its own oracle looks at times that are not kept."""
    has_times = False

    def make(self):
        folder, self.keeps = self.chain.name, {}
        with open(f"{folder}/pairs") as f:
            pairs = [line.split() for line in f]
        for number, (new, out, times) in enumerate(pairs, 1):
            for images, name in (self.inputs, new), (self.outputs, out):
                images.append((writing.image_id(f"{folder}/{name}", "t"), f"oci:{folder}/{name}:t", False))
            self.keeps[f"v{number}"] = times == "keep"

    def keeps_times(self, name):
        return self.keeps[name]


def keys(found):
    return ", ".join(sorted({key for _, key, _, _ in found}))


def lines(found):
    return [f"{path!r}: {key}: {str(x)[:150]} -> {str(y)[:150]}" for path, key, x, y in found[:12]]


# Small chains that fail in the same way.

def numbers(chain):
    return list(dict.fromkeys(e.number for layers in chain.versions for layer in layers for e in layer.entries))


def without(chain, out):
    def thin(version):
        layers = [replace(layer, entries=[e for e in layer.entries if e.number not in out]) for layer in version]
        return [layer for layer in layers if layer.entries] or layers[:1]
    return replace(chain, versions=[thin(v) for v in chain.versions], twin=thin(chain.twin) if chain.twin else None)


def plainer(chain):
    """Chains that are simpler in something else than their entries."""
    if chain.twin:
        yield replace(chain, twin=None)
    if len(chain.versions) > 1:
        yield replace(chain, versions=chain.versions[:-1])
        yield replace(chain, versions=chain.versions[1:])
    if chain.options:
        yield replace(chain, options=["--mtime", "keep"] if chain.keeps_times else [])
    if chain.archive:
        yield replace(chain, archive=False)
    plain = lambda v: [replace(layer, dialect=builders.Dialect(), compression="none") for layer in v]
    if any(layer.dialect != builders.Dialect() or layer.compression != "none" for v in chain.versions for layer in v):
        yield replace(chain, versions=[plain(v) for v in chain.versions], twin=chain.twin and plain(chain.twin))


def shrink(judge, chain, signature):
    """The same fault with fewer entries: halves, quarters and so on are left out while the fault stays."""
    end = time.monotonic() + judge.options.shrink_seconds

    def failing(candidates):
        if time.monotonic() > end:
            return None
        faults, _ = judge.judge(candidates)
        return next((c for c, f in zip(candidates, faults) if signature in [x.signature() for x in f]), None)
    parts = 2
    while simpler := failing(list(plainer(chain)) or [chain]):
        if simpler is chain:
            break
        chain = simpler
    while (left := numbers(chain)) and parts <= 2 * len(left):
        size = max(1, len(left) // parts)
        chunks = [left[i:i + size] for i in range(0, len(left), size)]
        for at in range(0, len(chunks), 8):
            smaller = failing([without(chain, set(c)) for c in chunks[at:at + 8]])
            if smaller:
                chain = smaller
                break
        else:
            if size == 1:
                break
            parts *= 2
    return chain


def describe(chain):
    yield f"options {' '.join(chain.options) or 'none'}{', docker-archives' if chain.archive else ''}"
    for name, version in [*((f"v{i}", v) for i, v in enumerate(chain.versions, 1)), *([("twin", chain.twin)] if chain.twin else [])]:
        for at, layer in enumerate(version):
            d = layer.dialect
            yield f"{name} layer {at}: {layer.compression} {d.form} prefix={d.prefix.decode()!r} slash={d.slash} base256={d.base256} padding={d.padding} end={d.end}"
            for e in layer.entries:
                more = [str(e.link)] if e.link else []
                more += [f"dev={e.dev}"] if e.kind in ("char", "block") else []
                more += [f"{len(e.data)} bytes"] if e.kind == "file" else []
                more += [f"{k}={v[:12]!r}" for k, v in e.xattrs.items()]
                yield f"    {e.kind} {e.name!r} {e.mode:04o} {e.uid}:{e.gid} {e.mtime / 1e9:.9g} {' '.join(more)}"


# The command.

def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--restrata", required=True)
    p.add_argument("--client", default="trixie")
    p.add_argument("--rootless", action="store_true")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--seconds", type=int, default=10**6)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--entries", type=int, default=14)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--layouts")
    p.add_argument("--known", action="store_true")
    p.add_argument("--show", action="store_true")
    p.add_argument("--shrink", action="store_true")
    p.add_argument("--shrink-seconds", type=int, default=90)
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


def batches(o):
    if o.known or o.layouts:
        chains = written(o) if o.layouts else known.chains()
        yield from (chains[i:i + o.batch] for i in range(0, len(chains), o.batch))
        return
    for first in range(o.first, o.first + o.count, o.batch):
        yield [builders.chain(s, o.layers, o.entries) for s in range(first, min(first + o.batch, o.first + o.count))]


def written(o):
    folders = sorted(e.path for e in os.scandir(o.layouts) if os.path.exists(f"{e.path}/pairs"))[:o.count]
    return [builders.Chain(folder, [[]] * sum(1 for _ in open(f"{folder}/pairs"))) for folder in folders]


def repeat(o, chain):
    number = chain.name.split()[0]
    what = "--known" if o.known else f"--layouts {o.layouts}" if o.layouts else f"--first {number} --count 1 --layers {o.layers} --entries {o.entries}"
    return f"tests/harness/chains.sh --client {o.client}{' --rootless' if o.rootless else ''} {what} --shrink"


def report(judge, chain, faults, seen):
    for fault in faults:
        print(f"FAIL chain {chain.name}: {fault.kind}: {fault.what}", *("    " + d for d in fault.details), sep="\n")
        seen[fault.signature()] += 1
        if judge.options.shrink and seen[fault.signature()] == 1:
            small = shrink(judge, chain, fault.signature())
            again = [f for f in judge.judge([small])[0][0] if f.signature() == fault.signature()]
            print("  as small as it gets:", *("    " + d for d in describe(small)), sep="\n")
            print(*(f"    {f.kind}: {f.what}\n" + "\n".join("      " + d for d in f.details) for f in again[:1]), sep="\n", flush=True)
    print(f"  again: {repeat(judge.options, chain)}", flush=True)


def main():
    o = parse()
    judge, start, seen = Judge(o), time.monotonic(), Counter()
    counts, failed, done = Counter(), 0, 0
    todo = batches(o)
    def work(_):
        nonlocal todo
        chains = next_batch()
        return (chains, *judge.judge(chains)) if chains else None
    import threading
    lock = threading.Lock()
    def next_batch():
        with lock:
            return next(todo, None) if time.monotonic() - start < o.seconds else None
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(work, 0), pool.submit(work, 0)]
        while pending:
            result = pending.pop(0).result()
            if not result:
                continue
            pending.append(pool.submit(work, 0))
            chains, faults, more = result
            counts += more
            done += len(chains)
            for chain, its in zip(chains, faults):
                if o.show:
                    print(chain.name, *describe(chain), sep="\n")
                if its:
                    failed += 1
                    report(judge, chain, its, seen)
    took = time.monotonic() - start
    for counted, n in sorted(counts.items()):
        print(f"  {n} {counted}")
    for (kind, words), n in seen.most_common():
        print(f"  fault {n}x {kind}: {words[:160]}")
    what = "known" if o.known else "tests/chain's" if o.layouts else "random"
    who = f"{o.client}, {'without root' if o.rootless else 'root'}"
    print(f"{'FAIL' if failed or not done else 'PASS'} {done} {what} chains, {who}: {failed} with faults, "
          f"{took:.0f} s, {1000 * took / max(1, counts['versions'] * 2):.0f} ms an image")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
