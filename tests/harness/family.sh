#!/bin/bash
# family.sh: two images that are published together (`restrata family`), and what real podman pulls of them. The images are small and corners of
# images.sh, as docker-archives that share no layer: corners has the files of small, and more. Prints PASS, FAIL and SKIP lines and at the end
# `N passed, N failed`. Root, two minutes.
#
# For podman of sid and of trixie, partial and ordinary: a store pulls small, then corners, then the update of both. By the registry's log, no layer
# is fetched twice; what is mounted is the input.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=mounted.sh
. "$harness/mounted.sh"
need_root
need_restrata

members=(small corners)
work=$bed/work/family
export PULL_STORE=family RESTRATA_REGISTRY_DIR=${RESTRATA_REGISTRY_DIR:-$work/registry}
served=$(realpath -m "$RESTRATA_REGISTRY_DIR")
mkdir -p "$bed"
exec 9>"$bed/family.lock"
flock -n 9 || die "another test of families runs in $bed"
rm -rf "$work"
mkdir -p "$work"
export XDG_CACHE_HOME=$work/cache
trap '"$harness/registry.sh" stop; rm -rf "$bed/stores/family" "$bed"/stores/family.*' EXIT

input() { echo "$bed/images/$1/v$2"; }
host() { echo "127.0.0.1:$(profile_port multi-range)"; }

# publish VERSION: both members under the tag vVERSION, laid out against the version before.
publish() {
  local v=$1 member arguments=()
  for member in "${members[@]}"; do
    arguments+=("docker-archive:$(input "$member" "$v").tar=docker://$(host)/$member:v$v")
    [ "$v" = 1 ] || arguments[-1]+="=docker://$(host)/$member:v$((v - 1))"
  done
  "$restrata" family "${arguments[@]}" --mtime keep --tls-verify=false --format json -q >"$work/v$v.json"
}

# layers MEMBER VERSION: the digests of its layers.
layers() { jq -r --arg member "/$1:" '.members[] | select(.dest | contains($member)) | .layers[].digest' "$work/v$2.json"; }

# none_twice: of each image that the registry's log has a pull of, only layers were fetched that no image before it has.
none_twice() {
  python3 - "$work" "$work/log" <<'PY'
import json, re, sys
work, log = sys.argv[1:]
layers = {}
for v in (1, 2):
    with open(f"{work}/v{v}.json") as f:
        for member in json.load(f)["members"]:
            layers[member["dest"].split("/", 3)[3]] = {layer["digest"] for layer in member["layers"]}
image, had, order, fetched = None, set(), [], 0
with open(log) as f:
    reads = [json.loads(line) for line in f if line.strip()]
for read in reads:
    if at := re.fullmatch(r"/v2/([^/]+)/manifests/(v\d)", read["path"]):
        name = f"{at[1]}:{at[2]}"
        if name != image:
            had |= layers.get(image, set())
            image = name
            order.append(name)
    elif read["method"] == "GET" and (at := re.search(r"/blobs/(sha256:[0-9a-f]{64})$", read["path"])):
        fetched += at[1] in layers[image]
        if at[1] in layers[image] & had:
            sys.exit(f"{image}: {at[1]} is fetched, but an image before it has it")
if order != ["small:v1", "corners:v1", "small:v2", "corners:v2"] or fetched < 10:
    sys.exit(f"the log has pulls of {order}, and {fetched} layers")
PY
}

pulls() { # CLIENT PARTIAL
  local client=$1 partial=$2 losses=root:mode,root:mtime v member what before
  [ "$partial" = false ] || losses=$known_partial_losses
  what="podman of $client, enable_partial_images = $partial"
  before=$(stat -c %s "$served/access.log")
  PARTIAL="$partial" "$harness/pull.sh" "$client" multi-range small:v1 corners:v1 small:v2 corners:v2 >"$work/pulls"
  check "$what: all are pulled" jq -se 'length == 4 and all(.[]; .ok)' "$work/pulls"
  sleep 0.5
  tail -c +$((before + 1)) "$served/access.log" >"$work/log"
  check "$what: no layer that the store has is fetched" none_twice
  for v in 1 2; do
    for member in "${members[@]}"; do
      mounted "$client" "$bed/stores/family" "$(host)/$member:v$v" >"$work/tree.list" || true
      check "$what: $member v$v, mounted, is the input" fstree diff "$(input "$member" "$v").list" "$work/tree.list" --except "$losses"
    done
  done
}

"$harness/clients.sh"
for member in "${members[@]}"; do
  "$harness/images.sh" "$member"
  for v in 1 2; do fstree image "$(input "$member" "$v").tar" >"$(input "$member" "$v").list"; done
done
"$harness/registry.sh" start
for v in 1 2; do
  check "v$v is published" publish $v
  for member in "${members[@]}"; do
    check "$member v$v: the tree is the input" "$restrata" verify --tls-verify=false -q "docker-archive:$(input "$member" "$v").tar" "docker://$(host)/$member:v$v"
    check "$member v$v: all layers are sound" "$restrata" check --tls-verify=false -q "docker://$(host)/$member:v$v"
  done
done
# What corners has beside small is far less than small.
lacks() { jq -e --arg from "/small:" --arg to "/corners:" '.switches[] | select((.from | contains($from)) and (.to | contains($to))) | .pull_bytes * 2 < .of_bytes' "$work/v$1.json"; }
for v in 1 2; do check "v$v: a host with small lacks less than half of corners" lacks $v; done
for client in sid trixie; do
  for partial in true false; do pulls $client $partial; done
done
summary
