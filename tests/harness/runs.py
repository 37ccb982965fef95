"""runs.py: one chain of images through restrata, and what podman's mounts say of it."""
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

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
            # A new chroot has no /var/lib/containers until its podman runs for the first time.
            tmpfs = "for d in /var/lib/containers /run /dev/shm; do mkdir -p $d; mount -t tmpfs tmpfs $d; done"
            command = f"{tmpfs}; export TMPDIR=/run; {command}"
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
            run.counts["images"] += len(run.images())
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
