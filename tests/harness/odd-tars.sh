#!/bin/bash
# odd-tars.sh: odd tars (odd_tars.py), pulled by both podmans as they are and as restrata rewrites them. What podman shows
# must be the same, and what it refuses restrata must refuse. `verify` and `check` are asked, too.
# Prints PASS and FAIL lines. Root; two minutes; needs the chroots of clients.sh.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

need_restrata
work=$bed/work/odd-tars
rm -rf "$work"
mkdir -p "$work"
unset TMPDIR
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
export XDG_CACHE_HOME=$work/cache

# podman stops at these, and takes what restrata writes, since restrata puts a link behind its target.
taken_by_restrata_alone=" said-before-target "

# show CLIENT LAYOUT TAG...: podman's listing of each image in LAYOUT.CLIENT/TAG, or none for one that it refuses.
show() {
  local client=$1 layout=$2
  shift 2
  mkdir -p "$layout.$client"
  store_conf "$work/store-$client" false >/dev/null
  # shellcheck disable=SC2016 # expanded inside
  in_client "$client" bash -uc '
    layout=$1 client=$2; shift 2
    export CONTAINERS_STORAGE_CONF=/bed/work/odd-tars/store-$client.conf
    for tag; do
      id=$(podman pull -q "oci:$layout:$tag" 2>"$layout.$client/$tag.error") || continue
      at=$(podman image mount "$id")
      python3 /harness/fstree.py root "$at" >"$layout.$client/$tag"
      podman image unmount "$id" >/dev/null
      podman rmi -f "$id" >/dev/null
    done' sh "/bed${layout#"$bed"}" "$client" "$@"
}

# Times of directories without an entry are those of the pull.
same() { python3 "$harness/fstree.py" diff "$1" "$2" --except root:mode,root:mtime,dir:mtime; }

mapfile -t tags < <(python3 "$harness/odd_tars.py" "$work/in")
for tag in "${tags[@]}"; do
  "$restrata" rechunk -q "oci:$work/in:$tag" "oci:$work/out:$tag" >/dev/null 2>"$work/$tag.error" || rm -f "$work/$tag.done"
  [ -s "$work/$tag.error" ] || touch "$work/$tag.done"
done
for client in "${clients[@]}"; do
  show "$client" "$work/in" "${tags[@]}"
  show "$client" "$work/out" "${tags[@]}"
done
for tag in "${tags[@]}"; do
  for client in "${clients[@]}"; do
    input=$work/in.$client/$tag output=$work/out.$client/$tag
    if [ -s "$input" ]; then
      check "$tag: $client shows the input and the output alike" same "$input" "$output"
    elif [[ $taken_by_restrata_alone == *" $tag "* ]]; then
      check "$tag: $client refuses the input and takes the output" test -s "$output"
    elif ! grep -q 'adding layer with blob\|unexpected EOF' "$work/in.$client/$tag.error"; then
      fail "$tag: $client could not be asked ($(tail -c 150 "$work/in.$client/$tag.error"))"
    elif [ -e "$work/$tag.done" ]; then
      fail "$tag: $client refuses it ($(tail -c 150 "$work/in.$client/$tag.error")), restrata does not"
    else
      pass "$tag: $client refuses it, and so does restrata ($(tail -c 120 "$work/$tag.error"))"
    fi
  done
  if [ -e "$work/$tag.done" ]; then
    check "$tag: verify says the same" "$restrata" verify -q "oci:$work/in:$tag" "oci:$work/out:$tag"
    check "$tag: check takes the output" "$restrata" check -q "oci:$work/out:$tag"
    check "$tag: check takes the input" "$restrata" check -q "oci:$work/in:$tag"
  fi
done
summary
