//! Pushes that stop in the middle, and callers that are wrong.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use super::tests::{MANIFEST, OLD, World, digest_of, image_of, status};
use super::*;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::registry::tests::content;
use crate::registry::tests::stub::Fault as Wrong;

#[test]
fn an_upload_that_fails_ends_the_work() {
    let world = World::new();
    world.fault("POST", "/blobs/uploads/", 99, status(403));
    let push = world.open(&["v1"], false).unwrap();
    let mut made = 0_u32;
    let error = push.during(|uploads| -> Result<(), Error> {
        loop {
            made += 1;
            let mut blob = uploads.blob()?;
            blob.write_all(&made.to_le_bytes()).unwrap();
            blob.finish()?;
        }
    });
    let error = error.unwrap_err();
    assert!(error.to_string().contains("no permission to push to a"), "{error}");
}

#[test]
fn work_that_fails_ends_the_uploads() {
    let world = World::new();
    world.fault("PUT", "/blobs/uploads/", 1, Wrong::Late);
    let push = world.open(&["v1"], false).unwrap();
    let error = push.during(|uploads| -> Result<(), Error> {
        uploads.put_config(&content(2 << 20))?;
        while world.registry.state().uploads.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        Err(Error::Internal("of the test"))
    });
    assert!(matches!(error, Err(Error::Internal("of the test"))), "{error:?}");
    assert!(world.registry.state().uploads.is_empty() && world.asked("DELETE", "/blobs/uploads/") == 1);
    let image = Descriptor::new(MANIFEST, digest_of(b"x"), 1);
    assert!(matches!(push.commit(vec![image], None), Err(PushError::Internal(_))));
}

#[test]
fn work_that_fails_ends_the_waits() {
    let mut world = World::new();
    world.reach.options.retries.tries = u32::MAX;
    world.fault("POST", "/blobs/uploads/", usize::MAX, status(429));
    let push = world.open(&["v1"], false).unwrap();
    let error = push.during(|uploads| -> Result<(), Error> {
        uploads.put_config(b"{}")?;
        while world.asked("POST", "/blobs/uploads/") == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        Err(Error::Internal("of the test"))
    });
    assert!(matches!(error, Err(Error::Internal("of the test"))), "{error:?}");
}

#[test]
fn an_interruption_ends_the_sessions() {
    let world = World::new();
    world.fault("PUT", "/blobs/uploads/", 1, Wrong::Late);
    let push = world.open(&["v1"], false).unwrap();
    let error = push.during(|uploads| -> Result<(), Error> {
        uploads.put_config(&content(2 << 20))?;
        while world.registry.state().uploads.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        world.progress.cancel();
        Ok(())
    });
    let error = error.unwrap_err();
    assert_eq!(error.exit_code(), 130);
    assert!(error.to_string().starts_with("interrupted; docker://localhost"), "{error}");
    assert!(world.registry.state().uploads.is_empty() && world.asked("DELETE", "/blobs/uploads/") == 1);
    assert_eq!(world.tag("v1").unwrap(), OLD);
}

#[test]
fn a_manifest_of_blobs_that_were_not_handed_in() {
    let world = World::new();
    let push = world.open(&["v1"], false).unwrap();
    let image = push.during(|uploads| image_of(uploads, &[(digest_of(b"x"), 1)])).unwrap();
    assert!(matches!(push.commit(vec![image], None), Err(PushError::Internal(_))));
    let push = world.open(&["v1"], false).unwrap();
    assert!(matches!(push.commit(vec![], None), Err(PushError::Internal(_))));
    let error = push_large(&world).unwrap_err().to_string();
    assert!(error.contains("expected at most 4,194,304, found 4,194,305"), "{error}");
}

fn push_large(world: &World) -> Result<(BlobDigest, u64), Error> {
    let push = world.open(&["v1"], false)?;
    push.during(|uploads| Ok(uploads.put_manifest(MANIFEST, &vec![b' '; (4 << 20) + 1])?))
}
