//! An image that is laid out against its own layout.

use restrata::oci::Platform;
use restrata::order::State;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::tar::EntryKind::Dir;
use tempfile::TempDir;

use super::image::{entry, file, noise, options, plain, platforms};

fn run(dir: &TempDir, new: &str, tag: &str, previous: Option<&str>) -> Outcome {
    let dest = |tag: &str| format!("oci:{}:{tag}", dir.path().join("out").display());
    let name = |text: &str| if text.contains(':') { text.to_owned() } else { dest(text) };
    let mut request = Request::new(name(new).parse().unwrap(), dest(tag).parse().unwrap(), options());
    request.previous = previous.iter().map(|previous| name(previous).parse().unwrap()).collect();
    rechunk(&request, &Progress::new()).unwrap()
}

#[test]
fn what_did_not_change_is_the_same_image() {
    let dir = TempDir::new().unwrap();
    let layer = |extra: &[_]| [&[file("data", &noise(300_000)), file("lib", &noise(9000))], extra].concat();
    let old = plain(dir.path(), "old", &[layer(&[file("a", b"1"), entry("d/", Dir)])]);
    let new = plain(dir.path(), "new", &[layer(&[file("b", b"2")])]);
    let gone = plain(dir.path(), "gone", &[layer(&[])]);
    let first = run(&dir, &old, "v1", None).digest;
    assert_eq!(run(&dir, &old, "v1a", Some("v1")).digest, first);
    // The layout itself may be the input.
    assert_eq!(run(&dir, "v1", "v1b", Some("v1a")).digest, first);
    let update = run(&dir, &new, "v2", Some("v1"));
    let states: Vec<State> = update.images[0].layers.iter().map(|layer| layer.planned.state).collect();
    assert_eq!(states, [State::Kept, State::Fresh]);
    assert_eq!(run(&dir, &new, "v2a", Some("v2")).digest, update.digest);
    // Names alone went, which a layer without an entry says.
    let last = run(&dir, &gone, "v3", Some("v2")).digest;
    assert!(last != update.digest);
    assert_eq!(run(&dir, &gone, "v3a", Some("v3")).digest, last);
    assert_eq!(run(&dir, "v3a", "v3b", Some("v3")).digest, last);
}

#[test]
fn so_are_all_platforms() {
    let dir = TempDir::new().unwrap();
    let [amd, arm]: [Platform; 2] = ["linux/amd64", "linux/arm64"].map(|name| name.parse().unwrap());
    let layers = [vec![file("data", &noise(9000))]];
    let new = platforms(dir.path(), "new", &[(amd, &layers), (arm, &layers)]);
    let first = run(&dir, &new, "v1", None);
    assert_eq!(first.images.len(), 2);
    assert_eq!(run(&dir, &new, "v2", Some("v1")).digest, first.digest);
}
