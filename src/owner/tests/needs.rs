use super::*;

/// Who needs whom, as `FROM > TO`.
fn needs(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(TarPath, &str)> = files.iter().map(|(at, content)| (path(at), *content)).collect();
    assert!(files.iter().all(|(path, _)| is_evidence(path)), "{files:?}");
    let files = || files.iter().map(|(path, content)| (path, content.as_bytes()));
    let (owners, _) = Owners::read(files());
    let mut pairs: Vec<String> =
        Needs::read(files(), &owners).pairs().map(|(from, to)| format!("{from} > {to}")).collect();
    pairs.sort();
    pairs
}

#[test]
fn dpkg_by_source_with_alternatives_and_what_is_provided() {
    let status = "Package: libc6\nStatus: install ok installed\nSource: glibc (2.36-9)\nDepends: libgcc-s1, libc-bin\n\n\
        Package: libc-bin\nStatus: install ok installed\nSource: glibc\nDepends: libc6 (>> 2.36)\n\n\
        Package: libgcc-s1\nSource: gcc-12\nDepends: libc6 (>= 2.35), gcc-12-base (= 12.2)\n\n\
        Package: mawk\nProvides: awk (= 1), other\nPre-Depends: libc6:any\n\n\
        Package: base-files\nDepends: awk, absent\nRecommends: bash\n\n\
        Package: bash\nDepends: gone | libc6 (>= 2) | mawk,\n\n\
        Package: gone\nStatus: deinstall ok config-files\nDepends: bash\n";
    assert_eq!(
        needs(&[("var/lib/dpkg/status", status)]),
        [
            "dpkg:base-files > dpkg:mawk",
            "dpkg:bash > dpkg:glibc",
            "dpkg:gcc-12 > dpkg:glibc",
            "dpkg:glibc > dpkg:gcc-12",
            "dpkg:mawk > dpkg:glibc"
        ]
    );
    let stanza = |package| ("var/lib/dpkg/status.d/".to_owned() + package, format!("Package: {package}\nDepends: b\n"));
    let [a, b] = ["a", "b"].map(stanza);
    assert_eq!(needs(&[(&a.0, &a.1), (&b.0, &b.1)]), ["dpkg:a > dpkg:b"]);
}

#[test]
fn a_package_goes_before_what_others_provide() {
    let status = "Package: a\nProvides: z\n\nPackage: b\nDepends: z\n\nPackage: z\n";
    assert_eq!(needs(&[("var/lib/dpkg/status", status)]), ["dpkg:b > dpkg:z"]);
}

#[test]
fn apk_by_origin_and_by_path() {
    let installed = "P:musl\no:musl\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld-musl-x86_64.so.1\n\n\
        P:busybox-binsh\no:busybox\nD:!other so:libc.musl-x86_64.so.1\nF:bin\nR:sh\n\n\
        P:scripts\nD:/bin/sh musl>=1.2\nF:usr\nR:D:musl\n\n";
    assert_eq!(
        needs(&[("lib/apk/db/installed", installed)]),
        ["apk:busybox > apk:musl", "apk:scripts > apk:busybox", "apk:scripts > apk:musl"]
    );
}

#[test]
fn alpm_by_base() {
    let local = "var/lib/pacman/local";
    assert_eq!(
        needs(&[
            (
                &format!("{local}/gcc-libs-14-1/desc"),
                "%NAME%\ngcc-libs\n\n%BASE%\ngcc\n\n%PROVIDES%\nlibgcc_s.so=1-64\n\n%DEPENDS%\nglibc>=2.27\n\n"
            ),
            (&format!("{local}/glibc-2.40-1/desc"), "%NAME%\nglibc\n\n"),
            (
                &format!("{local}/x-1-1/desc"),
                "%NAME%\nx\n\n%DEPENDS%\nlibgcc_s.so=1-64\nnone\n\n%OPTDEPENDS%\nglibc\n\n"
            ),
        ]),
        ["alpm:gcc > alpm:glibc", "alpm:x > alpm:gcc"]
    );
}

