# shellcheck shell=bash disable=SC2154
# pushed.sh: restrata publishes straight to a registry, and other programs take what it pushed. Sourced by real-clients.sh.

# repository SEQUENCE PROFILE: where the versions of a sequence are that a client of this kind of registry pulls. restrata pushes to each kind.
repository() { if [ "$tool" = restrata ]; then echo "restrata-$2-$1"; else echo "$tool-$1"; fi; }

# publish SEQUENCE VERSION PROFILE: under the tag `latest`, whose image is the previous one, and under its own. The digest is the layout's. On one
# kind of registry with the cache of all runs, on the others without any. All have the TOC annotations: what podman makes of them there is asked.
publish() {
  local cache=$work/cold
  rm -rf "$cache"
  [ "$3" != multi-range ] || cache=${XDG_CACHE_HOME:-$HOME/.cache}
  XDG_CACHE_HOME=$cache "$restrata" rechunk "docker-archive:$bed/images/$1/v$2.tar" \
    "docker://127.0.0.1:$(profile_port "$3")/$(repository "$1" "$3"):latest" --tag "v$2" --annotations always --digestfile "$work/digest" --tls-verify=false -q &&
    pushed_digest_is_of "$work/$1-v$2"
}

pushed_digest_is_of() { diff <(printf '%s\n' "$(cat "$work/digest")") <(python3 "$harness/layout.py" "$1" digest); }

