#!/bin/bash
# bridge-config.sh: what examples/bridge and `restrata bridge --write-config` hold, judged by systemd, by podman's Quadlet
# and by real podman and skopeo. Needs the chroots of clients.sh, and no network.
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

restrata=$(realpath "${RESTRATA:-$(built)/release/restrata}")
examples=$checkout/examples/bridge
work=$bed/bridge-config
rm -rf "$work"
mkdir -p "$work/units" "$work/written"
apt_need jq:jq python3:python3 curl:curl
python=python3
$python -c 'import yaml' 2>/dev/null || { apt_install python3-yaml; python=/usr/bin/python3; }

# options FILE: the options that an example gives to `restrata bridge`, a word a line.
options() {
  case $1 in
  *.service) sed -n '/^ExecStart=/,/[^\\]$/p' "$1" | tr -d '\\\n' | sed 's/.* bridge //' | xargs -n1 ;;
  *.container) sed -n 's/^Exec=//p' "$1" | xargs -n1 ;;
  *.yaml) "$python" -c '
import sys, yaml
for doc in yaml.safe_load_all(open(sys.argv[1])):
    if doc["kind"] == "DaemonSet":
        print("\n".join(doc["spec"]["template"]["spec"][sys.argv[2]][0]["args"]))' "$1" "$2" ;;
  esac
}

# known OPTION...: the binary knows them all.
known() { "$restrata" bridge "$@" --help; }

echo "== examples"
"$restrata" bridge --print-config >"$work/printed"
addressed=$(sed -n 's/^# This file is for: restrata bridge //p' "$work/printed" | xargs -n1)
for example in restrata-bridge.service restrata-bridge.container daemonset.yaml; do
  options "$examples/$example" containers >"$work/options"
  mapfile -t words <"$work/options"
  check "$example: restrata knows its options" known "${words[@]}"
  # Without this, an example and the printed configuration could be for other addresses or registries.
  head -n "$(wc -l <<<"$addressed")" "$work/options" >"$work/first"
  check "$example: address and registries are those of --print-config" diff "$work/first" - <<<"$addressed"
done
mapfile -t words < <(options "$examples/daemonset.yaml" initContainers)
check "daemonset.yaml: restrata knows the options of the init container" known "${words[@]}"
printf '%s\n' --listen "$(sed -n 2p <<<"$addressed")" --write-config /containers >"$work/wanted"
grep -A1 -e --allow <<<"$addressed" | grep -v -e '^--' >>"$work/wanted"
check "daemonset.yaml: it writes the same address and registries" diff "$work/wanted" <(printf '%s\n' "${words[@]}")
check "restrata-bridge.socket: the address is that of the service" \
  grep -qx "ListenStream=$(sed -n 2p <<<"$addressed")" "$examples/restrata-bridge.socket"

if command -v systemd-analyze >/dev/null || (apt_need systemd-analyze:systemd); then
  cp "$examples"/*.socket "$examples"/*.service "$work/units"
  # verify wants the program and its manual to be there.
  sed -i "s#/usr/local/bin/restrata#$restrata#; /^Documentation=/d" "$work/units/restrata-bridge.service"
  check "systemd takes the units" env -C "$work/units" \
    systemd-analyze --man=no verify ./restrata-bridge.socket ./restrata-bridge.service
  said=$(cd "$work/units" && systemd-analyze --man=no verify ./restrata-bridge.socket ./restrata-bridge.service 2>&1) || true
  check "systemd has no remark about them" test -z "$said"
  exposure=$(systemd-analyze security --offline=true "$work/units/restrata-bridge.service" |
    sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
  check_num "exposure by systemd-analyze security, of 10" "$exposure" "<=" 1.5

  # As the socket unit does it: the bridge starts with the first request, and has no other address than that of the socket.
  activated=$((${RESTRATA_PORT_BASE:-5000} + 90))
  systemd-socket-activate -l "127.0.0.1:$activated" "$restrata" bridge --listen 127.0.0.1:1 --upstream 127.0.0.1:2 >"$work/activated" 2>&1 &
  check "a socket from systemd is used" curl -sf --retry 20 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$activated/v2/"
  check "the bridge says so" grep -q "the bridge listens at 127.0.0.1:$activated" "$work/activated"
  kill $!
  wait $! || fail "the bridge of the socket ends with $?"
else
  skip "units: no systemd-analyze here"
fi

# In a client, with the written files as its /etc/containers, and cut off from every network.
configured() {
  local client=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_client "$client" unshare --net bash -euc '
    policy=$(cat /etc/containers/policy.json)
    mount -t tmpfs tmpfs /etc/containers
    cp -r /bed/bridge-config/written/. /etc/containers
    echo "$policy" >/etc/containers/policy.json
    "$@"' configured "$@"
}

# What `podman info` knows of ghcr.io.
mirror() { configured "$1" podman info --format json | jq -c '.registries["ghcr.io"].Mirrors[0] | [.Location, .Insecure]'; }

# order CLIENT: where skopeo looks for an image of ghcr.io.
order() {
  configured "$1" skopeo --debug inspect docker://ghcr.io/o/app 2>&1 |
    sed -n 's/.*Trying to access \\"\([^\\]*\)\\".*/\1/p' | paste -sd' '
}

