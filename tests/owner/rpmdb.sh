#!/bin/bash
# rpmdb.sh DIR: makes DIR/rpmdb.sqlite with rpm, rpmbuild and sqlite3 (Debian: apt-get install rpm sqlite3), and
# DIR/log/rpmdb.sqlite, whose packages stand in its write-ahead log alone, DIR/ndb/Packages.db, and, where Berkeley DB's programs
# are (apt-get install db5.3-util), DIR/bdb/Packages.
# The fixtures beside this script are its output: rm DIR/*-shm DIR/log/*-shm DIR/ndb/Index.db, then zstd -19 each file with content.
# Two binary packages of one source that share a directory, one package alone with enough files for overflow pages,
# and enough small ones for a table of more than one page.
set -euo pipefail
dir=$(realpath -m "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir" "$work/specs"

spec() { # NAME FILES-SECTIONS
    cat > "$work/specs/$1.spec" <<EOF
Name: $1
Version: 1.0
Release: 1.fc40
Summary: A test
License: MIT
BuildArch: noarch
%description
A test.
$2
EOF
    rpmbuild --quiet -bb "${rpm_options[@]}" "$work/specs/$1.spec"
}

rpm_options=("--define=_topdir $work" "--define=_dbpath $dir" "--define=_db_backend sqlite"
    "--define=_buildhost localhost" "--define=_binary_payload w0.gzdio")
rpmdb "${rpm_options[@]}" --initdb
spec toolbox "%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/toolbox
cd %{buildroot}
touch usr/bin/tool usr/bin/helper usr/share/toolbox/data usr/share/toolbox/more
%files
/usr/bin/tool
/usr/share/toolbox
%package -n libtool-box
Summary: A part
%description -n libtool-box
A part.
%files -n libtool-box
/usr/bin/helper
%dir /usr/share/toolbox
/usr/share/toolbox/more"
spec big "%install
mkdir -p %{buildroot}/opt/big/a %{buildroot}/opt/big/b
cd %{buildroot}/opt/big
for number in \$(seq 200); do touch a/file-\$number b/file-\$number; done
%files
/opt/big"
for number in {1..12}; do
    spec "small-$number" "%install
mkdir -p %{buildroot}/usr/share/shared
touch %{buildroot}/usr/share/shared/$number
%files
%dir /usr/share/shared
/usr/share/shared/$number"
done
find "$work/RPMS" -name '*.rpm' -print0 | sort -z |
    xargs -0 rpm "${rpm_options[@]}" --install --justdb --nodeps --nosignature --ignorearch
rm -f "$dir/.rpm.lock"

# As after a package manager that did not end well.
mkdir -p "$dir/log"
rpmdb "${rpm_options[@]}" "--define=_dbpath $dir/log" --initdb
rm -f "$dir/log/.rpm.lock"
sqlite3 "$dir/log/rpmdb.sqlite" >/dev/null <<EOF
.dbconfig no_ckpt_on_close on
PRAGMA journal_mode = WAL;
PRAGMA wal_autocheckpoint = 0;
ATTACH '$dir/rpmdb.sqlite' AS whole;
INSERT INTO Packages SELECT * FROM whole.Packages;
EOF

# As EL 8 has it: rpm reads it, and no longer writes it. The key is the package's number, under 0 stands the last one.
if command -v db5.3_load >/dev/null; then
    mkdir -p "$dir/bdb" "$work/read"
    # Whoever closes the database last removes its log.
    cp "$dir"/rpmdb.sqlite* "$work/read"
    {
        printf 'VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n 00000000\n ff000000\n'
        sqlite3 "$work/read/rpmdb.sqlite" "SELECT printf(' %02x000000', hnum) || char(10) || ' ' || lower(hex(blob)) FROM Packages"
        echo DATA=END
    } | db5.3_load "$dir/bdb/Packages"
fi

# As openSUSE has it, where rpm can write it: Debian's of 2025 can, that of 2023 can't. A package that was removed leaves
# a free slot.
ndb_options=("${rpm_options[@]}" "--define=_dbpath $dir/ndb" "--define=_db_backend ndb")
rpmdb "${ndb_options[@]}" --initdb
if [ ! -e "$dir/ndb/Packages.db" ]; then
    rm -rf "$dir/ndb"
    exit
fi
find "$work/RPMS" -name '*.rpm' -print0 | sort -z |
    xargs -0 rpm "${ndb_options[@]}" --install --justdb --nodeps --nosignature --ignorearch
rpm "${ndb_options[@]}" --erase --justdb --nodeps small-7
rm -f "$dir/ndb/.rpm.lock"
