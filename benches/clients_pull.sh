#!/bin/bash
# clients_pull.sh KIND PARTIAL LOOP IMAGE..: the part of clients.sh that runs inside a chroot: pulls images in turn with a podman, containerd or
# dockerd whose store is /bed/fs/clients, a file system of its own on the block device LOOP. Prints a JSON line for each pull.
set -euo pipefail
kind=$1 partial=$2 loop=$3
shift 3
store=/bed/fs/clients run=/run/restrata-clients cpu=/bed/fs/clients-cpu
rm -rf "$run"
mkdir -p "$run"

# The group of this process has all that it starts, daemons and their helpers among them.
cpu_used() { # in microseconds
  if [ -f $cpu/cpuacct.usage ]; then echo $(($(cat $cpu/cpuacct.usage) / 1000)); else awk '/^usage_usec/ { print $2 }' $cpu/cpu.stat; fi
}
written() { sync -f $store; awk '{ print $7 * 512 }' "/sys/block/$loop/stat"; }
used() { df --output=used -B1 $store | tail -n 1; }

await() { # PID COMMAND..
  for _ in $(seq 150); do
    if "${@:2}" >/dev/null 2>&1; then return; fi
    kill -0 "$1" 2>/dev/null || break
    sleep 0.2
  done
  tail -n 5 $run/log >&2
  exit 1
}
case $kind in
podman)
  cat >$run/storage.conf <<C
[storage]
driver = "overlay"
graphroot = "$store/store"
runroot = "$run/store"
[storage.options]
pull_options = {enable_partial_images = "$partial", use_hard_links = "false", convert_images = "false", ostree_repos = ""}
C
  export CONTAINERS_STORAGE_CONF=$run/storage.conf
  pull() { podman --log-level=error pull -q --tls-verify=false "$1"; }
  ;;
containerd)
  printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "%s"\n' \
    $store/containerd $run/state $run/socket >$run/config.toml
  containerd -c $run/config.toml >$run/log 2>&1 &
  daemon=$!
  trap 'kill $daemon; wait $daemon 2>/dev/null' EXIT
  await $daemon ctr -a $run/socket version
  pull() { ctr -a $run/socket image pull --snapshotter overlayfs --plain-http "$1"; }
  ;;
docker-*)
  snapshotter=$([ "$kind" = docker-containerd ] && echo true || echo false)
  driver=$([ "$kind" = docker-containerd ] || echo ', "storage-driver": "overlay2"')
  echo "{\"features\": {\"containerd-snapshotter\": $snapshotter}$driver}" >$run/daemon.json
  export DOCKER_HOST=unix://$run/sock
  mkdir -p /sys/fs/cgroup
  dockerd --config-file $run/daemon.json --host "$DOCKER_HOST" --data-root $store/docker --exec-root $run/exec --pidfile $run/pid \
    --iptables=false --ip6tables=false --bridge=none >$run/log 2>&1 &
  daemon=$!
  trap 'kill $daemon; wait $daemon 2>/dev/null' EXIT
  await $daemon docker info
  pull() { docker pull -q "$1"; }
  ;;
*)
  echo "no client $kind" >&2
  exit 1
  ;;
esac

for image; do
  before=$(written) cpu_before=$(cpu_used) status=0
  start=$(date +%s%N)
  pull "$image" >$run/out 2>&1 || status=$?
  end=$(date +%s%N)
  cpu_after=$(cpu_used) after=$(written)
  [ $status = 0 ] || tail -n 5 $run/out >&2
  printf '{"image": "%s", "ok": %s, "seconds": %s, "cpu": %s, "written": %s, "size": %s}\n' "$image" \
    "$([ $status = 0 ] && echo true || echo false)" "$(((end - start) / 1000000))e-3" "$((cpu_after - cpu_before))e-6" $((after - before)) "$(used)"
done
