#!/bin/bash
# frontier.sh [OPTION..] [NAME=SEQ..]: what docker's, plain and podman's clients pull of sequences of images (tests/harness/images.sh
# makes them), for several options of rechunk. Default: Debian=large Python=python Node=node churn=churn. Prints a Markdown table; all
# bytes are sums over all updates, divided by the changed bytes. OPTIONs are those of examples/frontier.rs:
#
#   --waste 10,25,40       shares for --max-waste, in percent
#   --clients WEIGHTS      for --clients; repeat for more (default: without and with docker)
#   --previous N           each version knows the N before (default 5)
#
# Each version is read once: its entries and compressed sizes (level 3) are kept as an image of one layer under work/frontier in the
# bed, where it takes as much as a pull. The rows are forecasts: nothing is written for them. Some seconds each.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../tests/harness/lib.sh
. tests/harness/lib.sh

options=() sequences=()
while [ $# != 0 ]; do
  case $1 in
  --*) options+=("$1" "${2:?"$1 has no value"}") && shift 2 ;;
  *=*) sequences+=("$1") && shift ;;
  *) die "usage: frontier.sh [OPTION..] [NAME=SEQ..]" ;;
  esac
done
[ ${#sequences[@]} != 0 ] || sequences=(Debian=large Python=python Node=node churn=churn)

restrata=${RESTRATA:-$(built)/release/restrata}
# shellcheck disable=SC2154 # lib.sh sets it
kept=$bed/work/frontier
mkdir -p "$kept"
[ -n "${RESTRATA:-}" ] || cargo build -q --release
frontier=${FRONTIER:-$(built)/release/examples/frontier}
[ -n "${FRONTIER:-}" ] || cargo build -q --release --example frontier
args=()
for sequence in "${sequences[@]}"; do
  seq=${sequence#*=}
  tests/harness/images.sh "$seq" >&2
  for ((v = 1; ; v++)); do
    input=$bed/images/$seq/v$v.tar layout=$kept/$seq-v$v
    [ -f "$input" ] || break
    [ ! -d "$layout" ] || continue
    note "$seq: version $v"
    rm -rf "$layout.part"
    "$restrata" rechunk "docker-archive:$input" "oci:$layout.part:x" --max-layers 1 --level 3 -q >/dev/null
    mv "$layout.part" "$layout"
  done
  args+=("${sequence%%=*}=$kept/$seq")
done
"$frontier" "${options[@]}" "${args[@]}"
