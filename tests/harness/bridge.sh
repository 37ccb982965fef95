#!/bin/bash
# bridge.sh: podman 5.4 (trixie), 5.8 (sid) and, where Debian has it, 6.1 (exp) pull through `restrata bridge` from six kinds of registry. Prints PASS,
# FAIL and SKIP lines and at the end `N passed, N failed`. Root, a few minutes.
#
#   ranges   each client, each kind of registry: a first pull and two updates. All partial; bytes, requests and ranges are those of pulls straight from
#            a multi-range registry and those of the cost model; to the registry go single ranges, 2 % more bytes at most; the mounts are the input.
#   skopeo   skopeo's own zstd:chunked images, whose update asks for hundreds of ranges: podman 5.4 from S3's kind of registry, the others from ghcr.io's
#   faults   a registry that cuts, stalls, refuses and lies, and a bridge that is killed: a pull gives the input or fails, and the next one works
#   cache    what one machine pulled, another one gets without the registry; a damaged cache costs bytes, nothing else
#   memory   32 pulls at once, some slow
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
#   PARTS=...      some of these parts (default: all)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=mounted.sh
. "$harness/mounted.sh"
need_root

restrata=${RESTRATA:-$(built)/release/restrata}
[ -x "$restrata" ] || die "no $restrata: cargo build --release first"
read -ra parts <<<"${PARTS:-ranges skopeo faults cache memory}"
# What 32 pulls at once may cost, in KB.
most_memory=65536
work=$bed/work/bridge
export PULL_FS=memory PULL_STORE=bridge
export RESTRATA_REGISTRY_DIR=$work/registry
served=$RESTRATA_REGISTRY_DIR
mkdir -p "$bed"
exec 9>"$bed/bridge.lock"
flock -n 9 || die "another test of the bridge runs in $bed"
rm -rf "$work"
mkdir -p "$work"

stores=$(memory_fs)/stores
mkdir -p "$stores"
declare -A processes=()
made_by_skopeo=()
leave() {
  local pid
  for pid in "${processes[@]}" "${made_by_skopeo[@]}"; do kill "$pid" 2>/dev/null || true; done
  if running "$work/front.pid" nginx; then kill "$(cat "$work/front.pid")"; fi
  "$harness/registry.sh" stop
  if mountpoint -q "$bed/fs/memory"; then umount "$bed/fs/memory"; fi
}
trap leave EXIT

# Ports, from the registry's on: bridges from 10 on and a proxy in front of each from 20 on, in the order of the profiles; the seventh bridge has no
# registry of its own.
port() { echo $(($(cat "$served/port") + $1)); }
bridge_port() { port $((10 + $1)); }
front_port() { port $((20 + $1)); }

# start NAME URL COMMAND..: a server, until it is stopped.
start() {
  local name=$1 url=$2
  shift 2
  "$@" >>"$work/$name.log" 2>&1 9>&- &
  processes[$name]=$!
  [ -z "$url" ] || await "$url" || die "$name does not start; see $work/$name.log"
}
ended() { # NAME [SIGNAL]
  kill "${2:--TERM}" "${processes[$1]}"
  wait "${processes[$1]}" || true
  unset "processes[$1]"
}
# start_bridge NAME PORT OPTION..
start_bridge() {
  start "$1" "http://127.0.0.1:$2/v2/" "$restrata" bridge --listen "127.0.0.1:$2" --tls-verify=false --retry-delay 100ms "${@:3}"
}

# The proxy between client and bridge logs what the client gets, as registry.sh's logs what it sends.
start_fronts() {
  local i
  {
    echo "user root; worker_processes 1; pid $work/front.pid; error_log $work/front-error.log error;"
    echo "events { worker_connections 512; } http { proxy_temp_path $work/front;"
    sed -n '/^  log_format/,/;$/p' "$served/nginx.conf"
    for i in 0 1 2 3 4 5 6; do
      # shellcheck disable=SC2016 # nginx's variables
      echo "server { listen 127.0.0.1:$(front_port $i); access_log $served/access.log bytes; large_client_header_buffers 8 256k; proxy_read_timeout 100;" \
        'location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_buffering off;' \
        "proxy_pass http://127.0.0.1:$(bridge_port $i); } }"
    done
    echo '}'
  } >"$work/front.conf"
  nginx -c "$work/front.conf" 9>&-
}

