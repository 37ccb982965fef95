//! Ctrl-C ends a run within a second, whatever it reads. The tests allow for a busy machine and a program that is not optimised.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::disk::zeros;
use super::harness::{DEST, Dir, NEW, OLD, ended, said, signal};
use super::make::*;

const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until it is well inside of its work, and interrupts it.
fn interrupted(make: fn(&Path), arguments: &[&str]) {
    let dir = Dir::new();
    make(dir.path());
    let mut child = dir.start(arguments);
    if let Some(status) = ended(&mut child, Duration::from_secs(2)) {
        panic!("{arguments:?} ended by itself: {status} {}", said(&child.wait_with_output().unwrap()));
    }
    signal(child.id(), "INT");
    let Some(status) = ended(&mut child, PATIENCE) else {
        signal(child.id(), "KILL");
        panic!("{arguments:?}: still there {PATIENCE:?} after an interrupt");
    };
    let said = said(&child.wait_with_output().unwrap());
    assert_eq!(status.code(), Some(130), "{arguments:?}: {said}");
    assert!(said.contains("interrupted"), "{arguments:?}: {said}");
    dir.expect_clean(false);
}

#[test]
fn a_hole() {
    let make = |dir: &Path| image(&dir.join("new"), |tar| sparse(tar, "f", 900_000_000_000));
    for arguments in [&["rechunk", NEW, DEST][..], &["verify", NEW, NEW], &["check", NEW], &["diff", NEW, NEW]] {
        interrupted(make, arguments);
    }
}

#[test]
fn zeros_behind_the_end() {
    for arguments in [&["rechunk", NEW, DEST][..], &["check", NEW]] {
        interrupted(|dir| zeros(&dir.join("new"), 900), arguments);
    }
}

#[test]
fn frames_of_a_chunked_layer() {
    interrupted(|dir| long_frames(&dir.join("new")), &["check", NEW]);
}

#[test]
fn a_previous_layer_that_is_proven() {
    let make = |dir: &Path| {
        honest(&dir.join("new"));
        long_frames(&dir.join("old"));
    };
    interrupted(make, &["rechunk", NEW, DEST, "--previous", OLD]);
}

/// A blob that is longer than it is on disk.
#[test]
fn what_a_decoder_skips() {
    let make = |dir: &Path| {
        let new = dir.join("new");
        begin(&new);
        let (mut descriptor, diff_id) = raw_layer(&new, b"to be replaced");
        let name = &descriptor["digest"].as_str().unwrap()["sha256:".len()..];
        let mut blob = File::create(new.join("blobs/sha256").join(name)).unwrap();
        blob.write_all(&zeros_frame(1)).unwrap();
        for _ in 0..60 {
            blob.write_all(&0x184d_2a50_u32.to_le_bytes()).unwrap();
            blob.write_all(&u32::MAX.to_le_bytes()).unwrap();
            blob.seek(SeekFrom::Current(u32::MAX.into())).unwrap();
        }
        let len = blob.stream_position().unwrap();
        blob.set_len(len).unwrap();
        descriptor["size"] = json!(len);
        tag(&new, manifest(&new, &[(descriptor, diff_id)], json!({})));
    };
    interrupted(make, &["rechunk", NEW, DEST]);
}

fn long_frames(dir: &Path) {
    begin(dir);
    let layer = chunked_layer(dir, &zeros_frame(8192).repeat(900), &toc_of_dirs(1, 1));
    tag(dir, manifest(dir, &[layer], json!({})));
}
