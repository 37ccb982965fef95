//! One outcome of each job, for the renderers' tests.

use crate::check::{CheckReport, CheckedImage, CheckedLayer};
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::inspect::{BigFile, InspectedImage, InspectedLayer, Inspection};
use crate::order::cost::{Client, Cost, Pull, PullOutcome, RegistryProfile};
use crate::order::{Reason, State};
use crate::rechunk::{ImageOutcome, LayerOutcome, OldBlob, Outcome, Planned, PlannedImage, PlannedLayer};
use crate::verify::{Difference, Verdict};

pub fn digest(fill: u8) -> BlobDigest {
    BlobDigest::from_bytes([fill; 32])
}

const KEPT: (State, Reason) = (State::Kept, Reason::Live);
const FRESH: (State, Reason) = (State::Fresh, Reason::NotShown);

/// An update of three layers, one of them kept, for one platform.
pub fn update() -> Outcome {
    Outcome {
        digest: digest(1),
        images: vec![ImageOutcome {
            platform: Some("linux/amd64".parse().unwrap()),
            digest: digest(1),
            layers: vec![
                layer(10, KEPT, 30_400_000, (0, 0)),
                layer(11, FRESH, 138_900_000, (1_168, 49_500_000)),
                LayerOutcome { toc: None, index_bytes: 0, ..layer(12, FRESH, 2_700_000, (12, 4_100)) },
            ],
            dropped: vec![OldBlob { digest: digest(9), size: 1_500_000 }],
            pulls: vec![
                pull(None, Client::Plain, PullOutcome::Whole, 172_007_432),
                pull(None, Client::Podman, PullOutcome::Partial, 172_011_000),
                pull(Some("oci:img:v1"), Client::Plain, PullOutcome::Whole, 141_607_432),
                pull(Some("oci:img:v1"), Client::Podman, PullOutcome::Partial, 27_100_000),
            ],
        }],
        notes: vec!["layer 2: a note".to_owned()],
    }
}

/// An update of 64 layers, of every kind.
pub fn large_update() -> Outcome {
    let mut outcome = update();
    let base = (0..2).map(|fill| layer(fill, (State::Kept, Reason::Base), 900_000_000, (0, 0)));
    let kept = (2..58).map(|fill| layer(fill, KEPT, 98_400_000, (0, 0)));
    let others = [
        (State::Cleaned, Reason::Waste),
        (State::Cleaned, Reason::Waste),
        (State::Cleaned, Reason::Purge),
        (State::Cleaned, Reason::CannotHide),
        (State::Merged, Reason::Limit),
        FRESH,
    ];
    let others = (58..).zip(others).map(|(fill, why)| layer(fill, why, 138_900_000, (12_345, 999_500_000)));
    outcome.images[0].layers = base.chain(kept).chain(others).collect();
    outcome
}

/// What was planned before an outcome.
pub fn planned(outcome: Outcome) -> Planned {
    let image = |image: ImageOutcome| PlannedImage {
        platform: image.platform,
        layers: image.layers.into_iter().map(|layer| layer.planned).collect(),
        dropped: image.dropped,
    };
    Planned { images: outcome.images.into_iter().map(image).collect(), notes: outcome.notes }
}

fn layer(
    fill: u8,
    (state, reason): (State, Reason),
    size: u64,
    (fresh_entries, fresh_bytes): (u64, u64),
) -> LayerOutcome {
    LayerOutcome {
        digest: digest(fill),
        diff_id: DiffId::from_bytes([fill; 32]),
        size,
        index_bytes: 610_000,
        toc: Some(digest(fill)),
        planned: PlannedLayer {
            state,
            reason,
            old: match state {
                State::Kept | State::Cleaned => vec![OldBlob { digest: digest(fill), size }],
                State::Fresh | State::Merged => Vec::new(),
            },
            owners: vec!["dpkg:perl".to_owned()],
            entries: 2_979,
            live_bytes: size - 1_000_000,
            dead_bytes: 1_000_000,
            fresh_entries,
            fresh_bytes,
        },
    }
}

fn pull(from: Option<&str>, client: Client, outcome: PullOutcome, blob_bytes: u64) -> Pull {
    Pull {
        from: from.map(str::to_owned),
        client,
        registry: RegistryProfile::MultiRange,
        outcome,
        cost: Cost {
            requests: 3,
            ranges: u64::from(from.is_none()) + 1,
            index_bytes: 610_000,
            data_bytes: blob_bytes - 700_000,
            gap_bytes: 90_000,
            ..Cost::default()
        },
        config_bytes: 0,
        layers: Vec::new(),
    }
}

/// The same entry with three differences, one of them in a hostile path.
pub fn verdict() -> Verdict {
    let difference = |path: &str, what: &str, a: &str, b: &str| Difference {
        platform: None,
        path: path.into(),
        what: what.into(),
        a: a.into(),
        b: b.into(),
    };
    Verdict {
        entries: 36_462,
        differences: vec![
            difference("/etc/x", "mode", "0644", "0600"),
            difference("/etc/y\u{1b}[2J", "only in A", "file", "absent"),
            difference("/etc/z", "xattr user.x", "absent", "x"),
        ],
    }
}

pub fn checked(problems: &[&str]) -> CheckReport {
    let layer = |fill, problems: &[&str]| CheckedLayer {
        digest: digest(fill),
        size: 27_100_000,
        kind: "zstd:chunked, index first",
        entries: 8_979,
        frames: 9_001,
        largest_gap: 512,
        problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        remarks: vec!["header-only entries stand together".to_owned()],
    };
    let platform = Some("linux/amd64".parse().unwrap());
    let image = CheckedImage { platform, layers: vec![layer(10, &[]), layer(11, problems)] };
    CheckReport { problems: Vec::new(), images: vec![image] }
}

pub fn inspection() -> Inspection {
    let layer = |fill, index: &str, known: Option<u64>| InspectedLayer {
        digest: Some(digest(fill)),
        size: Some(27_100_000),
        media_type: "application/vnd.oci.image.layer.v1.tar+zstd".to_owned(),
        compression: Compression::Zstd,
        index: index.to_owned(),
        entries: known,
        index_bytes: known.map_or(0, |_| 610_000),
        content_bytes: known.map(|n| n * 10_000),
        chunks: known.map(|n| n + 100),
    };
    let file = |path: &str, size| BigFile { path: path.to_owned(), layer: 0, size, compressed: size / 3 };
    Inspection {
        images: vec![InspectedImage {
            reference: "oci:img:v1".to_owned(),
            platform: Some("linux/amd64".parse().unwrap()),
            digest: Some(digest(1)),
            layers: vec![layer(10, "first", Some(8_979)), layer(11, "none", None)],
            biggest: vec![
                file("/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0", 31_000_000),
                file("/usr/bin/perl", 3_900_000),
            ],
        }],
    }
}
