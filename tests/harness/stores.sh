#!/bin/bash
# stores.sh [SEQUENCE]: images in the stores of real podman and docker, and archives from and to pipes. restrata runs inside the
# chroots, as root and as a user without root; what it reads from a store must give the image that the archive gives.
# Prints PASS, FAIL and SKIP lines. Root; about two minutes.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` made)
# shellcheck disable=SC2016 # commands are expanded by the inner shells
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root
seq=${1:-corners}
restrata=${RESTRATA:-$(built)/release/restrata}
dir=$bed/stores/named
[ -f "$bed/images/$seq/v1.tar" ] || "$harness/images.sh" "$seq"
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
cp "$restrata" "$dir/restrata"
# For users without root.
chmod 755 "$dir" "$dir/restrata"

# inside CLIENT STORE COMMAND: a shell command in a chroot, whose podman and skopeo have this store.
inside() {
  local client=$1 store=$2
  shift 2
  in_client "$client" env CONTAINERS_STORAGE_CONF="/bed/stores/named/$store.conf" PATH="/bed/stores/named:$PATH" \
    TMPDIR=/bed/stores/named XDG_CACHE_HOME=/bed/stores/named/cache dir=/bed/stores/named seq="$seq" bash -euo pipefail -c "$*"
}

# store CLIENT DRIVER
store() {
  store_conf "$dir/$1-$2" false >/dev/null
  sed -i "s/driver = .*/driver = \"$2\"/" "$dir/$1-$2.conf"
}

equal() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }
exit_code() { local want=$1 got=0; shift; "$@" || got=$?; [ $got = "$want" ] || { echo "exit code $got, not $want"; return 1; }; }
same() { equal "$(inside "$1" "$2" "restrata rechunk -q '$3' oci:\$dir/out:x")" "$4"; }
in_place() { ! inside "$1" "$2" "restrata inspect '$3' 2>&1" | grep "unpacked into"; }
by_skopeo() { inside "$1" "$2" "restrata inspect '$3' 2>&1" | grep -q "since a program's output can't be read in parts"; }

