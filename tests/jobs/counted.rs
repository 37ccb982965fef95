//! What an update says is new: the same as `diff` says of it.

use restrata::diff::{self, Diff};
use restrata::order::State;
use restrata::order::cost::{Client, NewContent, Pull};
use restrata::progress::Progress;
use restrata::rechunk::{ImageOutcome, PlannedImage, Request, plan, rechunk};
use tempfile::TempDir;

use super::image::{Entry, file, noise, options, plain};

struct Bench {
    dir: TempDir,
    /// Of another tool: no layer has an index.
    old: String,
    /// One file more, and one with another mode.
    new: String,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let entries = |mode: i64, more: Option<Entry>| {
            let mut text = file("text", &noise(9_000));
            text.0.mode = mode;
            let files = [file("data", &noise(3_000_000)[9_000..]), text];
            files.into_iter().chain(more).collect::<Vec<_>>()
        };
        let old = plain(dir.path(), "old", &[entries(0o644, None)]);
        let more = file("more", &noise(3_010_000)[3_000_000..]);
        let new = plain(dir.path(), "new", &[entries(0o600, Some(more))]);
        Self { dir, old, new }
    }

    fn dest(&self) -> String {
        format!("oci:{}:v2", self.dir.path().join("out").display())
    }

    /// What is planned, then what is written.
    fn update(&self, keep_foreign: bool) -> (PlannedImage, ImageOutcome) {
        let mut request = Request::new(self.new.parse().unwrap(), self.dest().parse().unwrap(), options());
        request.previous.push(self.old.parse().unwrap());
        request.keep_foreign = keep_foreign;
        let planned = plan(&request, &Progress::new()).unwrap().images.remove(0);
        (planned, rechunk(&request, &Progress::new()).unwrap().images.remove(0))
    }

    fn diff(&self) -> Diff {
        let request = diff::Request {
            olds: vec![self.old.parse().unwrap()],
            new: self.dest().parse().unwrap(),
            platform: None,
            choice: Default::default(),
            resources: options(),
        };
        diff::diff(&request, &Progress::new()).unwrap().diffs.remove(0)
    }
}

fn plain_bytes(pulls: &[Pull]) -> u64 {
    pulls.iter().find(|pull| pull.client == Client::Plain && pull.from.is_some()).unwrap().blob_bytes()
}

/// Clients have a kept layer whole, and its files are not new where they stand again.
#[test]
fn what_is_in_a_kept_layer_of_another_tool_is_not_new() {
    let bench = Bench::new();
    let (planned, written) = bench.update(true);
    let layers = &written.layers;
    assert_eq!((layers[0].planned.state, layers[0].toc), (State::Kept, None));
    assert_eq!((layers[0].planned.new.files, layers[0].planned.new.bytes), (0, 0));
    let sum = |(files, bytes), new: NewContent| (files + new.files, bytes + new.bytes);
    let told = layers.iter().map(|layer| layer.planned.new).fold((0, 0), sum);
    let diff = bench.diff();
    assert_eq!(told, (diff.changes.changed_files(), diff.changes.changed_bytes));
    assert_eq!(told.0, 1);
    assert_eq!(plain_bytes(&written.pulls), plain_bytes(&diff.pulls));
    assert!(plain_bytes(&diff.pulls) < 100_000);
    assert_eq!((planned.layers[0].state, planned.layers[0].new.files), (State::Kept, 0));
    assert_eq!(planned.layers.iter().map(|layer| layer.new.files).sum::<u64>(), 1);
}

/// Without --keep-foreign the old layers are not read. The report says so, and `diff` that clients pay for it once.
#[test]
fn a_first_update_of_another_tools_image_is_told_as_one() {
    let bench = Bench::new();
    let (planned, written) = bench.update(false);
    assert_eq!((planned.unread, written.unread), (1, 1));
    assert_eq!(written.layers.iter().map(|layer| layer.planned.new.files).sum::<u64>(), 3);
    let diff = bench.diff();
    assert_eq!((diff.is_first, diff.changes.changed_files()), (true, 1));
    let again = Bench { old: bench.dest(), ..bench };
    let same = again.diff();
    assert!(!same.is_first);
    let (planned, written) = again.update(false);
    assert_eq!((planned.unread, written.unread), (0, 0));
    let kept = Bench::new();
    assert_eq!(kept.update(true).1.unread, 0);
}
