"""shrink.py: smaller chains that fail in the same way, and chains in words."""
import time
from dataclasses import replace

from rawtar import Dialect


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
    plain = lambda v: [replace(layer, dialect=Dialect(), compression="none") for layer in v]
    if any(layer.dialect != Dialect() or layer.compression != "none" for v in chain.versions for layer in v):
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
