#!/bin/bash
# pull.sh CLIENT PROFILE IMAGE...: pulls images in turn into one fresh store of the client in chroot CLIENT, through the
# registry port that answers as PROFILE, and prints a JSON line for each pull (see pulled.py). IMAGE is REPO:TAG.
#
#   PARTIAL=false     ordinary pulls of whole layers (default true)
#   PULL_OPTIONS=..   pull options that are on beside those of partial pulls: convert_images, use_hard_links
#   PULL_SIZE=true    after each line one of how many bytes the store then has on the disk: {"store_bytes": N}
#   PULL_SECONDS=N    a pull that takes longer is ended, and failed
#   PULL_FS=xfs       the store on a file system with reflinks, loop-mounted; =memory in memory (default: that of the bed)
#   PULL_KEEP=N       no more than the last N images stay in the store (default: all)
#   PULL_MIRROR=PORT  by a mirror of that registry, on a port of loopback: the line tells what the mirror sent, and what the registry did.
#                     PULL_NS=HOST has the client (podman 6.1) name the registry to it.
#   PULL_STORE=NAME   name of the store (default CLIENT); it is left there, its podman configuration in NAME.conf
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -ge 3 ] || die "usage: pull.sh CLIENT PROFILE IMAGE..."
need_root

client=$1 profile=$2
shift 2
log=$served/access.log
port=$(profile_port "$profile")
where=$bed/stores
case ${PULL_FS:-} in
xfs) where=$(reflink_fs)/stores ;;
memory) where=$(memory_fs)/stores ;;
esac
store=$where/${PULL_STORE:-$client}
mkdir -p "$where"
conf=
limit=()
[ -z "${PULL_SECONDS:-}" ] || limit=(timeout -k 5 "$PULL_SECONDS")

podman() { in_client "$client" env CONTAINERS_STORAGE_CONF="$conf" CONTAINERS_REGISTRIES_CONF="/bed${store#"$bed"}.registries" "${limit[@]}" podman --log-level=error "$@"; }

pull_all() { # IMAGE..
  local image pulled=() before start status end size
  rm -rf "$store" "$store".*
  # shellcheck disable=SC2086 # several words
  conf=$(store_conf "$store" "${PARTIAL:-true}" ${PULL_OPTIONS:-})
  registries_conf "$port" "${PULL_MIRROR:-}" "${PULL_NS:-}" >"$store.registries"
  for image; do
    before=$(stat -c %s "$log") start=$(date +%s.%N) status=0
    podman pull -q --tls-verify=false "127.0.0.1:$port/$image" >"$store.out" 2>&1 || status=$?
    end=$(date +%s.%N)
    # nginx notices a client that hung up when its next write fails, and logs the request then.
    for _ in 1 2 3 4 5 6; do
      size=$(stat -c %s "$log")
      sleep 0.1
      [ "$size" != "$(stat -c %s "$log")" ] || [ "$size" = "$before" ] || break
    done
    tail -c +$((before + 1)) "$log" |
      python3 "$harness/pulled.py" "$client" "$profile" "$image" "${PARTIAL:-true}" "$port" "$status" "$start" "$end" "$store.out" ${PULL_MIRROR:+"$PULL_MIRROR"}
    [ -z "${PULL_SIZE:-}" ] || du -s --block-size=1 "$store" | awk '{ printf "{\"store_bytes\": %d}\n", $1 }'
    [ $status != 0 ] || pulled+=("$image")
    if [ ${#pulled[@]} -gt "${PULL_KEEP:-1000}" ]; then
      podman rmi -f "127.0.0.1:$port/${pulled[0]}" >/dev/null
      pulled=("${pulled[@]:1}")
    fi
  done
}

# Closing a download early, podman may read from a channel that it has just closed (docs/clients.md): its crash says nothing of
# the image, so the pulls are done once more, from an empty store.
shopt -s inherit_errexit
for try in 1 2 3; do
  lines=$(pull_all "$@")
  grep -q handleBufferedNetworkReader <<<"$lines" || break
  note "$client $profile: podman crashed while it closed a download (try $try)"
done
echo "$lines"
