#!/bin/bash
# debris.sh: what builders leave in images beside what the Containerfile says, and whether containers run without it (docs/debris.md).
# Real podman, buildah and docker (both of its builders) build one Containerfile twice on an empty base; debris.py tells what is in
# the layers. podman and docker run an image that has no such paths. `rechunk --prune-debris` leaves out what is on its list and no
# more. Prints a Markdown table, then PASS and FAIL lines. Root; two minutes. kaniko is not in it: it has no package, and unpacks
# images over its own root file system.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` made)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need_restrata
dir=$bed/stores/debris
rm -rf "$dir"
mkdir -p "$dir/ctx/bin" "$dir/deb"
trap 'rm -rf "$dir"' EXIT

# fetched CLIENT PACKAGE FILE: one file of a package, without installing it.
fetched() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_client "$1" bash -euc 'cd /bed/stores/debris/deb; apt-get download -q "$1" >/dev/null 2>&1; dpkg-deb -x "$1"_*.deb "$1"' fetched "$2" &&
    [ -x "$dir/deb/$2/$3" ]
}
fetched trixie busybox-static usr/bin/busybox || die "no busybox-static"
cp "$dir/deb/busybox-static/usr/bin/busybox" "$dir/ctx/bin/"
for tool in sh cat echo grep ls mkdir test touch true; do ln -s busybox "$dir/ctx/bin/$tool"; done
has_buildkit=true
fetched trixie docker-buildx usr/libexec/docker/cli-plugins/docker-buildx || has_buildkit=false

cat >"$dir/ctx/f.base" <<'FILE'
FROM scratch
COPY bin /bin/
FILE
# The first RUN makes what each RUN makes; the second has mounts; COPY and the last RUN have nothing new to make.
cat >"$dir/ctx/f.plain" <<'FILE'
FROM localhost/base:v1
RUN mkdir /opt && echo hi >/opt/x
COPY f.base /opt/y
RUN echo hi >/opt/z
FILE
cat >"$dir/ctx/f.mounts" <<'FILE'
FROM localhost/base:v1
RUN --mount=type=tmpfs,target=/mnt/tmpfs --mount=type=cache,target=/mnt/cache --mount=type=bind,source=f.base,target=/mnt/bind true
RUN --mount=type=secret,id=s cat /run/secrets/s
VOLUME /mnt/volume
RUN true
FILE
# What a mount hides stays as it was.
cat >"$dir/ctx/f.own" <<'FILE'
FROM localhost/base:v1
COPY own /etc/
RUN mkdir /opt && echo hi >/opt/x
FILE
mkdir "$dir/ctx/own"
for name in hosts hostname resolv.conf; do echo "# ours" >"$dir/ctx/own/$name"; done
echo secret >"$dir/secret"

# Cgroups and limits as a machine in a machine allows them; the store in memory.
cat >"$dir/podman.sh" <<'INNER'
set -euo pipefail
work=/bed/stores/debris/podman
mkdir -p "$work"
mount -t tmpfs tmpfs "$work"
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export CONTAINERS_STORAGE_CONF=$work/storage.conf CONTAINERS_CONF=$work/containers.conf
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/graph"\nrunroot = "%s/run"\n' "$work" "$work" >"$CONTAINERS_STORAGE_CONF"
printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' "$(ulimit -Hn)" "$(ulimit -Hn)" "$(ulimit -Hu)" "$(ulimit -Hu)" >"$CONTAINERS_CONF"
out=/bed/stores/debris/out/$1
mkdir -p "$out"
cd /bed/stores/debris
podman() { command podman --log-level=error "$@"; }
build() { podman build -q --network=host --no-cache --pull=never "$@" ctx >/dev/null; }
save() { podman save -q localhost/x -o "$out/$1.$2.tar"; podman rmi localhost/x >/dev/null; }
build -f ctx/f.base -t localhost/base:v1
for n in 1 2; do
  for file in plain mounts own; do
    build --secret id=s,src=secret -f "ctx/f.$file" -t localhost/x
    save "podman-$file" $n
  done
  if [ "$1" = trixie ]; then
    build --isolation=chroot -f ctx/f.plain -t localhost/x
    save podman-chroot $n
    build --timestamp 0 -f ctx/f.plain -t localhost/x
    save podman-timestamp $n
  fi
  w=$(buildah from --pull-never -q localhost/base:v1)
  buildah run --network=host "$w" sh -c 'mkdir /opt; echo hi >/opt/x'
  buildah commit -q "$w" localhost/x >/dev/null
  buildah rm "$w" >/dev/null
  save buildah-commit $n
  podman run --cgroups=disabled --network=host --name made localhost/base:v1 sh -c 'mkdir /opt; echo hi >/opt/x'
  podman commit -q made localhost/x >/dev/null
  podman rm made >/dev/null
  save podman-commit $n
  # The times of the second build are others.
  sleep 1.1
done
# An image without any of these paths has to run, and containers have to get them.
want='test -s /etc/hosts && test -s /etc/resolv.conf && test -e /proc/self/status && test -d /sys/kernel && test -e /dev/null'
for options in "" --read-only "--read-only --read-only-tmpfs=false"; do
  for network in host none; do
    asked=$want
    # Without a network there is no server of names to tell.
    [ $network = host ] || asked=${want/test -s \/etc\/resolv.conf/true}
    # shellcheck disable=SC2086 # no word or several
    if said=$(podman run --rm --cgroups=disabled --network=$network $options localhost/base:v1 sh -c "$asked" 2>&1); then
      echo "run podman $network ${options:-rw} yes"
    else
      echo "run podman $network ${options:-rw} no: $said"
    fi
  done
