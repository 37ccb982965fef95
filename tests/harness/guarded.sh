#!/bin/bash
# guarded.sh start|stop: three of docker distribution on loopback that want something of a client.
#
#   basic  a password: user, pw
#   token  a token of token_server.py, which says who may what. Tokens are good for TOKEN_SECONDS (default 4).
#   tls    a certificate of the private root certs/ca.crt, for 127.0.0.1 and no other name; no password
#
# registry/guarded in the bed has NAME.host for each, and tokens.log. Ports are chosen as registry.sh does it.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$served/guarded
# Of the password pw.
# shellcheck disable=SC2016 # bcrypt's dollars
htpasswd='user:$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q'

stop() {
  local file
  for file in "$dir"/*.pid; do
    if running "$file" "$dir"; then kill "$(cat "$file")"; fi
    rm -f "$file"
  done
}

# background NAME COMMAND..: a server whose command names the folder.
background() {
  local name=$1
  shift
  setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# serve NAME PORT HTTP AUTH: a registry, with more lines for these two parts of its configuration.
serve() {
  cat >"$dir/$1.yml" <<S
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $dir/$1}, delete: {enabled: true}}
http: {addr: '127.0.0.1:$2'$3}
$4
S
  background "$1" docker-registry serve "$dir/$1.yml"
  echo "127.0.0.1:$2" >"$dir/$1.host"
}

# certificates: a root and what it signed for the registry; and the certificate of the key that signs tokens.
certificates() {
  local new=(openssl req -newkey rsa:2048 -nodes -days 30)
  mkdir "$dir/certs"
  {
    "${new[@]}" -x509 -subj "/CN=token server" -keyout "$dir/token.key" -out "$dir/token.pem"
    "${new[@]}" -x509 -subj "/CN=harness root" -keyout "$dir/ca.key" -out "$dir/certs/ca.crt"
    "${new[@]}" -subj "/CN=registry" -keyout "$dir/server.key" -out "$dir/server.csr"
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/certs/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
      -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$dir/server.pem"
  } >"$dir/openssl.log" 2>&1 || { tail -5 "$dir/openssl.log" >&2; die "openssl made no certificates"; }
}

start() {
  stop
  apt_need docker-registry:docker-registry curl:curl openssl:openssl python3:python3
  rm -rf "$dir"
  mkdir -p "$dir"
  local port
  port=$(free_ports 4)
  certificates
  echo "$htpasswd" >"$dir/htpasswd"
  serve basic "$port" '' "auth: {htpasswd: {realm: basic, path: $dir/htpasswd}}"
  serve token $((port + 1)) '' "auth: {token: {realm: 'http://127.0.0.1:$((port + 3))/token', service: harness,
    issuer: harness, rootcertbundle: $dir/token.pem}}"
  serve tls $((port + 2)) ", tls: {certificate: $dir/server.pem, key: $dir/server.key}" ''
  touch "$dir/tokens.log"
  background token-server python3 "$harness/token_server.py" "$dir" $((port + 3)) "${TOKEN_SECONDS:-4}"
  await -u user:pw "http://127.0.0.1:$port/v2/" || die "no registry with a password (see $dir)"
  await "http://127.0.0.1:$((port + 3))/token" || die "no token server (see $dir)"
  await --cacert "$dir/certs/ca.crt" "https://127.0.0.1:$((port + 2))/v2/" || die "no registry with TLS (see $dir)"
  # It refuses whoever comes without a token: an answer is enough.
  await --no-fail "http://127.0.0.1:$((port + 1))/v2/" || die "no registry with tokens (see $dir)"
}

case ${1:-} in
start)
  start
  echo "guarded registries: basic, token, tls; see $dir"
  ;;
stop) stop ;;
*) die "usage: guarded.sh start|stop" ;;
esac
