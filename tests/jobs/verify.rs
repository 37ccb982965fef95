//! The same files are the same however they lie in layers; each difference is told.

use restrata::order::layers::Prune;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Request, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink, Regular, Symlink};
use restrata::tar::{TarPath, Xattr};
use restrata::verify::{Ignore, Verdict, verify};
use tempfile::TempDir;

use super::image::{Entry, Parts, chunked, entry, file, link, options, plain, platforms, sample};

fn compare(a: &str, b: &str) -> Verdict {
    verify(&a.parse().unwrap(), &b.parse().unwrap(), None, &[], options(), &Progress::new()).unwrap()
}

/// "path what a b" for each difference.
fn differences(a: &[Vec<Entry>], b: &[Vec<Entry>]) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let verdict = compare(&plain(dir.path(), "a", a), &plain(dir.path(), "b", b));
    assert_eq!(verdict.is_same(), verdict.differences.is_empty());
    verdict.differences.into_iter().map(|d| format!("{} {} | {} | {}", d.path, d.what, d.a, d.b)).collect()
}

fn changed(change: impl FnOnce(&mut Entry)) -> Vec<String> {
    let mut entries = vec![file("f", b"content")];
    let before = entries.clone();
    change(&mut entries[0]);
    differences(&[before], &[entries])
}

#[test]
fn a_rechunked_image_is_the_same() {
    let dir = TempDir::new().unwrap();
    let plain = plain(dir.path(), "a", &[sample(), vec![entry("usr/bin/.wh.sym", Regular), file("new", b"n")]]);
    for place in [IndexPlace::First, IndexPlace::End] {
        let verdict = compare(&plain, &chunked(dir.path(), &plain, place));
        assert_eq!((verdict.entries, verdict.differences), (14, Vec::new()));
    }
}

#[test]
fn layers_do_not_matter() {
    let flat = vec![entry("d/", Dir), file("d/b", b"2"), file("c", b"3")];
    let layers = [
        vec![entry("d/", Dir), file("d/a", b"1"), file("d/b", b"old"), file("x", b"")],
        vec![file("d/.wh.a", b""), file("./d/b", b"2"), file(".wh.x", b""), file("/c", b"3")],
    ];
    assert_eq!(differences(&[flat], &layers), Vec::<String>::new());
}

#[test]
fn each_field_is_compared() {
    assert_eq!(changed(|f| f.0.mode = 0o100_711), ["/f mode | 0755 | 0711"]);
    assert_eq!(changed(|f| f.0.mode |= 0o100_000), Vec::<String>::new());
    assert_eq!(changed(|f| f.0.uid = 7), ["/f uid | 0 | 7"]);
    assert_eq!(changed(|f| f.0.gid = 7), ["/f gid | 0 | 7"]);
    assert_eq!(changed(|f| f.0.mtime.nanos = 5), ["/f mtime | 2023-11-14T22:13:20Z | 2023-11-14T22:13:20.000000005Z"]);
    let xattr = Xattr { name: b"user.x".to_vec(), value: vec![b'a', 0] };
    assert_eq!(changed(|f| f.0.xattrs.push(xattr)), ["/f xattr user.x | absent | \"a\\x00\""]);
    let content = changed(|f| f.1[0] = b'C');
    assert!(content.len() == 1 && content[0].starts_with("/f content | 7 bytes, sha256:"), "{content:?}");
    assert!(changed(|f| *f = file("f", b""))[0].ends_with(" | 0 bytes"));
    assert_eq!(changed(|f| *f = entry("f", Dir)), ["/f type | a file of 7 bytes | a directory"]);
    assert_eq!(
        changed(|f| f.0.name = b"g".to_vec()),
        ["/f only in A | a file of 7 bytes | absent", "/g only in B | absent | a file of 7 bytes"]
    );
    let mut other = link("s", Symlink, "b");
    other.0.mode = 0o777;
    assert_eq!(differences(&[vec![link("s", Symlink, "a")]], &[vec![other]]), ["/s symlink | a | b"]);
}

