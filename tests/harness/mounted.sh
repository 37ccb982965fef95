# shellcheck shell=bash disable=SC2154
# mounted.sh: what a client shows of an image that it pulled, against the input; sourced by the real-client tests. `work` is a
# folder in the bed.

# What a partial pull by c/storage is known to lose, whoever made the image: it sets no times on directories that it fills
# later, none on symbolic links, and makes no devices and pipes.
# shellcheck disable=SC2034 # used by those who source this
known_partial_losses=root:mtime,dir:mtime,symlink:mtime,char:missing,block:missing,fifo:missing

fstree() { python3 "$harness/fstree.py" "$@"; }
tally() { # counts the PASS and FAIL lines that another program prints
  local line
  while read -r line; do
    case $line in PASS*) pass "${line#PASS }" ;; FAIL*) fail "${line#FAIL }" ;; *) echo "$line" ;; esac
  done
}

# mounted CLIENT STORE IMAGE: the listing of an image in a client's store, through podman's own mount.
mounted() {
  # shellcheck disable=SC2016
  in_client "$1" env CONTAINERS_STORAGE_CONF="/bed${2#"$bed"}.conf" sh -euc '
    m=$(podman --log-level=error image mount "$1"); python3 /harness/fstree.py root "$m"; podman --log-level=error image umount "$1" >/dev/null' sh "$3"
}
mounted_same() { # CLIENT STORE IMAGE LIST PREVIOUS EXCEPT
  mounted "$1" "$2" "$3" >"$work/mounted.list" && fstree diff "$4" "$work/mounted.list" ${5:+--previous "$5"} --except "$6"
}