# accepted SEQUENCE VERSION LIST [PREVIOUS_LIST]: what restrata pushed, by programs other than podman.
accepted() {
  local seq=$1 v=$2 client image
  image=127.0.0.1:$(profile_port multi-range)/$(repository "$seq" multi-range):v$v
  check "$seq v$v: skopeo copies it from the registry unchanged" round_trip "$(repository "$seq" multi-range)" "$work/$seq-v$v" "v$v"
  check "$seq v$v: crane copies it with its digest" crane_copied "$image" "$work/$seq-v$v"
  check "$seq v$v: crane exports the same files" crane_same "$image" "$3" "${4:-}"
  for client in "${clients[@]}"; do
    check "$seq v$v $client: skopeo inspect names its digest" inspected "$client" "$image" "$work/$seq-v$v"
    check "$seq v$v $client: buildah shows the same files" buildah_same "$client" "$image" "$3" "${4:-}"
    check "$seq v$v $client: containerd pulls the same files" containerd_same "$client" "$image" "$3" "${4:-}"
  done
}
crane_copied() { # IMAGE LAYOUT
  in_client sid crane copy --insecure "$1" "${1%%/*}/crane:v1" &&
    diff <(in_client sid crane digest --insecure "${1%%/*}/crane:v1") <(python3 "$harness/layout.py" "$2" digest)
}
crane_same() { # IMAGE LIST PREVIOUS
  in_client sid crane export --insecure "$1" - | fstree layer >"$work/crane.list" && fstree diff "$2" "$work/crane.list" ${3:+--previous "$3"}
}
inspected() {
  diff <(in_client "$1" skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$2") <(python3 "$harness/layout.py" "$3" digest)
}
buildah_same() { # CLIENT IMAGE LIST PREVIOUS
  local store=$bed/stores/buildah conf
  rm -rf "$store" "$store".*
  mkdir -p "$bed/stores"
  conf=$(store_conf "$store" false)
  mkdir -p "$store"
  # shellcheck disable=SC2016 # expanded inside
  in_client "$1" env CONTAINERS_STORAGE_CONF="$conf" sh -euc '
    mount -t tmpfs tmpfs /bed/stores/buildah
    c=$(buildah from --tls-verify=false "$1" 2>/dev/null); python3 /harness/fstree.py root "$(buildah mount "$c")"; buildah rm "$c" >/dev/null' sh "$2" \
    >"$work/buildah.list" || return
  rm -rf "$store" "$store".*
  fstree diff "$3" "$work/buildah.list" ${4:+--previous "$4"} --except "$known_ordinary_losses"
}

# hidden SEQUENCE: where podman with partial pulls fails on layers with an index, it pulls what restrata pushes by default.
hidden() {
  local seq=$1 client v
  for v in 1 2; do
    check "$seq v$v refuse-501: restrata pushes it without TOC annotations" push_hidden "$v"
    for client in "${clients[@]}"; do
      check "$seq v$v $client refuse-501: podman with partial pulls takes it whole" pulled_whole "$client" "hidden:v$v"
    done
  done
}
push_hidden() { # VERSION; the second one keeps layers of the first
  local report
  report=$("$restrata" rechunk "docker-archive:$bed/images/$seq/v$1.tar" \
    "docker://127.0.0.1:$(profile_port refuse-501)/hidden:latest" --tag "v$1" --tls-verify=false --format json -q) &&
    jq -e --argjson update "$(($1 > 1))" \
      '(.notes | any(contains("annotations of the index are left out"))) and ($update == 0 or .published.already_there.blobs > 5)' <<<"$report"
}
pulled_whole() { # CLIENT IMAGE
  PULL_STORE=hidden "$harness/pull.sh" "$1" refuse-501 "$2" | jq -e '.ok and .index_ranges == 0 and .data_ranges == 0'
}

# guarded SEQUENCE: registries that want a password, a token or a private root (guarded.sh).
guarded() {
  local seq=$1 at=$served/guarded http=--tls-verify=false basic token tls slow line
  TOKEN_SECONDS=3 "$harness/guarded.sh" start >&2 9>&-
  basic=$(cat "$at/basic.host") token=$(cat "$at/token.host") tls=$(cat "$at/tls.host")
  # So slow that tokens run out on the way.
  slow=$(free_ports 1)
  python3 "$harness/throttle.py" "$slow" "${token#*:}" 1000000 </dev/null 9>&- &
  line=$!
  await --no-fail "http://127.0.0.1:$slow/v2/" || die "no slow line"
  check "$seq: push with a password" push_to 1 "$basic" "$http" --creds user:pw
  check "$seq: push with tokens that run out on the way" push_to 1 "127.0.0.1:$slow" "$http" --creds user:pw
  check_num "$seq: tokens of that push" "$(grep -c '"repository:app:[^"]*push' "$at/tokens.log")" ">=" 2
  check "$seq: push to a private root, by --cert-dir" push_to 1 "$tls" --cert-dir "$at/certs"
  kill "$line"
  wait "$line" 2>/dev/null || true
  check "$seq: update with a password" push_to 2 "$basic" "$http" --creds user:pw
  check "$seq: update with tokens" push_to 2 "$token" "$http" --creds user:pw
  check "$seq: update at a private root" push_to 2 "$tls" --cert-dir "$at/certs"
  check "$seq: wrong password: refused" refused 'log in again' 1 "$basic" "$http" --creds user:wrong
  check "$seq: no password: refused" refused 'no credentials' 1 "$basic" "$http"
  check "$seq: who may only read: refused, with the scope" refused 'push to app (scope "repository:app:pull,push")' 1 "$token" "$http" --creds reader:pw
  check "$seq: unknown root: refused" refused 'certificate' 1 "$tls"
  for client in "${clients[@]}"; do
    check "$seq $client: podman pulls with a password" pull_from "$client" "$basic" "$http" --creds user:pw
    check "$seq $client: podman pulls with tokens" pull_from "$client" "$token" "$http" --creds reader:pw
    check "$seq $client: podman pulls from a private root" pull_from "$client" "$tls" --cert-dir "/bed${at#"$bed"}/certs"
  done
  "$harness/guarded.sh" stop
}
push_to() { # VERSION HOST OPTION..; the archive is that of the sequence at hand
  "$restrata" rechunk "docker-archive:$bed/images/$seq/v$1.tar" "docker://$2/app:latest" "${@:3}" \
    --digestfile "$work/digest" -q &&
    pushed_digest_is_of "$work/$seq-v$1"
}
# refused TEXT VERSION HOST OPTION..: exit code 1 and an error with TEXT; the tag stays.
refused() {
  local said
  said=$(expect_exit 1 push_to "${@:2}" 2>&1) || { echo "$said"; return 1; }
  grep -qF -- "$1" <<<"$said" || { echo "not a word of $1: $said"; return 1; }
}
pull_from() { # CLIENT HOST OPTION..
  local store=$bed/stores/guarded conf
  rm -rf "$store" "$store".*
  mkdir -p "$bed/stores"
  conf=$(store_conf "$store" false)
  in_client "$1" env CONTAINERS_STORAGE_CONF="$conf" podman --log-level=error pull -q "${@:3}" "$2/app:latest" || return
  rm -rf "$store" "$store".*
}