for client in "${clients[@]}"; do
  store "$client" overlay
  store "$client" vfs
  image=localhost/app:v1
  # One layer, and the many that restrata makes of it.
  one=$(inside "$client" "$client-overlay" 'restrata rechunk -q docker-archive:/bed/images/$seq/v1.tar oci:$dir/published:v1')
  many=$(inside "$client" "$client-overlay" 'restrata rechunk -q oci:$dir/published:v1 oci:$dir/again:v1')
  for driver in overlay vfs; do
    inside "$client" "$client-$driver" "skopeo copy -q docker-archive:/bed/images/$seq/v1.tar containers-storage:$image"
    check "$client $driver: the store gives what the archive gives" same "$client" "$client-$driver" "containers-storage:$image" "$one"
  done
  # A vfs store has all files of the layers below in each layer.
  inside "$client" "$client-overlay" 'skopeo copy -q oci:$dir/published:v1 containers-storage:localhost/many:v1'
  check "$client: the same for many layers" same "$client" "$client-overlay" containers-storage:localhost/many:v1 "$many"
  check "$client: verify, check and diff read it" inside "$client" "$client-overlay" \
    "restrata verify -q --ignore mtime containers-storage:$image containers-storage:localhost/many:v1
     restrata check -q containers-storage:localhost/many:v1; restrata diff oci:\$dir/published:v1 containers-storage:$image"
  check "$client: an overlay store is read in place" in_place "$client" "$client-overlay" "containers-storage:$image"
  check "$client: a vfs store is read by skopeo" by_skopeo "$client" "$client-vfs" "containers-storage:$image"
  id=$(inside "$client" "$client-overlay" "podman --log-level=error image inspect --format '{{.Id}}' $image")
  for name in "$id" "${id:0:12}" "@$id" "[overlay@/bed/stores/named/$client-overlay+/bed/stores/named/$client-overlay.run]$image"; do
    check "$client: containers-storage:$name" same "$client" "$client-overlay" "containers-storage:$name" "$one"
  done
  check "$client: an image that is not there ends with 2" \
    exit_code 2 inside "$client" "$client-overlay" 'restrata inspect containers-storage:localhost/none:v1'
  check "$client: a short name gets a hint that works" \
    grep -q "hint: perhaps containers-storage:$image" <(inside "$client" "$client-overlay" 'restrata inspect containers-storage:app:v1 2>&1' || true)
  check "$client: podman save by a pipe" equal "$one" "$(inside "$client" "$client-overlay" \
    "podman --log-level=error save $image | restrata rechunk -q docker-archive:- oci:\$dir/piped:v1")"
  # skopeo does not read oci-archive:/dev/stdin from a pipe, but from one that has a name.
  check "$client: oci-archive:- goes into skopeo" equal "$one" "$(inside "$client" "$client-overlay" \
    "rm -rf \$dir/fifo \$dir/sent; mkfifo \$dir/fifo
     restrata rechunk -q containers-storage:$image oci-archive:-:v1 >\$dir/fifo &
     skopeo copy -q --preserve-digests oci-archive:\$dir/fifo oci:\$dir/sent:v1; wait \$!
     skopeo inspect --format '{{.Digest}}' oci:\$dir/sent:v1")"
  built=$(inside "$client" "$client-overlay" 'w=$(buildah from localhost/many:v1); echo hello >$dir/file; buildah copy -q $w $dir/file /etc/file
    buildah commit -q $w localhost/built >&2; podman --log-level=error save localhost/built | restrata rechunk -q docker-archive:- oci:$dir/out:built')
  check "$client: what buildah builds is read in place" in_place "$client" "$client-overlay" containers-storage:localhost/built
  check "$client: what buildah builds" same "$client" "$client-overlay" containers-storage:localhost/built "$built"
done

# Without root. The user's ids are those of the container; files of others may be unreadable.
rootless() {
  in_client trixie env seq="$seq" bash -euc '
    id=4242 home=/run/user/4242
    grep -q ^rootless: /etc/passwd || useradd --uid $id --home-dir $home rootless
    for f in /etc/subuid /etc/subgid; do echo rootless:1000000:1000000000 >$f; done
    mkdir -p $home
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t tmpfs -o mode=0700,uid=$id,gid=$id tmpfs $home
    exec unshare --pid --fork --kill-child --mount-proc setpriv --reuid $id --regid $id --clear-groups env HOME=$home \
      XDG_RUNTIME_DIR=$home TMPDIR=$home PATH="/bed/stores/named:$PATH" bash -euo pipefail -c "$1"' rootless "$1"
}
user_reads() {
  local said
  said=$(rootless 'podman --log-level=error unshare skopeo copy -q docker-archive:/bed/images/$seq/v1.tar containers-storage:localhost/app:v1
    cd $HOME; restrata rechunk containers-storage:localhost/app:v1 oci:out:x --digestfile digest; echo; cat digest')
  grep -q "$1" <<<"$said" || { tail -n 5 <<<"$said"; return 1; }
}
check "a user without root reads the own store" user_reads "$(inside trixie trixie-overlay 'restrata rechunk -q docker-archive:/bed/images/$seq/v1.tar oci:$dir/published:v2')"

# docker_reads STORE: prints what rechunk says of an image in a docker daemon, and the code for one that is not there.
docker_reads() {
  local snapshotter=false
  [ "$1" != containerd ] || snapshotter=true
  echo "{\"features\": {\"containerd-snapshotter\": $snapshotter}}" >"$dir/daemon.json"
  inside trixie trixie-overlay '
    data=$dir/docker; export DOCKER_HOST=unix://$dir/sock
    mkdir -p /sys/fs/cgroup $data
    mount -t tmpfs tmpfs $data
    dockerd --config-file $dir/daemon.json --host $DOCKER_HOST --data-root $data/data --exec-root $data/run --pidfile $data/pid \
      --iptables=false --ip6tables=false --bridge=none >$dir/docker.log 2>&1 &
    daemon=$!
    trap "kill $daemon; wait $daemon || true; umount $data/data || true" EXIT
    for _ in $(seq 150); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
    docker load -q -i /bed/images/$seq/v1.tar >/dev/null
    docker tag $(docker images -q | head -1) app:v1
    restrata rechunk -q docker-daemon:app:v1 oci:$dir/out:docker
    restrata inspect docker-daemon:none:v1 || echo $?'
}
for kind in overlay2 containerd; do
  said=$(docker_reads "$kind" 2>"$dir/err" || cat "$dir/err")
  check "docker $kind: the daemon gives what the archive gives" equal "$(head -1 <<<"$said")" "$one"
  check "docker $kind: an image that is not there ends with 2" equal "$(tail -1 <<<"$said")" 2
  rm -rf "$dir/docker"
done
summary
