#!/bin/bash
# page.sh: the page of `restrata diff --format html` in headless Chromium, which page.py measures: of the small Debian image re-laid
# by restrata, of the same as gzip layers would come, and of files whose names are markup. Prints PASS, FAIL and SKIP lines and at the end
# `N passed, N failed`. The pages and screenshots stay in the bed, under page. Root where Chromium must be installed.
#
#   RESTRATA=PATH  the binary (default: what `cargo build --release` made)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_restrata
dir=$bed/page images=$bed/images/small
# (apt_need dies where it can't install.)
(apt_need chromium:chromium) || { skip "page: no Chromium can be installed here"; summary; exit; }
"$harness/images.sh" small
rm -rf "$dir"
mkdir -p "$dir"

# page NAME OLD... NEW: makes a page and has it measured.
page() {
  local name=$1 line
  shift
  check "page $name: made" made "$name" "$@"
  while read -r line; do
    case $line in PASS*) pass "${line#PASS }" ;; FAIL*) fail "${line#FAIL }" ;; *) echo "$line" ;; esac
  done < <(python3 "$harness/page.py" "$dir/$name.html" "$dir" 2>&1 || echo "FAIL page $name: page.py ended early")
}
made() { local name=$1; shift; "$restrata" diff -q "$@" --format html >"$dir/$name.html"; }

"$restrata" rechunk -q "docker-archive:$images/v1.tar" "oci:$dir/app:v1" >"$dir/digests"
"$restrata" rechunk -q "docker-archive:$images/v2.tar" "oci:$dir/app:v2" --previous "oci:$dir/app:v1" >>"$dir/digests"
page small "oci:$dir/app:v1" "oci:$dir/app:v2"
page one-layer "docker-archive:$images/v1.tar" "docker-archive:$images/v2.tar"
page several "oci:$dir/app:v1" "docker-archive:$images/v1.tar" "oci:$dir/app:v2"
python3 "$harness/hostile.py" "$dir/hostile1.layer" "$dir/hostile2.layer"
for v in 1 2; do python3 "$harness/pack.py" "$dir/hostile$v.tar" "$dir/hostile$v.layer"; done
page hostile "docker-archive:$dir/hostile1.tar" "docker-archive:$dir/hostile2.tar"
summary