#[test]
fn python_without_conditions_and_each_site_alone() {
    let meta = |site: &str, dist: &str| format!("{site}/{dist}.dist-info/METADATA");
    let record = |site: &str, dist: &str| format!("{site}/{dist}.dist-info/RECORD");
    let (site, other) = ("usr/lib/python3/site-packages", "opt/venv/lib/python3.13/site-packages");
    let pandas = "Name: pandas\nRequires-Dist: NumPy>=1.26; python_version < \"4\"\nRequires-Dist: python_dateutil>=2.8\n\
        Requires-Dist: six[extra] (>=1)\n\nRequires-Dist: numpy\n";
    let files = [
        (meta(site, "pandas-2.2"), pandas),
        (meta(site, "python_dateutil-2.9"), "Requires-Dist: six >=1.5\n"),
        (meta(site, "numpy-2.1"), ""),
        (meta(other, "six-1.16"), ""),
        // Debian's: the package owns it.
        (meta(site, "six-1.16"), ""),
        ("var/lib/dpkg/status".to_owned(), "Package: python3-six\nSource: six\n"),
        (
            "var/lib/dpkg/info/python3-six.list".to_owned(),
            "/usr/lib/python3/site-packages/six-1.16.dist-info/METADATA\n",
        ),
        (record(other, "six-1.16"), "six.py,,\n"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(at, content)| (at.as_str(), *content)).collect();
    assert_eq!(
        needs(&files),
        ["python:pandas > dpkg:six", "python:pandas > python:python-dateutil", "python:python-dateutil > dpkg:six"]
    );
}

#[test]
fn npm_finds_the_nearest() {
    let lock = r#"{"packages": {
        "node_modules/a": {"dependencies": {"b": "1", "@s/c": "2", "absent": "3"}},
        "node_modules/a/node_modules/b": {"version": "1", "dependencies": {"d": "1", "b": "1"}},
        "node_modules/b": {"devDependencies": {"a": "1"}}, "node_modules/@s/c": {}, "node_modules/d": {}, "": {"x": [1]}}}"#;
    let found = needs(&[("srv/app/node_modules/.package-lock.json", lock)]);
    let at = |package| format!("npm:srv/app/node_modules/{package}");
    let pairs = [("a", "@s/c"), ("a", "a/node_modules/b"), ("a/node_modules/b", "d")];
    assert_eq!(found, pairs.map(|(from, to)| format!("{} > {}", at(from), at(to))));
    for bad in ["", "{", "[]", "{\"packages\": {\"\": 1}}", "{\"packages\": 7}"] {
        assert_eq!(needs(&[("node_modules/.package-lock.json", bad)]), [""; 0]);
    }
}

#[test]
fn there_is_a_limit() {
    let mut status: String = (0..70_000).map(|n| format!("Package: p{n}\nDepends: p0, p1\n\n")).collect();
    status += "Package: x\nDepends: ";
    status += &"p2,".repeat(300_000);
    let pairs = needs(&[("var/lib/dpkg/status", &status)]);
    assert_eq!(pairs.len(), crate::limits::DEPENDENCIES);
}

#[test]
fn what_tells_of_needs_is_read_when_they_are_asked_for() {
    let there = |_: &TarPath| false;
    for (at, owners, needs) in [
        ("node_modules/.package-lock.json", Wanted::Nothing, Wanted::Content),
        ("s/a-1.dist-info/METADATA", Wanted::Name, Wanted::Content),
        ("h/specifications/rake-1.gemspec", Wanted::Name, Wanted::Name),
    ] {
        assert_eq!(wanted(&path(at), Depth::Owners, there), owners, "{at}");
        assert_eq!(wanted(&path(at), Depth::Needs, there), needs, "{at}");
    }
    assert!(!is_evidence(&path("srv/.package-lock.json")));
}
