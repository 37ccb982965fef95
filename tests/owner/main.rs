//! Package databases as the real tools write them.

mod languages;

use std::path::Path;
use std::process::Command;
use std::{fs, str};

use restrata::owner::{BdbError, NdbError, Owners, Problem, RpmError, SqliteError, Warning, is_evidence};
use restrata::tar::TarPath;

fn path(path: &str) -> TarPath {
    TarPath::new(path.as_bytes()).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/owner").join(name);
    zstd::decode_all(fs::File::open(file).unwrap()).unwrap()
}

fn read_rpm(database: &[u8], log: &[u8]) -> (Owners, Vec<Problem>) {
    let files = ["rpmdb.sqlite", "rpmdb.sqlite-wal"].map(|name| path(&format!("usr/lib/sysimage/rpm/{name}")));
    let (owners, warnings) = Owners::read(files.iter().zip([database, log]));
    (owners, warnings.into_iter().map(|Warning { problem, .. }| problem).collect())
}

fn owner(owners: &Owners, at: &str) -> String {
    owners.owner_of(&path(at)).map_or("-".to_owned(), |owner| owner.to_string())
}

/// What `rpmdb.sh` installs.
fn assert_rpm(owners: &Owners) {
    for (at, expected) in [
        ("usr/bin/tool", "rpm:toolbox"),
        ("usr/bin/helper", "rpm:toolbox"),
        ("usr/share/toolbox", "rpm:toolbox"),
        ("usr/share/toolbox/more", "rpm:toolbox"),
        ("opt/big", "rpm:big"),
        ("opt/big/a/file-1", "rpm:big"),
        ("opt/big/b/file-200", "rpm:big"),
        ("opt/big/b/file-201", "-"),
        ("usr/share/shared/1", "rpm:small-1"),
        ("usr/share/shared/12", "rpm:small-12"),
        ("usr/share/shared", "-"),
        ("usr/bin", "-"),
    ] {
        assert_eq!(owner(owners, at), expected, "{at}");
    }
}

#[test]
fn rpm_fixture() {
    let (owners, problems) = read_rpm(&fixture("rpmdb.sqlite.zst"), &[]);
    assert_eq!(problems, []);
    assert_rpm(&owners);
}

/// Everything stands in the log, as one commit.
#[test]
fn rpm_with_a_log() {
    let (database, log) = (fixture("log-rpmdb.sqlite.zst"), fixture("log-rpmdb.sqlite-wal.zst"));
    let (owners, problems) = read_rpm(&database, &log);
    assert_eq!(problems, []);
    assert_rpm(&owners);
    let mut damaged = log.clone();
    damaged[log.len() / 2] ^= 1;
    for log in [&[][..], &log[..log.len() - 1], &damaged] {
        let (owners, problems) = read_rpm(&database, log);
        assert_eq!(problems, [], "what is not committed is not there");
        assert_eq!(owner(&owners, "usr/bin/tool"), "-");
    }
}

#[test]
fn rpm_damaged() {
    let good = fixture("rpmdb.sqlite.zst");
    let (_, problems) = read_rpm(&good[..8192], &[]);
    assert!(matches!(problems[..], [Problem::Sqlite(SqliteError::Page { found: None, .. } | SqliteError::Row { .. })]));
    // Free space has old copies.
    let nameless = replaced(&good, b"tablePackages", b"tablepackages");
    let (_, problems) = read_rpm(&nameless, &[]);
    assert_eq!(problems, [Problem::Sqlite(SqliteError::Table { name: "Packages".into() })]);
    // BASENAMES as numbers.
    let entry = |kind: u32| [1117, kind].map(u32::to_be_bytes).concat();
    let (_, problems) = read_rpm(&replaced(&good, &entry(8), &entry(4)), &[]);
    let expected = RpmError::Tag { tag: 1117, expected: "string" };
    assert_eq!(problems, [Problem::Rpm { count: 15, first: expected }]);
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut replaced = bytes.to_vec();
    for at in (0..bytes.len()).filter(|&at| bytes[at..].starts_with(old)) {
        replaced[at..at + new.len()].copy_from_slice(new);
    }
    replaced
}

