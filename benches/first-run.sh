#!/bin/bash
# first-run.sh [SEQUENCE] [RUNS]: the first conversion of an image (default: large, 2 GB), in one run on this machine: skopeo's
# zstd:chunked, restrata, and the floor (examples/floor.rs: the least work there is, each part on one core, divided by the cores).
# Prints a Markdown table: the best of RUNS (default 1) by wall time, in turn. Root, for skopeo's chroot.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

seq=${1:-large} runs=${2:-1}
cores=$(nproc)
work=$bed/work/bench
restrata=${RESTRATA:-$(built)/release/restrata}
mkdir -p "$work"
apt_need time:time
tests/harness/clients.sh >&2
tests/harness/images.sh "$seq" >&2
cargo build -q --release --example floor
[ -n "${RESTRATA:-}" ] || cargo build -q --release
input=$bed/images/$seq/v1.tar

# measure NAME COMMAND..: keeps the run with the least wall time as `SECONDS CPU_SECONDS PEAK_KB` in NAME.best.
measure() {
  local name=$1 best=$work/$1.best
  shift
  rm -rf "${work:?}/$name"
  env time -f '%e %U %S %M' -o "$work/$name.time" "$@" >"$work/$name.out"
  awk '{ print $1, $2 + $3, $4 }' <(tail -1 "$work/$name.time") >"$best.now"
  if [ ! -f "$best" ] || awk 'NR == 1 { a = $1 } NR == 2 { exit !($1 < a) }' "$best" "$best.now"; then mv "$best.now" "$best"; fi
  note "$name: $(cat "$best") (seconds, CPU seconds, peak KB)"
}

output_bytes() { python3 tests/harness/layout.py "$1" layers | awk '{ n += $2 } END { print n }'; }

rm -f "$work"/*.best
cat "$input" >/dev/null # every run finds the input in memory
for ((i = 0; i < runs; i++)); do
  measure skopeo tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format zstd:chunked \
    "docker-archive:/bed/images/$seq/v1.tar" oci:/bed/work/bench/skopeo:v1
  measure restrata "$restrata" rechunk "docker-archive:$input" "oci:$work/restrata:v1" --threads "$cores" -q
done
layer=$(tar -tf "$input" | grep '^[0-9a-f]*\.tar$')
[ "$(wc -w <<<"$layer")" = 1 ] || die "the floor is measured on images of one layer"
tar -xf "$input" -C "$work" "$layer"
measure floor "$(built)/release/examples/floor" "$work/$layer" "${FLOOR_LEVEL:-3}" "$cores"
rm "$work/$layer"

python3 - "$work" "$cores" "$(output_bytes "$work/skopeo")" "$(output_bytes "$work/restrata")" <<'P'
import json, sys
work, cores, skopeo_bytes, restrata_bytes = sys.argv[1], *map(int, sys.argv[2:])
best = {n: [float(x) for x in open(f"{work}/{n}.best").read().split()] for n in ("skopeo", "restrata")}
floor = json.load(open(f"{work}/floor.out"))
print(f"Input: {floor['content_bytes'] / 1e6:,.0f} MB of file content in one layer; {cores} cores.\n")
print("| what | seconds | CPU seconds | peak memory, MB | layers, MB | speed against skopeo | time against the floor |")
print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
for name, size in (("skopeo", skopeo_bytes), ("restrata", restrata_bytes)):
    s, cpu, kb = best[name]
    print(f"| {name} | {s:.1f} | {cpu:.1f} | {kb / 1024:.0f} | {size / 1e6:.1f} | {best['skopeo'][0] / s:.2f}x | {s / floor['floor_seconds']:.2f}x |")
f = floor["floor_seconds"]
print(f"| floor | {f:.1f} | {f * cores:.1f} | | {floor['compressed_bytes'] / 1e6:.1f} | {best['skopeo'][0] / f:.2f}x | 1.00x |")
print(f"\nThe floor on one core: SHA-256 twice {floor['sha256_seconds']} s, chunker {floor['chunker_seconds']} s, zstd {floor['zstd_seconds']} s.")
P
