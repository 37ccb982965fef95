#!/bin/bash
# composefs.sh: `restrata dump` against mkcomposefs (Debian sid) on what podman mounts, before and after rechunk, and against podman's own composefs
# stores (5.8 and, where Debian has it, 6.1). Prints PASS, FAIL and SKIP lines and at the end `N passed, N failed`. Root, a minute or two.
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
work=$bed/work/composefs
rm -rf "$work"
mkdir -p "$work/bin" "$work/odd/dir"
unset TMPDIR
export PODMAN_IGNORE_CGROUPSV1_WARNING=1 XDG_CACHE_HOME=$work/cache RESTRATA_REGISTRY_DIR=$work/registry
served=$RESTRATA_REGISTRY_DIR
"$harness/clients.sh" newest >&2
for name in small corners; do "$harness/images.sh" "$name" >&2; done
dump() { "$restrata" dump "$1" -q "${@:2}"; }

# For --digest: the chroot's mkcomposefs, as if it were here.
printf '#!/bin/sh\nexec %q run sid mkcomposefs "$@"\n' "$harness/clients.sh" >"$work/bin/mkcomposefs"
chmod +x "$work/bin/mkcomposefs"
digest() { PATH=$work/bin:$PATH dump "$1" --digest; }

# Sizes of directories are those of the image file, which a dump does not know. podman does not set what `./` says of the root.
comparable() { sed -E '/^\/ /d; s/^([^ ]+) [0-9]+ (4[0-7]{4}) /\1 0 \2 /' "$1" | LC_ALL=C sort; }
# dump_of_mount REFERENCE: what mkcomposefs makes of podman's mount, as a dump.
dump_of_mount() {
  # shellcheck disable=SC2016 # expanded inside
  in_client sid env CONTAINERS_STORAGE_CONF="$conf" bash -euc '
    id=$(podman pull -q "$1") && at=$(podman image mount "$id")
    mkcomposefs "$at" "$2/image.cfs" && composefs-info dump "$2/image.cfs"
    podman image unmount "$id" >/dev/null' dump_of_mount "$1" "/bed${work#"$bed"}"
}
conf=$(store_conf "$work/store" false)

for image in small/v1 corners/v2; do
  tar=images/$image.tar
  dump_of_mount "docker-archive:/bed/$tar" >"$work/mounted"
  dump "docker-archive:$bed/$tar" >"$work/dump"
  check_num "$image: paths" "$(wc -l <"$work/dump")" '>=' 1000
  check "$image: the dump is that of the mounted tree" diff <(comparable "$work/mounted") <(comparable "$work/dump")
done