start_all() {
  local i hosts=()
  "$harness/registry.sh" start 9>&-
  for i in "${!profiles[@]}"; do
    hosts+=(--allow "127.0.0.1:$(profile_port "${profiles[$i]}")")
    start_bridge "${profiles[$i]}" "$(bridge_port "$i")" --upstream "127.0.0.1:$(profile_port "${profiles[$i]}")"
  done
  start_bridge all "$(bridge_port 6)" "${hosts[@]}"
  start_fronts
}

# What is pulled: three versions of one image, of which restrata makes repository `ours`, and two of a larger one, of which skopeo makes `skopeo`.
declare -A input=([ours:v1]=small/v1 [ours:v2]=small/v2 [ours:v3]=corners/v2 [skopeo:v1]=mid/v1 [skopeo:v2]=mid/v2)
input() { echo "$bed/images/${input[$1]}"; }
to_registry() { in_client sid skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:/bed${work#"$bed"}/$1" "docker://127.0.0.1:$(profile_port multi-range)/$1"; }
list() { [ -f "$(input "$1").list" ] || fstree image "$(input "$1").tar" >"$(input "$1").list"; }
by_skopeo() { # IMAGE
  in_client sid skopeo copy -q --dest-compress-format zstd:chunked "docker-archive:/bed/images/${input[$1]}.tar" "oci:/bed${work#"$bed"}/$1"
  to_registry "$1"
}
make_images() {
  local name made
  for name in small corners mid; do "$harness/images.sh" "$name"; done
  for name in ours:v{1,2,3} skopeo:v{1,2}; do list "$name"; done
  # These take a while: others can wait for them later.
  for name in skopeo:v{1,2}; do
    by_skopeo "$name" 9>&- &
    made_by_skopeo+=($!)
  done
  for name in ours:v{1,2,3}; do
    "$restrata" rechunk "docker-archive:$(input "$name").tar" "oci:$work/$name" ${made:+--previous "oci:$work/$made"} --format json -q >"$work/${name/:/-}.json"
    to_registry "$name"
    made=$name
  done
  for v in 2 3; do
    "$restrata" diff "oci:$work/ours:v$((v - 1))" "oci:$work/ours:v$v" --registry bridge --format json -q >"$work/ours-v$v.diff.json"
  done
}
# through CLIENT PROFILE IMAGE..: pull.sh's lines for pulls through the bridge of the profile; podman 6.1 has one bridge for all, and names the registry.
through() {
  local i client=$1 profile=$2
  shift 2
  for i in "${!profiles[@]}"; do [ "${profiles[$i]}" != "$profile" ] || break; done
  if [[ " ${newest[*]} " == *" $client "* ]]; then
    PULL_NS=127.0.0.1:$(profile_port "$profile") PULL_MIRROR=$(front_port 6) "$harness/pull.sh" "$client" "$profile" "$@"
  else
    PULL_MIRROR=$(front_port "$i") "$harness/pull.sh" "$client" "$profile" "$@"
  fi
}
is_input() { # CLIENT STORE PROFILE IMAGE: what is mounted
  local before=
  # restrata leaves a file that did not change in its layer, with the time of the first version.
  case $4 in ours:v[23]) before=$(input ours:v1).list ;; esac
  mounted_same "$1" "$2" "127.0.0.1:$(profile_port "$3")/$4" "$(input "$4").list" "$before" "$known_partial_losses"
}
# The bytes that the bridges say they sent.
told_bytes() {
  local i
  for i in 0 1 2 3 4 5 6; do curl -sf "http://127.0.0.1:$(bridge_port $i)/metrics"; done |
    awk '$1 == "restrata_bridge_bytes_to_clients_total" { sum += $2 } END { printf "%d", sum }'
}
# model CLIENT: as whom the cost model knows it. podman 5.4 reuses chunks on any store, later ones where there are reflinks.
model() { if [ "$1" = trixie ]; then echo podman-reflink; else echo podman; fi; }

ranges() { # CLIENT
  local client=$1 profile v reports before told
  reports=("$work/ours-v1.json" "$work/ours-v2.diff.json" "$work/ours-v3.diff.json")
  "$harness/pull.sh" "$client" multi-range ours:v{1,2,3} >"$work/direct.$client"
  for profile in "${profiles[@]}"; do
    before=$(told_bytes)
    through "$client" "$profile" ours:v{1,2,3} | tee -a "$work/pulls.jsonl" >"$work/through"
    told=$(($(told_bytes) - before))
    tally < <(python3 "$harness/bridged.py" "$client $profile" "$(model "$client")" "$work/direct.$client" "$work/through" "${reports[@]}")
    check_num "$client $profile: bytes that the bridge counted" "$told" == "$(jq -s 'map(.asked_bytes) | add' "$work/through")"
    for v in 1 2 3; do
      [ "$v" = 3 ] || [ "$profile" = refuse-501 ] || continue
      check "$client $profile: mounted v$v is the input" is_input "$client" "$stores/bridge" "$profile" "ours:v$v"
    done
  done
}

skopeo_images() { # CLIENT PROFILE
  local what="skopeo's $1 $2"
  "$harness/pull.sh" "$1" multi-range skopeo:v{1,2} >"$work/direct.skopeo.$1"
  through "$1" "$2" skopeo:v{1,2} | tee -a "$work/pulls.jsonl" >"$work/through"
  tally < <(python3 "$harness/bridged.py" "$what" - "$work/direct.skopeo.$1" "$work/through")
  check "$what: the update has hundreds of ranges" python3 "$harness/bridged.py" --ranges 177 "$work/through"
  check "$what: mounted v2 is the input" is_input "$1" "$stores/bridge" "$2" skopeo:v2
}

# In the parts below sid's podman has one store and one mirror, in front of a registry that answers 501.
store=$stores/faults
podman() { # SECONDS ARGUMENT..
  in_client sid env CONTAINERS_STORAGE_CONF="/bed${store#"$bed"}.conf" CONTAINERS_REGISTRIES_CONF="/bed${store#"$bed"}.registries" \
    timeout -k 5 "$1" podman --log-level=error "${@:2}"
}
# fresh MIRROR_PORT [PROFILE]: an empty store, and where it pulls from.
fresh() {
  primary=${2:-refuse-501}
  rm -rf "$store" "$store".*
  store_conf "$store" true >/dev/null
  registries_conf "$(profile_port "$primary")" "$1" >"$store.registries"
}
pull() { podman 150 pull -q "127.0.0.1:$(profile_port "$primary")/ours:v$1"; } # VERSION
# honest VERSION STATUS: the pull that ended so left the image as it is, or none. 124 and 137 are those of `timeout`.
honest() {
  case $2 in
  0) is_input sid "$store" "$primary" "ours:v$1" ;;
  124 | 137) echo "it hangs"; return 1 ;;
  *) ! podman 60 image exists "127.0.0.1:$(profile_port "$primary")/ours:v$1" ;;
  esac
}
next_one() { # FAULT
  echo none >"$work/mode"
  check "$1: the next pull works" pull 3
  check "$1: it mounts as the input" is_input sid "$store" "$primary" ours:v3
}
# whole_layers: how many blobs the registry was asked for whole, without the config, in what the access log has on standard input.
whole_layers() {
  jq -s --argjson port "$(profile_port "$primary")" \
    '[.[] | select(.port == $port and .method == "GET" and .range == "" and (.path | contains("/blobs/"))) | .path] | unique | length - 1'
}
# fault MODE EXPECTED: a pull behind a bridge whose registry does MODE. EXPECTED is partial, whole (it succeeds, so), fails or either.
fault() {
  local status=0 began=$SECONDS seen layers
  seen=$(wc -l <"$served/access.log")
  fresh "$(port 41)"
  echo "$1" >"$work/mode"
  pull 1 >"$work/said" 2>&1 || status=$?
  note "$1: status $status after $((SECONDS - began)) s: $(tail -n 1 "$work/said")"
  layers=$(tail -n "+$((seen + 1))" "$served/access.log" | whole_layers)
  case $2$status in
  partial0) check_num "$1: layers pulled whole" "$layers" == 0 ;;
  whole0) check_num "$1: layers pulled whole" "$layers" '>=' 10 ;;
  either* | fails[1-9]*) pass "$1: status $status, expected: $2" ;;
  *) fail "$1: status $status, expected: $2: $(tail -n 3 "$work/said")" ;;
  esac
  check "$1: the image is the input, or there is none" honest 1 "$status"
  next_one "$1"
}

