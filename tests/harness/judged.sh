#!/bin/bash
# judged.sh [SECONDS]: images of many kinds, version after version, judged by what podman mounts: known.py's with both clients and without root,
# those of tests/chain, and random builder-like ones for SECONDS (default 240). Prints how many chains it judged. Root; chains.sh runs one
# kind alone, and says how to repeat a chain that fails.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` made)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root

seconds=${1:-240} chains=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# judged ARG..: runs chains.sh, counts its chains, and passes its verdict on.
judged() {
  local good=true line count
  "$harness/chains.sh" "$@" >"$out" || good=false
  line=$(tail -n 1 "$out")
  count=$(sed -n 's/^[A-Z]* \([0-9]*\) .*/\1/p' <<<"$line")
  chains=$((chains + ${count:-0}))
  if $good; then pass "${line#PASS }"; else head -n -1 "$out"; fail "${line#FAIL }"; fi
}

layouts=$bed/work/chain-layouts
rm -rf "$layouts"
mkdir -p "$layouts"
RESTRATA_CHAIN_LAYOUTS=$layouts PROPTEST_CASES=${PROPTEST_CASES:-12} cargo test -q --release --manifest-path "$checkout/Cargo.toml" --test chain >"$out" 2>&1 ||
  { grep -A 3 "panicked at" "$out" | tail -n 12; tail -n 20 "$out"; fail "tests/chain"; }
judged --layouts "$layouts" --batch 3
rm -rf "$layouts"
judged --known
judged --known --client sid
judged --known --rootless
judged --count 500 --seconds "$((seconds * 7 / 10))"
judged --count 100 --first 1001 --seconds "$((seconds * 2 / 10))" --rootless
judged --count 100 --first 2001 --seconds "$((seconds / 10))" --client sid
echo "$chains chains judged by podman's mounts"
summary