# label LAYOUT TAG: what the image's config says under the key of the tests.
label() {
  local blobs=$1/blobs/sha256 manifest
  manifest=$(jq -r --arg tag "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest' "$1/index.json")
  jq -r '.config.Labels["com.example.composefs"]' "$blobs/$(jq -r .config.digest "$blobs/${manifest#sha256:}" | cut -d: -f2)"
}
for sequence in small corners; do
  previous=() before=()
  for v in 1 2; do
    "$restrata" rechunk -q --mtime keep "docker-archive:$bed/images/$sequence/v$v.tar" "oci:$work/$sequence:v$v" "${previous[@]}" >/dev/null
    previous=(--previous "oci:$work/$sequence:v$v")
    wanted=$(digest "docker-archive:$bed/images/$sequence/v$v.tar")
    check "$sequence v$v: a digest is 64 hex digits" grep -qxE '[0-9a-f]{64}' <<<"$wanted"
    check "$sequence v$v: rechunk does not change the digest" [ "$(digest "oci:$work/$sequence:v$v")" = "$wanted" ]
    PATH=$work/bin:$PATH "$restrata" rechunk -q --composefs-digest-label com.example.composefs "docker-archive:$bed/images/$sequence/v$v.tar" \
      "oci:$work/labelled-$sequence:v$v" "${before[@]}" >/dev/null
    before=(--previous "oci:$work/labelled-$sequence:v$v")
    check "$sequence v$v: the label is the digest of the output" [ "$(label "$work/labelled-$sequence" "v$v")" = "$(digest "oci:$work/labelled-$sequence:v$v")" ]
    check "$sequence v$v: nor the mtree" diff <(dump "docker-archive:$bed/images/$sequence/v$v.tar" --format mtree) <(dump "oci:$work/$sequence:v$v" --format mtree)
  done
  check "$sequence: another version has another digest" [ "$(digest "oci:$work/$sequence:v1")" != "$wanted" ]
done

# Names, kinds and xattrs as no distribution has them.
(
  cd "$work/odd"
  printf x >-
  printf q >$'new\nline\\tab\t=a b'
  printf 'a%.0s' {1..64} >dir/inline
  printf 'a%.0s' {1..65} >dir/verity
  : >dir/empty
  ln dir/verity dir/hard
  ln -s - dir/-
  ln -s 'to = nothing' $'dir/\xff'
  mkfifo dir/fifo
  mknod dir/null c 1 3
  mknod dir/large b 4095 1048575
  head -c 524289 /dev/zero >dir/levels
  chmod 4755 dir/verity
  chown 4000000000:4294967290 dir/empty
  touch -d '1969-12-31 23:59:58.25 UTC' dir/empty
  python3 -c 'import os
os.setxattr("dir/verity", "user.a b", b"=-")
os.setxattr("dir/verity", "user.empty", b"")
os.setxattr("dir/verity", "user.bytes", bytes(range(256)))'
)
in_client sid mkcomposefs --print-digest-only "/bed${work#"$bed"}/odd" >"$work/wanted"
digest "dir:$work/odd" >"$work/found"
check "odd names, kinds and xattrs: the digest is mkcomposefs's" diff "$work/wanted" "$work/found"

# podman's own composefs has an image for each layer, so of an image of one layer it can be compared. podman keeps hard links, calls files by their
# SHA-256, and has no digests of files where the file system has no fs-verity.
leave() { "$harness/registry.sh" stop; }
trap leave EXIT
"$harness/registry.sh" start >&2
image=127.0.0.1:$(profile_port multi-range)/one:v1
"$restrata" rechunk -q --max-layers 1 --mtime keep --tls-verify=false "docker-archive:$bed/images/small/v1.tar" "docker://$image" >/dev/null
dump "docker-archive:$bed/images/small/v1.tar" >"$work/dump"
[ -f "$bed/images/small/v1.list" ] || fstree image "$bed/images/small/v1.tar" >"$bed/images/small/v1.list"
without_links() { comparable "$1" | cut -d' ' -f1-3,5-8,12- | sed -E 's/^([^ ]+ [0-9]+) @/\1 /'; }
for client in sid "${newest[@]}"; do
  if ! in_client "$client" sh -c 'command -v podman && command -v mkcomposefs' >/dev/null 2>&1; then
    skip "$client: podman or mkcomposefs is not here"
    continue
  fi
  store=$work/store-$client
  conf=$(store_conf "$store" true)
  printf '[storage.options.overlay]\nuse_composefs = "true"\n' >>"$store.conf"
  check "$client: podman pulls into a composefs store" in_client "$client" env CONTAINERS_STORAGE_CONF="$conf" podman pull -q --tls-verify=false "$image"
  blobs=("$store"/overlay/*/composefs-data/composefs.blob)
  check_num "$client: composefs images in the store" "${#blobs[@]}" == 1
  in_client sid composefs-info dump "/bed${blobs[0]#"$bed"}" >"$work/blob"
  check "$client: it has the paths, metadata and xattrs of the dump" diff <(without_links "$work/blob") <(without_links "$work/dump")
  check "$client: what it mounts is the input" mounted_same "$client" "$store" "$image" "$bed/images/small/v1.list" "" "$known_partial_losses"
done

status=0
said=$(PATH=/nowhere dump "dir:$work/odd" --digest 2>&1) || status=$?
check_num "without mkcomposefs: exit code" $status == 1
check "without mkcomposefs: it says what to install" grep -q "install the package composefs" <<<"$said"
printf '#!/bin/sh\necho no room >&2; exit 1\n' >"$work/bin/mkcomposefs"
status=0
said=$(digest "docker-archive:$bed/images/small/v1.tar" 2>&1) || status=$?
check_num "mkcomposefs fails: exit code" $status == 1
check "mkcomposefs fails: its words are told" grep -q "found no room" <<<"$said"
summary
