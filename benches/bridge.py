#!/usr/bin/env python3
"""bridge.py PULLS DELAY: the table of bridge.sh, from its JSON lines. The n-th pull of each way is a pair with the n-th of the other; what the bridge adds
is the median of the pairs' differences. Exit code 1 if that is more than 5 % on loopback, or one round trip with the delay, for restrata's images.
skopeo's updates ask for so many ranges that no bridge can keep that: single requests for them take a round trip each, four at once."""
import json
import statistics
import sys

MOST = 0.05


def main(name, delay):
    with open(name) as f:
        pulls = [json.loads(line) for line in f]
    round_trip, late = 2 * int(delay) / 1000, []
    print(f"| images by | pull | line | pairs | direct, s | through the bridge, s | added, ms (quartiles) | added |\n{'| --- ' * 3}{'| ---: ' * 5}|")
    for maker in dict.fromkeys(pull["maker"] for pull in pulls):
        for kind in "first pull", "update":
            for line in "loopback", "delay":
                direct, bridge = ([p[kind] for p in pulls if (p["maker"], p["line"], p["way"]) == (maker, line, way)] for way in ("direct", "bridge"))
                added = [b - a for a, b in zip(direct, bridge, strict=True)]
                low, middle, high = statistics.quantiles(added, n=4)
                share = middle / statistics.median(direct)
                print(f"| {maker} | {kind} | {'loopback' if line == 'loopback' else delay + ' ms each way'} | {len(added)} | {statistics.median(direct):.3f} | "
                      f"{statistics.median(bridge):.3f} | {middle * 1000:+.0f} ({low * 1000:+.0f} to {high * 1000:+.0f}) | {share:+.1%} |")
                if maker == "restrata" and (share > MOST if line == "loopback" else middle > round_trip):
                    late.append(f"{maker}, {kind}, {line}: {middle * 1000:.0f} ms added ({share:.1%})")
    print()
    print(*(late or ["restrata's images: at most 5 % on loopback, and one round trip with the delay."]), sep="\n")
    sys.exit(bool(late))


if __name__ == "__main__":
    main(*sys.argv[1:])
