//! One outcome of each job, for the renderers' tests.

use crate::check::{CheckReport, CheckedImage, CheckedLayer, Remark};
use crate::compression::Compression;
use crate::diff::{self, Choice, Diff, Mostly, NewLayer};
use crate::digest::{BlobDigest, DiffId};
use crate::history::{self, LayoutHistory, LayoutVersion, OwnerHistory};
use crate::inspect::{BigFile, InspectedImage, InspectedLayer, Inspection};
use crate::order::changes::{Changes, Counts, FileShare, FileState, OwnerShare, Parts, Removed, Same, Stores};
use crate::order::cost::{Client, Cost, LayerPull, NewContent, Pull, PullOutcome, RegistryProfile, Why};
use crate::order::layouts::{Cell, Layout, View};
use crate::order::{Reason, State};
use crate::rechunk::{ImageOutcome, LayerOutcome, OldBlob, Outcome, Planned, PlannedImage, PlannedLayer};
use crate::span::Span;
use crate::tar::TarPath;
use crate::verify::{Difference, Verdict};

pub fn digest(fill: u8) -> BlobDigest {
    BlobDigest::from_bytes([fill; 32])
}

const KEPT: (State, Reason) = (State::Kept, Reason::Live);
const FRESH: (State, Reason) = (State::Fresh, Reason::NotShown);

/// An update of three layers, one of them kept, for one platform.
pub fn update() -> Outcome {
    Outcome {
        replaced: Vec::new(),
        published: None,
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
            unread: 0,
            differences: Vec::new(),
            twin: None,
            pulls: vec![
                pull(None, Client::Plain, PullOutcome::Whole, 172_007_432),
                pull(None, Client::Podman, PullOutcome::Partial, 172_011_000),
                pull(Some("oci:img:v1"), Client::Plain, PullOutcome::Whole, 141_607_432),
                pull(Some("oci:img:v1"), Client::Podman, PullOutcome::Partial, 27_100_000),
            ],
            hint: None,
        }],
        notes: vec!["layer 2: a note".to_owned()],
        degraded: Vec::new(),
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

/// A first layout of so many layers, the largest on top.
pub fn first_layout(layers: usize) -> Outcome {
    let mut outcome = update();
    let image = &mut outcome.images[0];
    let fresh = |fill: u8| layer(fill, FRESH, 2_000_000 + u64::from(fill), (10, 1_900_000));
    image.layers = (0..).take(layers).map(fresh).collect();
    image.dropped.clear();
    image.pulls.retain(|pull| pull.from.is_none());
    outcome
}

/// What was planned before an outcome.
pub fn planned(outcome: Outcome) -> Planned {
    let image = |image: ImageOutcome| PlannedImage {
        platform: image.platform,
        layers: image.layers.into_iter().map(|layer| layer.planned).collect(),
        dropped: image.dropped,
        unread: image.unread,
        differences: image.differences,
        pulls: image.pulls,
        hint: image.hint,
    };
    Planned {
        replaced: Vec::new(),
        images: outcome.images.into_iter().map(image).collect(),
        notes: outcome.notes,
        degraded: outcome.degraded,
    }
}

fn layer(fill: u8, (state, reason): (State, Reason), size: u64, (files, bytes): (u64, u64)) -> LayerOutcome {
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
            unowned: None,
            changes_always: false,
            entries: 2_979,
            live_bytes: size - 1_000_000,
            dead_bytes: 1_000_000,
            new: NewContent { files, bytes },
        },
    }
}

fn pull(from: Option<&str>, client: Client, outcome: PullOutcome, blob_bytes: u64) -> Pull {
    Pull {
        image: None,
        from: from.map(str::to_owned),
        client,
        registry: RegistryProfile::MultiRange,
        outcome,
        cost: Cost {
            requests: 3,
            ranges: u64::from(from.is_none()) + 1,
            index_bytes: 610_000,
            data_bytes: blob_bytes.saturating_sub(700_000),
            gap_bytes: 90_000,
            ..Cost::default()
        },
        config_bytes: 0,
        layers: Vec::new(),
    }
}

