//! Xattrs that are dropped by name.

use restrata::inventory::XattrGlob;
use restrata::order::State;
use restrata::progress::Progress;
use restrata::tar::Xattr;
use restrata::verify::{Ignore, verify};
use tempfile::TempDir;

use super::image::{Entry, file, noise, options, plain};
use super::runs::run;

fn globs(globs: &[&str]) -> Vec<XattrGlob> {
    globs.iter().map(|glob| glob.parse().unwrap()).collect()
}

fn with(mut entry: Entry, names: &[&str]) -> Entry {
    let xattr = |name: &&str| Xattr { name: (*name).into(), value: b"v".to_vec() };
    entry.0.xattrs = names.iter().map(xattr).collect();
    entry
}

fn differences(a: &str, b: &str, ignore: &[Ignore]) -> Vec<String> {
    let verdict = verify(&a.parse().unwrap(), &b.parse().unwrap(), None, ignore, options(), &Progress::new()).unwrap();
    verdict.differences.into_iter().map(|d| format!("{} {}", d.path, d.what)).collect()
}

#[test]
fn dropped_xattrs_are_in_no_layer_and_the_rest_can_be_compared() {
    let dir = TempDir::new().unwrap();
    let layer = |names: &[&str]| vec![with(file("a", &noise(9000)), names), file("b", b"b")];
    let all = plain(dir.path(), "all", &[layer(&["security.selinux", "user.a", "user.b"])]);
    let few = plain(dir.path(), "few", &[layer(&["user.a"])]);
    let none = plain(dir.path(), "none", &[layer(&[])]);
    let out = |tag: &str| format!("oci:{}:{tag}", dir.path().join("out").display());

    let outcome = run(&dir, &all, "few", |request| request.drop_xattrs = globs(&["security.*", "user.b", "x"]));
    assert_eq!(outcome.notes, ["x: to be dropped, but the image has no such xattr"]);
    assert_eq!(differences(&few, &out("few"), &[]), [""; 0]);
    // The bytes are those of an image that never had them.
    assert_eq!(outcome.images[0].layers[0].diff_id, run(&dir, &few, "plain", |_| {}).images[0].layers[0].diff_id);

    let ignore: Vec<Ignore> = globs(&["security.*", "user.b"]).into_iter().map(Ignore::Xattr).collect();
    assert_eq!(differences(&all, &out("few"), &ignore), [""; 0]);
    assert_eq!(differences(&all, &out("few"), &ignore[..1]), ["/a xattr user.b"]);
    assert_eq!(differences(&all, &none, &ignore), ["/a xattr user.a"]);
}

/// A previous layer that still has them does not stay.
#[test]
fn layers_that_have_them_go() {
    let dir = TempDir::new().unwrap();
    let image = plain(dir.path(), "a", &[vec![with(file("a", &noise(90_000)), &["user.a"])]]);
    run(&dir, &image, "v1", |_| {});
    let previous = format!("oci:{}:v1", dir.path().join("out").display());
    let states = |tag: &str, globs_: &[&str]| {
        let outcome = run(&dir, &image, tag, |request| {
            (request.previous, request.drop_xattrs) = (vec![previous.parse().unwrap()], globs(globs_));
        });
        outcome.images[0].layers.iter().map(|layer| layer.planned.state).collect::<Vec<_>>()
    };
    assert_eq!(states("kept", &[]), [State::Kept]);
    assert_eq!(states("dropped", &["user.*"]), [State::Fresh]);
}
