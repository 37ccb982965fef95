#!/bin/bash
# sequence.sh SEQ [CLIENT..]: what the updates of a sequence of images cost (tests/harness/images.sh makes the sequences). Each version
# is rechunked with what was made of those before as --previous and verified against the input. Prints Markdown tables: each
# update for clients that reuse whole layers and for podman, clients that come from further back, and what the registry stores.
# With CLIENTs (trixie, sid), real podman pulls every version in turn into one store. With them, or with STORAGE=skopeo: root.
#
#   STEPS=N          that many updates (default: all that images.sh has or makes by default)
#   HISTORY=N        name the N versions before as --previous, newest first (default 5)
#   RECHUNK_OPTS=..  more options for rechunk
#   STORAGE=skopeo   also convert with skopeo, to zstd:chunked and, as a plain push does, to gzip. Slow.
#   PULL_SKOPEO=".." the registries from which skopeo's own zstd:chunked images are pulled, too (default multi-range; may be none)
#   PULL_FS=xfs      the store on a file system with reflinks
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh

[ $# -ge 1 ] || die "usage: sequence.sh SEQ [CLIENT..]"
seq=$1 pull_clients=("${@:2}") history=${HISTORY:-5}
[[ $history =~ ^[1-9][0-9]*$ ]] || die "HISTORY is a number of versions, not $history"
for client in "${pull_clients[@]}"; do [[ " ${clients[*]} " = *" $client "* ]] || die "no client $client (known: ${clients[*]})"; done
read -ra options <<<"${RECHUNK_OPTS:-}"
read -ra pull_skopeo <<<"${PULL_SKOPEO-multi-range}"
[ ${#pull_clients[@]} != 0 ] || pull_skopeo=()
formats=()
if [ "${STORAGE:-}" = skopeo ]; then formats=(zstd:chunked gzip); elif [ ${#pull_skopeo[@]} != 0 ]; then formats=(zstd:chunked); fi

work=$bed/work/sequence-$seq
restrata=${RESTRATA:-$(built)/release/restrata}
mkdir -p "$bed/work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"
rm -rf "$work"
mkdir "$work"
apt_need time:time
# shellcheck disable=SC2086 # a number or nothing
tests/harness/images.sh "$seq" ${STEPS:-} >&2
[ -n "${RESTRATA:-}" ] || cargo build -q --release
if [ ${#formats[@]} != 0 ] || [ ${#pull_clients[@]} != 0 ]; then tests/harness/clients.sh >&2; fi
leave() { # with the disk as it was
  tests/harness/registry.sh stop
  rm -rf "$bed"/stores/sequence* "$bed"/fs/xfs/stores/sequence* "$served"/data/docker/registry/v2/repositories/sequence-*
  if mountpoint -q "$bed/fs/xfs"; then umount "$bed/fs/xfs"; fi
  docker-registry garbage-collect "$served/registry.yml" >"$work/garbage" 2>&1 || tail -5 "$work/garbage" >&2
}
if [ ${#pull_clients[@]} != 0 ]; then
  trap leave EXIT
  tests/harness/registry.sh start >&2 9>&- # the lock is ours, not the servers'
fi

# skopeo_layout FORMAT: where its images are; a colon would end the path.
skopeo_layout() { echo "$work/skopeo-${1#*:}"; }

push() { # NAME LAYOUT TAG
  tests/harness/clients.sh run sid skopeo copy -q --preserve-digests --dest-tls-verify=false \
    "oci:/bed${2#"$bed"}:$3" "docker://127.0.0.1:$(profile_port multi-range)/$1:$3"
}

# Each tool has one layout for all versions, so that a layer that stays is there once, as in a registry.
versions=() previous=() olds=()
for ((v = 1; v <= ${STEPS:-1000} + 1; v++)); do
  input=$bed/images/$seq/v$v.tar
  [ -f "$input" ] || break
  versions+=("v$v")
  note "v$v: rechunk, verify"
  cat "$input" >/dev/null # every run finds its input in memory
  env time -f '%e %M %U %S' -o "$work/v$v.time" "$restrata" rechunk "docker-archive:$input" "oci:$work/restrata:v$v" \
    "${previous[@]:0:2*history}" "${options[@]}" -q --format json >"$work/v$v.json"
  [ ${#olds[@]} = 0 ] || "$restrata" diff "${olds[@]:0:history}" "oci:$work/restrata:v$v" -q --format json >"$work/diff-v$v.json"
  previous=(--previous "oci:$work/restrata:v$v" "${previous[@]}") olds=("oci:$work/restrata:v$v" "${olds[@]}")
  "$restrata" verify --ignore mtime "docker-archive:$input" "oci:$work/restrata:v$v" >"$work/verify" ||
    { tail -n 12 "$work/verify" >&2; die "v$v: what was made is not the input"; }
  for format in "${formats[@]}"; do
    note "v$v: skopeo, $format"
    layout=$(skopeo_layout "$format")
    tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format "$format" \
      "docker-archive:/bed/images/$seq/v$v.tar" "oci:/bed${layout#"$bed"}:v$v"
  done
  [ ${#pull_clients[@]} != 0 ] || continue
  push "sequence-restrata-$seq" "$work/restrata" "v$v"
  [ ${#pull_skopeo[@]} = 0 ] || push "sequence-skopeo-$seq" "$(skopeo_layout zstd:chunked)" "v$v"
done

pull() { # CLIENT TOOL PROFILE
  note "pulling: $*"
  # Two images stay in the store: the disk need not hold them all.
  PULL_KEEP=2 PULL_STORE=sequence tests/harness/pull.sh "$1" "$3" "${versions[@]/#/sequence-$2-$seq:}" >>"$work/pulls.jsonl"
}
for client in "${pull_clients[@]}"; do
  for profile in multi-range whole-200 ranges-16; do pull "$client" restrata "$profile"; done
  for profile in "${pull_skopeo[@]}"; do pull "$client" skopeo "$profile"; done
done

printf 'Sequence %s, %s versions; %s%s\n' "$seq" "${#versions[@]}" "$("$restrata" --version | head -1)" "${RECHUNK_OPTS:+ $RECHUNK_OPTS}"
python3 benches/sequence.py "$work"
# With the manifests alone, the tables can be printed again.
find "$work" -path '*/blobs/*' -size +1M -delete