/// An update of one new layer over one that clients have.
pub fn diff() -> diff::Outcome {
    let layer = |fill, size| NewLayer {
        digest: digest(fill),
        size,
        media_type: "application/vnd.oci.image.layer.v1.tar+zstd".to_owned(),
        entries: 2_979,
        changes_always: false,
        mostly: Some(Mostly::Package("dpkg:python3.13".to_owned())),
        index: Some([Span::between(8, 400_008), Span::between(400_144, 610_144)]),
    };
    let file = |path: &str, owner, state, changed_bytes| FileShare {
        path: TarPath::new(path.as_bytes()).unwrap(),
        layer: 1,
        owner,
        state,
        size: changed_bytes * 3,
        changed_bytes,
    };
    let removed = |path: &str, layer| Removed { path: TarPath::new(path.as_bytes()).unwrap(), layer };
    let share = |owner, changed_files, changed_bytes, avoidable_bytes| OwnerShare {
        owner,
        changed_files,
        changed_bytes,
        avoidable_bytes,
    };
    let same = Same { unchanged: 70_000_000, times: 20_000_000, other: 1_000 };
    let (repeated, recompressed, index, rest) = (500_000, 0, 610_000, 999_000);
    let parts = Parts { new: 27_100_000, repeated, hidden: 0, same, recompressed, index, rest };
    let changes = Changes {
        changed_bytes: parts.new,
        counts: Counts { added: 1_100, removed: 4, changed: 88, metadata: 1, times: 2_000, same: 30_000 },
        parts,
        stores: Stores {
            largest: Some((1, parts.bytes())),
            new_disk_bytes: 410_000_000,
            moved: vec![0],
            moved_bytes: 30_400_000,
            moved_disk_bytes: 98_700_000,
        },
        layers: vec![None, Some(parts)],
        owners: vec![
            share(Some(1), 2, 27_000_000, 80_001_000),
            share(None, 1, 100_000, 0),
            share(Some(0), 0, 0, 10_500_000),
        ],
        files: vec![
            file("usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0", Some(1), FileState::Changed, 26_000_000),
            file("usr/share/a|b`c\u{1b}[2J", Some(1), FileState::Added, 1_000_000),
            file("var/log/apt.log", None, FileState::Hidden, 100_000),
        ],
        removed: vec![removed("opt/app/key|\u{1b}[2J.pem", Some(0)), removed("usr/lib/old", None)],
        readable: 1,
    };
    let from = Some("oci:img:v1");
    let bytes = parts.bytes();
    let mut pulls = vec![
        pull(from, Client::Plain, PullOutcome::Whole, bytes),
        pull(from, Client::Docker, PullOutcome::Whole, 3 * bytes),
    ];
    for registry in RegistryProfile::ALL {
        let (outcome, bytes) = match registry {
            RegistryProfile::Refuse501 => (PullOutcome::Failed, 0),
            RegistryProfile::Refuse400 => (PullOutcome::Whole, bytes),
            _ => (PullOutcome::Partial, 28_000_000),
        };
        let why = (outcome == PullOutcome::Failed).then_some(Why::GivesUp { status: 501, ranges: 2 });
        let layer = LayerPull { digest: digest(11), outcome, why, cost: Cost::default(), fetched: Vec::new() };
        pulls.push(Pull { registry, layers: vec![layer], ..pull(from, Client::Podman, outcome, bytes) });
    }
    let old = "oci:img:v1".to_owned();
    let owner_names = vec!["dpkg:perl".to_owned(), "dpkg:python3.13".to_owned()];
    diff::Outcome {
        new: "oci:img:v2".to_owned(),
        new_digest: Some(digest(2)),
        new_gzip: None,
        platform: Some("linux/amd64".parse().unwrap()),
        config_bytes: 0,
        layers: vec![layer(10, 30_400_000), layer(11, bytes)],
        diffs: vec![Diff {
            old,
            old_digest: Some(digest(1)),
            old_gzip: None,
            pulls,
            changes,
            owner_names,
            is_first: false,
        }],
        choice: Choice::default(),
        notes: vec!["a note".to_owned()],
    }
}

