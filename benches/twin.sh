#!/bin/bash
# twin.sh [SEQUENCE..]: what `rechunk --twin gzip` costs (default: node and python; tests/harness/images.sh makes them). In one run on this machine,
# each the median of RUNS (default 3), in turn: a first run without the twin, one with it, `skopeo copy` of the same image to gzip; and an update.
# Then every version of the sequence with --twin gzip: what a plain client of the gzip image pulls, against what changed, as gzip -6 of a tar of the
# changed files. Prints Markdown tables. Root, for skopeo's chroot.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` makes)
#   THREADS=".."   numbers of threads of which the peak memory of a first run is measured, beside that of all cores
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

sequences=("$@")
[ $# != 0 ] || sequences=(node python)
read -ra threads <<<"${THREADS:-}"
runs=${RUNS:-3} work=$bed/work/bench-twin
restrata=${RESTRATA:-$(built)/release/restrata}
rm -rf "$work"
mkdir -p "$work"
apt_need time:time
tests/harness/clients.sh >&2
for seq in "${sequences[@]}"; do tests/harness/images.sh "$seq" >&2; done
[ -n "${RESTRATA:-}" ] || cargo build -q --release
trap 'rm -rf "$work"' EXIT

# measure NAME COMMAND..: adds `SECONDS CPU_SECONDS PEAK_KB` to NAME.times.
measure() {
  local name=$1
  shift
  env time -f '%e %U %S %M' -o "$work/time" "$@" >/dev/null
  awk '{ print $1, $2 + $3, $4 }' <(tail -1 "$work/time") >>"$work/$name.times"
  note "$name: $(tail -1 "$work/$name.times") (seconds, CPU seconds, peak KB)"
}
rechunk() { # NAME IMAGE OPTION..: always into a layout of its own
  rm -rf "${work:?}/out"
  measure "$1" env XDG_CACHE_HOME="$work/cache" "$restrata" rechunk "docker-archive:$2" "oci:$work/out:x" -q "${@:3}"
}

for seq in "${sequences[@]}"; do
  images=$bed/images/$seq
  cat "$images/v1.tar" "$images/v2.tar" >/dev/null # every run finds the input in memory
  for format in alone twin; do
    options=()
    [ $format != twin ] || options=(--twin gzip)
    "$restrata" rechunk "docker-archive:$images/v1.tar" "oci:$work/$seq-$format:v1" -q "${options[@]}" >/dev/null
  done
  for ((i = 0; i < runs; i++)); do
    rechunk "$seq.first.alone" "$images/v1.tar"
    rechunk "$seq.first.twin" "$images/v1.tar" --twin gzip
    rm -rf "$work/skopeo"
    measure "$seq.first.skopeo" tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format gzip \
      "docker-archive:/bed/images/$seq/v1.tar" oci:/bed/work/bench-twin/skopeo:v1
    rechunk "$seq.update.alone" "$images/v2.tar" --previous "oci:$work/$seq-alone:v1"
    rechunk "$seq.update.twin" "$images/v2.tar" --twin gzip --previous "oci:$work/$seq-twin:v1"
  done
  for n in "${threads[@]}"; do rechunk "$seq.threads.$n" "$images/v1.tar" --twin gzip --threads "$n"; done
  tags=("oci:$work/$seq-twin:v1")
  for ((v = 2; ; v++)); do
    [ -f "$images/v$v.tar" ] || break
    "$restrata" rechunk "docker-archive:$images/v$v.tar" "oci:$work/$seq-twin:v$v" -q --twin gzip --previous "oci:$work/$seq-twin:v$((v - 1))" >/dev/null
    tags+=("oci:$work/$seq-twin:v$v")
  done
  "$restrata" history "${tags[@]}" --client plain --client plain-gzip --client docker --format json -q >"$work/$seq.history"
done
python3 benches/twin.py "$work" "$bed/images" "${sequences[@]}"
