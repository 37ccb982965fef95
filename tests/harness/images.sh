#!/bin/bash
# images.sh NAME [STEPS]: makes versions of an image under images/NAME in the bed, v1.tar v2.tar .., each a docker-archive.
# Of a family, v1 v2 .. are folders with one archive for each member. What is there stays; remove the folder to make it anew. images/NAME/done tells how many updates are there.
#
#   small    two versions of a small Debian file system, as released and with its security updates: 80 MB, one layer.
#            Needs apt and python3, but neither root nor a server. (A minute.)
#   corners  small, with two layers above that hold every kind of file and whiteouts: what the real-client test pulls
#   mid      a Debian system as released and after its security updates, installed for real: 350 MB. Root.
#   large    a Debian server, 2 GB, and STEPS (default 2) versions in which its security updates arrive bit by bit. Root.
#   python   a Python application, 500 MB, and STEPS (default 7) versions as uv resolves it one week apart. Needs Python 3.11.
#   node     a Node application, 450 MB, and STEPS (default 5) versions as npm resolves it one week apart
#   churn    300 files of random bytes that nobody owns, 30 MB, and STEPS (default 40) versions in each of which one to three changed
#   million  1,000,000 such files of 256 bytes in 64 layers, 1 GB, and STEPS (default 1) versions in each of which at most 500 changed
#
#   family-python  three images of one Python project (data llm web), 1.3 GB together, and STEPS (default 7) versions as uv resolves them
#                  one week apart. Each is built apart, over a Debian file system that gets its updates in the middle. Python 3.11, apt.
#   family-debian  five Debian images, each installed apart (base java node science web), 2 GB together, and STEPS (default 4)
#                  versions in which the security updates arrive bit by bit, in all images at once. Root.
#   family-many    twenty images of 100,000 small files, 2 GB together, most of them in several images, and STEPS (default 1) versions in
#                  each of which 1 % changed
#
# More STEPS add the rest. Those of large and family-debian share out the same updates, so another number of them is another
# sequence, and an error here.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

small_packages=(base-files libc6 libc-bin bash coreutils perl-base zlib1g 'libssl3|libssl3t64' openssl ca-certificates tzdata sudo
  libexpat1 nginx nginx-common 'python3.11-minimal|python3.13-minimal|python3.12-minimal'
  'libpython3.11-minimal|libpython3.13-minimal|libpython3.12-minimal' 'libpython3.11-stdlib|libpython3.13-stdlib|libpython3.12-stdlib')
mid_packages=nginx,python3,git,curl,openssl,ruby,vim
large_packages=nginx,postgresql-15,python3,openjdk-17-jre-headless,openjdk-17-jdk-headless,git,curl,systemd,php-fpm,ruby,vim,ffmpeg,imagemagick,libreoffice-core-nogui,chromium,locales-all
python_packages=(numpy pandas polars fastapi uvicorn boto3 sqlalchemy celery openai langchain duckdb ruff)
node_packages='"@aws-sdk/client-dynamodb": "^3.0.0", "@aws-sdk/client-ec2": "^3.0.0", "@aws-sdk/client-s3": "^3.0.0", "eslint": "^10.0.0",
  "express": "^5.0.0", "next": "^16.0.0", "openai": "^6.0.0", "react": "^19.0.0", "react-dom": "^19.0.0", "typescript": "^6.0.0",
  "vite": "^8.0.0", "webpack": "^5.0.0"'
first_week=2026-06-06 # of python, node and family-python
declare -A family_python=(
  [data]='numpy pandas polars duckdb fastapi uvicorn sqlalchemy'
  [llm]='openai langchain numpy fastapi uvicorn sqlalchemy boto3'
  [web]='fastapi uvicorn sqlalchemy celery boto3')
declare -A family_debian=(
  [base]='ca-certificates,curl'
  [java]='openjdk-17-jre-headless,curl'
  [node]='nodejs,npm,git'
  [science]='python3-numpy,python3-scipy,python3-pandas,python3-matplotlib'
  [web]='nginx,php-fpm,curl,openssl')
