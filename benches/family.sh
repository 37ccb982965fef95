#!/bin/bash
# family.sh NAME [VERSIONS]: what images cost that are published together. NAME is python, debian or many; tests/harness/images.sh family-NAME
# makes them. Each version of the family is written with those before as previous images, and every member is verified against its input.
# Prints Markdown tables against what the images hold: the registry, updates, a host with all members, a host that has one and pulls
# another, time and memory; beside them the same images in other layouts, in the same run.
#
#   LAYOUTS=".."     family   restrata family
#                    alone    each image alone, by restrata rechunk
#                    base     the same, but all with the base member's output as --base (debian: base, python: web)
#                    union    one image that has each file of all members once, by restrata rechunk: for time and memory
#                    skopeo   skopeo copy to zstd:chunked. Slow, needs root and the chroots of clients.sh.
#                    Default: family alone base union; many has no base. One gzip layer each is always there.
#                    What earlier runs with as many VERSIONS left of other layouts is in the tables, too: compare times within a run alone.
#   HISTORY=N        name the N versions before as previous images, newest first (default 5)
#   RUNS=N           write everything N times and take the fastest (default 1)
#   RECHUNK_OPTS=..  more options for rechunk and family
#   KEEP=1           leave the blobs in work/family-NAME
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh

name=${1:-} history=${HISTORY:-5} runs=${RUNS:-1} default="family alone base union"
case $name in
python) base=web ;;
debian) base=base ;;
many) default="family alone union" base=m01 ;;
*) die "usage: family.sh python|debian|many [VERSIONS]" ;;
esac
[[ $history =~ ^[1-9][0-9]*$ ]] || die "HISTORY is a number of versions, not $history"
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "RUNS is a number, not $runs"
[[ ${2:-} =~ ^([1-9][0-9]*)?$ ]] || die "VERSIONS is a number, not $2"
read -ra layouts <<<"${LAYOUTS:-$default}"
for layout in "${layouts[@]}"; do [[ " family alone base union skopeo " = *" $layout "* ]] || die "no layout $layout"; done
read -ra options <<<"${RECHUNK_OPTS:-}"

work=$bed/work/family-$name images=$bed/images/family-$name
mkdir -p "$bed/work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"
tests/harness/images.sh "family-$name" >&2
need_restrata
python3 -c 'import zstandard' 2>/dev/null || pip install -q zstandard
versions=$(find "$images" -maxdepth 1 -name 'v*' -type d | wc -l)
[ "${2:-0}" -le "$versions" ] || die "images/family-$name has $versions versions, not $2"
versions=${2:-$versions}
[ "$(cat "$work/versions" 2>/dev/null)" = "$versions" ] || rm -rf "$work"
mkdir -p "$work/tmp"
echo "$versions" >"$work/versions"
mapfile -t members < <(cd "$images/v1" && printf '%s\n' *.tar | sed 's/\.tar$//')
# The spool, and what restrata knows of the layers that it wrote.
export TMPDIR=$work/tmp XDG_CACHE_HOME=$work/cache

input() { echo "docker-archive:$images/v$2/$1.tar"; }

# before VERSION [MEMBER]: as many versions before it as are named as previous images, newest first.
before() {
  local v
  for ((v = $1 - 1; v > 0 && v >= $1 - history; v--)); do echo "oci:$work/$layout/images:v$v${2:+-$2}"; done
}

# measured TAG COMMAND..: what it took stands in TAG.time, its report in TAG.json.
measured() {
  local run written=$work/$layout/images
  [ "$runs" = 1 ] || cp -al "$written" "$written.before"
  for ((run = 1; run <= runs; run++)); do
    [ "$run" = 1 ] || { rm -r "$written"; cp -al "$written.before" "$written"; }
    python3 benches/measured.py "$work/$layout/$1.time" "${@:2}" "${options[@]}" -q --format json >"$work/$layout/$1.json.part"
  done
  rm -rf "$written.before"
  mv "$work/$layout/$1.json.part" "$work/$layout/$1.json"
}

rechunk() { # MEMBER VERSION [OPTION..]
  local previous=()
  mapfile -t previous < <(before "$2" "$1" | sed 's/^/--previous=/')
  measured "v$2-$1" "$restrata" rechunk "$(input "$1" "$2")" "oci:$work/$layout/images:v$2-$1" "${previous[@]}" "${@:3}"
}

write_family() {
  local member arguments=()
  for member in "${members[@]}"; do
    arguments+=("$(input "$member" "$1")=oci:$work/family/images:v$1-$member$(before "$1" "$member" | sed 's/^/=/' | tr -d '\n')")
  done
  measured "v$1" "$restrata" family "${arguments[@]}"
  for member in "${members[@]}"; do
    "$restrata" verify --ignore mtime "$(input "$member" "$1")" "oci:$work/family/images:v$1-$member" >"$work/verify" ||
      { tail -n 12 "$work/verify" >&2; die "v$1: what was made of $member is not the input"; }
  done
}

write_alone() { for member in "${members[@]}"; do rechunk "$member" "$1"; done; }

write_base() {
  rechunk "$base" "$1"
  for member in "${members[@]}"; do
    [ "$member" = "$base" ] || rechunk "$member" "$1" --base "oci:$work/base/images:v$1-$base"
  done
}

write_union() {
  local previous=()
  mapfile -t previous < <(before "$1" | sed 's/^/--previous=/')
  nice python3 tests/harness/united.py "$work/union/v$1.tar" "$images/v$1"/*.tar
  stat -c %s "$work/union/v$1.tar" "$images/v$1"/*.tar >"$work/union/v$1.sizes"
  measured "v$1" "$restrata" rechunk "docker-archive:$work/union/v$1.tar" "oci:$work/union/images:v$1" "${previous[@]}"
  rm "$work/union/v$1.tar"
}

write_skopeo() {
  for member in "${members[@]}"; do
    # Its temporary files are the chroot's.
    env -u TMPDIR -u XDG_CACHE_HOME tests/harness/clients.sh run sid skopeo copy -q --dest-compress-format zstd:chunked \
      "docker-archive:/bed/images/family-$name/v$1/$member.tar" "oci:/bed/work/family-$name/skopeo/images:v$1-$member"
  done
}

if [ ! "$work/inputs.json" -nt "$images/done" ]; then
  note "reading what the images hold"
  nice python3 benches/inputs.py "$images" "$versions" "$work/inputs.json"
fi
for layout in "${layouts[@]}"; do
  [ "$layout" != skopeo ] || tests/harness/clients.sh >&2
  rm -rf "${work:?}/$layout"
  mkdir -p "$work/$layout/images"
done
for ((v = 1; v <= versions; v++)); do
  cat "$images/v$v"/*.tar >/dev/null # every run finds its input in memory
  for layout in "${layouts[@]}"; do
    note "v$v: $layout"
    "write_$layout" "$v"
  done
done

for layout in "${layouts[@]}"; do touch "$work/$layout/whole"; done
printf 'Family %s, %s members, %s versions; %s%s\n' "$name" "${#members[@]}" "$versions" "$("$restrata" --version | head -1)" "${RECHUNK_OPTS:+ $RECHUNK_OPTS}"
python3 benches/family.py "$work"
# With the manifests alone, the tables can be printed again.
[ -n "${KEEP:-}" ] || { rm -f "$work"/*/whole && find "$work" -path '*/blobs/*' -size +1M -delete; }