faults() {
  local status=0 mode i
  echo none >"$work/mode"
  start faulty "" python3 "$harness/faulty.py" "$(port 40)" "$(profile_port refuse-501)" "$work/mode"
  await "http://127.0.0.1:$(port 40)/v2/" || die "no faulty registry"
  start_bridge faults "$(port 41)" --upstream "127.0.0.1:$(port 40)"
  fault "busy 4" partial
  fault "expired 7" partial
  fault "cut 10" partial
  fault "cut 60" either
  fault "slow 4000000" partial
  fault shifted whole
  fault short whole
  fault flip fails

  fresh "$(port 41)"
  echo "slow 1000000" >"$work/mode"
  pull 1 >"$work/said" 2>&1 &
  local pull=$!
  for i in {1..100}; do
    ! grep -q "GET.*blobs" <(tail -n +1 "$served/access.log") || ss -tn state established "( dport = :$(port 40) )" | grep -q . && break
    sleep 0.1
  done
  sleep 1
  check "kill -9: the pull is at its work" kill -0 $pull
  ended faults -KILL
  start_bridge faults "$(port 41)" --upstream "127.0.0.1:$(port 40)"
  wait $pull || status=$?
  note "kill -9: status $status: $(tail -n 1 "$work/said")"
  check "kill -9: the image is the input, or there is none" honest 1 "$status"
  next_one "kill -9"

  start_bridge down "$(port 42)" --upstream "127.0.0.1:$(port 43)" --retry 0
  mode=$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port 42)/v2/ours/manifests/v1")
  check_num "registry down: status of a manifest" "$mode" == 502
  fresh "$(port 42)" multi-range
  check "registry down: podman asks the registry itself" pull 1
  check "registry down: it mounts as the input" is_input sid "$store" multi-range ours:v1
}

