//! A gzip image that the published image has, and that is damaged or gone.

use std::fs;

use restrata::compression::{Format, Formats};
use restrata::degraded::Code;
use restrata::error::Error;
use tempfile::TempDir;

use super::super::runs::{dest, run, try_run};
use super::{Layout, checked, codes, digests, first, second, twin, update, with};

#[test]
fn a_run_without_a_twin_says_that_one_is_lost() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let outcome = update(&dir, Formats::default(), "v1", "v2");
    assert_eq!(codes(&outcome), ["twin-lost"]);
    assert!(outcome.degraded[0].message.contains("--twin gzip writes both"), "{:?}", outcome.degraded);
    assert!(outcome.images[0].twin.is_none());
}

/// The tag's image has a twin, whichever image is the previous one.
#[test]
fn a_tag_that_loses_its_twin_says_so() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "alone", |_| {});
    for (previous, formats, expected) in [
        (None, Formats::default(), vec!["twin-lost"]),
        (Some("alone"), Formats::default(), vec!["twin-lost"]),
        (Some("v1"), Formats::default(), vec!["twin-lost"]),
        (None, twin(), vec![]),
        (None, Formats::alone(Format::Gzip), vec![]),
    ] {
        run(&dir, &first(dir.path()), "v1", with(twin()));
        let outcome = run(&dir, &second(dir.path()), "v1", |request| {
            request.formats = formats;
            request.first = previous.is_none();
            request.previous = previous.map(|tag| dest(&dir, tag).parse().unwrap()).into_iter().collect();
        });
        assert_eq!(codes(&outcome), expected, "{previous:?}, {formats:?}");
    }
}

/// A twin whose blob is damaged is made again, and says so.
#[test]
fn a_twin_that_lies_is_not_used() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let layout = Layout::out(&dir);
    let blob = layout.blob(&digests(&layout.manifests("v1")[0])[0]);
    let good = fs::read(&blob).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    // In another layout: a blob that is there under its name is not written again.
    let copy = dir.path().join("copy");
    fs::rename(&layout.0, &copy).unwrap();
    fs::write(Layout(copy.clone()).blob(&digests(&Layout(copy.clone()).manifests("v1")[0])[0]), &bad).unwrap();
    let outcome = run(&dir, &second(dir.path()), "v2", |request| {
        request.formats = twin();
        request.previous = vec![format!("oci:{}:v1", copy.display()).parse().unwrap()];
    });
    assert_eq!(codes(&outcome), ["layer-damaged"]);
    assert!(outcome.degraded[0].message.contains("the gzip twin of layer 0"), "{:?}", outcome.degraded);
    assert_eq!(fs::read(&blob).unwrap(), good);
    assert!(checked(&dir, "v2").is_clean());
}

/// A blob that is gone is the same as one that is damaged.
#[test]
fn a_twin_that_is_gone_is_made_again() {
    let dir = TempDir::new().unwrap();
    let once = run(&dir, &first(dir.path()), "v1", with(twin()));
    let layout = Layout::out(&dir);
    let blob = layout.blob(&digests(&layout.manifests("v1")[0])[0]);
    fs::remove_file(&blob).unwrap();
    let again = |strict| {
        try_run(&dir, &first(dir.path()), "again", |request| {
            request.formats = twin();
            request.strict = strict;
            request.previous = vec![dest(&dir, "v1").parse().unwrap()];
        })
    };
    let refused = again(true).unwrap_err();
    assert!(matches!(&refused, Error::Strict { degraded } if degraded[0].code == Code::LayerDamaged), "{refused:?}");
    let outcome = again(false).unwrap();
    assert_eq!(codes(&outcome), ["layer-damaged"]);
    assert_eq!(outcome.digest, once.digest);
    assert!(blob.exists());
}
