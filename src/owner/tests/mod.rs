//! Databases by hand, in the formats of the real ones. Real ones are read in `tests/owner`.

mod maker;
mod needs;
mod paths;

use super::*;
use crate::tar::Xattr;

fn path(path: &str) -> TarPath {
    TarPath::new(path.as_bytes()).unwrap()
}

fn read(files: &[(&str, &str)]) -> Owners {
    let files: Vec<(TarPath, &str)> = files.iter().map(|(at, content)| (path(at), *content)).collect();
    assert!(files.iter().all(|(path, _)| is_evidence(path)), "{files:?}");
    let (owners, warnings) = Owners::read(files.iter().map(|(path, content)| (path, content.as_bytes())));
    assert_eq!(warnings, []);
    owners
}

/// Each path with its owner; `-` is nobody.
fn assert_owners(owners: &Owners, expected: &[(&str, &str)]) {
    for (at, owner) in expected {
        let path = path(at);
        let found = owners.owner_of(&path).map_or("-".to_owned(), |owner| owner.to_string());
        assert_eq!(found, *owner, "{at}");
    }
}

const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\n\
    Source: glibc (2.36-9)\nDescription: a\n Package: not this\n .\n\nPackage: libc-bin\nSource: glibc\n\n\
    Package: bash\nVersion: 5.2";

#[test]
fn dpkg_by_source_and_through_a_merged_usr() {
    let info = "var/lib/dpkg/info";
    let owners = read(&[
        ("var/lib/dpkg/status", STATUS),
        (
            &format!("{info}/libc6:amd64.list"),
            "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libc.so.6\n/usr\n",
        ),
        (&format!("{info}/libc-bin.list"), "/.\n/sbin\n/sbin/ldconfig\n/usr\n/usr/share/glibc\n/lib\n"),
        (&format!("{info}/bash.list"), "/.\n/bin\n/bin/bash\n/usr\n/lib\n/usr/bin/bashbug"),
        (&format!("{info}/gone.list"), "/.\n/etc/gone\n"),
    ]);
    assert_owners(
        &owners,
        &[
            ("", "-"),
            ("usr", "-"),
            ("lib", "-"),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", "dpkg:glibc"),
            ("lib/x86_64-linux-gnu/libc.so.6", "dpkg:glibc"),
            ("usr/share/glibc", "dpkg:glibc"),
            ("usr/sbin/ldconfig", "dpkg:glibc"),
            ("usr/bin/ldconfig", "dpkg:glibc"),
            ("bin/bashbug", "dpkg:bash"),
            ("usr/bin/bash", "dpkg:bash"),
            ("usr/local/bin/bash", "-"),
            ("etc/gone", "dpkg:gone"),
            ("var/lib/dpkg/info/libc6:amd64.postinst", "dpkg:glibc"),
            ("var/lib/dpkg/info/bash.md5sums", "dpkg:bash"),
            ("var/lib/dpkg/info/format", "-"),
        ],
    );
}

#[test]
fn dpkg_of_distroless() {
    let owners = read(&[
        ("var/lib/dpkg/status.d/libssl3", "Package: libssl3\nSource: openssl\n"),
        ("var/lib/dpkg/status.d/libssl3.md5sums", "0123  usr/lib/libssl.so.3\n4567  usr/share/doc/a b\n"),
    ]);
    assert_owners(
        &owners,
        &[
            ("usr/lib/libssl.so.3", "dpkg:openssl"),
            ("usr/share/doc/a b", "dpkg:openssl"),
            ("var/lib/dpkg/status.d/libssl3.md5sums", "dpkg:openssl"),
        ],
    );
    // Newer ones keep lists or checksums in `info`.
    let owners = read(&[
        ("var/lib/dpkg/status.d/libssl3", "Package: libssl3\nSource: openssl\n"),
        ("var/lib/dpkg/info/libssl3:amd64.md5sums", "0123  usr/lib/libssl.so.3\n"),
        ("var/lib/dpkg/status.d/bytes", "Package: tzdata\n"),
        ("var/lib/dpkg/info/tzdata.list", "/usr/share/zoneinfo\n"),
        ("var/lib/dpkg/info/tzdata.md5sums", "0123  usr/share/not-listed\n"),
    ]);
    assert_owners(
        &owners,
        &[
            ("usr/lib/libssl.so.3", "dpkg:openssl"),
            ("usr/share/zoneinfo", "dpkg:tzdata"),
            ("usr/share/not-listed", "-"),
            ("var/lib/dpkg/info/tzdata.md5sums", "dpkg:tzdata"),
            ("var/lib/dpkg/info/libssl3:amd64.md5sums", "dpkg:openssl"),
        ],
    );
}

