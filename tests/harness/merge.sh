#!/bin/bash
# merge.sh: three real images over one base, merged (docs/merge.md). Debian's packages are installed for real, each on a tree of its own:
# a base, and on it Python, nginx and Node. The result's tree is what `tar -x` of the flattened inputs in order gives, through podman's mount;
# dpkg, python3, nginx and node run in it. Prints PASS and FAIL lines. Root; two to three minutes.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=mounted.sh
. "$harness/mounted.sh"
need_root
need_restrata
apt_need mmdebstrap:mmdebstrap
# Those above the base.
inputs=(python nginx node)
declare -A packages=([python]=python3-requests [nginx]=nginx-light [node]=nodejs)
images=$bed/images/merge
work=$bed/work/merge
rm -rf "$work"
mkdir -p "$images" "$work"
. /etc/os-release

# layer DIR OUT: a tree, or what overlayfs keeps of one, as a layer.
layer() {
  tar --sort=name --format=posix --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='security.*' --numeric-owner -C "$1" -cf "$2" .
}

# make_images: base.tar, and a docker-archive of each input, FROM that base.
make_images() {
  local root=$work/root name
  [ ! -f "$images/done" ] || return 0
  note "installing Debian $VERSION_CODENAME, and on it ${packages[*]}"
  # shellcheck disable=SC2016 # apt's own fields
  line=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v r="$VERSION_CODENAME" '$1 == r { print "deb", $2, r, "main"; exit }')
  mmdebstrap -q --variant=apt --format=directory "$VERSION_CODENAME" "$root" "$line" >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; die "mmdebstrap"; }
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  cp /etc/resolv.conf "$root/etc/"
  layer "$root" "$images/base.layer"
  for name in "${inputs[@]}"; do
    mkdir -p "$work/$name"/{upper,inner,at}
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --propagation private -- bash -euc 'cd "$1"
      mount -t overlay overlay -o "lowerdir=$2,upperdir=upper,workdir=inner" at
      mount --bind /proc at/proc
      chroot at env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends \"\$@\"" sh "${@:3}"
      find at/var/cache/apt at/var/lib/apt/lists -type f -delete' \
      install "$work/$name" "$root" "${packages[$name]}" >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; die "installing ${packages[$name]}"; }
    # A device 0:0 is how overlayfs says that something is gone; an image says it by a name.
    find "$work/$name/upper" -type c | while read -r gone; do
      rm "$gone"
      : >"${gone%/*}/.wh.${gone##*/}"
    done
    layer "$work/$name/upper" "$images/$name.layer"
    python3 "$harness/pack.py" "$images/$name.tar" "$images/base.layer" "$images/$name.layer"
  done
  python3 "$harness/pack.py" "$images/base.tar" "$images/base.layer"
  touch "$images/done"
}
make_images

# The base is an input of its own, so that what the others have of it is laid over it.
refs=("docker-archive:$images/base.tar")
for name in "${inputs[@]}"; do refs+=("docker-archive:$images/$name.tar"); done
status=0
said=$("$restrata" merge -q "${refs[@]}" "oci:$work/refused:v1" 2>&1) || status=$?
check_num "package databases that differ: exit code" $status == 1
check "package databases that differ: it says how to unite them" grep -q "package database differs: /var/lib/dpkg/status .*--unite dpkg" <<<"$said"
check "nothing is written" [ ! -e "$work/refused" ]
check "they are merged" "$restrata" merge -q "${refs[@]}" "oci:$work/all:v1" --unite dpkg,passwd --mtime keep
check "the same inputs give the same image" "$restrata" merge -q "${refs[@]}" "oci:$work/again:v1" --unite dpkg,passwd --mtime keep
check "byte for byte" cmp "$work/all/index.json" "$work/again/index.json"
"$restrata" merge "${refs[@]}" "oci:$work/all:v2" --unite dpkg,passwd --previous "oci:$work/all:v1" --format json >"$work/report" 2>"$work/notes"
check "an update with nothing new keeps all layers" jq -e '[.layers[].state] | unique == ["kept"]' "$work/report"
check "what differs is told" grep -q "files have another content" "$work/notes"
check "all layers are sound" "$restrata" check "oci:$work/all:v1"