# store CLIENT: where podman keeps its images, with the drop-in also saying where.
store() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  configured "$1" bash -euc '
    { cat; echo "[storage]"; echo "graphroot = \"/var/lib/dropped-in\""; } \
      </etc/containers/storage.conf.d/60-restrata-bridge.conf >/etc/containers/storage.conf.d/61.conf
    podman info --format "{{.Store.GraphRoot}}"' 2>/dev/null
}

# by_hand CLIENT: podman starts with the storage.conf that is printed for versions without drop-ins.
by_hand() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  configured "$1" bash -euc '
    sed -n "s/^  //p" /etc/containers/said >/etc/containers/storage.conf
    grep -q enable_partial_images /etc/containers/storage.conf
    podman info'
}

"$restrata" bridge --write-config "$work/written" >"$work/said"
mv "$work/said" "$work/written/said"
file=$work/written/registries.conf.d/60-restrata-bridge.conf
check "what is written is what is printed first" cmp -n "$(stat -c %s "$file")" "$file" "$work/printed"
for client in "${clients[@]}"; do
  [ -x "$bed/$client/usr/bin/podman" ] || { skip "$client: no chroot (clients.sh makes it)"; continue; }
  echo "== $client"
  check "$client: podman shows the mirror" test "$(mirror "$client")" = '["127.0.0.1:7080/ghcr.io",true]'
  check "$client: the bridge first, then the registry" \
    test "$(order "$client")" = "127.0.0.1:7080/ghcr.io/o/app:latest ghcr.io/o/app:latest"
  # docs/bridge.md says which do.
  case $client in trixie) reads=/var/lib/containers/storage ;; *) reads=/var/lib/dropped-in ;; esac
  check "$client: storage.conf.d is read as docs/bridge.md says" test "$(store "$client")" = "$reads"
  check "$client: podman starts with the printed storage.conf" by_hand "$client"
  cp "$examples/restrata-bridge.container" "$work/units"
  check "$client: Quadlet takes the container" \
    in_client "$client" env QUADLET_UNIT_DIRS=/bed/bridge-config/units /usr/libexec/podman/quadlet -dryrun
done

# podman takes no IPv6 address as a mirror, so the loopback has its name; and a mirror without a registry in its path.
for options in "--listen [::1]:7080" "--upstream ghcr.io"; do
  rm -rf "$work/written/registries.conf.d" "$work/written/storage.conf.d"
  # shellcheck disable=SC2086 # words
  "$restrata" bridge $options --write-config "$work/written" >/dev/null
  case $options in *::1*) mirror=localhost:7080/ghcr.io/o/app:latest ;; *) mirror=127.0.0.1:7080/o/app:latest ;; esac
  client=${clients[0]}
  [ -x "$bed/$client/usr/bin/skopeo" ] || { skip "$options: no chroot"; continue; }
  check "$client: $options" test "$(order "$client")" = "$mirror ghcr.io/o/app:latest"
done
summary
