#!/bin/bash
# bulk.sh: `restrata diff` of two published images of 2 GB (bulk.py) reads no more than their indexes, and tells what differs. Prints the
# bytes, PASS and FAIL. Up to a minute, 2.6 GB of disk. Root.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

need_restrata
work=$bed/work/bulk
mkdir -p "$bed/work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"
rm -rf "$work"
mkdir "$work"
served=$work/registry
export RESTRATA_REGISTRY_DIR=$served XDG_CACHE_HOME=$work/cache
leave() {
  "$harness/registry.sh" stop
  rm -rf "$work"
}
trap leave EXIT
"$harness/registry.sh" start >&2 9>&- # the lock is ours, not the servers'

image=docker://127.0.0.1:$(profile_port multi-range)/bulk
root=$work/root
for v in 1 2; do
  python3 "$harness/bulk.py" "$root" $v >"$work/changes"
  note "publishing v$v: $(du -s --apparent-size --block-size=1000000 "$root" | cut -f1) MB"
  "$restrata" rechunk "dir:$root" "$image:latest" --tag v$v --tls-verify=false --format json -q >"$work/v$v.json" 2>"$work/log" ||
    { cat "$work/log" >&2; die "rechunk"; }
done
sleep 0.3 # nginx logs a request when it is over
seen=$(wc -l <"$served/access.log")
rm -rf "$XDG_CACHE_HOME" # it has the indexes
"$restrata" diff "$image:v1" "$image:v2" --tls-verify=false --format json -q >"$work/diff.json"
sleep 0.3
tail -n "+$((seen + 1))" "$served/access.log" >"$work/asked"
check "diff tells what differs" diff "$work/changes" <(python3 -c '
import json, sys
entries = json.load(sys.stdin)["entries"]
print(json.dumps({kind: entries[kind] for kind in ("added", "changed", "removed")}, sort_keys=True))' <"$work/diff.json")
# There is no package database in it.
check "diff reads no more than the indexes" python3 "$harness/read_by_index.py" 0 "$work"/v{1,2}.json <"$work/asked"
note "$(python3 "$harness/read_by_index.py" 0 "$work"/v{1,2}.json <"$work/asked")"
summary