/// So many versions, of which a plain client pulls 20 MB for each one that it is behind; podman can't pull the last one.
pub fn history(count: usize) -> history::Outcome {
    let cell = |outcome, blob_bytes| Cell { outcome, requests: 3, ranges: 1, blob_bytes, upstream: None };
    let plain = |bytes| cell(PullOutcome::Whole, bytes);
    let podman = |to: usize, bytes| match to + 1 == count {
        true => cell(PullOutcome::Failed, 0),
        false => cell(PullOutcome::Partial, bytes),
    };
    let version = |to: usize| history::Version {
        reference: format!("oci:images:a-rather-long-tag-1.2.{to}"),
        digest: Some(digest(to as u8)),
        gzip: None,
        layers: 64,
        size: 138_900_000,
        config_bytes: 7_432,
        added_bytes: 20_000_000,
        changed_bytes: (to > 0).then_some(16_000_000),
        first_pull: vec![plain(138_907_432), podman(to, 138_910_000)],
        updates: (0..to).map(|from| vec![plain(20_000_000 * (to - from) as u64), podman(to, 17_000_000)]).collect(),
    };
    let versions: Vec<history::Version> = (0..count).map(version).collect();
    let of_layout = |version: &history::Version| LayoutVersion {
        layers: version.layers,
        size: version.size,
        added_bytes: version.added_bytes,
        first_pull: version.first_pull.clone(),
        cells: version.updates.last().unwrap_or(&version.first_pull).clone(),
    };
    let layout = |layout| LayoutHistory { layout, versions: versions.iter().map(of_layout).collect() };
    let owner = |owner: Option<&str>, updates, changed_bytes| OwnerHistory {
        owner: owner.map(str::to_owned),
        updates,
        changed_files: 1_234,
        changed_bytes,
    };
    history::Outcome {
        platform: Some("linux/amd64".parse().unwrap()),
        views: [Client::Plain, Client::Podman]
            .map(|client| View { client, registry: RegistryProfile::MultiRange })
            .into(),
        layouts: [None].into_iter().chain(Layout::ALL.map(Some)).map(layout).collect(),
        versions,
        owners: vec![owner(Some("dpkg:perl"), 2, 12_300_000), owner(None, 1, 41), owner(Some("npm:a|`b\u{1b}"), 1, 7)],
        notes: vec!["a note".to_owned()],
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
        notes: Vec::new(),
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
        remarks: vec![Remark::counted(
            12,
            "entry stands apart",
            "entries stand apart",
            Some("the first is \"x\"".to_owned()),
        )],
    };
    let platform = Some("linux/amd64".parse().unwrap());
    let image = CheckedImage { platform, layers: vec![layer(10, &[]), layer(11, problems)], twin: None };
    CheckReport { problems: Vec::new(), images: vec![image], notes: Vec::new() }
}

pub fn inspection() -> Inspection {
    let layer = |fill, index: &str, known: Option<u64>| InspectedLayer {
        digest: Some(digest(fill)),
        size: Some(27_100_000),
        media_type: "application/vnd.oci.image.layer.v1.tar+zstd".to_owned(),
        compression: Compression::Zstd,
        is_estargz: false,
        index: index.to_owned(),
        entries: known,
        index_bytes: known.map_or(0, |_| 610_000),
        content_bytes: known.map(|n| n * 10_000),
        chunks: known.map(|n| n + 100),
        owners: known.map(|_| "dpkg:perl, dpkg:libc6".to_owned()),
        changes_always: false,
    };
    let file = |path: &str, size| BigFile { path: path.to_owned(), layer: 0, size, compressed: size / 3 };
    Inspection {
        notes: Vec::new(),
        images: vec![InspectedImage {
            reference: "oci:img:v1".to_owned(),
            platform: Some("linux/amd64".parse().unwrap()),
            digest: Some(digest(1)),
            layers: vec![layer(10, "first", Some(8_979)), layer(11, "none", None)],
            twin: None,
            biggest: vec![
                file("/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0", 31_000_000),
                file("/usr/bin/perl", 3_900_000),
            ],
        }],
    }
}