# metric PORT NAME: what a bridge counted.
metric() { curl -sf "http://127.0.0.1:$1/metrics" | awk -v name="restrata_bridge_$2" '$1 == name { print $2 }'; }
cache() {
  local read hits record
  start_bridge cache "$(port 45)" --upstream "127.0.0.1:$(profile_port refuse-501)" --cache "$work/kept" --cache-size 1GB
  for v in 1 2; do
    fresh "$(port 45)"
    check "cache: machine $v pulls" pull 1
    check "cache: machine $v updates" pull 3
    check "cache: machine $v mounts the input" is_input sid "$store" refuse-501 ours:v3
    [ "$v" = 2 ] || read=$(metric "$(port 45)" bytes_from_registries_total)
  done
  hits=$(metric "$(port 45)" cache_hits_total)
  check_num "cache: ranges that came from it" "$hits" '>=' 1
  # Configs are asked for whole, and pass.
  check_num "cache: bytes from the registry for the second machine" "$(($(metric "$(port 45)" bytes_from_registries_total) - read))" '<=' 65536
  for record in "$work/kept"/*.run; do printf 'damage' | dd of="$record" bs=1 seek=0 conv=notrunc status=none; done
  fresh "$(port 45)"
  check "cache: a machine pulls after all of it was damaged" pull 1
  check "cache: it mounts the input" is_input sid "$store" refuse-501 ours:v1
  check_num "cache: damage that it noticed" "$(metric "$(port 45)" cache_failures_total)" '>=' 1
  ended cache
}

memory() {
  local pulls
  start_bridge memory "$(port 44)" --upstream "127.0.0.1:$(profile_port refuse-501)"
  # What podman asks for: of restrata's image and, with many ranges, of skopeo's.
  : >"$served/access.log"
  "$harness/pull.sh" sid multi-range ours:v{1,2,3} >"$work/direct.sid"
  "$harness/pull.sh" sid multi-range skopeo:v{1,2} >"$work/direct.skopeo.sid"
  if pulls=$(python3 "$harness/bridge_load.py" "$(port 44)" "${processes[memory]}" "$served/access.log" "$(profile_port multi-range)" "$served/data" 32 $most_memory 2>&1); then
    pass "memory: at most $most_memory KB, every byte right: $pulls"
  else
    fail "memory: $pulls"
  fi
}

"$harness/clients.sh" newest
for client in "${newest[@]}"; do ! has_client "$client" || clients+=("$client"); done
start_all
make_images
for part in "${parts[@]}"; do
  case $part in skopeo | memory)
    for pid in "${made_by_skopeo[@]}"; do wait "$pid"; done
    made_by_skopeo=()
    ;;
  esac
  note "$part, after $SECONDS s"
  case $part in
  ranges) for client in "${clients[@]}"; do ranges "$client"; done ;;
  skopeo)
    for client in "${clients[@]}"; do
      profile=refuse-501
      [ "$client" != trixie ] || profile=whole-200
      skopeo_images "$client" "$profile"
    done
    ;;
  faults | cache | memory) "$part" ;;
  *) die "no part $part" ;;
  esac
done
note "$SECONDS s"
summary
