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

# each_layer LAYOUT COMMAND: runs COMMAND COMPRESSION FILE for every layer; fails with the digests of those that failed.
each_layer() {
  local digest size compression file bad=0 seen=0
  while read -r digest size compression file; do
    seen=1
    "$2" "$compression" "$file" || { echo "$digest ($size bytes) failed"; bad=1; }
  done < <(layers_of "$1")
  [ $seen = 1 ] && [ $bad = 0 ]
}

zstd_test() { [ "$1" != zstd ] || zstd -tq "$2"; }

gnu_tar() {
  local scratch=$work/gnu-tar
  rm -rf "$scratch"
  mkdir -p "$scratch"
  # Anything that tar has to say is a fault, but for a pax keyword that it does not know (Python's, for binary xattrs) and
  # times in the future. It is told that more files may follow in a directory it has left.
  local quiet=(--warning=no-unknown-keyword --warning=no-timestamp)
  if ! open_layer "$1" "$2" | tar -tf - "${quiet[@]}" >"$work/names" 2>"$work/complaints" ||
    ! open_layer "$1" "$2" | tar -xpf - "${quiet[@]}" --delay-directory-restore --numeric-owner --xattrs --xattrs-include='*' \
      -C "$scratch" 2>>"$work/complaints"; then
    cat "$work/complaints"
    return 1
  fi
  [ ! -s "$work/complaints" ] || { cat "$work/complaints"; return 1; }
  open_layer "$1" "$2" | python3 "$harness/fstree.py" layer >"$work/want" || return 1
  python3 "$harness/fstree.py" root "$scratch" >"$work/got" || return 1
  rm -rf "$scratch"
  [ "$(wc -l <"$work/want")" -le "$(wc -l <"$work/names")" ] || return 1
  python3 "$harness/fstree.py" diff "$work/want" "$work/got"
}

go_tar() {
  open_layer "$1" "$2" | python3 "$harness/fstree.py" layer >"$work/want" || return 1
  open_layer "$1" "$2" | "$work/gotar" >"$work/got" || return 1
  python3 "$harness/fstree.py" diff "$work/want" "$work/got"
}

# containerd_tree CLIENT IMAGE: imports a layout or pulls from a registry, unpacks and mounts the image with a containerd of its own; prints
# the listing.
containerd_tree() {
  local image=$2
  [ ! -d "$image" ] || image=/bed${image#"$bed"}
  # shellcheck disable=SC2016 # expanded inside
  in_client "$1" bash -euc '
    dir=/bed/work/containerd
    rm -rf $dir
    mkdir -p $dir/mnt
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