python_members=(data llm web) debian_members=(base java node science web)

. /etc/os-release
release=$VERSION_CODENAME

# private_apt TOOL ARG..: apt over lists and caches in the bed, so that it needs no root.
private_apt() {
  local tool=$1
  shift
  mkdir -p "$bed/apt/lists/partial" "$bed/apt/cache/archives/partial"
  "$tool" -q -o Dir::State::lists="$bed/apt/lists" -o Dir::Cache="$bed/apt/cache" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

# layer_from_debs LAYER RELEASE..: the small packages at their highest version in these releases.
layer_from_debs() {
  local layer=$1 wanted names file debs=()
  shift
  # shellcheck disable=SC2016 # apt's own fields, here and below
  wanted=$(private_apt apt-get indextargets --format '$(RELEASE) $(FILENAME)' 'Created-By: Packages' |
    python3 "$harness/debs.py" lists "$@" -- "${small_packages[@]}")
  mapfile -t names <<<"$wanted"
  mkdir -p "$bed/apt/debs"
  # apt-get download keeps what is there already.
  (cd "$bed/apt/debs" && private_apt apt-get download "${names[@]}" >"$bed/apt/download.log" 2>&1) ||
    { tail -3 "$bed/apt/download.log" >&2; die "apt-get download"; }
  for file in "${names[@]}"; do
    # An epoch's colon is written %3a in file names.
    debs+=("$(find "$bed/apt/debs" -name "${file%%=*}_$(sed 's/.*=//; s/:/%3a/' <<<"$file")_*.deb")")
  done
  python3 "$harness/debs.py" tar "$layer" "${debs[@]}"
}

# base_layers: the base layers of both small versions, base1.tar and base2.tar.
base_layers() {
  local dir=$bed/images/base
  [ -f "$dir/base2.tar" ] && return
  command -v apt-get dpkg-deb >/dev/null || die "the small image is made from Debian packages: apt-get and dpkg-deb are needed"
  mkdir -p "$dir" "$bed/apt"
  note "fetching packages of $release as released and as updated"
  private_apt apt-get update >"$bed/apt/update.log" 2>&1 || true
  layer_from_debs "$dir/base1.tar" "$release"
  layer_from_debs "$dir/base2.part" "$release" "$release-updates" "$release-security"
  ! cmp -s "$dir/base1.tar" "$dir/base2.part" || die "$release has no newer package of the small image today"
  mv "$dir/base2.part" "$dir/base2.tar"
}

small() {
  base_layers
  for v in 1 2; do python3 "$harness/pack.py" "$out/v$v.part" "$bed/images/base/base$v.tar"; done
}

corners() {
  base_layers
  for v in 1 2; do
    python3 "$harness/corners.py" $v "$out/corner.layer"
    python3 "$harness/corners.py" $v "$out/whiteouts.layer" whiteouts
    python3 "$harness/pack.py" "$out/v$v.part" "$bed/images/base/base$v.tar" "$out"/{corner,whiteouts}.layer
  done
  rm "$out"/*.layer
}

source_line() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v r="$1" '$1 == r { print "deb", $2, r, "main"; exit }'
}

# snapshot NAME: what is installed now, as NAME.part, without what apt downloaded.
snapshot() {
  find "$rootfs/var/cache/apt" "$rootfs/var/lib/apt/lists" -type f -delete
  # The root directory itself too: an image may say how it looks.
  tar --sort=name --format=posix --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' --numeric-owner \
    -C "$rootfs" -cf "$out/layer" .
  python3 "$harness/pack.py" "$out/$1.part" "$out/layer"
  rm "$out/layer"
}

# upgrade PACKAGE..: in a namespace with /proc, from the security and update suites.
upgrade() {
  # shellcheck disable=SC2016
  unshare --mount --propagation private -- bash -euc 'mount --bind /proc "$1/proc"; root=$1; shift
    exec chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && exec apt-get install -y -qq --only-upgrade -o Dpkg::Options::=--force-confold \"\$@\"" sh "$@"' \
    upgrade "$rootfs" "$@" >>"$out/log" 2>&1 || { tail -5 "$out/log" >&2; die "upgrading"; }
}

# as_released PACKAGES: in $rootfs, ready to be upgraded.
as_released() {
  local suite
  rm -rf "$rootfs"
  note "installing Debian $release with $1"
  mmdebstrap -q --variant=apt --include="$1" --format=directory "$release" "$rootfs" "$(source_line "$release")" >"$out/log" 2>&1 ||
    { tail -5 "$out/log" >&2; die "mmdebstrap"; }
  for suite in "$release" "$release-security" "$release-updates"; do source_line "$suite"; done >"$rootfs/etc/apt/sources.list"
  cp /etc/resolv.conf "$rootfs/etc/"
  printf '#!/bin/sh\nexit 101\n' >"$rootfs/usr/sbin/policy-rc.d"
  chmod +x "$rootfs/usr/sbin/policy-rc.d"
}

upgradable() {
  upgrade
  chroot "$rootfs" apt list --upgradable 2>/dev/null | sed -n 's,/.*,,p'
}

# The same packages come in the same order.
shuffled() { sort -uR --random-source=<(yes fixed); }

# debian PACKAGES STEPS: version 1 as released, then the updates in STEPS parts.
debian() {
  local steps=$2 i parts
  need_root
  apt_need mmdebstrap:mmdebstrap
  rootfs=$out/rootfs
  as_released "$1"
  snapshot v1
  upgradable | shuffled >"$out/upgradable"
  for ((i = 1; i <= steps; i++)); do
    mapfile -t parts < <(split -n "l/$i/$steps" "$out/upgradable")
    upgrade "${parts[@]}"
    snapshot "v$((i + 1))"
  done
  rm -rf "$rootfs"
}

# An update is there for all members at once; a member installs what it has.
family-debian() {
  local i member parts
  need_root
  apt_need mmdebstrap:mmdebstrap
  rm -f "$out/upgradable.all"
  for ((i = 1; i <= steps + 1; i++)); do mkdir -p "$out/v$i"; done
  for member in "${debian_members[@]}"; do
    rootfs=$out/$member.rootfs
    as_released "${family_debian[$member]}"
    snapshot "v1/$member"
    upgradable >>"$out/upgradable.all"
  done
  shuffled <"$out/upgradable.all" >"$out/upgradable"
  for ((i = 1; i <= steps; i++)); do
    mapfile -t parts < <(split -n "l/$i/$steps" "$out/upgradable")
    for member in "${debian_members[@]}"; do
      rootfs=$out/$member.rootfs
      note "$member: $i of $steps parts of the updates"
      upgrade "${parts[@]}"
      snapshot "v$((i + 1))/$member"
    done
  done
  rm -rf "$out"/*.rootfs
}

mid() { debian "$mid_packages" 1; }
large() { debian "$large_packages" "$steps"; }

# weekly BUILD [ENDING]: a version a week, each made by the function BUILD from what there was on its day. A version counts from when it
# is whole, so that a broken run goes on where it was.
weekly() {
  local i day
  day=$(week $((steps + 1)))
  [[ $day < $(date -u +%F) ]] || die "$name: update $steps would be of $day, which is not over yet"
  for ((i = 1; i <= steps + 1; i++)); do
    [ -e "$out/v$i${2:-}" ] && continue
    day=$(week "$i")
    note "$name: version $i, as of $day"
    rm -rf "$out/v$i.part"
    "$1" "$out/v$i.part" "${day}T00:00:00Z"
    mv "$out/v$i.part" "$out/v$i${2:-}"
    echo $((i - 1)) >"$out/done"
  done
  rm -rf "$out"/{root,layer,cache}
}

week() { date -u -d "$first_week +$((7 * ($1 - 1))) days" +%F; }

# app_layer INSTALL WHEN [PACKAGE..]: /app as the function INSTALL fills a folder with what there was then.
app_layer() {
  local root=$out/root
  rm -rf "$root"
  mkdir -p "$root/app"
  "$1" "$root/app" "${@:2}" >"$out/log" 2>&1 || { tail -5 "$out/log" >&2; die "installing the packages of $2"; }
  tar --sort=name --owner=0 --group=0 --numeric-owner -C "$root" -cf "$out/layer" app
}

install_python() {
  UV_CACHE_DIR=$out/cache uv pip install --link-mode=copy --target "$1" --exclude-newer "$2" --python 3.11 "${@:3}"
}
python_image() {
  app_layer install_python "$2" "${python_packages[@]}"
  python3 "$harness/pack.py" "$1" "$out/layer"
}
python() {
  command -v uv >/dev/null || pip install -q uv
  weekly python_image .tar
}

# Each member is built in an hour of its own. From version 5 on, Debian has its updates.
python_family() {
  local member hour=0 base=1
  [[ $1 = */v[1-4].part ]] || base=2
  mkdir "$1"
  for member in "${python_members[@]}"; do
    # shellcheck disable=SC2086 # a list of words
    app_layer install_python "$2" ${family_python[$member]}
    hour=$((hour + 1))
    python3 "$harness/built.py" "$out/whole" "$(($(date -d "$2" +%s) + 3600 * hour))" "$bed/images/base/base$base.tar" "$out/layer"
    python3 "$harness/pack.py" "$1/$member.tar" "$out/whole"
  done
  rm "$out/whole"
}
family-python() {
  command -v uv >/dev/null || pip install -q uv
  base_layers
  weekly python_family
}

