#!/bin/bash
# benches/bridge.sh [REPETITIONS]: what the bridge adds to the time of a pull. podman (sid) makes a first pull and an update, straight from a multi-range
# registry and through `restrata bridge` from one that answers 501, in turn (default: 12 times), on loopback and with 20 ms each way between the registry
# and whoever asks it. Prints a Markdown table, and fails if the bridge adds more than 5 % on loopback or one round trip (40 ms) with the delay to pulls of restrata's
# images. Root; its store is in memory.
#
# The delay is `tc netem` on the loopback of a network namespace where the kernel has it, else a proxy (tests/harness/delay.py); the note says which.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` makes)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

repetitions=${1:-12}
restrata=${RESTRATA:-$(built)/release/restrata}
[ -n "${RESTRATA:-}" ] || cargo build -q --release
delay=20
work=$bed/work/bridge-bench
mkdir -p "$bed"
exec 9>"$bed/bridge.lock"
flock -n 9 || die "another test of the bridge runs in $bed"
rm -rf "$work"
mkdir -p "$work"
export RESTRATA_REGISTRY_DIR=$work/registry
served=$RESTRATA_REGISTRY_DIR
memory=$(memory_fs)
servers=()
leave() {
  local pid
  for pid in "${servers[@]}"; do kill "$pid" || true; done
  tests/harness/registry.sh stop
  umount "$memory"
}
trap leave EXIT
tests/harness/clients.sh >&2
for sequence in small corners; do tests/harness/images.sh "$sequence" >&2; done
tests/harness/registry.sh start >&2 9>&-

port() { echo $(($(cat "$served/port") + $1)); }
start() { # PORT COMMAND..
  "${@:2}" 9>&- >>"$work/$1.log" 2>&1 &
  servers+=($!)
  await "http://127.0.0.1:$1/v2/" || die "no server on port $1; see $work/$1.log"
}
direct=$(profile_port multi-range)
refuses=$(profile_port refuse-501)
# The kernel's own delay would take a namespace for all of this; a kernel without it, as this test's machines have, takes the proxy.
if unshare --net tc qdisc add dev lo root netem delay ${delay}ms 2>/dev/null; then
  note "this kernel has tc netem; the proxy is used all the same, so that figures can be compared"
else
  note "this kernel has no tc netem: a proxy delays"
fi
start "$(port 10)" python3 tests/harness/delay.py "$(port 10)" "$direct" $delay
start "$(port 11)" python3 tests/harness/delay.py "$(port 11)" "$refuses" $delay
start "$(port 12)" "$restrata" bridge --listen "127.0.0.1:$(port 12)" --upstream "127.0.0.1:$refuses" --tls-verify=false
start "$(port 13)" "$restrata" bridge --listen "127.0.0.1:$(port 13)" --upstream "127.0.0.1:$(port 11)" --tls-verify=false

# restrata's images and skopeo's, whose update asks for hundreds of ranges.
for v in 1 2; do
  archive=images/small/v$v.tar
  "$restrata" rechunk "docker-archive:$bed/$archive" "oci:$work/restrata:v$v" ${made:+--previous "oci:$work/restrata:$made"} -q >/dev/null
  made=v$v
  tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format zstd:chunked "docker-archive:/bed/$archive" "oci:/bed${work#"$bed"}/skopeo:v$v"
  for maker in restrata skopeo; do
    tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:/bed${work#"$bed"}/$maker:v$v" "docker://127.0.0.1:$direct/$maker:v$v"
  done
done

# pulls MAKER WAY LINE MIRROR: a first pull and an update from an empty store; their seconds, as a JSON line.
pulls() {
  local store=$memory/store conf
  rm -rf "$store" "$store".*
  conf=$(store_conf "$store" true)
  registries_conf "$refuses" "$4" >"$store.registries"
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_client sid env CONTAINERS_STORAGE_CONF="$conf" CONTAINERS_REGISTRIES_CONF="/bed${store#"$bed"}.registries" bash -euc '
    pull() { podman --log-level=error pull -q "$image:$1" >/dev/null; }
    image=$1
    podman images >/dev/null
    began=$EPOCHREALTIME; pull v1; first=$EPOCHREALTIME; pull v2; update=$EPOCHREALTIME
    echo "$began $first $update"' pulls "127.0.0.1:$refuses/$1" |
    while read -r began first update; do
      jq -nc --arg maker "$1" --arg way "$2" --arg line "$3" --argjson began "$began" --argjson first "$first" --argjson update "$update" \
        '{maker: $maker, way: $way, line: $line, "first pull": ($first - $began), update: ($update - $first)}'
    done >>"$work/pulls.jsonl"
}
both() { # MAKER LINE ORDER: one pair
  local way
  for way in $3; do
    case $2$way in
    loopbackdirect) pulls "$1" direct "$2" "$direct" ;;
    loopbackbridge) pulls "$1" bridge "$2" "$(port 12)" ;;
    delaydirect) pulls "$1" direct "$2" "$(port 10)" ;;
    delaybridge) pulls "$1" bridge "$2" "$(port 13)" ;;
    esac
  done
}
for ((n = 0; n <= repetitions; n++)); do
  order="direct bridge"
  [ $((n % 2)) = 0 ] || order="bridge direct"
  for maker in restrata skopeo; do
    for line in loopback delay; do both $maker $line "$order"; done
  done
  # The first round warms up.
  [ $n != 0 ] || rm "$work/pulls.jsonl"
done
python3 benches/bridge.py "$work/pulls.jsonl" $delay
