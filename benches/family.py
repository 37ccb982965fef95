#!/usr/bin/env python3
"""family.py WORK: the tables of family.sh, from what it left in WORK: inputs.json (inputs.py) and for each layout a folder with the images
(vN-MEMBER; vN for union), restrata's reports and what its runs took (measured.py).

Every figure is bytes of blobs, by the manifests, over bytes of contents, by inputs.json: a content that several files or members have counts
once, and metadata not at all. The ratio tells what the layout costs beyond the contents: copies, dead files, indexes, manifests."""
import itertools
import json
import os
import sys

from sequence import manifests, mb, over, read_json, row, table
from stored import Layers

SHOWN = ["family", "alone", "base", "gzip", "skopeo"]
TARGETS = {"registry": 1.05, "all": 1.10, "update": 1.05, "host": 1.05, "switch": 1.05, "time": 1.15}
MOST_PAIRS, MOST_NOTES = 20, 5


class Contents:
    """Sets of contents and their bytes."""

    def __init__(self, work):
        inputs = read_json(f"{work}/inputs.json")
        self.members, self.versions = inputs["members"], range(1, inputs["versions"] + 1)
        self.digests, self.sizes, self.gzip = inputs["digests"], inputs["sizes"], inputs["gzip"]
        self.held = {tag: frozenset(numbers) for tag, numbers in inputs["held"].items()}

    def of(self, version, members=None):
        """Contents that these members have, or all; none of them before version 1."""
        return frozenset().union(*(self.held.get(f"v{version}-{m}", ()) for m in members or self.members))

    def bytes(self, contents):
        return sum(self.sizes[number] for number in contents)

    def new(self, version, members=None):
        return self.bytes(self.of(version, members) - self.of(version - 1, members))


class Blobs:
    """Of a layout: of each image its blobs and their bytes. Those of layers apart, since a host that has none of them pulls these."""

    def __init__(self, layers, documents):
        self.layers, self.documents = layers, documents

    @classmethod
    def of_images(cls, layout):
        layers, documents = {}, {}
        for tag, entry, manifest in manifests(layout):
            layers[tag] = {layer["digest"]: layer["size"] for layer in manifest["layers"]}
            documents[tag] = {blob["digest"]: blob["size"] for blob in (entry, manifest["config"])}
        return cls(layers, documents)

    def of(self, version, members):
        return merged(self.layers.get(f"v{version}-{m}", {}) for m in members)

    def new(self, version, members):
        """What a host pulls that has these members of the version before."""
        old = self.of(version - 1, members)
        return sum(size for digest, size in self.of(version, members).items() if digest not in old)

    def stored(self, tags):
        return sum(merged([blobs[tag] for tag in tags for blobs in (self.layers, self.documents)]).values())


def merged(sizes):
    return {digest: size for each in sizes for digest, size in each.items()}


