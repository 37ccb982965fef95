#!/usr/bin/env python3
"""Makes the seeds of the target `owner` (see src/owner/fuzz.rs): records of place, size, content."""

import os
import shutil
import sqlite3
import struct
import tempfile

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds", "owner")
STATUS, LIST, OTHER_LIST, STANZA, SUMS, RPM, RPM_LOG, NDB, BDB, APK, DESC, FILES, RECORD, OTHER_RECORD = range(14)
CONF, INFO_SUMS, MOVED_STATUS, MOVED_LIST, MOVED_DESC, MOVED_FILES, MOVED_RPM, MOVED_APK, FILEMAP = range(14, 23)


def header(name, source, dirs, files):
    """An rpm header as the database has it; `files` are pairs of a directory's index and a name."""
    store, index = b"", []
    strings = lambda values: b"".join(value.encode() + b"\0" for value in values)
    numbers = b"".join(struct.pack(">I", number) for number, _ in files)
    for tag, kind, count, data in [
        (1116, 4, len(files), numbers),
        (1000, 6, 1, strings([name])),
        (1044, 6, 1, strings([source])),
        (1117, 8, len(files), strings(base for _, base in files)),
        (1118, 8, len(dirs), strings(dirs)),
    ]:
        index.append(struct.pack(">4I", tag, kind, len(store), count))
        store += data
    return struct.pack(">2I", len(index), len(store)) + b"".join(index) + store


def database(mode):
    """Small pages, so that one package has overflow pages and the table an inner page. Gives database and log."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "rpmdb.sqlite")
        db = sqlite3.connect(path)
        db.execute("PRAGMA page_size = 512")
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        for n in range(4):
            blob = header(f"p{n}", f"s{n}-1-1.src.rpm", ["/usr/bin/", f"/d{n}/"], [(0, f"b{n}"), (1, "f")])
            db.execute("INSERT INTO Packages (blob) VALUES (?)", [blob])
        big = header("big", "big-1-1.src.rpm", ["/opt/"], [(0, f"file-{n}") for n in range(80)])
        db.execute("INSERT INTO Packages (blob) VALUES (?)", [big])
        db.commit()
        copy = shutil.copytree(work, work + ".copy")
        db.close()
        read = lambda name: open(os.path.join(copy, name), "rb").read()
        log = read("rpmdb.sqlite-wal") if mode == "WAL" else b""
        found = read("rpmdb.sqlite"), log
        shutil.rmtree(copy)
        return found


def ndb():
    """One page of slots, of which one is free, and two packages."""
    blobs = [header(f"p{n}", f"s{n}-1-1.src.rpm", ["/usr/bin/"], [(0, f"b{n}")]) for n in range(2)]
    slots, behind = b"", b""
    for number, blob in enumerate(blobs, 1):
        size = -(-(16 + len(blob) + 12) // 16)
        slots += b"Slot" + struct.pack("<3I", number, (4096 + len(behind)) // 16, size)
        behind += (b"BlbS" + struct.pack("<3I", number, 1, len(blob)) + blob).ljust(size * 16, b"\0")
    page = b"RpmP" + struct.pack("<4I", 0, 1, 1, 3) + bytes(12) + slots
    while len(page) < 4096:
        page += b"Slot" + bytes(12)
    return page + behind


def bdb():
    """A page of the table, whose values are in it and in a chain of pages."""
    small, large = (header(f"p{n}", f"s{n}-1-1.src.rpm", ["/usr/bin/"], [(0, f"b{i}") for i in range(n)]) for n in (1, 60))
    page = 512
    meta = struct.pack("<8xIIIIBB", 0, 0x61561, 9, page, 0, 8).ljust(page, b"\0")
    places, held = [], b""
    chain = [large[at:at + page - 26] for at in range(0, len(large), page - 26)]
    for entry in (b"\1" + struct.pack("<I", 1), b"\1" + small, b"\1" + struct.pack("<I", 2), b"\3\0\0\0" + struct.pack("<II", 2, len(large))):
        held = entry + held
        places.append(page - len(held))
    table = struct.pack("<8xIIIHHBB", 1, 0, 0, len(places), places[-1], 0, 13) + struct.pack(f"<{len(places)}H", *places)
    pages = [meta, table.ljust(page - len(held), b"\0") + held]
    for number, part in enumerate(chain, 2):
        pages.append((struct.pack("<8xIIIHHBB", number, number - 1, number + 1, 1, len(part), 0, 7) + part).ljust(page, b"\0"))
    return b"".join(pages)


def seed(name, *files):
    with open(os.path.join(SEEDS, name), "wb") as out:
        for place, content in files:
            out.write(struct.pack("<BI", place, len(content)) + content)


os.makedirs(SEEDS, exist_ok=True)
seed("dpkg",
     (STATUS, b"Package: libc6\nSource: glibc (2.41)\n\nPackage: base-files\n\n"),
     (LIST, b"/.\n/usr\n/usr/lib\n/lib/libc.so.6\n"), (OTHER_LIST, b"/.\n/usr\n/etc/issue\n"),
     (STANZA, b"Package: tzdata\nSource: tz\n"), (SUMS, b"00  usr/share/zoneinfo/UTC\n"))
seed("others",
     (APK, b"P:libcrypto3\no:openssl\nF:lib\nR:libcrypto.so.3\n\nP:busybox\nF:bin\nR:busybox\n"),
     (DESC, b"%NAME%\nacl\n\n%BASE%\nacl-base\n\n"), (FILES, b"%FILES%\nusr/\nusr/bin/getfacl\n\n"),
     (RECORD, b'yaml/__init__.py,,\n"a""b,c.py",,\n../../../bin/y,,\n'), (OTHER_RECORD, b"numpy/__init__.py,,\n"),
     (NDB, ndb()), (BDB, bdb()))
seed("moved",
     (CONF, b"[options]\nDBPath = /opt/moved/\n"), (INFO_SUMS, b"00  usr/share/zoneinfo/UTC\n"),
     (MOVED_STATUS, b"Package: base-files\n\n"), (MOVED_LIST, b"/.\n/usr\n/etc/issue\n"),
     (MOVED_DESC, b"%NAME%\nacl\n"), (MOVED_FILES, b"%FILES%\nusr/bin/getfacl\n"),
     (MOVED_RPM, b"SQLite format 3\0"), (MOVED_APK, b"P:busybox\nF:bin\nR:busybox\n"),
     (FILEMAP, b'{"a.bst": {"interval": "daily", "files": ["/usr/bin/a"]}, "b": {"files": []}}'))
seed("rpm", (RPM, database("DELETE")[0]))
rpm, log = database("WAL")
seed("rpm-log", (RPM, rpm), (RPM_LOG, log))
