#!/bin/bash
# databases.sh [PACKAGES]: what one package more costs a client by the package database alone: rpm's (of PACKAGES made packages, 600
# by default) as rpm leaves it, vacuumed, with its pages in other sizes, and with a WAL left beside it; and dpkg's, of the image `large`.
# Prints a Markdown table. skopeo cuts every file into chunks, restrata those that it expects to change. Root; some minutes.
#
#   RESTRATA=PATH   the binary (default: what `cargo build --release` made)
#   KEEP=DIR        makes the rpms there, or takes those that are there
#   ONLY=REGEX      of the rows
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=../tests/harness/lib.sh
. "$(dirname "$0")/../tests/harness/lib.sh"
need_root
need_restrata
apt_need rpmbuild:rpm sqlite3:sqlite3
packages=${1:-600}
dir=$bed/stores/databases
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
rpms=${KEEP:-$dir/rpms}

# made_rpms: packages of 3 to 300 files with changelogs and dependencies, as many of a distribution are; deterministic.
made_rpms() {
  mkdir -p "$rpms"
  python3 - "$packages" "$rpms" <<'PYTHON'
import random, sys
count, out = int(sys.argv[1]), sys.argv[2]
random.seed(1)
word = lambda: "".join(random.choice("abcdefghijklmnoprstuvw") for _ in range(random.randint(3, 9)))
names = [f"{word()}-{word()}" for _ in range(count + 1)]
spec = ["Name: made", "Version: 1", "Release: 1", "Summary: made", "License: MIT", "%description", "made",
        "%global debug_package %{nil}", "%global __os_install_post %{nil}", "%global __spec_install_post %{nil}", "%global _binary_payload w0.gzdio"]
install, files = [], []
for number, name in enumerate(names):
    needs = "\n".join(f"Requires: {random.choice(names[:number])}" for _ in range(random.randint(0, 6)) if number)
    text = "\n".join(" ".join(word() for _ in range(12)) for _ in range(random.randint(2, 12)))
    spec += [f"%package -n {name}", f"Summary: {word()} {word()}", "AutoReqProv: no", needs, f"Provides: {word()}({word()}) = {number}",
             f"%description -n {name}", text]
    listed = []
    for _ in range(min(300, int(random.paretovariate(0.6)) + 2)):
        path = f"/usr/share/{name}/{word()}/{word()}{random.randrange(10**6)}"
        install.append((path, random.randbytes(random.randint(1, 60)).hex()))
        listed.append(path)
    files += [f"%files -n {name}"] + listed
spec += ["%install", f"python3 {out}/install.py %{{buildroot}}"] + files + ["%changelog"]
for number in range(25):
    spec += [f"* Mon Jan 05 2026 {word()} {word()} <{word()}@example.org> - 1-{number}", f"- {' '.join(word() for _ in range(9))}", ""]
open(f"{out}/made.spec", "w").write("\n".join(spec))
open(f"{out}/last", "w").write(names[-1])
open(f"{out}/install.py", "w").write(f"import os, sys\nfor path, text in {install!r}:\n"
    "    os.makedirs(os.path.dirname(sys.argv[1] + path), exist_ok=True)\n    open(sys.argv[1] + path, 'w').write(text)\n")
PYTHON
  rpmbuild -bb --quiet --define "_topdir $rpms/top" --define "_rpmdir $rpms" --define 'use_source_date_epoch_as_buildtime 1' "$rpms/made.spec" >"$rpms/log" 2>&1 ||
    { tail -n 5 "$rpms/log" >&2; die "rpmbuild"; }
}
[ -f "$rpms/last" ] && compgen -G "$rpms/*/*.rpm" >/dev/null || made_rpms
last=$(compgen -G "$rpms/*/$(cat "$rpms/last")-1-1.*.rpm")

# rpm_in ROOT RPM..: adds packages to the database alone.
rpm_in() {
  local root=$1
  shift
  rpm --root "$root" --define '_dbpath /usr/lib/sysimage/rpm' --define '_db_backend sqlite' -i --justdb --nodeps --noscripts --nosignature "$@" 2>/dev/null
}
db=usr/lib/sysimage/rpm/rpmdb.sqlite