class Figures:
    def __init__(self, work):
        self.work, self.contents = work, Contents(work)
        self.members, self.versions = self.contents.members, self.contents.versions
        gzip = {tag: dict([blob]) for tag, blob in self.contents.gzip.items()}
        self.blobs = {"gzip": Blobs(gzip, {tag: {} for tag in gzip})}
        for layout in SHOWN:
            if os.path.exists(f"{work}/{layout}/images/index.json"):
                blobs = Blobs.of_images(f"{work}/{layout}/images")
                if all(f"v{self.versions[-1]}-{m}" in blobs.layers for m in self.members):
                    self.blobs[layout] = blobs
        self.layouts = [layout for layout in SHOWN if layout in self.blobs]

    def tags(self, version):
        return [f"v{version}-{m}" for m in self.members]

    def cells(self, sizes, floor):
        """`sizes` of each layout."""
        return [cell for size in sizes for cell in (mb(size), over(size, floor))]

    def headings(self):
        return [heading for layout in self.layouts for heading in (f"{layout}, MB", "ratio")]

    def target(self, which, columns=1):
        """Beneath the family's ratio."""
        row("target", *[""] * (columns + 1), f"{TARGETS[which]:.2f}", *[""] * (2 * len(self.layouts) - 2))

    def registry(self):
        print("\nThe registry. Contents: of all members, each once.")
        table("version", "contents, MB", *self.headings())
        for v in self.versions:
            floor = self.contents.bytes(self.contents.of(v))
            row(f"v{v}", mb(floor), *self.cells((self.blobs[x].stored(self.tags(v)) for x in self.layouts), floor))
        self.target("registry")
        floor = self.contents.bytes(frozenset().union(*map(self.contents.of, self.versions)))
        tags = [tag for v in self.versions for tag in self.tags(v)]
        row("all versions", mb(floor), *self.cells((self.blobs[x].stored(tags) for x in self.layouts), floor))
        self.target("all")

    def shares(self):
        """What the ratios of the registry come from; of layouts by restrata whose blobs are there still."""
        for layout in ("family", "alone", "base"):
            if layout not in self.layouts or not os.path.exists(f"{self.work}/{layout}/whole"):
                continue
            print(f"\nOf what the layers of a version are, {layout}, over its contents. Once: the contents. Copies: more of the same. Dead: contents that no member has.")
            table("version", "layers", "once", "copies", "dead", "headers and indexes")
            images = {tag: manifest["layers"] for tag, _, manifest in manifests(f"{self.work}/{layout}/images")}
            layers = Layers(f"{self.work}/{layout}/images")
            for v in self.versions:
                held = self.contents.of(v)
                shares = layers.shares([layer for tag in self.tags(v) for layer in images[tag]], {self.contents.digests[n] for n in held})
                row(f"v{v}", len({layer["digest"] for tag in self.tags(v) for layer in images[tag]}), *(over(share, self.contents.bytes(held)) for share in shares))

    def updates(self, what, which, hosts):
        """`hosts`: of each row what its host has."""
        print(f"\n{what}, all updates together: bytes of layers that the version before has not, over contents that it has not.")
        table("host with", "changed, MB", *self.headings())
        sums = [0] * (1 + len(self.layouts))
        for host, members in hosts:
            figures = [sum(of.new(v, members) for v in self.versions[1:]) for of in (self.contents, *(self.blobs[x] for x in self.layouts))]
            sums = [a + b for a, b in zip(sums, figures)]
            row(host, mb(figures[0]), *self.cells(figures[1:], figures[0]))
        if len(hosts) > 1:
            row("sum", mb(sums[0]), *self.cells(sums[1:], sums[0]))
        self.target(which)

    def each_update(self):
        """Of the family alone, member by member."""
        if "family" not in self.blobs or len(self.members) > MOST_PAIRS // 2:
            return
        print("\nEach update of the family: changed MB, MB of new layers, and their ratio.")
        table("update", *self.members, "all")
        for v in self.versions[1:]:
            cells = []
            for members in [*([m] for m in self.members), self.members]:
                changed, new = self.contents.new(v, members), self.blobs["family"].new(v, members)
                cells.append(f"{mb(changed)} / {mb(new)} / {over(new, changed)}")
            row(f"v{v}", *cells)

    def switches(self):
        v = self.versions[-1]
        pairs = []
        for has, pulls in itertools.permutations(self.members, 2):
            lacks = self.contents.bytes(self.contents.of(v, [pulls]) - self.contents.of(v, [has]))
            sizes = []
            for layout in self.layouts:
                old = self.blobs[layout].of(v, [has])
                sizes.append(sum(size for digest, size in self.blobs[layout].of(v, [pulls]).items() if digest not in old))
            pairs.append((has, pulls, lacks, sizes))
        print(f"\nA host that has one member of v{v} pulls another. Lacks: contents of the other that the one has not.")
        table("has", "pulls", "lacks, MB", *self.headings())
        for has, pulls, lacks, sizes in pairs if len(pairs) <= MOST_PAIRS else []:
            row(has, pulls, mb(lacks), *self.cells(sizes, lacks))
        lacks = sum(pair[2] for pair in pairs)
        row(f"sum of {len(pairs)}", "", mb(lacks), *self.cells([sum(sizes) for sizes in zip(*(pair[3] for pair in pairs))], lacks))
        worst = [max(pair[3][i] / pair[2] for pair in pairs) for i in range(len(self.layouts))]
        row("the worst", "", "", *itertools.chain.from_iterable(("", f"{ratio:.3f}") for ratio in worst))
        self.target("switch", 2)
        self.check_switches(pairs)

    def check_switches(self, pairs):
        """The last report tells the same as the manifests."""
        if "family" not in self.blobs:
            return
        told = {}
        for switch in read_json(f"{self.work}/family/v{self.versions[-1]}.json")["switches"]:
            told[tuple(name.rpartition("-")[2] for name in (switch["from"], switch["to"]))] = switch["pull_bytes"]
        at = self.layouts.index("family")
        for has, pulls, _, sizes in pairs:
            if told.get((has, pulls)) != sizes[at]:
                print(f"\nERROR: {has} to {pulls}: the report tells {told.get((has, pulls))} bytes, the manifests {sizes[at]}")

    def used(self, layout, version):
        """Of all the layout's runs for a version: seconds and CPU seconds of all, peak KB and spool of the largest."""
        runs = []
        for tag in [f"v{version}", *self.tags(version)]:
            path = f"{self.work}/{layout}/{tag}.time"
            if os.path.exists(path):
                with open(path) as f:
                    # Of several, the fastest.
                    runs.append(min([float(n) for n in line.split()] for line in f))
        if not runs:
            return None
        seconds, peak, user, system, spool = zip(*runs)
        return sum(seconds), sum(user) + sum(system), max(peak), max(spool)

    def times(self):
        layouts = [x for x in ("family", "union", "alone", "base") if self.used(x, self.versions[-1])]
        if not layouts:
            return
        read = ""
        if "union" in layouts:
            with open(f"{self.work}/union/v{self.versions[-1]}.sizes") as f:
                union, *members = map(int, f)
            read = f" The family reads {over(sum(members), union)} times the bytes of the union (last version: {mb(sum(members))} MB against {mb(union)} MB)."
        print("\nTime. Union: one image that has each file of all members once. Of alone and base, the members' runs together; peak and spool are those of the largest run." + read)
        table("run", *(h for x in layouts for h in (f"{x}, seconds", "CPU seconds", "peak, MB", "spool, MB")), *(f"family / {x}" for x in layouts[1:] if layouts[0] == "family"))
        sums = {x: (0.0, 0.0, 0.0, 0.0) for x in layouts}
        for v in self.versions:
            used = {x: self.used(x, v) for x in layouts}
            self.time_row(f"v{v}", used)
            if v > 1:
                sums = {x: tuple(a + b for a, b in zip(sums[x][:2], used[x][:2])) + tuple(map(max, sums[x][2:], used[x][2:])) for x in layouts}
        if len(self.versions) > 2:
            self.time_row("updates", sums)
        if "family" in layouts and "union" in layouts:
            row("target", *[""] * (4 * len(layouts)), f"{TARGETS['time']:.2f}", *[""] * (len(layouts) - 2))

    def time_row(self, name, used):
        cells = [cell for seconds, cpu, peak, spool in used.values() for cell in (f"{seconds:.1f}", f"{cpu:.1f}", f"{peak * 1.024 / 1e3:.0f}", mb(spool))]
        row(name, *cells, *(over(used["family"][0], used[x][0]) for x in list(used)[1:] if "family" in used))

    def promises(self):
        """What each member of the family keeps to."""
        if "family" not in self.blobs:
            return
        print("\nThe family's members: over all versions the most waste and the most layers; and of the layers of the last version, those that others have too.")
        table("member", "waste", "layers", "common", "layers, MB", "common, MB")
        reports = [read_json(f"{self.work}/family/v{v}.json") for v in self.versions]
        last, blobs = self.versions[-1], self.blobs["family"]
        for at, member in enumerate(self.members):
            of_member = [report["members"][at] for report in reports]
            layers, others = blobs.of(last, [member]), blobs.of(last, [m for m in self.members if m != member])
            common = [size for digest, size in layers.items() if digest in others]
            row(member, f"{max(r['waste'] for r in of_member):.1%}", max(len(r["layers"]) for r in of_member), len(common), mb(sum(layers.values())), mb(sum(common)))
        notes = sorted({note for report in reports for r in (report, *report["members"]) for note in (*r["notes"], *(d["message"] for d in r["degraded"]))})
        for note in notes[:MOST_NOTES]:
            print(f"\nNote: {note}")
        if len(notes) > MOST_NOTES:
            print(f"\nNotes: {len(notes) - MOST_NOTES} more.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    figures = Figures(sys.argv[1])
    figures.registry()
    figures.shares()
    figures.updates("A host with one member", "update", [(m, [m]) for m in figures.members])
    figures.each_update()
    figures.updates("A host with all members", "host", [("all", figures.members)])
    figures.switches()
    figures.times()
    figures.promises()
