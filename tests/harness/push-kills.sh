#!/bin/bash
# push-kills.sh [POINTS]: kills a push to a registry at POINTS points (default 50), four fifths of them spread over the time of a whole run,
# the others over the moments in which the tags move. Afterwards each tag is the old image or the new one, whole; the
# next run finishes and sends only what the repository lacks. A tenth of the points is pulled by podman. Five more runs are interrupted:
# exit code 130. Prints PASS and FAIL. Root; about ten minutes; needs the chroots of clients.sh.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

points=${1:-50}
need_restrata
work=$bed/work/kills
mkdir -p "$bed/work"
# It has registries, stores and folders of its own: another test may run in the bed, but not this one.
exec 9>"$bed/kills.lock"
flock -n 9 || die "another push-kills.sh runs in $bed"
rm -rf "$work"
mkdir "$work"
served=$work/registry
export RESTRATA_REGISTRY_DIR=$served XDG_CACHE_HOME=$work/cache
leave() {
  line_down
  "$harness/registry.sh" stop
  rm -rf "$served" "$bed"/stores/kills*
}
trap leave EXIT

# line_up BYTES: the slow line to the registry, with so many bytes a second on each connection. It goes down with what is killed: bytes that wait in it are lost, as those of a machine are.
line_up() {
  setsid python3 "$harness/throttle.py" "$slow" "$port" "$1" >"$work/throttle.log" 2>&1 </dev/null 9>&- &
  line=$!
  await "http://127.0.0.1:$slow/v2/" || die "the slow line is not there"
}
line=
line_down() {
  [ -n "$line" ] || return 0
  kill "$line" 2>/dev/null || true
  wait "$line" 2>/dev/null || true
  line=
}

"$harness/images.sh" corners >&2
"$harness/registry.sh" start >&2 9>&-
port=$(profile_port multi-range)
slow=$(free_ports 1)

image() { echo "docker-archive:$bed/images/corners/v$1.tar"; }
repositories=$served/data/docker/registry/v2/repositories
# begin REPOSITORY: one that has the old image, and a cache that knows it.
begin() {
  cp -a "$repositories/kills/start" "$repositories/$1"
  rm -rf "$XDG_CACHE_HOME"
  cp -a "$work/cache.start" "$XDG_CACHE_HOME"
}
tags() { python3 "$harness/published.py" "127.0.0.1:$port" "$1" latest v2; }
arguments() { echo rechunk "$(image 2)" "docker://127.0.0.1:$2/$1:latest" --tag v2 --tls-verify=false -q; }

note "the old image, the new one, and how long a push takes"
"$restrata" rechunk "$(image 1)" "docker://127.0.0.1:$port/kills/start:latest" --tls-verify=false -q >"$work/old"
cp -a "$XDG_CACHE_HOME" "$work/cache.start"
"$restrata" rechunk "$(image 1)" "oci:$work/layout:v1" -q >/dev/null
"$restrata" rechunk "$(image 2)" "oci:$work/layout:v2" --previous "oci:$work/layout:v1" -q >"$work/new"
old=$(cat "$work/old") new=$(cat "$work/new")
# The line's speed for blobs; and for manifests, which have some kilobytes.
blobs=1000000 manifests=20000
begin kills/whole
line_up $blobs
start=$EPOCHREALTIME
# shellcheck disable=SC2046 # words
"$restrata" $(arguments kills/whole "$slow") >"$work/out"
whole=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
line_down
note "$whole s"
check "a whole push moves both tags" diff <(tags kills/whole) <(printf 'latest %s\nv2 %s\n' "$new" "$new")

# whole_images REPOSITORY: each tag is there as it may be, and leads to a whole image. `latest` was there before.
whole_images() {
  local tag digest seen=
  while read -r tag digest; do
    seen+=" $tag"
    case $tag-$digest in
    latest-"$old" | latest-"$new" | v2-"$new") ;;
    *) echo "$tag is $digest, not the old image ($old) or the new one ($new)"; return 1 ;;
    esac
  done <"$work/tags"
  [[ $seen == " latest"* ]] || { echo "latest is gone"; return 1; }
}
# only_missing: what the next run sent was missing before; a push that moved every tag has nothing to send.
only_missing() {
  python3 - "$work/missing" <<'P'
import json, sys, urllib.parse
lacking = set(open(sys.argv[1]).read().split())
sent = [urllib.parse.unquote(r["blob"]) for r in map(json.loads, sys.stdin) if r["method"] == "PUT" and r["blob"]]
wrong = [digest for digest in sent if digest not in lacking]
sys.exit(f"sent though it was there, or twice: {wrong}" if wrong or len(sent) != len(set(sent)) else 0)
P
}
pulled() {
  PARTIAL=false PULL_STORE=kills "$harness/pull.sh" sid multi-range "$1:latest" | tee "$work/pull" | grep -q '"ok": true' || { cat "$work/pull"; return 1; }
}

