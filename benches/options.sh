#!/bin/bash
# options.sh [SEQUENCE]: what podman's pull options change. A first pull and up to two updates of a sequence (default: node) as images by restrata, by
# skopeo as zstd:chunked and as gzip, with podman 5.8 and, where Debian has it, 6.1, with partial pulls and beside them nothing, `convert_images`,
# `use_hard_links`, and both. One registry that answers every request for ranges. Prints a Markdown table (docs/clients.md has it). Root.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` makes)
#   SCENES=..       some of: restrata skopeo gzip
#   SECONDS_MAX=N   a pull that takes longer is ended (default 300)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
need_root

sequence=${1:-node}
read -ra scenes <<<"${SCENES:-restrata skopeo gzip}"
restrata=${RESTRATA:-$(built)/release/restrata}
[ -n "${RESTRATA:-}" ] || cargo build -q --release
work=$bed/work/options
export RESTRATA_REGISTRY_DIR=$work/registry PULL_STORE=options PULL_SIZE=true PULL_SECONDS=${SECONDS_MAX:-300}
served=$RESTRATA_REGISTRY_DIR
mkdir -p "$work"
exec 9>"$bed/options.lock"
flock -n 9 || die "another run is at work in $bed"
tests/harness/clients.sh newest >&2
clients=(sid)
for client in "${newest[@]}"; do ! has_client "$client" || clients+=("$client"); done
leave() {
  tests/harness/registry.sh stop
  rm -rf "$bed"/stores/options*
}
trap leave EXIT
tests/harness/images.sh "$sequence" >&2
tests/harness/registry.sh start >&2 9>&-

versions=()
for v in 1 2 3; do [ ! -f "$bed/images/$sequence/v$v.tar" ] || versions+=("$v"); done

# make SCENE: the versions in one layout, and in the registry.
make() {
  local v previous=()
  rm -rf "${work:?}/$1"
  for v in "${versions[@]}"; do
    case $1 in
    restrata)
      "$restrata" rechunk "docker-archive:$bed/images/$sequence/v$v.tar" "oci:$work/$1:v$v" "${previous[@]}" -q >/dev/null
      previous=(--previous "oci:$work/$1:v$v")
      ;;
    *) tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format "${1/skopeo/zstd:chunked}" \
      "docker-archive:/bed/images/$sequence/v$v.tar" "oci:/bed${work#"$bed"}/$1:v$v" ;;
    esac
    tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:/bed${work#"$bed"}/$1:v$v" \
      "docker://127.0.0.1:$(profile_port multi-range)/$1:v$v"
  done
}

rm -f "$work/pulls.jsonl"
for scene in "${scenes[@]}"; do
  note "$scene: the images"
  make "$scene"
  for client in "${clients[@]}"; do
    for options in "" convert_images use_hard_links "convert_images use_hard_links"; do
      note "$scene: pulls by $client, ${options:-no option}"
      PULL_OPTIONS=$options tests/harness/pull.sh "$client" multi-range "${versions[@]/#/$scene:v}" |
        jq -cs --arg options "$options" '_nwise(2) | add | .options = $options' >>"$work/pulls.jsonl"
    done
  done
done
python3 benches/options.py "$work/pulls.jsonl"
