#!/bin/bash
# real-clients.sh [--large] [SEQUENCE...]: the real-client test. For each image sequence (default: corners and mid; see
# images.sh) restrata makes two versions, the second with the first as --previous, as files and in six kinds of registry.
# Real programs then pull, mount, read and unpack them, and what they see must be the input, file for file.
# podman 6.1 (exp, where Debian has it) pulls the first sequence only.
# Prints PASS, FAIL and SKIP lines and at the end `N passed, N failed`. Root; about fifteen minutes.
#
#   RESTRATA=PATH            the binary (default: what `cargo build --release` made)
#   RESTRATA_STANDIN=skopeo  test skopeo's own zstd:chunked images instead: shows what the clients do without us
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=mounted.sh
. "$harness/mounted.sh"
# shellcheck source=readers.sh
. "$harness/readers.sh"
# shellcheck source=pushed.sh
. "$harness/pushed.sh"
need_root

restrata=${RESTRATA:-$(built)/release/restrata}
tool=${RESTRATA_STANDIN:-restrata}
sequences=()
for arg; do
  case $arg in
  --large) sequences+=(large) ;;
  *) sequences+=("$arg") ;;
  esac
done
[ ${#sequences[@]} != 0 ] && [ "${sequences[*]}" != large ] || sequences=(corners mid "${sequences[@]}")
[ "$tool" != restrata ] || [ -x "$restrata" ] || die "no $restrata: cargo build --release first"
# An ordinary pull gives everything, but for the image's root directory, which gets its own mode and time.
known_ordinary_losses=root:mode,root:mtime
work=$bed/work/$tool
mkdir -p "$work"
exec 9>"$bed/lock"
flock -n 9 || die "another test runs in $bed"

# chunked_by_skopeo INPUT LAYOUT TAG
chunked_by_skopeo() { in_client sid skopeo copy -q --dest-compress-format zstd:chunked "docker-archive:/bed${1#"$bed"}" "oci:/bed${2#"$bed"}:$3"; }

# rechunk INPUT LAYOUT TAG [PREVIOUS_REF]: writes the layout, and LAYOUT.json with restrata's report.
rechunk() {
  rm -rf "$2"
  if [ "$tool" = skopeo ]; then chunked_by_skopeo "$1" "$2" "$3"; return; fi
  "$restrata" rechunk "docker-archive:$1" "oci:$2:$3" ${4:+--previous "$4"} --format json -q >"$2.json"
}

expect_exit() { local want=$1 got=0; shift; "$@" || got=$?; [ $got = "$want" ] || { echo "exit code $got, not $want"; return 1; }; }
reported_digest() { [ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["digest"])' "$1.json")" = "$(python3 "$harness/layout.py" "$1" digest)" ]; }

push() { # REPOSITORY LAYOUT TAG: to the registry and back with digests kept
  in_client sid skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:/bed${2#"$bed"}:$3" "docker://127.0.0.1:$(profile_port multi-range)/$1:$3"
}
round_trip() {
  rm -rf "$work/back"
  in_client sid skopeo copy -q --preserve-digests --src-tls-verify=false \
    "docker://127.0.0.1:$(profile_port multi-range)/$1:$3" "oci:/bed${work#"$bed"}/back:$3" &&
    python3 "$harness/layout.py" "$work/back" digest | diff - <(python3 "$harness/layout.py" "$2" digest) &&
    diff <(layers_of "$work/back" | cut -d' ' -f1-3) <(layers_of "$2" | cut -d' ' -f1-3)
}

# make SEQUENCE: both versions, what restrata itself and Python's tar reader say of them, and all other readers.
make() {
  local seq=$1 v before now out profile
  for v in 1 2; do
    out=$work/$seq-v$v
    [ -f "$bed/images/$seq/v$v.list" ] || fstree image "$bed/images/$seq/v$v.tar" >"$bed/images/$seq/v$v.list"
    now=$bed/images/$seq/v$v.list before=
    [ $v = 1 ] || before=$bed/images/$seq/v1.list
    check "$seq v$v: made" rechunk "$bed/images/$seq/v$v.tar" "$out" v$v ${before:+"oci:$work/$seq-v1:v1"}
    check "$seq v$v: Python's tar reader sees the input's files" image_same "$out" "$now" "$before"
    if [ "$tool" = restrata ]; then
      check "$seq v$v: restrata verify agrees with the input" "$restrata" verify --ignore mtime "docker-archive:$bed/images/$seq/v$v.tar" "oci:$out:v$v"
      check "$seq v$v: restrata check finds no fault" "$restrata" check "oci:$out:v$v"
      check "$seq v$v: the reported digest is the manifest's" reported_digest "$out"
    fi
    read_everything "$seq v$v" "$out" "$now" "$before"
    check "$seq v$v: skopeo pushes it with its digest" push "$tool-$seq" "$out" v$v
    check "$seq v$v: it comes back from the registry unchanged" round_trip "$tool-$seq" "$out" v$v
    if [ "$tool" = restrata ]; then
      for profile in "${profiles[@]}"; do
        check "$seq v$v $profile: restrata pushes it, with the digest that it has as a file" publish "$seq" "$v" "$profile"
      done
      accepted "$seq" "$v" "$now" "$before"
    fi
  done
  [ "$tool" != restrata ] || check "$seq: restrata verify tells the versions apart (exit 3)" \
    expect_exit 3 "$restrata" verify "oci:$work/$seq-v1:v1" "oci:$work/$seq-v2:v2"
}
image_same() { fstree image "$1" >"$work/image.list" && fstree diff "$2" "$work/image.list" ${3:+--previous "$3"}; }

# baseline CLIENT SEQUENCE PARTIAL: the classes of differences that a pull of skopeo's own image of the first version shows.
baseline() {
  local layout=$work/baseline-$2 port
  port=$(profile_port multi-range)
  if [ ! -f "$layout/index.json" ]; then
    chunked_by_skopeo "$bed/images/$2/v1.tar" "$layout" v1
  fi
  push "baseline-$2" "$layout" v1
  PARTIAL=$3 PULL_STORE=baseline "$harness/pull.sh" "$1" multi-range "baseline-$2:v1" >"$work/baseline.json"
  mounted "$1" "$bed/stores/baseline" "127.0.0.1:$port/baseline-$2:v1" >"$work/baseline.list"
  fstree diff "$bed/images/$2/v1.list" "$work/baseline.list" --classes
  rm -rf "$bed/stores/baseline" "$bed"/stores/baseline.*
}

# takes CLIENT SEQUENCE KIND: every client pulls the first sequence from every kind of registry, and without ranges too. The others have more and
# larger layers of the same: where both clients ask alike, one of them pulls those.
takes() {
  [ "$2" = "${sequences[0]}" ] && return
  [[ " ${newest[*]} " != *" $1 "* ]] || return
  case $3 in
  ranges-16 | refuse-400) [ "$1" = trixie ] ;;
  ranges-299 | ordinary) [ "$1" = sid ] ;;
  esac
}

# known_only CLASSES KNOWN: no class outside those known.
known_only() { ! tr , "\n" <<<"$1" | grep -vxF "$(tr , "\n" <<<"$2")" | grep -q .; }

# pulls CLIENT SEQUENCE PROFILE PARTIAL FS VERSIONS: first and update pull, judged; of VERSIONS the mounted trees compared. With PULL_OPTIONS, as
# pull.sh takes them, the same bytes, requests and ranges are expected.
pulls() {
  local client=$1 seq=$2 profile=$3 partial=$4 fs=$5 what kind=ordinary store v but multi=() before repository
  [ "$partial" = false ] || kind=partial
  but=${losses[$client-$kind]}
  [ "$fs" != xfs ] || kind+=-reflink
  [ -z "${PULL_OPTIONS:-}" ] || kind+=" $PULL_OPTIONS"
  # podman makes one file of files that differ in their times alone.
  [[ "${PULL_OPTIONS:-}" != *use_hard_links* ]] || but=${but:+$but,}file:group,file:mtime
  what="$seq $client $profile $kind"
  repository=$(repository "$seq" "$profile")
  store=$(if [ "$fs" = xfs ]; then reflink_fs; else echo "$bed"; fi)/stores/test
  PARTIAL=$partial PULL_FS=$fs PULL_STORE=test "$harness/pull.sh" "$client" "$profile" "$repository":v{1,2} |
    tee -a "$work/pulls.jsonl" | split -l 1 - "$work/pull."
  [ "$profile$kind" != multi-rangepartial ] || { cp "$work/pull.aa" "$work/multi.$client.aa"; cp "$work/pull.ab" "$work/multi.$client.ab"; }
  [ "$profile" != whole-200 ] || [ "$partial" = false ] || multi=("$work/multi.$client.aa" "$work/multi.$client.ab")
  # podman 5.4 reuses chunks on any store, 5.8 and 6.1 where there are reflinks.
  local oracle=(podman)
  if [ "$client" = trixie ] || [ "$fs" = xfs ]; then oracle=(podman-reflink); fi
  if [ "$tool" = restrata ]; then oracle=(--oracle "${oracle[@]}" "$work/$seq-v1.json" "$work/$seq-v2.json"); else oracle=(); fi
  tally < <(python3 "$harness/judge.py" "$what" "$work/pull.aa" "$work/pull.ab" "${oracle[@]}" "${multi[@]}")
  for v in $6; do
    before=
    [ "$v" = 1 ] || before=$bed/images/$seq/v1.list
    check "$what: mounted v$v is the input" mounted_same "$client" "$store" "127.0.0.1:$(profile_port "$profile")/$repository:v$v" \
      "$bed/images/$seq/v$v.list" "$before" "$but"
  done
  rm -rf "$store" "$store".*
}

# probes SEQUENCE: restrata names each registry's way to answer, and sees that distribution mounts layers.
probed() { # PROFILE SEQUENCE
  [ "$("$restrata" probe "docker://127.0.0.1:$(profile_port "$1")/$(repository "$2" "$1"):v1" --tls-verify=false --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["profile"])')" = "$1" ]
}
probed_mount() { # SEQUENCE: into a repository that is not there yet; afterwards the registry has the layer there
  local host report
  host=127.0.0.1:$(profile_port multi-range)
  rm -rf "$served/data/docker/registry/v2/repositories/mounted"
  report=$("$restrata" probe "docker://$host/$(repository "$1" multi-range):v1" --mount mounted --tls-verify=false --format json) &&
    jq -e --arg into "$host/mounted" \
      '.mount == {into: $into, answer: "mounted", status: 201, found: null, already_there: false}' <<<"$report" &&
    curl -sfI "http://$host/v2/mounted/blobs/$(jq -r .layer.digest <<<"$report")"
}
probes() {
  local profile
  for profile in "${profiles[@]}"; do check "$1: restrata probe names $profile" probed "$profile" "$1"; done
  check "$1: restrata probe finds that the registry mounts layers" probed_mount "$1"
}

# docker_pulls SEQUENCE: both versions with a real docker, into both of its stores. Bytes and requests are the predicted ones:
# with the graph driver those of `docker`, with the image store those of `plain`.
docker_pulls() {
  local seq=$1 store client v lines
  for store in overlay2 containerd; do
    client=plain
    [ "$store" != overlay2 ] || client=docker
    mapfile -t lines < <("$harness/docker.sh" "$store" "$(repository "$seq" multi-range)":v{1,2})
    for v in 1 2; do
      check "$seq docker $store v$v: pulled, with the predicted bytes and requests" \
        python3 "$harness/predicted.py" "$client" "$work/$seq-v$v.json" "${lines[v - 1]:-}"
    done
  done
}

# diff_said OLD NEW: what restrata says of an update, without the images' names.
diff_said() {
  "$restrata" diff "$1" "$2" --format json -q --tls-verify=false |
    python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)).replace(sys.argv[1], "OLD").replace(sys.argv[2], "NEW"))' "$1" "$2"
}
# read_by_index SEQUENCE PROFILE: restrata says the same of the images in a registry as of the files, and reads few bytes of
# the layers for it: indexes, and 2 MB of package databases at most.
read_by_index() {
  local image seen
  image=docker://127.0.0.1:$(profile_port "$2")/$(repository "$1" "$2")
  seen=$(wc -l <"$served/access.log")
  diff <(diff_said "oci:$work/$1-v1:v1" "oci:$work/$1-v2:v2") <(diff_said "$image:v1" "$image:v2") || return
  tail -n "+$((seen + 1))" "$served/access.log" | python3 "$harness/read_by_index.py" 2000000 "$work/$1-v1.json" "$work/$1-v2.json"
}