#[test]
fn apk_by_origin() {
    let installed = "C:Q1abc=\nP:libcrypto3\nV:3.3.2-r0\no:openssl\nF:etc\nF:etc/ssl\nR:openssl.cnf\na:0:0:644\nZ:Q1x=\n\
        F:lib\nR:libcrypto.so.3\n\nP:busybox\nF:bin\nR:busybox\nF:lib\nF:\nR:init\n\n";
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        assert_owners(
            &read(&[(place, installed)]),
            &[
                ("etc/ssl/openssl.cnf", "apk:openssl"),
                ("usr/lib/libcrypto.so.3", "apk:openssl"),
                ("bin/busybox", "apk:busybox"),
                ("lib", "-"),
                ("init", "apk:busybox"),
            ],
        );
    }
}

#[test]
fn alpm_by_base() {
    let local = "var/lib/pacman/local";
    let owners = read(&[
        (&format!("{local}/gcc-libs-14.2-1/desc"), "%NAME%\ngcc-libs\n\n%VERSION%\n14.2-1\n\n%BASE%\ngcc\n"),
        (
            &format!("{local}/gcc-libs-14.2-1/files"),
            "%FILES%\nusr/\nusr/lib/\nusr/lib/libgcc_s.so\n\n%BACKUP%\netc/x\t0123\n",
        ),
        (&format!("{local}/acl-2.3-1/desc"), "%NAME%\nacl\n\n"),
        (&format!("{local}/acl-2.3-1/files"), "%FILES%\nusr/\nusr/lib/\nusr/bin/\nusr/bin/getfacl\n"),
    ]);
    assert_owners(
        &owners,
        &[
            ("usr/lib/libgcc_s.so", "alpm:gcc"),
            ("usr/lib", "-"),
            ("bin/getfacl", "alpm:acl"),
            ("etc/x", "-"),
            ("var/lib/pacman/local/gcc-libs-14.2-1", "alpm:gcc"),
            ("var/lib/pacman/local/acl-2.3-1/mtree", "alpm:acl"),
        ],
    );
}

