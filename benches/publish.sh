#!/bin/bash
# publish.sh [SEQUENCE [OLD NEW]]: one update of a sequence (default: large, versions 1 and 2; tests/harness/images.sh) published in several
# ways to the test registry, in one run. Each way has a repository of its own in which OLD is published already. Prints a Markdown table,
# then PASS and FAIL: every way has published the same image, and nothing travels that need not. Root, for skopeo's chroot.
#
#   today     skopeo copies OLD to a layout, restrata writes NEW into it, skopeo copies that to the registry
#   straight  restrata rechunk NEW docker://..
#   trusting  the same with --trust-previous
#   upload    skopeo copies NEW from the layout that today made: the upload alone
#
# `warm` is with the cache of a run that published OLD, `cold` without any. skopeo always starts without its cache, as a fresh runner does.
#
#   RUNS=N          that often, in turn; the best of each by wall time counts (default 1)
#   WAYS=".."       some of the ways only: today-warm today-cold straight-warm straight-cold trusting-cold upload
#   RESTRATA=PATH   the binary (default: what `cargo build --release` makes)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

seq=${1:-large} old=${2:-1} new=${3:-2} runs=${RUNS:-1}
read -ra ways <<<"${WAYS:-today-warm today-cold straight-warm straight-cold trusting-cold upload}"
[ "${ways[0]%-*}" = today ] || die "the first way is today's: the others are compared with it"
work=$bed/work/publish
restrata=${RESTRATA:-$(built)/release/restrata}
mkdir -p "$bed/work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"
rm -rf "$work"
mkdir "$work"
apt_need time:time
tests/harness/images.sh "$seq" >&2
tests/harness/clients.sh >&2
[ -n "${RESTRATA:-}" ] || cargo build -q --release
# A registry of its own, which goes with all that is in it.
served=$work/registry
export RESTRATA_REGISTRY_DIR=$served
leave() { tests/harness/registry.sh stop; rm -rf "$served"; }
trap leave EXIT
tests/harness/registry.sh start >&2 9>&- # the lock is ours, not the servers'

before=$bed/images/$seq/v$old.tar after=$bed/images/$seq/v$new.tar
at=127.0.0.1:$(profile_port multi-range)
layouts=/bed${work#"$bed"}
image() { echo "docker://$at/$1:latest"; }
skopeo() {
  local to=$1 from=$2
  rm -f "$bed"/sid/var/lib/containers/cache/blob-info-cache-v1.*
  tests/harness/clients.sh run sid skopeo copy -q --all --preserve-digests --src-tls-verify=false --dest-tls-verify=false "$from" "$to"
}
rechunk() { "$restrata" rechunk "docker-archive:$1" "${@:2}" --format json -q; }

# The ways. What is measured runs in a shell of its own, as one command.
today() { # REPOSITORY
  skopeo "oci:$layouts/today:published" "$(image "$1")"
  rechunk "$after" "oci:$work/today:new" --previous "oci:$work/today:published"
  skopeo "$(image "$1")" "oci:$layouts/today:new"
}
straight() { rechunk "$after" "$(image "$1")" --tls-verify=false "${@:2}"; }
trusting() { straight "$1" --trust-previous; }
upload() { skopeo "$(image "$1")" "oci:$layouts/today:new"; }

# The image that is published already, and the cache of who wrote it there.
note "publishing v$old"
export XDG_CACHE_HOME=$work/cache
rechunk "$before" "$(image start)" --tls-verify=false >"$work/old.json"

# measure RUN WAY: one line of JSON.
measure() {
  local way=$2 repository=$1/$2 seen
  export XDG_CACHE_HOME=$work/cache-$way
  rm -rf "$work/today" "$XDG_CACHE_HOME"
  skopeo "$(image "$repository")" "$(image start)"
  [ "${way#*-}" != warm ] || cp -r "$work/cache" "$XDG_CACHE_HOME"
  [ "$way" != upload ] || cp -r "$work/made" "$work/today"
  cat "$after" >/dev/null # every run finds the input in memory, and nothing left to write
  sync
  seen=$(wc -l <"$served/access.log")
  env time -f '%e %U %S %M' -o "$work/time" bash -euc "$(declare -f image skopeo rechunk straight "${way%-*}"); $(declare -p at work layouts bed restrata after)
    ${way%-*} $repository" >"$work/out" 2>"$work/err" || { tail -n 5 "$work/err" >&2; die "$way failed"; }
  sleep 0.3 # nginx logs a request when it is over
  tail -n "+$((seen + 1))" "$served/access.log" | python3 benches/publish.py run "$way" "$work/time" "$(digest_at "$repository")" "$work/out" >>"$work/runs.jsonl"
  [ "${way%-*}" != today ] || [ -d "$work/made" ] || mv "$work/today" "$work/made"
  note "$1 $(tail -n 1 "$work/runs.jsonl")"
}
digest_at() { curl -sfI -H "Accept: application/vnd.oci.image.manifest.v1+json" "http://$at/v2/$1/manifests/latest" | tr -d '\r' | sed -n 's/^docker-content-digest: //Ip'; }

for ((run = 1; run <= runs; run++)); do
  for way in "${ways[@]}"; do measure "run$run" "$way"; done
done
python3 benches/publish.py table "$work" | tee "$work/table"
while read -r what left op right; do check_num "${what//_/ }" "$left" "$op" "$right"; done < <(python3 benches/publish.py checks "$work")
summary
