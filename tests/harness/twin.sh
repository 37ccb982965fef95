#!/bin/bash
# twin.sh: which image of an index real clients take, when one has gzip layers and the other zstd:chunked ones (`restrata rechunk --twin gzip`). Prints
# PASS, FAIL and SKIP lines and at the end `N passed, N failed`. Root, some minutes.
#
#   blobs    real gzip unpacks each gzip layer to the tar with the config's DiffID; all of them have at most 1.02 of the bytes of `gzip -6`
#   clients  podman 5.4 (trixie), 5.8 (sid) and 6.1 (exp, where Debian has it), partial and ordinary; buildah, skopeo, containerd and docker with both
#            of its stores pull `latest` twice, a first image and its update. By the registry's log, all blobs are of one image; the tree is the input
#   alone    the same with --compression-format zstd and gzip, and with docker's media types: one manifest, which all clients read
#   umoci    umoci of Debian unpacks a gzip image, and the gzip image of an index, from a layout
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
#   PARTS=...      some of these parts (default: all)
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=mounted.sh
. "$harness/mounted.sh"
# shellcheck source=readers.sh
. "$harness/readers.sh"
need_root
need_restrata

read -ra parts <<<"${PARTS:-blobs clients alone umoci}"
# Against the bytes of `gzip -6`.
most_gzip=1.02
# An ordinary pull gives everything, but for the image's root directory, which gets its own mode and time.
known_ordinary_losses=root:mode,root:mtime
work=$bed/work/twin
export PULL_STORE=twin RESTRATA_REGISTRY_DIR=${RESTRATA_REGISTRY_DIR:-$work/registry}
served=$(realpath -m "$RESTRATA_REGISTRY_DIR")
mkdir -p "$bed"
exec 9>"$bed/twin.lock"
flock -n 9 || die "another test of twins runs in $bed"
rm -rf "$work"
mkdir -p "$work"
export XDG_CACHE_HOME=$work/cache
trap '"$harness/registry.sh" stop; rm -rf "$bed/stores/twin" "$bed"/stores/twin.*' EXIT

input() { echo "$bed/images/small/v$1"; }
host() { echo "127.0.0.1:$(profile_port multi-range)"; }
report() { echo "$work/$1-v$2.json"; }

# publish REPOSITORY VERSION OPTION..: under the tag vVERSION and as latest, which is the previous image of the next one.
publish() {
  local repository=$1 v=$2
  shift 2
  "$restrata" rechunk "docker-archive:$(input "$v").tar" "docker://$(host)/$repository:latest" --tag "v$v" --tls-verify=false --format json -q "$@" \
    >"$(report "$repository" "$v")"
}
point_latest() { # REPOSITORY VERSION: latest is this version again
  in_client sid skopeo copy -q --all --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$(host)/$1:v$2" "docker://$(host)/$1:latest"
}

# took REPOSITORY VERSION INSTANCE [HOW]: all blobs that the log has are of this image: zstd, twin (its gzip twin) or own (there is one). HOW is partial or whole.
took() {
  python3 - "$(report "$1" "$2")" "$3" "${4:-whole}" "$work/log" <<'PY'
import json, sys
report, instance, how, log = sys.argv[1:]
with open(log) as f:
    log = f.read()
with open(report) as f:
    report = json.load(f)
blobs = {layer["digest"] for layer in (report["twin"] if instance == "twin" else report)["layers"]}
reads = [json.loads(line) for line in log.splitlines() if line]
reads = [r for r in reads if r["method"] == "GET" and "/blobs/" in r["path"]]
seen = {r["path"].rsplit("/", 1)[1] for r in reads}
other = {layer["digest"] for layer in (report if instance == "twin" else report.get("twin") or {"layers": []})["layers"]}
if not seen & blobs:
    sys.exit(f"no layer of the {instance} image was read, but {len(seen & other)} of the other one")
if seen & other - blobs:
    sys.exit(f"{len(seen & other - blobs)} layers of the other image were read, too")
ranges = sum(1 for r in reads if r["range"])
if (how == "partial") != bool(ranges):
    sys.exit(f"{ranges} requests for ranges: expected a {how} pull")
PY
}
# logged COMMAND..: what the registry logs meanwhile is in $work/log.
logged() {
  local before status=0
  before=$(stat -c %s "$served/access.log")
  "$@" || status=$?
  sleep 0.5
  tail -c +$((before + 1)) "$served/access.log" >"$work/log"
  return $status
}
tree_is() { fstree diff "$(input "$1").list" "$work/tree.list" ${2:+--previous "$(input "$2").list"} --except "${3:-}"; } # VERSION PREVIOUS EXCEPT

