//! Tags: when they move, and when they don't.

use std::sync::Arc;

use super::tests::{MANIFEST, OLD, World, digest_of, image_of, layers, new_image, status};
use super::*;
use crate::error::Error;
use crate::oci::{Descriptor, Index, Top};
use crate::registry::tests::content;
use crate::registry::tests::stub::{Answer, Fault as Wrong};

/// Of somebody else.
const OTHER: &[u8] = br#"{"schemaVersion":2,"other":1}"#;

/// Somebody else changes the registry while an image is pushed.
fn published(world: &World, tags: &[&str], force: bool, meanwhile: impl FnOnce()) -> Result<Pushed, Error> {
    let push = world.open(tags, force)?;
    let image = push.during(|uploads| new_image(uploads, &layers()))?;
    meanwhile();
    Ok(push.commit(vec![image], None)?)
}

#[test]
fn what_tags_pointed_at() {
    let world = World::new();
    let push = world.open(&["new", "v1", "new"], false).unwrap();
    let found: Vec<_> = push.tags().iter().map(|t| (t.tag.as_str(), t.document.as_ref().map(|d| d.digest))).collect();
    assert_eq!(found, [("new", None), ("v1", Some(digest_of(OLD)))]);
    for tags in [&["v1", "a b"][..], &["v1", "../x"]] {
        assert!(world.open(tags, false).unwrap_err().to_string().contains("expected a tag"));
    }
    let name: Name = format!("{}/a@{}", world.registry.host(), digest_of(OLD)).parse().unwrap();
    let reach = Reach::current();
    let error = Push::open(&name, &[], &reach, Path::new("/"), false, &world.progress).unwrap_err().to_string();
    assert!(error.contains("found one with a digest"), "{error}");
}

#[test]
fn a_repository_that_is_not_there_yet() {
    let world = World::new();
    world.registry.state().manifests.clear();
    for answer in [Answer::error(404, "NAME_UNKNOWN"), Answer::error(404, "MANIFEST_UNKNOWN")] {
        world.fault("GET", "/manifests/", 1, Wrong::Answer(answer));
        assert!(world.open(&["v1"], false).unwrap().tags()[0].document.is_none());
    }
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
}

#[test]
fn somebody_else_published() {
    let text = format!("{}, and now it points at {}", digest_of(OLD), digest_of(OTHER));
    for (move_it, says) in [(true, text.as_str()), (false, "and now it points at nothing")] {
        let world = World::new();
        let meanwhile = || match move_it {
            true => drop(world.registry.put_manifest("a", "v1", OTHER)),
            false => drop(world.registry.state().manifests.remove(&("a".to_owned(), "v1".to_owned()))),
        };
        let error = published(&world, &["new", "v1"], false, meanwhile).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("run again to build on that, or use --force"), "{error}");
        assert!(error.contains("/a:v1: somebody else published there"), "{error}");
        assert_eq!((world.tag("v1"), world.tag("new")), (move_it.then(|| OTHER.to_vec()), None));
        let pushed = published(&world, &["new", "v1"], true, meanwhile).unwrap();
        assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    }
    // A tag that was not there.
    let world = World::new();
    let error = published(&world, &["new"], false, || drop(world.registry.put_manifest("a", "new", OTHER)));
    assert!(error.unwrap_err().to_string().contains("it pointed at nothing, and now it points at sha256:"));
    assert_eq!(world.tag("new").unwrap(), OTHER);
}

#[test]
fn somebody_else_published_the_same() {
    let world = World::new();
    let digest = world.publish(&["same"], false, &layers()).unwrap().digest;
    let same = world.tag("same").unwrap();
    let before = world.asked("PUT", "/manifests/");
    let pushed = published(&world, &["v1"], false, || drop(world.registry.put_manifest("a", "v1", &same))).unwrap();
    assert_eq!((pushed.digest, world.asked("PUT", "/manifests/")), (digest, before));
}

#[test]
fn a_registry_that_does_not_name_digests() {
    let world = World::new();
    world.fault("HEAD", "/manifests/", 9, Wrong::Header("Docker-Content-Digest", String::new()));
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
}

#[test]
fn several_tags() {
    let world = World::new();
    let pushed = world.publish(&["v1", "v2", "v1", "latest"], false, &layers()).unwrap();
    let at = |tag: &str| format!("docker://{}/a:{tag}", world.registry.host());
    assert_eq!(pushed.references, [at("v1"), at("v2"), at("latest")]);
    for tag in ["v1", "v2", "latest"] {
        assert_eq!(digest_of(&world.tag(tag).unwrap()), pushed.digest);
    }
    assert_eq!(world.asked("PUT", "/blobs/uploads/"), 5);
}

