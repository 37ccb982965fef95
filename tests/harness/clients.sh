#!/bin/bash
# clients.sh: makes the chroots with real container clients, one for Debian stable (trixie) and one for unstable (sid).
# Each has podman, skopeo, buildah and containerd, trixie also docker, sid also crane and composefs. Root only; a second run finds everything in place.
#   clients.sh                    set both up and print their versions
#   clients.sh newest             set up exp as well: sid with podman 6.1 of Debian experimental. Prints SKIP where that can't be had.
#   clients.sh run CLIENT CMD..   run a command in one of them
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

common=(podman skopeo buildah crun fuse-overlayfs containerd python3 umoci)

# set_up SUITE: debootstrap, then the clients from that suite. A stamp names the packages that are in.
set_up() {
  local root=$bed/$1 log=$bed/$1.log stamp packages=("${common[@]}")
  case $1 in
  trixie) packages+=(docker.io docker-cli) ;;
  sid) packages+=(crane composefs) ;;
  esac
  stamp=$root/.harness-packages
  [ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ] && return
  note "making the $1 chroot (a minute or two)"
  if [ ! -x "$root/usr/bin/apt-get" ]; then
    debootstrap --variant=minbase --include=ca-certificates "$1" "$root" >"$log" 2>&1 || { tail -5 "$log" >&2; die "debootstrap $1"; }
  fi
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  # How this machine's apt reaches its packages (proxies, credentials) holds for the chroot too.
  cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  # No service may start from a package installation.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  {
    in_client "$1" apt-get update -q
    in_client "$1" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
    in_client "$1" apt-get clean
  } >>"$log" 2>&1 || { tail -5 "$log" >&2; die "installing clients in $1"; }
  mkdir -p "$root/etc/containers"
  echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$root/etc/containers/policy.json"
  echo "${packages[*]}" >"$stamp"
}

# set_up_newest CLIENT: a copy of sid with the packages of experimental; it counts from when its podman runs.
set_up_newest() {
  local part=$1.part log=$bed/$1.log podman
  [ -f "$bed/$1/.harness-packages" ] && return
  note "making the $1 chroot"
  rm -rf "${bed:?}/$part"
  cp -a --reflink=auto "$bed/sid" "$bed/$part"
  rm "$bed/$part/.harness-packages"
  sed 's/ sid / experimental /' "$bed/sid/etc/apt/sources.list" >"$bed/$part/etc/apt/sources.list.d/experimental.list"
  in_client "$part" apt-get update -q >"$log" 2>&1 || { unavailable "$1" "apt-get update failed"; return; }
  podman=$(in_client "$part" apt-cache madison podman | awk '{ print $3 }' | sort -V | tail -1)
  dpkg --compare-versions "$podman" ge 6.1 || { unavailable "$1" "Debian has podman ${podman:-nowhere}, not 6.1"; return; }
  {
    in_client "$part" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -t experimental podman &&
      in_client "$part" apt-get clean
  } >>"$log" 2>&1 || { unavailable "$1" "podman $podman can't be installed: $(tail -n 1 "$log")"; return; }
  rm -rf "${bed:?}/$1"
  mv "$bed/$part" "$bed/$1"
  in_client "$1" podman info >>"$log" 2>&1 || { unavailable "$1" "podman $podman does not run here: $(tail -n 1 "$log")"; return; }
  echo "podman=$podman" >"$bed/$1/.harness-packages"
}
unavailable() { skip "$1: $2"; rm -rf "${bed:?}/$1.part"; }

if [ "${1:-}" = run ]; then
  shift
  in_client "$@"
  exit
fi
apt_need debootstrap:debootstrap unshare:util-linux
mkdir -p "$bed"
for client in "${clients[@]}"; do set_up "$client" & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid"; done
if [ "${1:-}" = newest ]; then
  for client in "${newest[@]}"; do
    set_up_newest "$client"
    ! has_client "$client" || clients+=("$client")
  done
fi
for client in "${clients[@]}"; do
  printf '%s: %s, %s\n' "$client" "$(in_client "$client" podman --version)" "$(in_client "$client" skopeo --version)"
done