podman_pulls() { # CLIENT PARTIAL REPOSITORY INSTANCE
  local client=$1 partial=$2 repository=$3 how=whole losses=$known_ordinary_losses v before what
  [ "$partial" = false ] || { how=partial losses=$known_partial_losses; }
  # A layer that is pulled whole has no index for the client.
  what="$repository: podman of $client, enable_partial_images = $partial"
  for v in 1 2; do
    before=
    [ $v = 1 ] || before=1
    point_latest "$repository" $v
    logged env PARTIAL="$partial" "$harness/pull.sh" "$client" multi-range "$repository:latest" >"$work/pull"
    check "$what: v$v is pulled" jq -e .ok "$work/pull"
    [ "$5" = any ] || how=$5
    check "$what: v$v is the $4 image, $how" took "$repository" $v "$4" $how
    mounted "$client" "$bed/stores/twin" "$(host)/$repository:latest" >"$work/tree.list" || true
    check "$what: mounted v$v is the input" tree_is $v "$before" "$losses"
  done
}

buildah_pull() { # CLIENT IMAGE
  rm -rf "$bed/stores/twin" "$bed"/stores/twin.*
  store_conf "$bed/stores/twin" false >/dev/null
  in_client "$1" env CONTAINERS_STORAGE_CONF="/bed/stores/twin.conf" buildah pull -q --tls-verify=false "$2"
  mounted "$1" "$bed/stores/twin" "$2" >"$work/tree.list"
}
skopeo_copy() { # CLIENT IMAGE
  rm -rf "$work/skopeo"
  in_client "$1" skopeo copy -q --src-tls-verify=false "docker://$2" "oci:/bed${work#"$bed"}/skopeo:x"
  fstree image "$work/skopeo" >"$work/tree.list"
}
containerd_pull() { containerd_tree "$1" "$2" >"$work/tree.list"; }
# unpacked REPOSITORY VERSION INSTANCE: the layers that containerd unpacked are those of this image, all of them. `either`: each layer comes from
# one of the two images.
unpacked() {
  grep containerd.io/uncompressed "$bed/work/containerd.content" | cut -f1 | sort -u >"$work/unpacked"
  jq -e --arg instance "$3" --rawfile unpacked "$work/unpacked" '
    ($unpacked | split("\n") | map(select(. != ""))) as $seen
    | [.layers[].digest] as $own | [(.twin // {layers: []}).layers[].digest] as $twin
    | if $instance == "twin" then ($seen | sort) == ($twin | sort)
      elif $instance == "either" then [$own, $twin] | transpose | all(any(. as $d | $seen | index($d) != null))
      else ($seen | sort) == ($own | sort) end' "$(report "$1" "$2")" >/dev/null || {
    cat "$work/unpacked" >&2
    return 1
  }
}

other_clients() { # REPOSITORY INSTANCE_OF_C_IMAGE INSTANCE_OF_OTHERS
  local repository=$1 client v=2 what
  point_latest "$repository" $v
  for client in trixie sid; do
    what="$repository: buildah of $client"
    check "$what: v$v is pulled" logged buildah_pull "$client" "$(host)/$repository:latest"
    check "$what: v$v is the $2 image" took "$repository" $v "$2"
    check "$what: mounted v$v is the input" tree_is $v 1 "$known_ordinary_losses"
    what="$repository: skopeo of $client"
    check "$what: v$v is copied" logged skopeo_copy "$client" "$(host)/$repository:latest"
    check "$what: v$v is the $2 image" took "$repository" $v "$2"
    check "$what: the copy's tree is the input" tree_is $v 1
  done
  for client in trixie sid; do
    what="$repository: containerd of $client"
    check "$what: v$v is pulled" logged containerd_pull "$client" "$(host)/$repository:latest"
    # Of an index with both, containerd 1.7's ctr fetches both images and unpacks the gzip one. containerd 2.1 reads both manifests at once and
    # keeps the layers by the config's digest, which is the same in both: the manifest that it reads last wins.
    case $client-$3 in
    trixie-*) check "$what: the $3 image of v$v is unpacked" unpacked "$repository" $v "$3" ;;
    *-own)
      check "$what: the own image of v$v is unpacked" unpacked "$repository" $v own
      check "$what: the own image of v$v alone is fetched" took "$repository" $v own
      ;;
    *) check "$what: one of the two images of v$v is unpacked" unpacked "$repository" $v either ;;
    esac
    check "$what: mounted v$v is the input" tree_is $v 1 root:mtime
  done
}
docker_pulls() { # REPOSITORY INSTANCE
  local store what
  for store in overlay2 containerd; do
    what="$1: docker, $store"
    rm -f "$work/saved.tar"
    logged env DOCKER_SAVE="$work/saved.tar" "$harness/docker.sh" "$store" "$1:latest" >"$work/pull" || true
    check "$what: v2 is pulled" jq -e .ok "$work/pull"
    check "$what: v2 is the $2 image" took "$1" 2 "$2"
    fstree image "$work/saved.tar" >"$work/tree.list" || true
    check "$what: the saved tree is the input" tree_is 2 1
  done
}