#[test]
fn the_second_tag_does_not_move() {
    let world = World::new();
    // The first tag, which is there, moves last.
    world.fault("PUT", "/manifests/v3", 1, status(403));
    let error = world.publish(&["v1", "v2", "v3"], false, &layers()).unwrap_err().to_string();
    let (at, new) = (|tag: &str| format!("docker://{}/a:{tag}", world.registry.host()), world.tag("v2").unwrap());
    let says = format!(
        "; {} points at the new image {}; {} is as it was, and so is {}; all are whole images; run the same command again",
        at("v2"),
        digest_of(&new),
        at("v3"),
        at("v1")
    );
    assert!(error.contains(&says), "{error}");
    assert!(new != OLD && world.tag("v3").is_none() && world.tag("v1").unwrap() == OLD);
    let before = world.asked("PUT", "/blobs/");
    let pushed = world.publish(&["v1", "v2", "v3"], false, &layers()).unwrap();
    assert_eq!(digest_of(&world.tag("v3").unwrap()), pushed.digest);
    assert_eq!(world.asked("PUT", "/blobs/"), before);
}

#[test]
fn answers_that_are_lost() {
    // All of one request's tries: the document is there.
    let world = World::new();
    world.fault("PUT", "/manifests/", 5, Wrong::Lost);
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    // The registry is gone from then on.
    let world = World::new();
    world.fault("PUT", "/manifests/", 5, Wrong::Lost);
    world.fault("HEAD", "/manifests/", 1, Wrong::Header("X", "the look before".to_owned()));
    world.fault("HEAD", "/manifests/", 9, status(500));
    let error = world.publish(&["v1"], false, &layers()).unwrap_err().to_string();
    assert!(error.contains("/a:v1 points at sha256:"), "{error}");
    assert!(world.tag("v1").is_some());
}

#[test]
fn an_interruption_between_tags() {
    let mut world = World::new();
    // The first wait ends the job.
    world.reach.options.retries.pause = Arc::new(|_, progress| {
        progress.cancel();
        progress.check()
    });
    world.fault("PUT", "/manifests/v1", 1, status(503));
    let error = world.publish(&["v1", "v2"], false, &layers()).unwrap_err();
    assert_eq!((error.exit_code(), world.tag("v1").unwrap() == OLD), (130, true));
    let says = format!("interrupted; docker://{}/a:v2 points at the new image", world.registry.host());
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(error.to_string().matches("is not known; all are whole images").count(), 1, "{error}");
}

#[test]
fn an_interruption_before_the_tags() {
    let world = World::new();
    let push = world.open(&["v1", "v2"], false).unwrap();
    let image = push.during(|uploads| new_image(uploads, &layers())).unwrap();
    world.progress.cancel();
    let error = push.commit(vec![image], None).unwrap_err();
    assert!(error.is_interrupted() && error.to_string().contains("a:v1 and docker://"), "{error}");
    assert_eq!(world.tag("v1").unwrap(), OLD);
}

#[test]
fn several_images_get_an_index() {
    let world = World::new();
    for again in [false, true] {
        let push = world.open(&["v1", "v2"], false).unwrap();
        let images = push.during(|uploads| -> Result<Vec<Descriptor>, Error> {
            let mut first = new_image(uploads, &[content(100)])?;
            first.set_annotation("org.opencontainers.image.ref.name", "gone");
            Ok(vec![first, new_image(uploads, &[content(200)])?])
        });
        let pushed = push.commit(images.unwrap(), None).unwrap();
        let index = world.tag("v2").unwrap();
        assert_eq!(digest_of(&index), pushed.digest);
        let parsed = Index::parse(&index, "index").unwrap();
        assert!(parsed.manifests().count() == 2 && parsed.tags().is_empty());
        assert_eq!(world.registry.state().manifests[&("a".to_owned(), "v1".to_owned())].0, Top::INDEX);
        // Two manifests and two tags, once.
        assert_eq!(world.asked("PUT", "/manifests/"), 4, "{again}");
    }
    // One with an index that led to it.
    let push = world.open(&["v1"], false).unwrap();
    let image = push.during(|uploads| image_of(uploads, &[])).unwrap();
    push.commit(vec![image], Some(&Index::default())).unwrap();
    assert_eq!(Index::parse(&world.tag("v1").unwrap(), "index").unwrap().manifests().count(), 1);
    let at = |tag: &str| world.registry.state().manifests[&("a".to_owned(), tag.to_owned())].0.clone();
    assert!(at("v1") == Top::INDEX && at("v2") == Top::INDEX && MANIFEST != Top::INDEX);
}