#[test]
fn rpm_of_today() {
    if ["rpmbuild", "sqlite3"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        return eprintln!("rpmbuild or sqlite3 is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/owner/rpmdb.sh");
    let made = Command::new(script).arg(dir.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    match fs::read(dir.path().join("ndb/Packages.db")) {
        Ok(database) => assert_ndb(&database),
        Err(_) => eprintln!("this rpm has no ndb"),
    }
    match fs::read(dir.path().join("bdb/Packages")) {
        Ok(database) => assert_bdb(&database),
        Err(_) => eprintln!("db5.3_load is not installed"),
    }
    for home in [dir.path().to_owned(), dir.path().join("log")] {
        let file = |name| fs::read(home.join(name)).unwrap();
        let (owners, problems) = read_rpm(&file("rpmdb.sqlite"), &file("rpmdb.sqlite-wal"));
        assert_eq!(problems, []);
        assert_rpm(&owners);
    }
}

fn read_ndb(database: &[u8]) -> (Owners, Vec<Problem>) {
    let at = path("usr/lib/sysimage/rpm/Packages.db");
    let (owners, warnings) = Owners::read([(&at, database)]);
    (owners, warnings.into_iter().map(|Warning { problem, .. }| problem).collect())
}

fn assert_ndb(database: &[u8]) {
    let (owners, problems) = read_ndb(database);
    assert_eq!(problems, []);
    assert_rpm(&owners);
    assert_eq!(owner(&owners, "usr/share/shared/7"), "-", "its package was removed");
}

/// Written by the rpm of Debian trixie.
#[test]
fn ndb_fixture() {
    assert_ndb(&fixture("ndb-Packages.db.zst"));
}

#[test]
fn ndb_damaged() {
    let good = fixture("ndb-Packages.db.zst");
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = good.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    let of = |database: &[u8]| read_ndb(database).1;
    for header in [&good[..16], &good[..4000], &with(0, b"x"), &with(4, &[1]), &with(12, &[255; 4])] {
        assert_eq!(of(header), [NdbError::Header.into()]);
    }
    assert_eq!(of(&with(12, &[0; 4])), [NdbError::Header.into()], "no room for the header");
    assert_eq!(of(&with(48, b"x")), [NdbError::Slot { slot: 3 }.into()]);
    // Where the blob is, and how many blocks it has.
    for at in [40, 44] {
        assert_eq!(of(&with(at, &[255; 4])), [NdbError::Blob { slot: 2 }.into()]);
    }
    assert_eq!(of(&with(36, &[255; 4])), [NdbError::Blob { slot: 2 }.into()], "another package's blob");
    assert!(matches!(of(&good[..good.len() - 4096])[..], [Problem::Ndb(NdbError::Blob { .. })]));
    // A blob that is no header does not keep others from being read.
    let blob = u32::from_le_bytes(*good[40..].first_chunk().unwrap()) as usize * 16;
    assert_eq!(&good[blob..blob + 4], b"BlbS");
    assert!(matches!(of(&with(blob + 16, &[255; 4]))[..], [Problem::Rpm { count: 1, first: RpmError::Size { .. } }]));
    let (owners, _) = read_ndb(&with(blob + 16, &[255; 4]));
    assert_eq!(owner(&owners, "opt/big/a/file-1"), "rpm:big");
    // All slots lead to the biggest blob.
    let slots = || (32..4096).step_by(16).filter(|&at| good[at + 4..at + 8] != [0; 4]);
    let blocks = |at: usize| u32::from_le_bytes(*good[at + 12..].first_chunk().unwrap());
    let big = slots().max_by_key(|&at| blocks(at)).unwrap();
    let mut many = good.clone();
    (32..4096).step_by(16).for_each(|at| many[at..at + 16].copy_from_slice(&good[big..big + 16]));
    assert_eq!(of(&many), [NdbError::Overlap.into()]);
}

/// SUSE Linux Enterprise 15's base container. It is no part of the project, and may stand beside it.
#[test]
fn ndb_of_sle() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/rpmdb/sle15-bci.Packages.db");
    let Ok(database) = fs::read(&file) else { return eprintln!("no {}", file.display()) };
    let (owners, problems) = read_ndb(&database);
    assert_eq!(problems, []);
    // What rpm -qf says there, by source package.
    for (at, expected) in [
        ("usr/bin/rpm", "rpm:rpm-ndb"),
        ("bin/bash", "rpm:bash"),
        ("lib64/libc-2.31.so", "rpm:glibc"),
        ("usr/lib64/libstdc++.so.6", "rpm:gcc11"),
        ("opt/app", "-"),
    ] {
        assert_eq!(owner(&owners, at), expected, "{at}");
    }
}

fn read_bdb(database: &[u8]) -> (Owners, Vec<Problem>) {
    let at = path("var/lib/rpm/Packages");
    let (owners, warnings) = Owners::read([(&at, database)]);
    (owners, warnings.into_iter().map(|Warning { problem, .. }| problem).collect())
}

fn assert_bdb(database: &[u8]) {
    let (owners, problems) = read_bdb(database);
    assert_eq!(problems, []);
    assert_rpm(&owners);
}

/// Written by Berkeley DB 5.3.
#[test]
fn bdb_fixture() {
    assert_bdb(&fixture("bdb-Packages.zst"));
}

/// The same database as a machine of the other byte order writes it: of all numbers that are read.
fn swapped(database: &[u8]) -> Vec<u8> {
    let mut swapped = database.to_vec();
    let mut turn = |at: usize, size: usize| swapped[at..at + size].reverse();
    [12, 16, 20].into_iter().for_each(|at| turn(at, 4));
    for page in (4096..database.len()).step_by(4096) {
        [(8, 4), (16, 4), (20, 2), (22, 2)].into_iter().for_each(|(at, size)| turn(page + at, size));
        if ![2, 13].contains(&database[page + 25]) {
            continue;
        }
        let short = |at: usize| usize::from(u16::from_le_bytes(*database[page + at..].first_chunk().unwrap()));
        for nth in 0..short(20) {
            let entry = page + short(26 + 2 * nth);
            turn(page + 26 + 2 * nth, 2);
            if nth % 2 == 1 && database[entry] == 3 {
                [4, 8].into_iter().for_each(|at| turn(entry + at, 4));
            }
        }
    }
    swapped
}

#[test]
fn bdb_of_the_other_byte_order() {
    assert_bdb(&swapped(&fixture("bdb-Packages.zst")));
}

#[test]
fn bdb_damaged() {
    let good = fixture("bdb-Packages.zst");
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = good.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    let of = |database: &[u8]| read_bdb(database).1;
    let [none, large] = [0_u32, 1 << 17].map(u32::to_le_bytes);
    for header in [
        &good[..20],
        &with(12, b"x"),
        &with(16, &[7]),
        &with(20, &none),
        &with(20, &large),
        &with(24, &[1]),
        &with(26, &[1]),
    ] {
        assert_eq!(of(header), [BdbError::Header.into()]);
    }
    let pages = || (4096..good.len()).step_by(4096);
    let short = |at: usize| usize::from(u16::from_le_bytes(*good[at..].first_chunk().unwrap()));
    // The first page with a value in a chain of several pages, and the value's place.
    let value = |page: usize| (1..short(page + 20)).step_by(2).map(move |nth| page + short(page + 26 + 2 * nth));
    let long = |at: usize| u32::from_le_bytes(*good[at..].first_chunk().unwrap());
    let in_chain = |page: usize| value(page).find(|&at| good[at] == 3 && long(at + 8) > 8192);
    let page = pages().find(|&page| [2, 13].contains(&good[page + 25]) && in_chain(page).is_some()).unwrap();
    let (number, at) = ((page / 4096) as u32, in_chain(page).unwrap());
    for (at, bytes) in [(page + 8, &[255][..]), (page + 20, &[255, 255]), (page + 26, &[255, 255]), (at, &[2])] {
        assert_eq!(of(&with(at, bytes)), [BdbError::Page { page: number }.into()], "{at}");
    }
    let (chain, size) = (long(at + 4) as usize * 4096, long(at + 8));
    for (at, bytes) in [
        // Its first page, and how long it is; the page's kind, its bytes, the next one.
        (at + 4, &[255; 4][..]),
        (at + 8, &(size - 1).to_le_bytes()),
        (chain + 25, &[13]),
        (chain + 22, &[0, 0]),
        (chain + 22, &[255, 255]),
        (chain + 16, &[255; 4]),
    ] {
        let problems = of(&with(at, bytes));
        let is_chain =
            |problem: &Problem| matches!(problem, Problem::Bdb(BdbError::Chain { .. } | BdbError::Page { .. }));
        assert!(problems.iter().any(is_chain), "{at}: {problems:?}");
    }
    assert_eq!(of(&with(at + 8, &[255; 4])), [BdbError::Overlap.into()]);
    // A chain that leads to itself ends with its bytes.
    let endless = with(chain + 16, &((chain / 4096) as u32).to_le_bytes());
    assert!(!of(&endless).is_empty());
}

/// One package as EL has it. It is no part of the project, and may stand beside it.
#[test]
fn bdb_of_el() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/rpmdb/libuuid.Packages");
    let Ok(database) = fs::read(&file) else { return eprintln!("no {}", file.display()) };
    let (owners, problems) = read_bdb(&database);
    assert_eq!(problems, []);
    for (at, expected) in [("usr/lib64/libuuid.so.1", "rpm:util-linux"), ("usr/bin/bash", "-")] {
        assert_eq!(owner(&owners, at), expected, "{at}");
    }
}