# The independent way: each input as its own layers unpack, as one tar; then all tars in order.
mkdir -p "$work/expected"
for name in base "${inputs[@]}"; do
  mkdir -p "$work/flat"
  layers=("$images/base.layer")
  [ "$name" = base ] || layers+=("$images/$name.layer")
  for file in "${layers[@]}"; do
    tar -tf "$file" | sed -n 's,^\(.*/\)\.wh\.,\1,p' | while read -r gone; do rm -rf "$work/flat/$gone"; done
    tar -C "$work/flat" --xattrs --xattrs-include='security.*' --numeric-owner --exclude='.wh.*' -xpf "$file"
  done
  layer "$work/flat" "$work/flat.tar"
  rm -rf "$work/flat"
  tar -C "$work/expected" --xattrs --xattrs-include='security.*' --numeric-owner -xpf "$work/flat.tar"
done
conf=$(store_conf "$work/store" false)
pulled=$(in_client trixie env CONTAINERS_STORAGE_CONF="$conf" podman --log-level=error pull -q "oci:/bed${work#"$bed"}/all:v1")
mounted trixie "$work/store" "$pulled" >"$work/mounted.list"
# The files that were united have a content of their own.
united='"path": "(var/lib/dpkg/(status|diversions|statoverride|triggers/File|triggers/Unincorp)|etc/(passwd|group|shadow|gshadow))"'
fstree root "$work/expected" | grep -vE "$united" >"$work/expected.list"
grep -vE "$united" "$work/mounted.list" >"$work/found.list"
check_num "paths" "$(wc -l <"$work/found.list")" '>=' 5000
# Of an entry `./`, podman sets neither mode nor time on the root.
check "podman shows what tar -x of the inputs in order gives" fstree diff "$work/expected.list" "$work/found.list" --except root:mode,root:mtime

# In a container, with cgroups and limits as a machine in a machine allows them.
cat >"$work/run.sh" <<'INNER'
set -euo pipefail
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export CONTAINERS_CONF=$1/containers.conf
printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' "$(ulimit -Hn)" "$(ulimit -Hn)" "$(ulimit -Hu)" "$(ulimit -Hu)" >"$CONTAINERS_CONF"
exec podman --log-level=error run --rm --cgroups=disabled --network=none "${@:2}"
INNER
run() { in_client trixie env CONTAINERS_STORAGE_CONF="$conf" bash "/bed${work#"$bed"}/run.sh" "/bed${work#"$bed"}" "$pulled" "$@"; }
check "python runs" run python3 -c 'import requests, ssl; print(ssl.OPENSSL_VERSION)'
check "nginx takes its configuration" run nginx -t
check "node runs" run node -e 'process.exit(require("crypto").createHash("sha256").update("x").digest("hex").length == 64 ? 0 : 1)'
# shellcheck disable=SC2016 # expanded inside
check "dpkg finds nothing amiss" run sh -c '[ -z "$(dpkg --audit)" ] && dpkg --verify'
# shellcheck disable=SC2016 # dpkg's own fields
listed=$(run dpkg-query -W -f '${Package}:${Architecture} ${Version} ${db:Status-Status}\n' | sort)
for name in base "${inputs[@]}"; do
  tar -xOf "$images/${name}.layer" ./var/lib/dpkg/status | awk '/^Package:/ { p = $2 } /^Status:/ { s = $4 } /^Architecture:/ { a = $2 }
    /^Version:/ { v = $2 } /^$/ { if (p) print p ":" a, v, s; p = "" }'
done | sort -u >"$work/packages"
check "dpkg -l has the packages of all" diff <(echo "$listed") "$work/packages"
check "users of all are there" run sh -c 'getent passwd www-data && getent passwd _apt'
summary