# cost NAME: of NAME/v1 and NAME/v2, two root file systems: a row of the table.
cost() {
  local name=$1 v size out row
  for v in v1 v2; do
    tar --sort=name --mtime=@0 --owner=0 --group=0 -C "$dir/$name/$v" -cf "$dir/layer.tar" usr var
    python3 "$harness/pack.py" "$dir/$v.tar" "$dir/layer.tar"
  done
  size=$(find "$dir/$name/v2" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%.2f", s / 1e6 }')
  # shellcheck disable=SC2016 # expanded by the inner shell
  in_client trixie bash -euc 'cd /bed/stores/databases; for v in v1 v2; do skopeo copy -q --dest-compress-format zstd:chunked docker-archive:$v.tar oci:skopeo:$v; done'
  for out in 16 64; do
    for v in v1 v2; do
      [ $v = v1 ] && previous=() || previous=(--previous "oci:$dir/restrata-$out:v1")
      XDG_CACHE_HOME=$dir/cache "$restrata" rechunk -q --max-ranges $out "docker-archive:$dir/$v.tar" "oci:$dir/restrata-$out:$v" "${previous[@]}" >/dev/null
    done
  done
  row=$(for out in skopeo restrata-16 restrata-64; do
    python3 "$checkout/benches/chunks.py" "$dir/$out" v1 v2 | awk -F'|' '$2 ~ /v2/ { printf "%s|%s|%s|", $4, $5, $7 }'
  done)
  echo "| $name | $size |$row"
  rm -rf "$dir/skopeo" "$dir"/restrata-* "$dir/cache" "$dir"/v?.tar "$dir/layer.tar"
}

note "$(rpm --version), $(sqlite3 --version | cut -d' ' -f1)"
base=$dir/base
mkdir -p "$base/var" "$base/usr/lib/sysimage/rpm"
mapfile -t all < <(find "$rpms" -name '*.rpm' ! -path "$last" | sort | shuf --random-source=<(yes))
# As a history of an image: the packages of its base at once, then some more, one by one.
rpm_in "$base" "${all[@]:0:$((packages - 40))}"
for one in "${all[@]:$((packages - 40))}"; do rpm_in "$base" "$one"; done
note "$(rpm --root "$base" --define '_dbpath /usr/lib/sysimage/rpm' -qa | wc -l) packages; beside the database: $(cd "$base/${db%/*}"; stat -c '%n %s' -- * | paste -sd' ')"

# pair NAME: two root file systems, the second with a package more.
pair() {
  mkdir -p "$dir/$1"
  cp -a "$base" "$dir/$1/v1"
  rm -f "$dir/$1/v1/$db"-*
}
second() {
  cp -a "$dir/$1/v1" "$dir/$1/v2"
  rpm_in "$dir/$1/v2" "$last"
  # Empty ones, and what the next reader makes anew.
  rm -f "$dir/$1/v2/$db"-*
}

wanted() { [[ $1 =~ ${ONLY:-.} ]]; }
both() { local v; for v in v1 v2; do "${@:2}" "$dir/$1/$v/$db"; done; }
vacuumed() { sqlite3 "$1" 'PRAGMA journal_mode = DELETE; VACUUM' >/dev/null; }
reloaded() { sqlite3 "$1" .dump | sqlite3 "$dir/dump.db" >/dev/null && mv "$dir/dump.db" "$1"; }

echo "| database | MB | skopeo, whole | in chunks | ranges | restrata, whole | in chunks | ranges | --max-ranges 64, whole | in chunks | ranges |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
if wanted rpm-as-is; then pair rpm-as-is; second rpm-as-is; cost rpm-as-is; fi
if wanted rpm-vacuum; then pair rpm-vacuum; second rpm-vacuum; both rpm-vacuum vacuumed; cost rpm-vacuum; fi
if wanted rpm-reloaded; then pair rpm-reloaded; second rpm-reloaded; both rpm-reloaded reloaded; cost rpm-reloaded; fi
for size in 512 1024 16384 65536; do
  wanted "rpm-page-$size" || continue
  pair "rpm-page-$size"
  sqlite3 "$dir/rpm-page-$size/v1/$db" "PRAGMA journal_mode = DELETE; PRAGMA page_size = $size; VACUUM" >/dev/null
  second "rpm-page-$size"
  cost "rpm-page-$size"
done

# with_reader DATABASE COMMAND..: who reads meanwhile keeps the WAL from being written back.
with_reader() {
  local reader status=0
  python3 -c '
import sqlite3, sys
reader = sqlite3.connect(sys.argv[1], isolation_level=None)
reader.execute("PRAGMA journal_mode = WAL")
reader.execute("BEGIN")
reader.execute("SELECT count(*) FROM Packages").fetchone()
print("reads", flush=True)
sys.stdin.read()
import os
os._exit(0)' "$1" <"$dir/fifo" >"$dir/reads" &
  reader=$!
  exec 7>"$dir/fifo"
  until grep -q reads "$dir/reads"; do sleep 0.1; done
  "${@:2}" || status=$?
  exec 7>&-
  wait $reader
  return $status
}
if wanted rpm-wal; then
  mkfifo "$dir/fifo"
  pair rpm-wal
  cp -a "$dir/rpm-wal/v1" "$dir/rpm-wal/v2"
  with_reader "$dir/rpm-wal/v2/$db" rpm_in "$dir/rpm-wal/v2" "$last"
  note "with a reader: $(cd "$dir/rpm-wal/v2/${db%/*}"; stat -c '%n %s' -- * | paste -sd' ')"
  rm -f "$dir/rpm-wal/v2/$db"-shm
  cost rpm-wal
fi
wanted dpkg || exit 0

# dpkg writes its status as text, whole, in the order of names.
mkdir -p "$dir/dpkg/v1"
[ -f "$bed/images/large/v1.tar" ] || "$harness/images.sh" large
layer=$(tar -xOf "$bed/images/large/v1.tar" manifest.json | grep -o '[0-9a-f]*\.tar' | head -n 1)
tar -xOf "$bed/images/large/v1.tar" "$layer" | tar -xf - -C "$dir/dpkg/v1" --wildcards './var/lib/dpkg/status*' 'var/lib/dpkg/status*' 2>/dev/null || true
mkdir -p "$dir/dpkg/v1/usr" "$dir/dpkg/v1/var/lib/dpkg/info" "$dir/dpkg/v1/var/lib/dpkg/updates"
note "dpkg: $(grep -c ^Package: "$dir/dpkg/v1/var/lib/dpkg/status") packages"
cp -a "$dir/dpkg/v1" "$dir/dpkg/v2"
in_client trixie bash -euc 'cd /bed/stores/databases; apt-get download -q busybox-static >/dev/null 2>&1'
dpkg --root="$dir/dpkg/v2" --force-all --no-triggers --unpack "$dir"/busybox-static_*.deb >"$dir/log" 2>&1 || { tail -n 3 "$dir/log" >&2; }
for v in v1 v2; do find "$dir/dpkg/$v" -type f ! -name status ! -name status-old -delete; done
cost dpkg
for v in v1 v2; do rm -f "$dir/dpkg/$v/var/lib/dpkg/status-old"; done
mv "$dir/dpkg" "$dir/dpkg-status-alone"
cost dpkg-status-alone
