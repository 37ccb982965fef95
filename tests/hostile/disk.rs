//! Disk, and time, without a bound: what a layer of a few bytes unpacks to.

use std::path::Path;

use serde_json::json;

use super::harness::{Case, DEST, NEW, OLD, cases};
use super::make::*;

/// Every job says the same.
const SAYS: &str = "expected at most 1,000,000,000,000; --max-size SIZE allows more";

cases! {
    a_hole_without_end: Case { make: hole, ..Case::fails(&["rechunk", NEW, DEST], SAYS) },
    a_hole_for_verify: Case { make: hole, ..Case::fails(&["verify", NEW, NEW], SAYS) },
    a_hole_for_check: Case { make: hole, ..Case::fails(&["check", NEW], SAYS) },
    a_hole_for_diff: Case { make: hole, ..Case::fails(&["diff", NEW, NEW], SAYS) },
    a_hole_for_history: Case { make: hole, ..Case::fails(&["history", NEW, NEW], SAYS) },
    a_hole_in_a_previous_image: Case {
        make: |dir| {
            hole(dir);
            std::fs::rename(dir.join("new"), dir.join("old")).unwrap();
            honest(&dir.join("new"));
        },
        ..Case::fails(&["rechunk", NEW, DEST, "--previous", OLD, "--keep-foreign"], SAYS)
    },
    holes_count_together: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            (0..3).for_each(|at| sparse(tar, &format!("f{at}"), 400_000));
        }),
        ..Case::fails(&["rechunk", NEW, DEST, "--max-size", "1MB"], "expected at most 1,000,000; --max-size")
    },
    layers_count_together: Case {
        make: |dir| {
            let new = dir.join("new");
            begin(&new);
            let layers: Vec<Layer> =
                (0..3).map(|at| layer(&new, |tar| large_file(tar, &format!("f{at}"), b'x', 400_000))).collect();
            tag(&new, manifest(&new, &layers, json!({})));
        },
        ..Case::fails(&["check", NEW, "--max-size", "1MB"], "expected at most 1,000,000; --max-size")
    },
    what_is_allowed_is_done: Case {
        make: |dir| image(&dir.join("new"), |tar| sparse(tar, "f", 40_000_000)),
        ..Case::works(&["rechunk", NEW, DEST, "--max-size", "50MB"], "sparse")
    },
    zeros_behind_the_end: Case {
        make: |dir| zeros(&dir.join("new"), 4),
        ..Case::fails(&["rechunk", NEW, DEST, "--max-size", "2GiB"], "expected at most 2,147,483,648; --max-size")
    },
    frames_of_a_chunked_layer: Case {
        make: |dir| {
            let new = dir.join("new");
            begin(&new);
            let layer = chunked_layer(&new, &zeros_frame(8192).repeat(4), &toc_of_dirs(1, 1));
            tag(&new, manifest(&new, &[layer], json!({})));
        },
        ..Case::fails(&["check", NEW, "--max-size", "2GiB"], "expected at most 2,147,483,648; --max-size")
    },
}

fn hole(dir: &Path) {
    image(&dir.join("new"), |tar| sparse(tar, "f", 1 << 62));
}

/// So many GiB of zeros and nothing else.
pub fn zeros(dir: &Path, count: usize) {
    begin(dir);
    let layer = raw_layer(dir, &zeros_frame(8192).repeat(count));
    tag(dir, manifest(dir, &[layer], json!({})));
}
