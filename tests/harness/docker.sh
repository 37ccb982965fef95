#!/bin/bash
# docker.sh STORE IMAGE...: pulls images in turn with a real dockerd in the trixie chroot, from the multi-range registry, into a
# fresh STORE: overlay2 (the graph driver) or containerd (the image store). Prints a JSON line for each pull, as pull.sh does.
# IMAGE is REPO:TAG.
#
#   DOCKER_SAVE=FILE  the last image that was pulled, as `docker save` writes it (in the bed)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -ge 2 ] || die "usage: docker.sh overlay2|containerd IMAGE..."
need_root
case $1 in
overlay2) features='{"containerd-snapshotter": false}' ;;
containerd) features='{"containerd-snapshotter": true}' ;;
*) die "no store $1 (known: overlay2, containerd)" ;;
esac
store=$1
shift
log=$served/access.log port=$(profile_port multi-range) dir=$bed/stores/docker-$store
rm -rf "$dir"
mkdir -p "$dir"
echo "{\"features\": $features, \"storage-driver\": \"overlay2\"}" >"$dir/daemon.json"
[ "$store" = overlay2 ] || sed -i 's/, "storage-driver": "overlay2"//' "$dir/daemon.json"

# The daemon lives in the namespace of one in_client, which ends it; the pulls are counted outside of it.
mkfifo "$dir/ask" "$dir/answer"
# shellcheck disable=SC2016 # expanded by the inner shell
in_client trixie env DOCKER_HOST="unix:///bed${dir#"$bed"}/sock" bash -uc '
  dir=$1
  mkdir -p /sys/fs/cgroup "$dir/data"
  # In memory: no file system to wait for.
  mount -t tmpfs tmpfs "$dir/data"
  dockerd --config-file "$dir/daemon.json" --host "$DOCKER_HOST" --data-root "$dir/data" --exec-root "$dir/run" \
    --pidfile "$dir/pid" --iptables=false --ip6tables=false --bridge=none >"$dir/log" 2>&1 &
  daemon=$!
  trap "kill $daemon 2>/dev/null; wait $daemon" EXIT
  for _ in $(seq 150); do docker info >/dev/null 2>&1 && break; kill -0 $daemon 2>/dev/null || break; sleep 0.2; done
  exec 3>"$dir/answer" 4<"$dir/ask"
  docker version --format "{{.Server.Version}}" >&3 2>"$dir/out" || echo failed >&3
  while read -r image <&4; do
    status=0
    docker pull -q "$image" >"$dir/out" 2>&1 || status=$?
    if [ "$status" = 0 ] && [ -n "$2" ]; then docker save -o "$2" "$image" >>"$dir/out" 2>&1 || status=$?; fi
    echo "$status" >&3
  done
' docker "/bed${dir#"$bed"}" "${DOCKER_SAVE:+/bed${DOCKER_SAVE#"$bed"}}" &
# In the order in which the other side opens them.
exec 4<"$dir/answer" 3>"$dir/ask"
read -r version <&4
[ "$version" != failed ] || { tail -n 5 "$dir/log" >&2; die "dockerd did not start"; }
note "docker $version, $store"
for image; do
  before=$(stat -c %s "$log") start=$(date +%s.%N)
  echo "127.0.0.1:$port/$image" >&3
  read -r status <&4
  end=$(date +%s.%N)
  sleep 0.3
  tail -c +$((before + 1)) "$log" |
    python3 "$harness/pulled.py" "docker-$store" multi-range "$image" false "$port" "$status" "$start" "$end" "$dir/out"
done
exec 3>&- 4<&-
wait
rm -rf "$dir"
