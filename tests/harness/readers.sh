# shellcheck shell=bash disable=SC2154
# readers.sh: other programs read what restrata wrote. zstd and GNU tar and Go's archive/tar read every layer; containerd
# unpacks the image. Sourced by real-clients.sh.

layers_of() { python3 "$harness/layout.py" "$1" layers; }

# open_layer COMPRESSION FILE: the layer's tar.
open_layer() {
  case $1 in
  zstd) zstd -dcq "$2" ;;
  gzip) gzip -dc "$2" ;;
  *) cat "$2" ;;
  esac
}

# each_layer LAYOUT COMMAND: runs COMMAND COMPRESSION FILE for every layer that it did not pass before, two at once; fails with the digests of
# those that failed.
each_layer() {
  local layers line
  mkdir -p "$work/read"
  mapfile -t layers < <(layers_of "$1")
  [ ${#layers[@]} != 0 ] || { echo "no layers"; return 1; }
  rm -f "$work/read/faults"
  for line in "${layers[@]}"; do
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n || true
    # shellcheck disable=SC2086 # words
    layer_passes "$2" $line &
  done
  wait
  [ ! -e "$work/read/faults" ] || { cat "$work/read/faults"; return 1; }
}
layer_passes() { # COMMAND DIGEST SIZE COMPRESSION FILE
  local read=$work/read/$1-$2 said
  [ ! -e "$read" ] || return 0
  if said=$(scratch=$read.scratch "$1" "$4" "$5" 2>&1); then touch "$read"; else echo "$2 ($3 bytes) failed: $said" >>"$work/read/faults"; fi
  rm -rf "$read.scratch"
}

zstd_test() { [ "$1" != zstd ] || zstd -tq "$2"; }

gnu_tar() {
  mkdir -p "$scratch/tree"
  # Anything that tar has to say is a fault, but for a pax keyword that it does not know (Python's, for binary xattrs) and
  # times in the future. It is told that more files may follow in a directory it has left.
  local quiet=(--warning=no-unknown-keyword --warning=no-timestamp)
  if ! open_layer "$1" "$2" | tar -tf - "${quiet[@]}" >"$scratch/names" 2>"$scratch/complaints" ||
    ! open_layer "$1" "$2" | tar -xpf - "${quiet[@]}" --delay-directory-restore --numeric-owner --xattrs --xattrs-include='*' \
      -C "$scratch/tree" 2>>"$scratch/complaints"; then
    cat "$scratch/complaints"
    return 1
  fi
  [ ! -s "$scratch/complaints" ] || { cat "$scratch/complaints"; return 1; }
  open_layer "$1" "$2" | python3 "$harness/fstree.py" layer >"$scratch/want" || return 1
  python3 "$harness/fstree.py" root "$scratch/tree" >"$scratch/got" || return 1
  [ "$(wc -l <"$scratch/want")" -le "$(wc -l <"$scratch/names")" ] || return 1
  python3 "$harness/fstree.py" diff "$scratch/want" "$scratch/got"
}

go_tar() {
  mkdir -p "$scratch"
  open_layer "$1" "$2" | python3 "$harness/fstree.py" layer >"$scratch/want" || return 1
  open_layer "$1" "$2" | "$work/gotar" >"$scratch/got" || return 1
  python3 "$harness/fstree.py" diff "$scratch/want" "$scratch/got"
}

# containerd_tree CLIENT IMAGE: imports a layout or pulls from a registry, unpacks and mounts the image with a containerd of its own; prints
# the listing.
containerd_tree() {
  local image=$2
  [ ! -d "$image" ] || image=/bed${image#"$bed"}
  # shellcheck disable=SC2016 # expanded inside
  in_client "$1" bash -euc '
    dir=/bed/work/containerd
    mkdir -p $dir
    # It syncs every layer and every entry of its database: on a disk that takes ten times as long as all else.
    mount -t tmpfs tmpfs $dir
    mkdir $dir/mnt
    printf "version = 2\nroot = \"%s/root\"\nstate = \"%s/state\"\n[grpc]\naddress = \"%s/socket\"\n" $dir $dir $dir >$dir/config.toml
    containerd -c $dir/config.toml >$dir/log 2>&1 &
    pid=$!
    trap "kill $pid" EXIT
    ctr() { command ctr -a $dir/socket "$@"; }
    for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
    [ ! -d "$1" ] || tar -C "$1" -cf $dir/image.tar .
    for snapshotter in overlayfs native; do
      if [ -d "$1" ]; then
        ctr image import --snapshotter $snapshotter --base-name test $dir/image.tar >&2 || continue
      else
        ctr image pull --snapshotter $snapshotter --plain-http "$1" >&2 || continue
      fi
      # Layers that were unpacked have a label.
      ctr content ls >/bed/work/containerd.content
      ctr image mount --snapshotter $snapshotter "$(ctr image ls -q | head -1)" $dir/mnt >&2
      python3 /harness/fstree.py root $dir/mnt
      umount $dir/mnt
      exit
    done
    tail -5 $dir/log >&2
    exit 1' sh "$image"
}

# containerd never sets the mtime of the image's root directory, whoever made the image.
containerd_same() { # CLIENT IMAGE LIST [PREVIOUS_LIST]
  containerd_tree "$1" "$2" >"$work/containerd.list" &&
    python3 "$harness/fstree.py" diff "$3" "$work/containerd.list" --except root:mtime ${4:+--previous "$4"}
}

# read_everything NAME LAYOUT LIST [PREVIOUS_LIST]
read_everything() {
  check "$1: zstd -t accepts every layer" each_layer "$2" zstd_test
  check "$1: GNU tar lists and extracts every layer" each_layer "$2" gnu_tar
  check "$1: Go's archive/tar reads every layer" each_layer "$2" go_tar
  check "$1: containerd unpacks the same files" containerd_same trixie "$2" "$3" "${4:-}"
}
