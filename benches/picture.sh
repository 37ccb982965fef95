#!/bin/bash
# picture.sh: draws docs/update.svg from a real run: the small Debian image as released, and with its security updates. Needs what tests/demo needs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh
cargo build -q --release
tests/harness/images.sh small >&2
restrata=$(built)/release/restrata images=$bed/images/small
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$restrata" rechunk -q --format json "docker-archive:$images/v1.tar" "oci:$out/app:v1" >"$out/v1.json"
"$restrata" rechunk -q --format json "docker-archive:$images/v2.tar" "oci:$out/app:v2" --previous "oci:$out/app:v1" >"$out/v2.json"
python3 benches/picture.py "$out/v1.json" "$out/v2.json" "An update of a small Debian image" >docs/update.svg
