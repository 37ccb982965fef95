#!/usr/bin/env python3
"""chains.py: random builder-like images, version after version, through restrata; podman's mounts say whether the result is right.

Of each chain (builders.py): every version is laid out against the output of the one before. podman pulls and mounts each input and
each output. All that stat, readlink and getxattr say must be the same, and `restrata verify` must say so. Where restrata refuses an
input, podman must refuse it too. Two other pairs of each chain are compared as well, the last input with the first output and with a
twin of itself that differs in one entry: `verify` has to say "the same" exactly where the mounts are the same.

Called by chains.sh, which says what the options mean.
"""
import argparse
import os
import sys
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

import builders
import known
from runs import Judge
from shrink import describe, shrink
from styles import Chain


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
    return [Chain(folder, [[]] * sum(1 for _ in open(f"{folder}/pairs"))) for folder in folders]


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


def judged(judge, todo):
    """(chain, its faults, what is to be counted) of each batch, as it is done. Two at once: one waits for podman while the other computes."""
    start = time.monotonic()

    def next_batch():
        return next(todo, None) if time.monotonic() - start < judge.options.seconds else None
    with ThreadPoolExecutor(2) as pool:
        pending = deque()
        while True:
            while len(pending) < 2 and (chains := next_batch()):
                pending.append((chains, pool.submit(judge.judge, chains)))
            if not pending:
                return
            chains, result = pending.popleft()
            faults, counts = result.result()
            yield list(zip(chains, faults)), counts


def main():
    o = parse()
    judge, start, seen = Judge(o), time.monotonic(), Counter()
    counts, failed, done = Counter(), 0, 0
    for batch, more in judged(judge, batches(o)):
        counts += more
        done += len(batch)
        for chain, faults in batch:
            if o.show:
                print(chain.name, *describe(chain), sep="\n")
            if faults:
                failed += 1
                report(judge, chain, faults, seen)
    took = time.monotonic() - start
    for counted, n in sorted(counts.items()):
        print(f"  {n} {counted}")
    for (kind, words), n in seen.most_common():
        print(f"  fault {n}x {kind}: {words[:160]}")
    what = "known" if o.known else "tests/chain's" if o.layouts else "random"
    who = f"{o.client}, {'without root' if o.rootless else 'root'}"
    print(f"{'FAIL' if failed or not done else 'PASS'} {done} {what} chains, {who}: {failed} with faults, "
          f"{took:.0f} s, {1000 * took / max(1, counts['images']):.0f} ms an image")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
