//! Layers that stay: mounted, or streamed from where they are.

use std::io::Write as _;

use super::tests::{OLD, World, digest_of, image_of, status};
use super::*;
use crate::bytes::FileBytes;
use crate::error::Error;
use crate::origin::Origin;
use crate::registry::StoredBlob;
use crate::registry::tests::stub::{Answer, Fault as Wrong, Registry};
use crate::registry::tests::{client, content};
use crate::span::Span;
use crate::watch::Watched;

/// Keeps one layer that another registry's repository has.
fn keep(world: &World, from: &Registry, layer: &[u8]) -> Result<Pushed, Error> {
    let source = client(from, &world.progress);
    let repository = source.repository("from").unwrap();
    let (digest, size) = (digest_of(layer), layer.len() as u64);
    let origin = Origin::Registry(StoredBlob { repository, digest, size });
    let push = world.open(&["v1"], false)?;
    let image = push.during(|uploads| {
        uploads.keep(&origin, digest, size)?;
        uploads.keep(&origin, digest, size)?;
        image_of(uploads, &[(digest, size)])
    })?;
    Ok(push.commit(vec![image], None)?)
}

#[test]
fn a_kept_layer_is_mounted() {
    let (world, layer) = (World::new(), content(3 << 20));
    world.registry.put_blob("from", &layer);
    let pushed = keep(&world, &world.registry, &layer).unwrap();
    assert_eq!(pushed.counts.mounted, Amount { blobs: 1, bytes: 3 << 20 });
    assert_eq!((digest_of(&world.tag("v1").unwrap()), pushed.counts.sent.blobs), (pushed.digest, 1));
    assert_eq!(world.asked("GET", "/blobs/"), 0);
}

#[test]
fn a_mount_that_fails_becomes_an_upload() {
    let begun = Answer::new(202).header("Location", "/v2/a/blobs/uploads/77");
    for refusal in [status(401), status(403), status(404), status(405), Wrong::Answer(begun)] {
        let (world, layer) = (World::new(), content(3 << 20));
        world.registry.put_blob("from", &layer);
        world.registry.put_blob("a", b"{\"config\":1}");
        world.fault("POST", "/blobs/uploads/", 1, refusal.clone());
        let pushed = keep(&world, &world.registry, &layer).unwrap();
        assert_eq!(pushed.counts.sent, Amount { blobs: 1, bytes: 3 << 20 }, "{refusal:?}");
        assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    }
}

#[test]
fn a_kept_layer_comes_from_another_registry() {
    let (other, layer) = (Registry::start(), content(3 << 20));
    other.put_blob("from", &layer);
    for (times, fault, says) in [
        (0, Wrong::Flip, None),
        (1, Wrong::Cut(1 << 20), None),
        (1, status(503), None),
        (9, Wrong::Flip, Some("reading what is to be sent: GET ")),
        (9, status(404), Some("is not there")),
    ] {
        let world = World::new();
        other.state().rules_end();
        other.fault("GET", "/blobs/", times, fault.clone());
        match (keep(&world, &other, &layer), says) {
            (Ok(pushed), None) => assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest),
            (Err(error), Some(says)) => {
                assert!(error.to_string().contains(says) && error.to_string().contains("is as it was"), "{error}");
                assert_eq!(world.tag("v1").unwrap(), OLD);
            }
            (done, _) => panic!("{fault:?}: {done:?}"),
        }
        assert_eq!(world.asked("POST", "mount"), 0);
    }
}

#[test]
fn a_kept_layer_comes_from_a_file() {
    let layer = content(3 << 20);
    for written_to in [false, true] {
        let world = World::new();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b"before", layer.as_slice()].concat()).unwrap();
        if written_to {
            std::os::unix::fs::FileExt::write_all_at(&file, b"x", 1000).unwrap();
        }
        let bytes = FileBytes::new(file, Span::new(6, layer.len() as u64).unwrap());
        let origin = Origin::File(Watched::new(bytes).unwrap());
        let push = world.open(&["v1"], false).unwrap();
        let of_layer = (digest_of(&layer), layer.len() as u64);
        let image = push.during(|uploads| {
            uploads.keep(&origin, of_layer.0, of_layer.1)?;
            image_of(uploads, &[of_layer])
        });
        match (image, written_to) {
            (Ok(image), false) => {
                let pushed = push.commit(vec![image], None).unwrap();
                assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
            }
            (Err(error), true) => {
                assert!(error.to_string().contains("was written to while it was copied"), "{error}");
                assert!(!world.registry.state().blobs.values().any(|blob| blob.len() == layer.len()));
                assert_eq!(world.tag("v1").unwrap(), OLD);
            }
            (image, _) => panic!("{image:?}"),
        }
    }
}
