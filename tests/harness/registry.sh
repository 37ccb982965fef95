#!/bin/bash
# registry.sh start|stop: docker distribution on loopback and nginx in front of it, one port for each way in which real
# registries answer a request for several ranges. nginx logs each request as a JSON line to registry/access.log.
#
#   profile      answer to several ranges                     as on
#   multi-range  206, any number (distribution's own answer)  distribution, quay.io
#   whole-200    200 and the whole body                       S3, MinIO, ECR
#   ranges-16    206 up to 16, else 416                       zot
#   refuse-501   501                                          ghcr.io
#   refuse-400   400                                          Google Artifact Registry
#   ranges-299   206 up to 299, else 200 and the whole body   Cloudflare, Docker Hub
#
# A single range gets 206 everywhere. Push to multi-range. The ports are the first seven in a row that are free, from
# RESTRATA_PORT_BASE (default 5000) on in steps of 100; registry/port says where. RESTRATA_REGISTRY_DIR is another place
# than `registry` in the bed.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$served

stop() {
  local name
  for name in nginx registry; do
    if running "$dir/$name.pid" "$name"; then kill "$(cat "$dir/$name.pid")"; fi
    rm -f "$dir/$name.pid"
  done
  rm -f "$dir/port"
}

# Blobs straight from distribution's storage, so that nginx's own max_ranges decides. Whether a repository has one is asked of
# distribution: storage is one for all.
blob_path='~ "^/v2/.*/blobs/sha256:(?<pre>..)(?<rest>[0-9a-f]{62})$"'
# shellcheck disable=SC2016 # nginx's variables, here and below
static="alias $dir/data/docker/registry/v2/blobs/sha256/\$pre/\$pre\$rest/data; types {} default_type application/octet-stream;"
proxy() { echo "proxy_pass http://127.0.0.1:$port_base; proxy_set_header Host \$http_host; proxy_request_buffering off; proxy_buffering off;"; }

# A server's send buffer is bounded here, as a real path's window bounds it: on loopback it would grow to megabytes, all of
# which count as sent when a client hangs up early.
# server PROFILE RULES: a port where RULES hold for blobs; whoever returns 418 is sent on to distribution.
server() {
  local blobs=
  # shellcheck disable=SC2016 # nginx's variable
  [ -z "$2" ] || blobs="location $blob_path { error_page 418 = @registry; "'if ($request_method != GET) { return 418; }'" $2 }"
  cat <<S
  server {
    listen 127.0.0.1:$(profile_port "$1") sndbuf=512k; access_log $dir/access.log bytes; large_client_header_buffers 8 256k;
    $blobs
    location / { $(proxy) }
    location @registry { $(proxy) }
  }
S
}

# shellcheck disable=SC2016 # nginx's variables
nginx_conf() {
  echo "user root; worker_processes 1; pid $dir/nginx.pid; error_log $dir/nginx-error.log error;"
  echo 'events { worker_connections 512; }'
  echo 'http {'
  echo "  client_max_body_size 0; client_body_temp_path $dir/tmp; proxy_temp_path $dir/tmp;"
  cat <<'S'
  log_format bytes escape=json '{"port":$server_port,"status":$status,"body":$body_bytes_sent,"request":$request_length,'
    '"method":"$request_method","path":"$uri","range":"$http_range","content":"$content_length","blob":"$arg_digest"}';
S
  server multi-range ''
  server whole-200 "max_ranges 1; $static"
  server ranges-16 'if ($http_range ~ "(,[^,]*){16}") { return 416; } return 418;'
  server refuse-501 'if ($http_range ~ ",") { return 501; } return 418;'
  server refuse-400 'if ($http_range ~ ",") { return 400; } return 418;'
  server ranges-299 "max_ranges 299; $static"
  echo '}'
}

start() {
  if running "$dir/nginx.pid" nginx && running "$dir/registry.pid" registry; then return; fi
  stop
  apt_need docker-registry:docker-registry nginx:nginx-light curl:curl
  mkdir -p "$dir/data" "$dir/tmp"
  port_base=$(free_ports 7)
  echo "$port_base" >"$dir/port"
  touch "$dir/access.log"
  cat >"$dir/registry.yml" <<S
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $dir/data}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$port_base}
S
  nginx_conf >"$dir/nginx.conf"
  setsid docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 </dev/null &
  echo $! >"$dir/registry.pid"
  nginx -c "$dir/nginx.conf"
  local port
  for port in "$port_base" $((port_base + 1)) $((port_base + 6)); do
    await "http://127.0.0.1:$port/v2/" || die "no registry on port $port (see $dir)"
  done
}

case ${1:-} in
start)
  start
  echo "registry on 127.0.0.1:$(cat "$dir/port"), profiles ${profiles[*]} on the ports after it"
  ;;
stop) stop ;;
*) die "usage: registry.sh start|stop" ;;
esac