# afterwards WHAT REPOSITORY PULL: what must hold after a run that did not end.
declare -A outcomes=()
afterwards() {
  local seen outcome
  sleep 1 # the registry sees that the client has gone
  if tags "$2" >"$work/tags" 2>"$work/error"; then check "$1: the old image or the new one, whole" whole_images; else fail "$1: $(cat "$work/error")"; fi
  outcome=$(sed "s/$old/old/; s/$new/new/" "$work/tags" | paste -sd' ')
  outcomes[$outcome]=$((${outcomes[$outcome]:-0} + 1))
  [ "$3" = no ] || check "$1: podman pulls it ($outcome)" pulled "$2"
  python3 "$harness/published.py" "127.0.0.1:$port" "$2" --blobs "$work/layout" >"$work/missing"
  seen=$(wc -l <"$served/access.log")
  # shellcheck disable=SC2046 # words
  check "$1: the next run finishes" "$restrata" $(arguments "$2" "$port")
  check "$1: both tags are the new image" diff <(tags "$2") <(printf 'latest %s\nv2 %s\n' "$new" "$new")
  check "$1: sent again is only what was missing" only_missing < <(sleep 0.1; tail -n "+$((seen + 1))" "$served/access.log")
}

# tags_move REPOSITORY: until the run asks what the tags are, right before it moves them, or has ended.
tags_move() {
  until grep -q "\"HEAD\",\"path\":\"/v2/$1/manifests/" "$served/access.log" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}
# stopped SIGNAL SECONDS REPOSITORY BYTES [tags]: a run that gets a signal so long after its start, or after its tags begin to move; its exit
# code is in $code.
stopped() {
  local pid
  line_up "$4"
  # Without `env`, bash would have it ignore SIGINT.
  # shellcheck disable=SC2046 # words
  env --default-signal=INT "$restrata" $(arguments "$3" "$slow") >"$work/out" 2>"$work/stopped" &
  pid=$!
  [ -z "${5:-}" ] || tags_move "$3"
  sleep "$2"
  kill "-$1" $pid 2>/dev/null || true
  code=0
  wait $pid 2>/dev/null || code=$?
  # Who is interrupted has a machine that goes on: what its sockets hold arrives.
  [ "$1" = KILL ] || sleep 4
  line_down
}
after() { awk -v i="$1" -v n="$2" -v t="$3" 'BEGIN { printf "%.3f", t * i / n }'; }

early=$((points * 4 / 5)) late=$((points - points * 4 / 5))
for ((i = 1; i <= points; i++)); do
  begin "kills/p$i"
  if [ $i -le $early ]; then
    at=$(after $i $early "$whole") what="killed after $at s"
    stopped KILL "$at" "kills/p$i" $blobs
  else
    at=$(after $((i - early)) $late 1.6) what="killed $at s after the tags begin to move"
    # Nothing else is left to send.
    cp -a "$repositories/kills/whole/_layers/." "$repositories/kills/p$i/_layers/"
    stopped KILL "$at" "kills/p$i" $manifests tags
  fi
  case $code in
  137) killed=$((${killed:-0} + 1)) ;;
  0) ;;
  *) fail "$what: exit code $code: $(cat "$work/stopped")" ;;
  esac
  afterwards "$what" "kills/p$i" "$([ $((i % 10)) = 0 ] && echo yes || echo no)"
done
for i in 1 2 3 4 5; do
  at=$(after "$i" 8 "$whole")
  begin "kills/i$i"
  stopped INT "$at" "kills/i$i" $blobs
  # On a busy machine the time of a whole run tells little: this one may have ended before.
  case $code in
  130) interrupted=$((${interrupted:-0} + 1)) ;;
  0) ;;
  *) fail "interrupted after $at s: exit code $code: $(cat "$work/stopped")" ;;
  esac
  # Behind a session that ends while its bytes come, distribution itself leaves the state of a hash.
  check "interrupted after $at s: no upload is left behind" test -z "$(find "$repositories/kills/i$i/_uploads" -type f ! -path '*/hashstates/*' 2>/dev/null)"
  afterwards "interrupted after $at s" "kills/i$i" no
done
# A test whose kills all come too early or too late shows nothing.
check_num "runs that were killed before their end" "${killed:-0}" ">=" $((points / 2))
check_num "runs that were interrupted, with exit code 130" "${interrupted:-0}" ">=" 3
for outcome in "${!outcomes[@]}"; do note "${outcomes[$outcome]} times: $outcome"; done
summary
