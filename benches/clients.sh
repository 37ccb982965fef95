#!/bin/bash
# clients.sh SEQ [VERSIONS]: where the time of a pull goes. Each layout of a sequence's first VERSIONS images (default 4; tests/harness/images.sh
# makes them) is pulled by each real client, one version after the other into one fresh store. Prints a Markdown table (docs/benchmarks.md has
# it): wall seconds, CPU seconds, bytes written to the disk of the store, and how much it holds after each pull; each update beside the same
# update of one gzip layer. Root.
#
#   RUNS=N            medians of so many runs (default 1); the layouts take turns, so that a busy machine is busy for all
#   CLIENTS=".."      some of: podman-sid podman-exp containerd docker-overlay2 docker-containerd
#   LAYOUTS=".."      some of: gzip restrata restrata-partial skopeo-partial owners. gzip is always pulled: it is what others are compared with
#   RECHUNK_OPTS=".." more options for rechunk
#   RESTRATA=PATH     the binary (default: what `cargo build --release` makes)
#
# Layouts: gzip is one layer, as a plain push makes it. restrata is rechunk's with default settings, each version against those before.
# skopeo is its zstd:chunked image. owners stands for chunkah: rechunk without a previous image, which gives each of the 48 largest packages a
# layer, in gzip, with all times set to 1970, so that a package that did not change is the same layer again. -partial: podman with partial pulls; other clients have none, and skip those.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

[ $# -ge 1 ] || die "usage: clients.sh SEQ [VERSIONS]"
seq=$1 count=${2:-4} runs=${RUNS:-1}
[[ $count =~ ^[1-9][0-9]*$ && $runs =~ ^[1-9][0-9]*$ ]] || die "VERSIONS and RUNS are numbers"
read -ra pullers <<<"${CLIENTS:-podman-sid podman-exp containerd docker-overlay2 docker-containerd}"
read -ra layouts <<<"${LAYOUTS:-gzip restrata restrata-partial skopeo-partial owners}"
[[ " ${layouts[*]} " = *" gzip "* ]] || layouts=(gzip "${layouts[@]}")
read -ra options <<<"${RECHUNK_OPTS:-}"
work=$bed/work/clients-$seq
restrata=${RESTRATA:-$(built)/release/restrata}
[ -n "${RESTRATA:-}" ] || cargo build -q --release
mkdir -p "$bed/work" "$bed/stores"
exec 9>"$bed/clients.lock"
flock -n 9 || die "another clients.sh runs in $bed"
rm -rf "$work"
mkdir "$work"
tests/harness/images.sh "$seq" >&2 9>&-
tests/harness/clients.sh newest >&2 9>&-

versions=()
for ((v = 1; v <= count; v++)); do
  [ ! -f "$bed/images/$seq/v$v.tar" ] || versions+=("v$v")
done
[ ${#versions[@]} -ge 2 ] || die "$seq has ${#versions[@]} version; two or more are needed"

# made LAYOUT: its images, tagged with the versions.
made() {
  local v previous=()
  note "$1: the images"
  for v in "${versions[@]}"; do
    case $1 in
    restrata)
      "$restrata" rechunk "docker-archive:$bed/images/$seq/$v.tar" "oci:$work/$1:$v" "${previous[@]:0:10}" "${options[@]}" -q >"$work/made"
      previous=(--previous "oci:$work/$1:$v" "${previous[@]}")
      ;;
    owners) "$restrata" rechunk "docker-archive:$bed/images/$seq/$v.tar" "oci:$work/$1:$v" --compression-format gzip --mtime clamp=0 \
      -q >"$work/made" ;;
    gzip) skopeo_copy gzip "$1:$v" "$v" ;;
    skopeo) skopeo_copy zstd:chunked "$1:$v" "$v" ;;
    *) die "no layout $1 (known: gzip restrata restrata-partial skopeo-partial owners)" ;;
    esac
  done
}
skopeo_copy() { # FORMAT NAME:TAG VERSION
  tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format "$1" \
    "docker-archive:/bed/images/$seq/$3.tar" "oci:/bed${work#"$bed"}/$2" 9>&-
}
mapfile -t kinds < <(printf '%s\n' "${layouts[@]%-partial}" | sort -u)
for kind in "${kinds[@]}"; do made "$kind"; done

