# shellcheck shell=bash
# lib.sh: what the harness scripts share; sourced, never run. Where the test bed is, how a command runs in one of its
# chroots, the registry profiles and their ports, and the counters behind PASS, FAIL and SKIP.

harness=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$harness/../.." && pwd)
bed=$(realpath -m "${RESTRATA_TESTBED:-$checkout/testbed}")
# What the registries of registry.sh and guarded.sh keep. Two tests at once in one bed need one each.
served=$(realpath -m "${RESTRATA_REGISTRY_DIR:-$bed/registry}")
profiles=(multi-range whole-200 ranges-16 refuse-501 refuse-400 ranges-299)
# shellcheck disable=SC2034 # used by those who source this
clients=(trixie sid)
# A client that can't always be had: a test that wants it runs `clients.sh newest` and asks has_client.
# shellcheck disable=SC2034
newest=(exp)

note() { echo "# $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "$(basename "$0") needs root: chroots and mounts"; }

# apt_need PROGRAM:PACKAGE...: installs the packages of the programs that are not there.
apt_need() {
  local pair missing=()
  for pair; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}"); done
  [ ${#missing[@]} = 0 ] && return
  note "installing ${missing[*]}"
  apt_install "${missing[@]}"
}

apt_install() {
  local log=$bed/apt.log
  mkdir -p "$bed"
  # An apt that never updated knows no packages, one that updated long ago knows wrong ones.
  if [ -z "$(find /var/lib/apt/lists -name '*Packages*' -mmin -720 2>/dev/null | head -1)" ]; then
    apt-get update -q >>"$log" 2>&1 || true
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 ||
    { tail -5 "$log" >&2; die "apt-get could not install: $*"; }
}

# built: where cargo puts what it builds from this checkout.
built() {
  cargo metadata --no-deps --format-version 1 --manifest-path "$checkout/Cargo.toml" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}

# need_restrata: sets $restrata, the binary that is tested.
need_restrata() {
  restrata=${RESTRATA:-$(built)/release/restrata}
  [ -x "$restrata" ] || die "no $restrata: cargo build --release first"
}

# profile_port NAME: the port that answers ranges in this way. The registry's own is chosen when it starts (registry.sh),
# those of its six profiles follow it.
profile_port() {
  local i base
  base=$(cat "$served/port") || die "no registry runs in $served"
  for i in "${!profiles[@]}"; do
    [ "${profiles[$i]}" = "$1" ] && { echo $((base + 1 + i)); return; }
  done
  die "no registry profile $1 (known: ${profiles[*]})"
}

# free_ports COUNT: the first of so many free ports in a row, from RESTRATA_PORT_BASE (default 5000) on in steps of 100.
free_ports() {
  local base i
  for base in $(seq "${RESTRATA_PORT_BASE:-5000}" 100 9900); do
    for ((i = 0; i < $1; i++)); do
      if (: <"/dev/tcp/127.0.0.1/$((base + i))") 2>/dev/null; then continue 2; fi
    done
    echo "$base"
    return
  done
  die "no free ports"
}

# await URL [OPTION..]: until a server answers there with success.
await() { curl -sf --retry 50 --retry-delay 0 --retry-connrefused --max-time 10 "$@" >/dev/null; }

# running PIDFILE NAME: the process is there still; a pid file may be older than the process that has the number now.
running() { [ -f "$1" ] && grep -q "$2" "/proc/$(cat "$1")/cmdline" 2>/dev/null; }

# in_client CLIENT COMMAND...: runs a command inside a chroot. Every mount lives in a namespace of the command's own, so
# nothing outlives it and removing the bed can reach nothing else. The bed is /bed in there, this folder /harness.
in_client() {
  local root=$bed/$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --propagation private -- bash -euc '
    root=$1 bed=$2 harness=$3; shift 3
    mkdir -p "$root/bed" "$root/harness"
    # The clients unpack in a namespace of their own, whose / must be a mount point.
    mount --bind "$root" "$root"
    mount --bind "$bed" "$root/bed"
    for fs in "$bed"/fs/*; do
      if mountpoint -q "$fs"; then mount --bind "$fs" "$root/bed/fs/${fs##*/}"; fi
    done
    mount --bind "$harness" "$root/harness"
    for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
    # podman 6 refuses to start without the unified hierarchy, where the machine has the old one.
    if [ "${root##*/}" = exp ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
      mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    fi
    # Not chroot: who is in one may not make a user namespace.
    cd "$root"
    pivot_root . .
    umount -l .
    exec "$@"' in_client "$root" "$bed" "$harness" "$@"
}

# has_client CLIENT: its chroot is whole.
has_client() { [ -f "$bed/$1/.harness-packages" ]; }

# as_user CLIENT COMMAND...: the same as an unprivileged user, inside the user namespace that rootless podman has. Its home and its store
# are on a tmpfs of the command's own, at /run/user/4242.
as_user() {
  local client=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_client "$client" bash -euc '
    id=4242 home=/run/user/4242
    grep -q ^rootless: /etc/passwd || useradd --uid $id --home-dir $home rootless
    # All ids that an image may name have to be there.
    for f in /etc/subuid /etc/subgid; do echo rootless:1000000:1000000000 >$f; done
    mkdir -p $home
    # podman keeps its locks there, one file for each user.
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t tmpfs -o mode=0700,uid=$id,gid=$id tmpfs $home
    # podman leaves a process behind that holds its namespace: it ends with this one.
    exec unshare --pid --fork --kill-child --mount-proc setpriv --reuid $id --regid $id --clear-groups env HOME=$home XDG_RUNTIME_DIR=$home TMPDIR=$home \
      podman --log-level=error unshare "$@"' as_user "$@"
}

# store_conf DIR PARTIAL [OPTION..]: writes DIR.conf for a podman store at DIR (a path under the bed) and prints its chroot path. OPTION is a pull
# option that is on: convert_images, use_hard_links.
store_conf() {
  local inside=/bed${1#"$bed"} links=false convert=false
  [[ " ${*:3} " != *" use_hard_links "* ]] || links=true
  [[ " ${*:3} " != *" convert_images "* ]] || convert=true
  cat >"$1.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$inside"
runroot = "$inside.run"
[storage.options]
pull_options = {enable_partial_images = "$2", use_hard_links = "$links", convert_images = "$convert", ostree_repos = ""}
CONF
  echo "$inside.conf"
}

# registries_conf PORT [MIRROR_PORT [NS]]: what a client has to know of a registry on loopback.
registries_conf() {
  printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' "$1"
  [ -z "${2:-}" ] || printf '[[registry.mirror]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' "$2"
  [ -z "${3:-}" ] || printf 'namespace-proxy = "%s"\n' "$3"
}

# reflink_fs: mounts an XFS with reflinks from a file in the bed and prints where.
reflink_fs() {
  local at=$bed/fs/xfs
  mkdir -p "$at"
  if ! mountpoint -q "$at"; then
    apt_need mkfs.xfs:xfsprogs
    [ -f "$at.img" ] || { truncate -s "${RESTRATA_XFS_SIZE:-16G}" "$at.img"; mkfs.xfs -q -m reflink=1 "$at.img"; }
    mount -o loop "$at.img" "$at" || die "cannot loop-mount an XFS here"
  fi
  echo "$at"
}

# memory_fs: mounts a tmpfs in the bed and prints where: stores there wait for no disk.
memory_fs() {
  local at=$bed/fs/memory
  mkdir -p "$at"
  mountpoint -q "$at" || mount -t tmpfs -o size=4g tmpfs "$at"
  echo "$at"
}

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); echo "PASS $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
skip() { skipped=$((skipped + 1)); echo "SKIP $*"; }

# check WHAT COMMAND...: PASS when the command succeeds; else FAIL and the end of what it said.
check() {
  local what=$1 out
  shift
  if out=$("$@" 2>&1); then pass "$what"; else fail "$what"; tail -n 12 <<<"$out" | sed 's/^/    /'; fi
}

# check_num WHAT LEFT OP RIGHT: compares two numbers (OP as in awk) and shows them.
check_num() {
  if [ -n "$2" ] && awk -v a="$2" -v b="$4" "BEGIN { exit !(a $3 b) }"; then pass "$1: $2 $3 $4"; else fail "$1: not $2 $3 $4"; fi
}

summary() {
  local line="$passed passed, $failed failed"
  [ "$skipped" = 0 ] || line+=", $skipped skipped"
  echo "$line"
  [ "$failed" = 0 ]
}
