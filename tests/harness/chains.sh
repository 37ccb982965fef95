#!/bin/bash
# chains.sh [OPTION..]: random builder-like images through restrata, version after version, judged by what podman mounts (chains.py). Root.
#
#   --count N         how many chains (default 100)
#   --first N         the number of the first one (default 1): a number always makes the same chain
#   --seconds N       begin no batch after this time
#   --client CLIENT   trixie or sid (default trixie)
#   --rootless        podman as an unprivileged user
#   --known           the chains of known.py instead: what public reports tell of
#   --layouts DIR     the images that tests/chain left in DIR, which is in the bed (RESTRATA_CHAIN_LAYOUTS=DIR cargo test --test chain)
#   --layers N, --entries N   at most so many layers in a first version, and operations in a layer
#   --shrink          look for a smaller chain with the same fault, and print it
#   --show            print each chain
#   --restrata PATH   the binary (default: what `cargo build --release` made)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need_root
apt_need zstd:zstd unshare:util-linux
[ -f "$bed/trixie/.harness-packages" ] && [ -f "$bed/sid/.harness-packages" ] || "$harness/clients.sh"
case " $* " in *" --restrata "*) ;; *) set -- --restrata "${RESTRATA:-$(built)/release/restrata}" "$@" ;; esac
export BED=$bed WORK=$bed/fs/chains
mkdir -p "$WORK"
# In memory, and gone with this command.
exec unshare --mount --propagation private bash -euc 'mount -t tmpfs tmpfs "$WORK"; exec python3 "$@"' chains "$harness/chains.py" "$@"