#[test]
fn hard_links_are_one_file() {
    let linked = vec![file("a", b"x"), link("b", HardLink, "a"), file("c", b"x")];
    let other_name = vec![file("b", b"x"), link("a", HardLink, "b"), file("c", b"x")];
    assert_eq!(differences(std::slice::from_ref(&linked), &[other_name]), Vec::<String>::new());
    let copies = vec![file("a", b"x"), file("b", b"x"), file("c", b"x")];
    assert_eq!(
        differences(std::slice::from_ref(&linked), &[copies]),
        ["/a hard link | one file with /a | a file of its own", "/b hard link | one file with /a | a file of its own"]
    );
    let elsewhere = vec![file("a", b"x"), file("b", b"x"), link("c", HardLink, "a")];
    assert_eq!(
        differences(&[linked], &[elsewhere]),
        ["/b hard link | one file with /a | a file of its own", "/c hard link | a file of its own | one file with /a"]
    );
}

/// What rechunk was told to leave out is no difference, nor that a file lost a path with it.
#[test]
fn pruned_paths_are_not_compared() {
    let dir = TempDir::new().unwrap();
    let entries = vec![entry("var/", Dir), file("var/x", b"x"), link("y", HardLink, "var/x"), file("z", b"z")];
    let new = plain(dir.path(), "new", &[entries]);
    for (path, keep_dir) in [("var", true), ("var", false), ("var/x", false)] {
        let prune = Prune { path: TarPath::new(path.as_bytes()).unwrap(), keep_dir };
        let out = format!("oci:{}:v1", dir.path().join("out").display());
        let mut request = Request::new(new.parse().unwrap(), out.parse().unwrap(), options());
        request.layers.prune.push(prune.clone());
        rechunk(&request, &Progress::new()).unwrap();
        assert!(!compare(&new, &out).is_same());
        let ignoring = |ignore: &[Ignore]| {
            verify(&out.parse().unwrap(), &new.parse().unwrap(), None, ignore, options(), &Progress::new()).unwrap()
        };
        let verdict = ignoring(&[Ignore::Pruned(prune)]);
        assert!(verdict.is_same() && verdict.entries > 1, "{path}: {verdict:?}");
    }
}

#[test]
fn platforms_are_compared_one_by_one() {
    let dir = TempDir::new().unwrap();
    let [amd, arm, arm_v8, riscv] =
        ["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/riscv64"].map(|name| name.parse().unwrap());
    let (one, other) = ([vec![file("f", b"1")]], [vec![file("f", b"")]]);
    let a = platforms(dir.path(), "a", &[(amd, &one), (arm, &one)]);
    let b = platforms(dir.path(), "b", &[(arm_v8, &other), (riscv, &one)]);
    let shown = |verdict: Verdict| {
        let line = |d: restrata::verify::Difference| {
            format!("{} {} {}", d.platform.map_or_else(|| "-".to_owned(), |p| p.to_string()), d.path, d.what)
        };
        verdict.differences.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(shown(compare(&a, &b)), ["- / platform only in A", "linux/arm64 /f content", "- / platform only in B"]);
    assert_eq!(shown(compare(&a, &a)), Vec::<String>::new());
    let same = compare(&a, &plain(dir.path(), "single", &one));
    assert!(shown(same).iter().all(|line| line.contains("platform only")));
}

#[test]
fn a_directory_on_disk_can_be_compared() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/motd"), b"hello").unwrap();
    std::fs::hard_link(root.join("etc/motd"), root.join("motd")).unwrap();
    let reference = format!("dir:{}", root.display());
    let image = chunked(dir.path(), &reference, IndexPlace::First);
    assert!(compare(&reference, &image).is_same());
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(compare(&format!("dir:{}", empty.display()), &plain(dir.path(), "nothing", &[Vec::new()])).is_same());
    std::fs::write(root.join("etc/new"), b"").unwrap();
    let found = compare(&image, &reference).differences;
    assert!(found.iter().any(|d| d.path == "/etc/new" && d.what == "only in B"), "{found:?}");
}

#[test]
fn a_damaged_or_missing_image_is_an_error() {
    let dir = TempDir::new().unwrap();
    let good = plain(dir.path(), "a", &[sample()]);
    let mut parts = Parts::read(&good);
    *parts.diff_id() = format!("sha256:{}", "0".repeat(64)).into();
    let bad = parts.write(&dir.path().join("bad"));
    let ask = |reference: &str| {
        let (a, b) = (good.parse().unwrap(), reference.parse().unwrap());
        verify(&a, &b, None, &[], options(), &Progress::new()).unwrap_err()
    };
    let error = ask(&bad);
    assert!(error.to_string().contains("DiffID") && error.exit_code() == 1, "{error}");
    assert_eq!(ask("oci:/nowhere:x").exit_code(), 2);
    assert_eq!(ask(&good.replace(":a", ":missing")).exit_code(), 2);
}