# No install scripts: they fetch more, and not as of that day.
install_node() {
  echo "{\"name\": \"app\", \"version\": \"1.0.0\", \"private\": true, \"dependencies\": {$node_packages}}" >"$1/package.json"
  (cd "$1" && npm install --before="$2" --ignore-scripts --prefer-offline --no-audit --no-fund --cache "$out/cache")
}
node_image() {
  app_layer install_node "$2"
  python3 "$harness/pack.py" "$1" "$out/layer"
}
node() {
  apt_need npm:npm
  weekly node_image .tar
}

churn() { python3 "$harness/made.py" "$out" "$steps" 1 300 1000-200000 3 && whole; }
million() { python3 "$harness/made.py" "$out" "$steps" 64 15625 256-256 500 && whole; }
family-many() { python3 "$harness/many.py" "$out" "$steps" 20 100000 && whole; }

# whole: the versions that were made are all there.
whole() {
  local part
  for part in "$out"/v*.part "$out"/v*/*.part; do [ ! -e "$part" ] || mv "$part" "${part%.part}.tar"; done
  echo "$steps" >"$out/done"
}

name=${1:-} steps=${2:-} default=1
case $name in
small | corners | mid) [ -z "$steps" ] || die "$name has no STEPS" ;;
large) default=2 ;;
python) default=7 ;;
node) default=5 ;;
churn) default=40 ;;
family-python) default=7 ;;
family-debian) default=4 ;;
million | family-many) ;;
*) die "usage: images.sh small|corners|mid|large|python|node|churn|million|family-python|family-debian|family-many [STEPS]" ;;
esac
[[ $steps =~ ^([1-9][0-9]*)?$ ]] || die "STEPS is a number of updates, not $steps"
out=$bed/images/$name
made=
if [ -f "$out/done" ]; then
  # An empty one is of the time when it did not say how many.
  made=$(cat "$out/done")
  [ -n "$made" ] || made=$(($(find "$out" -name 'v*.tar' | wc -l) - 1))
fi
case $name in
python | node | churn | million | family-python | family-many)
  mkdir -p "$out"
  if [ "${steps:-$default}" -gt "${made:-0}" ]; then
    steps=${steps:-$default}
    "$name"
  fi
  ;;
*)
  steps=${steps:-${made:-$default}}
  [ "${made:-$steps}" = "$steps" ] || die "images/$name in the bed holds $made updates, not $steps: remove it to make it anew"
  if [ -z "$made" ]; then
    mkdir -p "$out"
    "$name"
    whole
  fi
  ;;
esac
case $name in
family-*) ls -sh "$out"/v*/*.tar ;;
*) ls -sh "$out"/v*.tar ;;
esac