# One store at a time, on a file system of its own: what is written to its device is what the pull wrote. The group's counter has the CPU time of
# all that a client starts.
fs=$bed/fs/clients image=$bed/fs/clients.img cpu=$bed/fs/clients-cpu group=
export RESTRATA_REGISTRY_DIR=$work/registry
served=$RESTRATA_REGISTRY_DIR
leave() {
  tests/harness/registry.sh stop
  fresh_store gone
  if mountpoint -q "$cpu"; then umount "$cpu"; fi
  [ -z "$group" ] || rmdir "$group" 2>/dev/null || true
  rm -rf "$image" "$served" "$cpu" "$fs"
}
fresh_store() {
  if mountpoint -q "$fs"; then umount "$fs"; fi
  [ "${1:-}" != gone ] || return 0
  rm -f "$image"
  truncate -s 12G "$image"
  mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$image"
  mount -o loop "$image" "$fs"
  loop=$(basename "$(findmnt -n -o SOURCE "$fs")")
}
trap leave EXIT
mkdir -p "$fs" "$cpu"
for group in /sys/fs/cgroup/cpuacct /sys/fs/cgroup; do
  if [ -f $group/cpuacct.usage ] || [ -f $group/cgroup.controllers ]; then break; fi
done
group=$group/restrata-clients
mkdir -p "$group"
mount --bind "$group" "$cpu"

tests/harness/registry.sh start >&2 9>&-
port=$(profile_port multi-range)
for kind in "${kinds[@]}"; do
  for v in "${versions[@]}"; do
    tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false \
      "oci:/bed${work#"$bed"}/$kind:$v" "docker://127.0.0.1:$port/$kind:$v" 9>&-
  done
done

# pull CLIENT LAYOUT: all versions in turn.
pull() {
  local chroot kind partial=false images=("${versions[@]/#/127.0.0.1:$port/${2%-partial}:}")
  case $1 in
  podman-*) chroot=${1#podman-} kind=podman ;;
  containerd) chroot=sid kind=containerd ;;
  docker-*) chroot=trixie kind=$1 ;;
  *) die "no client $1 (known: podman-sid podman-exp containerd docker-overlay2 docker-containerd)" ;;
  esac
  if [ "$2" != "${2%-partial}" ]; then
    [ "$kind" = podman ] || return 0
    partial=true
  fi
  has_client "$chroot" || { note "$1 is not there"; return 0; }
  note "$1: $2 ($(cut -d' ' -f1 /proc/loadavg) load)"
  fresh_store
  cp benches/clients_pull.sh "$work/clients_pull.sh"
  # The blobs are in memory, whoever pulls first.
  find "$work/${2%-partial}/blobs" -type f -exec cat {} + >/dev/null
  (
    echo $BASHPID >"$group/cgroup.procs"
    in_client "$chroot" "/bed${work#"$bed"}/clients_pull.sh" "$kind" "$partial" "$loop" "${images[@]}"
  ) 9>&- | sed -u "s/^{/{\"client\": \"$1\", \"layout\": \"$2\", \"run\": $run, /" >>"$work/pulls.jsonl"
}
for ((run = 1; run <= runs; run++)); do
  for client in "${pullers[@]}"; do
    for layout in "${layouts[@]}"; do pull "$client" "$layout"; done
  done
done
printf '%s, %s versions, %s runs, load at the end %s; %s%s\n' "$seq" "${#versions[@]}" "$runs" "$(cut -d' ' -f1 /proc/loadavg)" "$("$restrata" --version | head -1)" "${RECHUNK_OPTS:+ $RECHUNK_OPTS}"
python3 benches/clients.py "$work/pulls.jsonl"
