//! What the image's maker says in chunkah's filemap.json.

use super::*;

const AT: &str = "usr/lib/chunkah/filemap.json";

#[test]
fn components_have_their_files() {
    let owners = read(&[
        (
            AT,
            r#"{
  "bluefin/gnome-shell.bst": { "interval": "weekly", "files": ["/usr/bin/gnome-shell", "/usr/lib/gnome-shell/é"] },
  "freedesktop-sdk.bst:components/glibc.bst": { "files": ["/usr/lib/libc.so.6", "/usr/share/both"], "more": [1, {}] },
  "nightly": { "interval": "daily", "files": ["usr/bin/nightly", "/usr/share/both"] },
  "empty": { "files": [] }
}"#,
        ),
        ("var/lib/dpkg/info/glibc.list", "/usr/lib/libc.so.6\n/usr/share/both\n/usr/bin/ldd\n"),
    ]);
    assert_owners(
        &owners,
        &[
            ("usr/bin/gnome-shell", "component:bluefin/gnome-shell.bst"),
            ("bin/gnome-shell", "component:bluefin/gnome-shell.bst"),
            ("usr/lib/gnome-shell/é", "component:bluefin/gnome-shell.bst"),
            ("usr/lib/gnome-shell", "-"),
            ("usr/lib/libc.so.6", "component:freedesktop-sdk.bst:components/glibc.bst"),
            ("usr/bin/nightly", "component:nightly"),
            // What two components claim is neither's.
            ("usr/share/both", "dpkg:glibc"),
            ("usr/bin/ldd", "dpkg:glibc"),
            (AT, "-"),
        ],
    );
    let interval = |at| owners.interval(&owners.owner_of(&path(at)).unwrap()).map(Days::get);
    assert_eq!([interval("usr/bin/nightly"), interval("usr/lib/libc.so.6")], [Some(1), None]);
    assert_eq!(owners.heat(&path(AT)), Heat::Database);
}

#[test]
fn an_xattr_goes_first() {
    let mut owners = read(&[(AT, r#"{"a": {"files": ["/opt/x", "/opt/y"]}}"#)]);
    let xattr = Xattr { name: b"user.component".to_vec(), value: b"b".to_vec() };
    owners.hint(&path("opt/x"), Hint::parse(&[xattr]).unwrap().unwrap());
    assert_owners(&owners, &[("opt/x", "component:b"), ("opt/y", "component:a")]);
}

#[test]
fn a_broken_one_claims_nothing() {
    let good = r#"{"a": {"files": ["/opt/x"]}"#;
    for bad in [
        "",
        "[]",
        "{\"a\": [\"/opt/x\"]}",
        good,
        &format!("{good}, \"b\": {{\"files\": [1]}}}}"),
        &format!("{good}, \"b\": {{\"files\": null}}}}"),
        &format!("{good}, \"b\": {{}}}}"),
        &format!("{good}, \"b\": {{\"files\": [], \"interval\": \"\\u001b[2Jhourly\"}}}}"),
        &format!("{good}}} more"),
        &format!("{good}, \"b\": {{\"files\": [], \"c\": {}}}}}", "[".repeat(1_000_000)),
    ] {
        let at = path(AT);
        let (owners, warnings) = Owners::read([(&at, bad.as_bytes())]);
        assert_owners(&owners, &[("opt/x", "-")]);
        let said = warnings.iter().map(Warning::to_string).collect::<Vec<_>>().join("; ");
        assert!(said.starts_with("/usr/lib/chunkah/filemap.json: not read, because of line "), "{said}");
        assert!(!said.contains('\x1b'), "{said}");
    }
    let at = path(AT);
    let garbled = Owners::read([(&at, &b"\0"[..])]).1;
    assert_eq!(garbled[0].to_string(), "/usr/lib/chunkah/filemap.json: expected text, found a NUL byte");
}

#[test]
fn one_without_end_is_cut_off() {
    let files = "\"/a\",".repeat(crate::limits::LISTED_PATHS + 1);
    let json = format!("{{\"a\": {{\"files\": [{}]}}}}", files.trim_end_matches(','));
    let at = path(AT);
    let (owners, warnings) = Owners::read([(&at, json.as_bytes())]);
    assert_eq!(warnings, [Warning { path: TarPath::root(), problem: Problem::Paths }]);
    assert_owners(&owners, &[("a", "component:a")]);
}
