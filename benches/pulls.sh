#!/bin/bash
# pulls.sh [SCENE..]: what `restrata diff` predicts, held against real podman. A scene is two images that are pulled one after the other into a
# fresh store: a first pull and an update. Every scene on six registries with podman 5.4, 5.8 and, where Debian has it, 6.1, the store on ext4 (or what the bed is on)
# and on XFS with reflinks. Prints a Markdown table (docs/benchmarks.md has it) and every pull that was not as predicted; exit code 1 then. Root; about an hour.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` makes)
#
# Scenes; gzip is what a plain push makes, skopeo its zstd:chunked images:
#   corners, mid         restrata's
#   node-2, node-4       restrata's, a client that is two and four weeks behind
#   skopeo, skopeo-mid   skopeo's
#   gzip                 no index anywhere
#   from-gzip, from-skopeo   the first image is another tool's, the update restrata's against it
#   mixed                a gzip base below restrata's layers (--base)
#   to-skopeo            the update is skopeo's
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

scenes=("$@")
[ $# != 0 ] || scenes=(corners mid node-2 node-4 skopeo skopeo-mid gzip from-gzip from-skopeo mixed to-skopeo)
work=$bed/work/pulls
restrata=${RESTRATA:-$(built)/release/restrata}
[ -n "${RESTRATA:-}" ] || cargo build -q --release
mkdir -p "$bed/work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"
rm -rf "$work"
mkdir "$work"
tests/harness/clients.sh newest >&2
for client in "${newest[@]}"; do ! has_client "$client" || clients+=("$client"); done
leave() {
  tests/harness/registry.sh stop
  rm -rf "$bed"/stores/pulls* "$bed"/fs/xfs/stores/pulls* "$served"/data/docker/registry/v2/repositories/pulls
  if mountpoint -q "$bed/fs/xfs"; then umount "$bed/fs/xfs"; fi
}
trap leave EXIT
tests/harness/registry.sh start >&2 9>&-

# input NAME: the docker-archive of a version, such as mid-v1.
input() { echo "$bed/images/${1%-*}/${1##*-}.tar"; }

# ours TAG INPUT [OPTION..], others FORMAT TAG INPUT: images in one layout.
ours() { "$restrata" rechunk "docker-archive:$(input "$2")" "oci:$work/images:$1" -q "${@:3}" >"$work/made"; }
others() {
  tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format "$1" \
    "docker-archive:/bed${3#"$bed"}" "oci:/bed${work#"$bed"}/images:$2"
}
previous() { echo --previous "oci:$work/images:$1"; }

# make SCENE: its two images, tagged SCENE.1 and SCENE.2.
make() {
  local a=$1.1 b=$1.2 last
  # shellcheck disable=SC2046 # two words
  case $1 in
  corners | mid) ours "$a" "$1-v1"; ours "$b" "$1-v2" $(previous "$a") ;;
  node-*)
    ours "$a" node-v1
    last=$a
    for ((v = 2; v <= ${1#node-} + 1; v++)); do
      ours "$1.step$v" "node-v$v" $(previous "$last")
      last=$1.step$v
    done
    b=$last
    ;;
  skopeo) others zstd:chunked "$a" "$(input corners-v1)"; others zstd:chunked "$b" "$(input corners-v2)" ;;
  skopeo-mid) others zstd:chunked "$a" "$(input mid-v1)"; others zstd:chunked "$b" "$(input mid-v2)" ;;
  gzip) others gzip "$a" "$(input small-v1)"; others gzip "$b" "$(input small-v2)" ;;
  from-gzip) others gzip "$a" "$(input small-v1)"; ours "$b" small-v2 $(previous "$a") ;;
  from-skopeo) others zstd:chunked "$a" "$(input small-v1)"; ours "$b" small-v2 $(previous "$a") ;;
  mixed)
    others gzip "$1.base" "$(input small-v1)"
    ours "$a" corners-v1 --base "oci:$work/images:$1.base"
    ours "$b" corners-v2 --base "oci:$work/images:$1.base" $(previous "$a")
    ;;
  to-skopeo) ours "$a" small-v1; others zstd:chunked "$b" "$(input small-v2)" ;;
  *) die "no scene $1" ;;
  esac
  last=$1.0
  for tag in "$a" "$b"; do
    tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false \
      "oci:/bed${work#"$bed"}/images:$tag" "docker://127.0.0.1:$(profile_port multi-range)/pulls:$tag"
    "$restrata" diff "oci:$work/images:$last" "oci:$work/images:$tag" --format json -q >"$work/$tag.json"
    last=$tag
  done
  echo "$a $b" >"$work/$1.tags"
}

for seq in small corners mid; do tests/harness/images.sh "$seq" >&2; done
[[ " ${scenes[*]} " != *" node-"* ]] || tests/harness/images.sh node >&2
for scene in "${scenes[@]}"; do
  note "$scene: the images"
  python3 benches/pulls.py empty "$work/images" "$scene.0"
  make "$scene"
  read -r a b <"$work/$scene.tags"
  for client in "${clients[@]}"; do
    for fs in ext4 xfs; do
      note "$scene: pulls by $client, $fs"
      for profile in "${profiles[@]}"; do
        PULL_FS=$fs PULL_STORE=pulls tests/harness/pull.sh "$client" "$profile" "pulls:$a" "pulls:$b" |
          sed "s/^{/{\"scene\": \"$scene\", \"fs\": \"$fs\", /" >>"$work/pulls.jsonl"
      done
    done
  done
done
python3 benches/pulls.py table "$work"