# gunzipped: each layer of the gzip image of v2, unpacked by real gzip.
gunzipped() {
  local digest blob sum=0 six=0 tars=$work/tars
  : >"$tars"
  while read -r digest; do
    blob=$served/data/docker/registry/v2/blobs/sha256/${digest:7:2}/${digest#sha256:}/data
    echo "sha256:$(gzip -dc "$blob" | sha256sum | cut -d' ' -f1)" >>"$tars"
    sum=$((sum + $(stat -c %s "$blob")))
    six=$((six + $(gzip -dc "$blob" | gzip -6n | wc -c)))
  done < <(jq -r '.twin.layers[].digest' "$(report twin 2)")
  in_client sid skopeo inspect --config --tls-verify=false "docker://$(host)/twin:v2" | jq -r '.rootfs.diff_ids[]' >"$work/diff_ids"
  check "blobs: gzip unpacks each layer to the tar with its DiffID" diff "$work/diff_ids" "$tars"
  check_num "blobs: bytes against gzip -6 ($six)" $sum "<=" "$(awk -v six=$six -v most=$most_gzip 'BEGIN { printf "%d", six * most }')"
}
has_docker_types() {
  in_client sid skopeo inspect --raw --tls-verify=false "docker://$(host)/docker:v2" | jq -e '
    .mediaType == "application/vnd.docker.distribution.manifest.v2+json"
    and .config.mediaType == "application/vnd.docker.container.image.v1+json"
    and all(.layers[]; .mediaType == "application/vnd.docker.image.rootfs.diff.tar.gzip")'
}
# umoci_unpacks: from a layout. It can't choose from an index, so the gzip image of one gets a tag of its own.
umoci_unpacks() {
  local client tag layout=$work/umoci
  for tag in gzip twin; do
    case $tag in
    gzip) options=(--compression-format gzip) ;;
    twin) options=(--twin gzip) ;;
    esac
    check "umoci: $tag is written" "$restrata" rechunk -q "docker-archive:$(input 1).tar" "oci:$layout:$tag" "${options[@]}"
  done
  python3 - "$layout" <<'PY'
import json, sys
layout = sys.argv[1]
with open(f"{layout}/index.json") as f:
    index = json.load(f)
tag = "org.opencontainers.image.ref.name"
[twin] = [entry for entry in index["manifests"] if entry["annotations"][tag] == "twin"]
with open(f"{layout}/blobs/sha256/{twin['digest'].removeprefix('sha256:')}") as f:
    gzip = json.load(f)["manifests"][0]
gzip["annotations"] = {tag: "twin"}
index["manifests"] = [entry for entry in index["manifests"] if entry is not twin] + [gzip]
with open(f"{layout}/index.json", "w") as f:
    json.dump(index, f)
PY
  for client in trixie sid; do
    for tag in gzip twin; do
      rm -rf "$work/umoci.rootfs"
      check "umoci of $client: $tag is unpacked" in_client "$client" umoci raw unpack --image "/bed${layout#"$bed"}:$tag" "/bed${work#"$bed"}/umoci.rootfs"
      fstree root "$work/umoci.rootfs" >"$work/tree.list" || true
      check "umoci of $client: the tree of $tag is the input" tree_is 1 "" "$known_ordinary_losses"
    done
  done
}
# kept_both: every zstd layer of v2 that v1 has is also kept as gzip.
kept_both() {
  jq -e --slurpfile old "$(report twin 1)" '
    ([$old[0].twin.layers[].digest]) as $had
    | [.layers, .twin.layers] | transpose | map(select(.[0].state == "kept"))
    | length > 0 and all((.[1].new | not) and (.[1].digest as $d | $had | index($d) != null))' "$(report twin 2)"
}
both_checked() { "$restrata" check "docker://$(host)/twin:v2" --tls-verify=false --format json | jq -e '.ok and (.images | length == 1) and (.images[0].twin.layers | length > 0)'; }

"$harness/clients.sh"
"$harness/clients.sh" newest || true
"$harness/images.sh" small
for v in 1 2; do [ -f "$(input $v).list" ] || fstree image "$(input $v).tar" >"$(input $v).list"; done
"$harness/registry.sh" start 9>&-
for v in 1 2; do check "twin v$v: published" publish twin $v --twin gzip; done
for part in "${parts[@]}"; do
  case $part in
  blobs)
    gunzipped
    check "blobs: kept layers keep both" kept_both
    check "blobs: restrata check reads both images and finds no fault" both_checked
    ;;
  clients)
    for client in "${clients[@]}" "${newest[@]}"; do
      if ! has_client "$client"; then skip "podman of $client is not here"; continue; fi
      podman_pulls "$client" true twin zstd any
      podman_pulls "$client" false twin zstd any
    done
    other_clients twin zstd twin
    docker_pulls twin twin
    ;;
  alone)
    for format in zstd gzip docker; do
      case $format in
      docker) options=(--compression-format gzip --docker-manifest) ;;
      *) options=(--compression-format "$format") ;;
      esac
      for v in 1 2; do check "$format v$v: published" publish "$format" $v "${options[@]}"; done
      [ $format != docker ] || check "docker: the registry has docker's types" has_docker_types
      podman_pulls trixie true "$format" own whole
      podman_pulls sid true "$format" own whole
      other_clients "$format" own own
      docker_pulls "$format" own
    done
    ;;
  umoci) umoci_unpacks ;;
  *) die "no part $part" ;;
  esac
done
summary