/// This machine's own database, when it is Debian's: dpkg has to agree.
#[test]
fn dpkg_of_this_machine() {
    let Ok(info) = fs::read_dir("/var/lib/dpkg/info") else { return eprintln!("no dpkg here") };
    let places = info.map(|entry| entry.unwrap().path()).chain([Path::new("/var/lib/dpkg/status").to_owned()]);
    let evidence = places.map(|file| (path(file.to_str().unwrap()), file)).filter(|(path, _)| is_evidence(path));
    let files: Vec<(TarPath, Vec<u8>)> = evidence.map(|(path, file)| (path, fs::read(file).unwrap())).collect();
    let (owners, warnings) = Owners::read(files.iter().map(|(path, bytes)| (path, bytes.as_slice())));
    assert_eq!(warnings, []);
    for package in ["dpkg", "coreutils", "libc6", "base-files", "tar"] {
        let query = |format: &str, option: &str| {
            let args = [option, format, package];
            let output = Command::new("dpkg-query").args(args.iter().filter(|arg| !arg.is_empty())).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let source = format!("dpkg:{}", query("-f=${source:Package}", "-W"));
        let listed = query("", "-L");
        let files: Vec<&str> = listed.lines().filter(|file| Path::new(file).is_file()).collect();
        assert!(!files.is_empty());
        for file in files {
            assert_eq!(owner(&owners, file), source, "{file}");
            let real = fs::canonicalize(Path::new(file).parent().unwrap()).unwrap();
            let real = real.join(Path::new(file).file_name().unwrap());
            assert_eq!(owner(&owners, real.to_str().unwrap()), source, "{file} at {real:?}");
        }
    }
}
