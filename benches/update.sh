#!/bin/bash
# update.sh [SEQUENCE] [CLIENT..]: what an update pull moves (default: large, with both clients). Every version of the sequence is
# converted by skopeo (zstd:chunked) and by restrata (each with the one before as --previous), pushed, and pulled in turn into one
# store from a multi-range and an S3-like registry. Prints a Markdown table; a failed pull shows as `fails`. Root.
#
#   PULL_FS=xfs   the store on a file system with reflinks
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

seq=${1:-large}
[ $# -lt 2 ] || clients=("${@:2}")
work=$bed/work/bench-update
restrata=${RESTRATA:-$(built)/release/restrata}
mkdir -p "$work"
tests/harness/clients.sh >&2
tests/harness/registry.sh start >&2
tests/harness/images.sh "$seq" >&2
[ -n "${RESTRATA:-}" ] || cargo build -q --release

push() { # NAME LAYOUT TAG
  tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false \
    "oci:/bed${2#"$bed"}:$3" "docker://127.0.0.1:$(profile_port multi-range)/$1:$3"
}

versions=() previous=()
for ((v = 1; ; v++)); do
  input=$bed/images/$seq/v$v.tar
  [ -f "$input" ] || break
  versions+=("v$v")
  note "converting v$v"
  rm -rf "$work/skopeo-v$v" "$work/restrata-v$v"
  tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format zstd:chunked "docker-archive:/bed/images/$seq/v$v.tar" \
    "oci:/bed${work#"$bed"}/skopeo-v$v:v$v"
  "$restrata" rechunk "docker-archive:$input" "oci:$work/restrata-v$v:v$v" "${previous[@]}" -q >/dev/null
  previous=(--previous "oci:$work/restrata-v$v:v$v")
  for tool in skopeo restrata; do push "bench-$tool-$seq" "$work/$tool-v$v" "v$v"; done
done

rm -f "$work/pulls.jsonl"
for client in "${clients[@]}"; do
  for tool in skopeo restrata; do
    for profile in multi-range whole-200 ranges-16; do
      note "pulling: $client, $tool, $profile"
      PULL_STORE=bench tests/harness/pull.sh "$client" "$profile" "${versions[@]/#/bench-$tool-$seq:}" >>"$work/pulls.jsonl"
    done
  done
done
rm -rf "$bed"/stores/bench* "$bed"/fs/xfs/stores/bench*

python3 - "$work/pulls.jsonl" <<'P'
import json, sys
pulls = {}
for line in open(sys.argv[1]):
    p = json.loads(line)
    tool, version = p["image"].split("-")[1], p["image"].rsplit(":", 1)[1]
    pulls.setdefault((p["client"], version), {})[tool, p["registry"]] = p

def cell(p):
    return f"{(p['blob_bytes'] - p['over_read']) / 1e6:.1f}" if p["ok"] else "fails"

print("MB of blobs that the registry sent, without what an S3-like one sends before it sees the client hang up.\n")
print("| client | pull of | data ranges: skopeo | restrata | multi-range: skopeo | restrata | ratio | S3-like: skopeo | restrata | 16 ranges: skopeo | restrata |")
print("| --- | --- " + "| ---: " * 9 + "|")
for (client, version), p in pulls.items():
    a, b = p["skopeo", "multi-range"], p["restrata", "multi-range"]
    ratio = f"{b['blob_bytes'] / a['blob_bytes']:.3f}" if a["ok"] and b["ok"] and a["blob_bytes"] else "-"
    print(f"| {client} | {version} | {a['data_ranges']} | {b['data_ranges']} | {cell(a)} | {cell(b)} | {ratio} "
          + "".join(f"| {cell(p[t, r])} " for r in ("whole-200", "ranges-16") for t in ("skopeo", "restrata")) + "|")
P
