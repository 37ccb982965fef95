#!/bin/bash
# stores.sh [SEQUENCE [TIMES]]: what reading an image from podman's store costs a first run (trixie's podman and skopeo), beside the
# same image in an archive. Prints medians of seconds and of CPU seconds, of restrata and the programs it starts, and their
# ratio to the archive. Runs in turn. Root. RESTRATA as in tests/harness/real-clients.sh.
set -euo pipefail
# shellcheck source=../tests/harness/lib.sh
. "$(dirname "$0")/../tests/harness/lib.sh"
need_root
seq=${1:-python} times=${2:-5}
restrata=${RESTRATA:-$(built)/release/restrata}
dir=$bed/stores/bench
[ -f "$bed/images/$seq/v1.tar" ] || "$harness/images.sh" "$seq"
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
cp "$restrata" "$dir/restrata"
store_conf "$dir/store" false >/dev/null
# shellcheck disable=SC2016 # expanded by the inner shell
in_client trixie env CONTAINERS_STORAGE_CONF=/bed/stores/bench/store.conf TMPDIR=/bed/stores/bench seq="$seq" times="$times" \
  XDG_CACHE_HOME=/bed/stores/bench/cache bash -euo pipefail -c '
  cd /bed/stores/bench
  image=localhost/bench:v1
  skopeo copy -q docker-archive:/bed/images/$seq/v1.tar containers-storage:$image
  export r="./restrata rechunk -q" store="[overlay@$PWD/store+$PWD/store.run]" image
  TIMEFORMAT="%R %U %S"
  for _ in $(seq "$times"); do
    for how in "archive|\$r docker-archive:/bed/images/$seq/v1.tar oci:out:x" "in place|\$r containers-storage:\$image oci:out:x" \
      "skopeo to a pipe|\$r containers-storage:\$store\$image oci:out:x" \
      "podman save to a pipe|podman --log-level=error save \$image | \$r docker-archive:- oci:out:x"; do
      rm -rf out
      taken=$({ time bash -euo pipefail -c "${how#*|}" >/dev/null 2>&1; } 2>&1)
      echo "${how%%|*}|$taken"
    done
  done' | python3 -c '
import statistics, sys
runs = {}
for line in sys.stdin:
    how, taken = line.strip().split("|")
    wall, user, system = map(float, taken.split())
    runs.setdefault(how, []).append((wall, user + system))
middle = {how: [statistics.median(column) for column in zip(*all)] for how, all in runs.items()}
wall, cpu = middle["archive"]
for how, (w, c) in middle.items():
    print(f"{how:24} {w:7.1f} s {w / wall:6.2f}x {c:7.1f} CPU s {c / cpu:6.2f}x")'