done >"$out/run"
INNER
cat >"$dir/docker.sh" <<'INNER'
set -euo pipefail
work=/bed/stores/debris/docker
mkdir -p "$work"
# runc takes the first cgroup that is mounted for the place of all, and other tests may have one in the bed.
umount -l /bed/fs/* 2>/dev/null || true
mount -t tmpfs tmpfs "$work"
out=/bed/stores/debris/out/docker-$1
mkdir -p "$out"
export DOCKER_HOST=unix://$work/sock DOCKER_CONFIG=$work/config
mkdir -p "$DOCKER_CONFIG/cli-plugins"
[ "$2" = false ] || ln -s /bed/stores/debris/deb/docker-buildx/usr/libexec/docker/cli-plugins/docker-buildx "$DOCKER_CONFIG/cli-plugins/"
[ "$1" = containerd ] && snapshotter=true || snapshotter=false
echo "{\"features\": {\"containerd-snapshotter\": $snapshotter}}" >"$work/daemon.json"
dockerd --config-file "$work/daemon.json" --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" \
  --iptables=false --ip6tables=false --bridge=none >"$out/log" 2>&1 &
daemon=$!
trap 'kill $daemon 2>/dev/null; wait $daemon || true' EXIT
for _ in $(seq 150); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
cd /bed/stores/debris
save() { docker save localhost/x:latest -o "$out/$1.$2.tar"; docker rmi -f localhost/x:latest >/dev/null; }
build() { DOCKER_BUILDKIT=$1 docker build -q --network=host --no-cache "${@:2}" ctx >/dev/null 2>"$out/build.log" || { tail -n 5 "$out/build.log" "$out/log" >&2; return 1; }; }
build 0 -f ctx/f.base -t localhost/base:v1
for n in 1 2; do
  for file in plain own; do
    build 0 -f ctx/f.$file -t localhost/x
    save classic-$file $n
  done
  if [ "$2" = true ]; then
    for file in plain mounts own; do
      build 1 --secret id=s,src=secret -f ctx/f.$file -t localhost/x
      save buildkit-$file $n
    done
  fi
  docker run --network=host --name made localhost/base:v1 sh -c 'mkdir /opt; echo hi >/opt/x'
  docker commit made localhost/x >/dev/null
  save commit $n
  # A layer of the base's, too: import makes one layer, and debris.py leaves out the lowest.
  docker export made >"$work/export.tar"
  docker rm made >/dev/null
  mv "$work/export.tar" "$out/export.$n.rootfs.tar"
  sleep 1.1
done
want='test -s /etc/hosts && test -s /etc/resolv.conf && test -e /proc/self/status && test -d /sys/kernel && test -e /dev/null'
for options in "" --read-only; do
  # shellcheck disable=SC2086 # no word or one
  if said=$(docker run --rm --network=host $options localhost/base:v1 sh -c "$want" 2>&1); then
    echo "run docker host ${options:-rw} yes"
  else
    echo "run docker host ${options:-rw} no: $said"
  fi
done >"$out/run"
INNER

for client in "${clients[@]}"; do
  note "$client: podman and buildah"
  in_client "$client" bash /bed/stores/debris/podman.sh "$client"
done
for store in overlay2 containerd; do
  note "docker, $store"
  in_client trixie bash /bed/stores/debris/docker.sh "$store" $has_buildkit
done
python3 "$harness/debris.py" "$dir/out"

# Whatever the list below does not have is new to docs/debris.md.
while read -r client name path; do
  fail "$client $name leaves $path, which docs/debris.md does not know"
done < <(python3 "$harness/debris.py" "$dir/out" --unknown)
for run in "$dir"/out/*/run; do
  while read -r line; do
    case $line in *" yes") pass "$(basename "$(dirname "$run")"): $line" ;; *) fail "$line" ;; esac
  done <"$run"
done

# pruned NAME NEW WANTED: --prune-debris leaves out these paths; verify knows it, and tells of them without the option.
pruned() {
  local new=$2 got
  check "$1: rechunk --prune-debris" "$restrata" rechunk -q --prune-debris "$new" "oci:$dir/pruned:x"
  check "$1: verify --prune-debris" "$restrata" verify -q --prune-debris "$new" "oci:$dir/pruned:x"
  got=$("$restrata" verify --all --format json "$new" "oci:$dir/pruned:x" | jq -r '.differences[] | select(.what == "only in A").path' | sort | paste -sd' ' || true)
  check "$1: leaves out ${3:-nothing}" [ "$got" = "$3" ]
}
export XDG_CACHE_HOME=$dir/cache
files="/etc/hostname /etc/hosts /etc/resolv.conf"
pruned "podman 5.4" "docker-archive:$dir/out/trixie/podman-plain.1.tar" "$files"
pruned "podman 5.4, mounts" "docker-archive:$dir/out/trixie/podman-mounts.1.tar" "$files /run/secrets"
pruned "podman 5.4, its own files" "docker-archive:$dir/out/trixie/podman-own.1.tar" ""
pruned "podman 5.4, chroot" "docker-archive:$dir/out/trixie/podman-chroot.1.tar" "$files"
pruned "podman 5.4, commit" "docker-archive:$dir/out/trixie/podman-commit.1.tar" "$files /run/.containerenv"
pruned "podman 5.8" "docker-archive:$dir/out/sid/podman-plain.1.tar" ""
[ $has_buildkit = false ] || pruned "BuildKit" "docker-archive:$dir/out/docker-overlay2/buildkit-plain.1.tar" ""
mkdir "$dir/rootfs"
tar -xf "$dir/out/docker-overlay2/export.1.rootfs.tar" -C "$dir/rootfs"
pruned "docker export" "dir:$dir/rootfs" "/.dockerenv /dev/console $files"
summary