/// What of a database is read, and a file of it that changes with every update.
type Database = (System, Vec<(String, &'static str)>, String);

/// A database of each system, in the directory that `home` names for it.
fn databases(home: impl Fn(&str) -> String) -> [Database; 4] {
    let [dpkg, rpm, apk, alpm] = ["dpkg", "rpm", "apk", "alpm"].map(home);
    let list = format!("{dpkg}/info/bash.list");
    let package = format!("{alpm}/local/bash-5.2-1");
    [
        (
            System::Dpkg,
            vec![(format!("{dpkg}/status"), "Package: bash\n"), (list, "/usr/bin/bash\n")],
            format!("{dpkg}/status-old"),
        ),
        (System::Rpm, vec![(format!("{rpm}/rpmdb.sqlite"), "SQLite format 3\0")], format!("{rpm}/rpmdb.sqlite-shm")),
        (System::Apk, vec![(format!("{apk}/installed"), "P:bash\nF:usr/bin\nR:bash\n")], format!("{apk}/scripts.tar")),
        (
            System::Alpm,
            vec![
                (format!("{package}/desc"), "%NAME%\nbash\n"),
                (format!("{package}/files"), "%FILES%\nusr/bin/bash\n"),
            ],
            format!("{alpm}/sync/core.db"),
        ),
    ]
}

/// Reads files that need not be sound.
fn read_any(files: &[(String, &str)]) -> Owners {
    let files: Vec<(TarPath, &str)> = files.iter().map(|(at, content)| (path(at), *content)).collect();
    assert!(files.iter().all(|(path, _)| is_evidence(path)), "{files:?}");
    Owners::read(files.iter().map(|(path, content)| (path, content.as_bytes()))).0
}

#[test]
fn databases_are_read_where_distributions_put_them() {
    let places = [
        (System::Dpkg, "usr/lib/sysimage/dpkg"),
        (System::Dpkg, "usr/share/dpkg/database"),
        (System::Rpm, "usr/share/rpm"),
        (System::Rpm, "usr/lib/sysimage/rpm"),
        (System::Apk, "usr/lib/apk/db"),
        (System::Alpm, "usr/lib/sysimage/lib/pacman"),
        // A link may lead anywhere.
        (System::Dpkg, "opt/state/pkg"),
        (System::Rpm, "srv"),
        (System::Apk, "x/y"),
        (System::Alpm, "usr/pacman"),
    ];
    for (system, place) in places {
        for (_, files, hot) in databases(|_| place.to_owned()).into_iter().filter(|(of, ..)| *of == system) {
            let owners = read_any(&files);
            assert_eq!(owners.heat(&path(&hot)), Heat::Database, "{hot}");
            if system != System::Rpm {
                let bash = Owner { system, name: "bash".into() }.to_string();
                assert_owners(&owners, &[("usr/bin/bash", &bash)]);
            }
        }
    }
}

#[test]
fn a_database_inside_of_another_root_is_not_the_images() {
    let own = databases(|system| match system {
        "dpkg" => "var/lib/dpkg".to_owned(),
        "rpm" => "usr/share/rpm".to_owned(),
        "apk" => "lib/apk/db".to_owned(),
        _ => "var/lib/pacman".to_owned(),
    });
    let inner = databases(|system| format!("srv/root/{system}"));
    for ((_, mut files, hot), (_, inner, inner_hot)) in own.into_iter().zip(inner) {
        let lists = inner.iter().map(|(at, content)| (at.clone(), *content));
        files.extend(lists);
        let owners = read_any(&files);
        assert_eq!(owners.heat(&path(&hot)), Heat::Database);
        assert_eq!(owners.heat(&path(&inner_hot)), Heat::Data, "{inner_hot}");
    }
    // What only has the name of a database is none.
    let owners = read(&[("srv/status", "up\n"), ("srv/info/train.list", "/usr/bin/x\n"), ("a/installed", "no\n")]);
    assert_owners(&owners, &[("usr/bin/x", "-")]);
    assert_eq!(owners.heat(&path("srv/status-old")), Heat::Data);
}

#[test]
fn pacman_is_asked_where_its_database_is() {
    let local = |home: &str| format!("{home}/local/bash-5.2-1");
    let files = |home: &str, file| (format!("{}/files", local(home)), file);
    let desc = |home: &str| (format!("{}/desc", local(home)), "%NAME%\nbash\n");
    // What is left in the usual place does not hide it.
    let owners = read_any(&[
        ("etc/pacman.conf".to_owned(), "[options]\nDBPath = /opt/pacman/\n"),
        desc("opt/pacman"),
        files("opt/pacman", "%FILES%\nusr/bin/bash\n"),
        desc("var/lib/pacman"),
        files("var/lib/pacman", "%FILES%\nusr/bin/left\n"),
        desc("srv/other"),
        files("srv/other", "%FILES%\nusr/bin/other\n"),
    ]);
    assert_owners(&owners, &[("usr/bin/bash", "alpm:bash"), ("usr/bin/left", "alpm:bash"), ("usr/bin/other", "-")]);
    assert_eq!(owners.heat(&path("opt/pacman/sync/core.db")), Heat::Database);
}

#[test]
fn databases_without_end() {
    let stanza = "Package: a\n";
    let many: Vec<(String, &str)> = (0..10_000)
        .flat_map(|n| [(format!("r/{n:05}/status"), stanza), (format!("r/{n:05}/info/a.list"), "/a\n")])
        .collect();
    let owners = read_any(&many);
    assert_owners(&owners, &[("a", "dpkg:a"), ("r/00000/info/a.list", "dpkg:a"), ("r/09999/info/a.list", "-")]);
}

#[test]
fn python_below_the_distribution() {
    let site = "usr/lib/python3/site-packages";
    let record = "yaml/__init__.py,sha256=x,100\r\n\"yaml/a,\"\"b\"\".py\",,\n../../../bin/y,,\n/opt/absolute,,\n\
        PyYAML-6.0.dist-info/RECORD,,\nshared.py,,\n";
    let owners = read(&[
        (&format!("{site}/PyYAML-6.0.dist-info/RECORD"), record),
        (&format!("{site}/zope.interface-7.1.dist-info/RECORD"), "zope/interface/__init__.py,,\n"),
        ("var/lib/dpkg/info/python3-yaml.list", "/usr/lib/python3/site-packages/shared.py\n/usr/bin/tool.py\n"),
    ]);
    let below = |file| format!("{site}/{file}");
    assert_owners(
        &owners,
        &[
            (&below("yaml/__init__.py"), "python:pyyaml"),
            (&below("yaml/__pycache__/__init__.cpython-312.opt-1.pyc"), "python:pyyaml"),
            (&below("yaml/__pycache__/other.cpython-312.pyc"), "-"),
            (&below("yaml/a,\"b\".py"), "python:pyyaml"),
            (&below("PyYAML-6.0.dist-info"), "python:pyyaml"),
            ("usr/bin/y", "python:pyyaml"),
            ("opt/absolute", "python:pyyaml"),
            (&below("zope/interface/__init__.py"), "python:zope-interface"),
            (&below("shared.py"), "dpkg:python3-yaml"),
            ("usr/bin/__pycache__/tool.cpython-313.pyc", "dpkg:python3-yaml"),
        ],
    );
}

#[test]
fn the_maker_has_the_first_word() {
    let xattrs = |component: &str, interval: Option<&str>| {
        let pairs = [("user.component", Some(component)), ("user.update-interval", interval)];
        let xattr = |(name, value): (&str, Option<&str>)| Some(Xattr { name: name.into(), value: value?.into() });
        Hint::parse(&pairs.into_iter().filter_map(xattr).collect::<Vec<_>>())
    };
    let mut owners = read(&[("var/lib/dpkg/info/bash.list", "/opt/model/bash\n")]);
    owners.hint(&path("opt/model"), xattrs("weights", Some("monthly")).unwrap().unwrap());
    owners.hint(&path("opt/model/index"), xattrs("index", None).unwrap().unwrap());
    owners.hint(&path("opt/more"), xattrs("weights", Some("10")).unwrap().unwrap());
    assert_owners(
        &owners,
        &[
            ("opt/model", "component:weights"),
            ("opt/model/a/b", "component:weights"),
            ("opt/model/bash", "component:weights"),
            ("opt/model/index/0", "component:index"),
            ("opt/models", "-"),
        ],
    );
    let interval = |at| owners.interval(&owners.owner_of(&path(at)).unwrap()).map(Days::get);
    assert_eq!((interval("opt/more/x"), interval("opt/model/index")), (Some(10), None));
    assert_eq!(Hint::parse(&[]), Ok(None));
    for wrong in ["", "0", "-1", "often", "99999999999"] {
        assert!(matches!(xattrs("a", Some(wrong)), Err(HintError::Interval { found }) if found == wrong));
    }
    assert!(matches!(xattrs("", None), Err(HintError::Component { .. })));
}

#[test]
fn heat_by_path() {
    use Heat::{ByteCode, Cache, Data, Database};
    let owners = Owners::default();
    for (at, expected) in [
        ("var/lib/dpkg/status", Database),
        ("var/lib/dpkg/status-old", Database),
        ("var/lib/dpkg/info/bash.list", Data),
        ("var/lib/dpkg/status.d/tzdata", Data),
        ("var/lib/dpkg/triggers/File", Database),
        ("var/lib/dpkg", Data),
        ("var/lib/apt/extended_states", Database),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", Database),
        ("usr/lib/sysimage/rpm", Data),
        ("usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite", Database),
        ("lib/apk/db/scripts.tar", Database),
        ("usr/lib/apk/db/installed", Database),
        ("usr/lib/sysimage/dpkg/status", Database),
        ("usr/share/dpkg/database/triggers/File", Database),
        ("usr/share/dpkg/cputable", Data),
        ("usr/lib/sysimage/lib/pacman/sync/core.db", Database),
        ("var/lib/pacman/local/acl-2.3-1/desc", Data),
        ("var/lib/pacman/sync/core.db", Database),
        ("app/node_modules/.package-lock.json", Database),
        ("app/yarn.lock", Database),
        ("app/node_modules/a/yarn.lock", Data),
        ("etc/ld.so.cache", Cache),
        ("usr/share/icons/hicolor/icon-theme.cache", Cache),
        ("usr/share/mime/mime.cache", Cache),
        ("usr/share/mime/text/plain.xml", Cache),
        ("usr/share/mime/packages/x.xml", Data),
        ("var/cache/ldconfig/aux-cache", Cache),
        ("var/cache", Data),
        ("boot/initrd.img-6.1", Cache),
        ("etc/ssl/certs/ca-certificates.crt", Cache),
        ("var/lib/systemd/catalog/database", Cache),
        ("usr/lib/modules/6.1/initramfs.img", Cache),
        ("usr/lib/python3/__pycache__/a.cpython-312.pyc", ByteCode),
        ("usr/bin/bash", Data),
    ] {
        assert_eq!(owners.heat(&path(at)), expected, "{at}");
    }
}

#[test]
fn what_is_not_read_is_said() {
    let says = |at: &str, bytes: &[u8]| {
        let at = path(at);
        assert!(is_evidence(&at), "{at}");
        Owners::read([(&at, bytes)]).1.iter().map(Warning::to_string).collect::<Vec<_>>().join("; ")
    };
    assert!(says("var/lib/rpm/Packages", b"x").contains("not a hash table of Berkeley DB"));
    assert!(says("usr/lib/sysimage/rpm/Packages.db", b"").contains("not an ndb database"));
    assert!(says("var/lib/rpm/rpmdb.sqlite", b"no").contains("not an SQLite database"));
    assert_eq!(says("var/lib/dpkg/status", b"\0\xff\n:"), "/var/lib/dpkg/status: expected text, found a NUL byte");
    assert_eq!(says("var/lib/dpkg/status", b"no\n"), "/var/lib/dpkg/status: expected packages, found none");
    assert_eq!(says("lib/apk/db/installed", b"X:1\n"), "/lib/apk/db/installed: expected packages, found none");
    for empty in
        [("var/lib/dpkg/status", &b"\n"[..]), ("lib/apk/db/installed", b""), ("var/lib/dpkg/info/a.list", b"?")]
    {
        assert_eq!(says(empty.0, empty.1), "");
    }
    let lists = ["a", "b", "c"].map(|name| path(&format!("var/lib/dpkg/info/{name}.list")));
    let warnings = Owners::read(lists.iter().map(|list| (list, &b"\0"[..]))).1;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0]
            .to_string()
            .ends_with("a.list: expected text, found a NUL byte, as in 2 more files of package databases")
    );
}

#[test]
fn lists_without_end() {
    let line = "/a\n";
    let list = line.repeat(crate::limits::LISTED_PATHS + 1);
    let at = path("var/lib/dpkg/info/a.list");
    let (owners, warnings) = Owners::read([(&at, list.as_bytes())]);
    assert_eq!(warnings, [Warning { path: TarPath::root(), problem: Problem::Paths }]);
    assert_owners(&owners, &[("a", "dpkg:a")]);
}
