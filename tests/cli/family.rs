//! `family` as it is typed.

use tempfile::TempDir;

use super::{code, err, images, out, restrata};

#[test]
fn quiet_names_each_destination_with_its_digest() {
    let dir = TempDir::new().unwrap();
    let (root, dest) = images(dir.path());
    let members = ["a", "b"].map(|tag| format!("{root}={dest}-{tag}"));
    let output = restrata(&["family", &members[0], &members[1], "-q"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let lines: Vec<String> = out(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, tag) in lines.iter().zip(["a", "b"]) {
        assert!(line.starts_with(&format!("{dest}-{tag} sha256:")), "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_64() {
    let dir = TempDir::new().unwrap();
    let (root, dest) = images(dir.path());
    let one = format!("{root}={dest}");
    let archive = |tag: &str| format!("{root}=oci-archive:{}:{tag}", dir.path().join("x.tar").display());
    for (arguments, told) in [
        (vec![root.clone()], "expected NEW=DEST"),
        (vec![format!("{one}=")], "PREVIOUS is empty"),
        (vec![one.clone(), one.clone()], "two members have the destination"),
        (vec![archive("a"), archive("b")], "an archive holds one image"),
        (vec![one.clone(), "--previous".to_owned(), "oci:a".to_owned()], "NEW=DEST=PREVIOUS"),
        (vec![one.clone(), "--tag".to_owned(), "a".to_owned()], "each image has the tag of its DEST"),
    ] {
        let arguments: Vec<&str> = std::iter::once("family").chain(arguments.iter().map(String::as_str)).collect();
        let output = restrata(&arguments);
        assert_eq!(code(&output), 64, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(told), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn a_path_that_no_member_has_is_3_with_strict() {
    let dir = TempDir::new().unwrap();
    let (root, dest) = images(dir.path());
    let members = ["a", "b"].map(|tag| format!("{root}={dest}-{tag}"));
    let run = |path| restrata(&["family", &members[0], &members[1], "--strict", "--own-layer", path]);
    let output = run("/nope");
    assert_eq!(code(&output), 3, "{}", err(&output));
    assert!(err(&output).contains("path-unmatched"), "{}", err(&output));
    assert_eq!(code(&run("/data")), 0);
}

#[test]
fn a_member_that_is_not_there_is_2() {
    let dir = TempDir::new().unwrap();
    let (root, dest) = images(dir.path());
    let output = restrata(&["family", &format!("{root}={dest}-a"), &format!("oci:/nowhere:x={dest}-b")]);
    assert_eq!(code(&output), 2, "{}", err(&output));
    assert!(!dir.path().join("out").exists());
}