rm -rf "$work/pulls.jsonl" "$work/read"
# stores SEQUENCE: the sequence is in the bed by then.
stores() {
  RESTRATA=$restrata "$harness/stores.sh" "$1" >"$work/stores.log" || true
  tally < <(grep -v " passed, " "$work/stores.log")
  check "stores.sh ran to its end" grep -q " passed, " "$work/stores.log"
}
leave() {
  "$harness/guarded.sh" stop
  "$harness/registry.sh" stop
  if mountpoint -q "$bed/fs/xfs"; then umount "$bed/fs/xfs"; fi
}
trap leave EXIT
"$harness/clients.sh" newest
compared=("${clients[@]}")
for client in "${newest[@]}"; do
  if has_client "$client"; then compared+=("$client"); else skip "podman of $client is not here"; fi
done
# What an earlier run published would be the previous image of what this one publishes.
rm -rf "$served/data"
"$harness/registry.sh" start 9>&- # the lock is ours, not the servers'
apt_need zstd:zstd go:golang-go mkfs.xfs:xfsprogs
(cd "$harness/gotar" && GO111MODULE=off go build -o "$work/gotar" main.go)
for seq in "${sequences[@]}"; do
  "$harness/images.sh" "$seq"
  make "$seq"
  [ "$tool" != restrata ] || { docker_pulls "$seq"; probes "$seq"; }
  [ "$tool$seq" != "restrata${sequences[0]}" ] || { hidden "$seq"; guarded "$seq"; stores "$seq"; }
  declare -A losses=()
  for client in "${compared[@]}"; do
    takes "$client" "$seq" multi-range || continue
    losses[$client-partial]=$(baseline "$client" "$seq" true)
    check "$seq $client: skopeo's own image loses nothing unknown in a partial pull (${losses[$client-partial]:-nothing})" \
      known_only "${losses[$client-partial]}" "$known_partial_losses"
    if takes "$client" "$seq" ordinary; then
      losses[$client-ordinary]=$(baseline "$client" "$seq" false)
      check "$seq $client: skopeo's own image loses nothing unknown in an ordinary pull (${losses[$client-ordinary]:-nothing})" \
        known_only "${losses[$client-ordinary]}" "$known_ordinary_losses"
    fi
    for profile in "${profiles[@]}"; do
      mount=
      case $profile in multi-range) mount="1 2" ;; refuse-501) ;; *) [ "$seq" != corners ] || mount=2 ;; esac
      ! takes "$client" "$seq" "$profile" || pulls "$client" "$seq" "$profile" true ext4 "$mount"
      [ "$tool$client" != restratasid ] || check "$seq $profile: restrata diff says of the registry what it says of the files, by indexes" \
        read_by_index "$seq" "$profile"
      # No ordinary pull sends ranges; one client shows it on every registry.
      if [ "$seq$client" = cornerssid ] || { [ "$profile" = multi-range ] && takes "$client" "$seq" ordinary; }; then pulls "$client" "$seq" "$profile" false ext4 "${mount:-2}"; fi
    done
  done
  for client in "${compared[@]}"; do
    [ "$client" = trixie ] || [ "$seq" != "${sequences[0]}" ] ||
      PULL_OPTIONS="convert_images use_hard_links" pulls "$client" "$seq" multi-range true ext4 2
  done
  if ! (reflink_fs) >/dev/null 2>&1; then skip "$seq: store with reflinks (no loop-mounted XFS here)"; continue; fi
  for client in "${compared[@]}"; do
    [ "$client" = trixie ] || ! takes "$client" "$seq" multi-range || pulls "$client" "$seq" multi-range true xfs "1 2"
  done
done
summary
