//! Time and memory of the planner for a big image: 1,000,000 entries in 64 layers, of which an eighth changed since, so that
//! waste is to be cleaned and several plans are compared.

use std::sync::Arc;
use std::time::Instant;

use restrata::digest::{BlobDigest, FileDigest};
use restrata::order::cost::{PullFile, PullIndex, PullLayer, ThinVec};
use restrata::order::layers::{Agreed, Given, Label, Labels, Old, Options, Segment, plan};
use restrata::order::{Content, Entry, OverlayMark, State, Traits};
use restrata::span::Span;
use restrata::tar::{EntryKind, TarPath, Time};

const LAYERS: u64 = 64;
const EACH: u64 = 1_000_000 / LAYERS;

fn entry(layer: u64, n: u64, version: u64) -> Entry {
    let dir = format!("usr/lib/python3/dist-packages/package{layer}/module{}", n / 20);
    let (name, kind) = match n % 20 {
        0 => (dir, EntryKind::Dir),
        _ => (format!("{dir}/file{n}.py"), EntryKind::Regular),
    };
    let changed = if n % 20 == 7 || matches!(n % 20, 8 | 9) && !layer.is_multiple_of(4) { version } else { 0 };
    let mut digest = [0; 32];
    for (at, word) in (1..).zip(digest.as_chunks_mut::<8>().0) {
        let seed = (layer * EACH + n) * 2 + changed + 1;
        *word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(at).to_le_bytes();
    }
    let content = Content { digest: FileDigest::from_bytes(digest), size: 4000, stored: 1500, compiled_from: None };
    Entry {
        path: TarPath::new(name.as_bytes()).expect("a plain name"),
        kind,
        target: None,
        content: (kind == EntryKind::Regular).then_some(content),
        traits: Traits::from_digest([1; 32]),
        mtime: Time::default(),
        overlay: OverlayMark::None,
        is_setgid: false,
        is_program: false,
    }
}

fn layer(layer: u64, version: u64) -> Vec<Entry> {
    (0..EACH).map(|n| entry(layer, n, version)).collect()
}

/// The layer as clients see it.
fn pull_layer(number: u64, entries: &[Entry]) -> Arc<PullLayer> {
    let mut digest = [0xff; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    let digest = BlobDigest::from_bytes(digest);
    let contents = entries.iter().filter_map(|entry| entry.content);
    let span = |at: u64| Span::between(INDEX + at * 1600, INDEX + at * 1600 + 1500);
    let file =
        |(at, content): (u64, Content)| PullFile { digest: content.digest, span: span(at), chunks: ThinVec::new() };
    let files = (0..).zip(contents).map(file).collect();
    let (toc, tar_split) = (Span::between(8, INDEX / 2), Span::between(INDEX / 2, INDEX - 1000));
    let index = PullIndex { toc_digest: digest, toc, tar_split, toc_size: 5_000_000, files };
    Arc::new(PullLayer { digest, size: INDEX + EACH * 1600, index: Some(index) })
}

/// Bytes of a layer's index.
const INDEX: u64 = 1 << 20;

/// Most memory that this process had at once, from the kernel.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

fn main() {
    let segment = |n| {
        let entries = layer(n, 0);
        Segment {
            pull: pull_layer(n, &entries),
            entries: Arc::new(entries),
            is_base: false,
            is_broken: false,
            is_shared: false,
        }
    };
    let segments: Vec<Segment> = (0..LAYERS).map(segment).collect();
    // As when layers are read: paths that the previous image has are shared with it.
    let shared = |(new, old): (Entry, &Entry)| Entry { path: old.path.clone(), ..new };
    let new = |(n, old): (u64, &Segment)| layer(n, 1).into_iter().zip(old.entries.iter()).map(shared).collect();
    let new: Vec<Vec<Entry>> = (0..).zip(&segments).map(new).collect();
    let labels: Vec<Vec<Label>> = new.iter().map(|entries| vec![Label::default(); entries.len()]).collect();
    let pulls: Vec<Arc<PullLayer>> = segments.iter().map(|segment| Arc::clone(&segment.pull)).collect();
    println!("peak with the input alone: {}", peak());
    let start = Instant::now();
    let old = Old::new(&segments, vec![&pulls]).expect("an old image");
    println!("old image: {:.2} s, peak {}", start.elapsed().as_secs_f64(), peak());
    let layers: Vec<&[Entry]> = new.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let labels = Labels(&labels);
    let given =
        Given { layers: &layers, labels: &labels, old: &old, options: &Options::default(), agreed: Agreed::default() };
    let plan = plan(given).expect("can be planned");
    let kept = plan.layers.iter().filter(|layer| layer.state == State::Kept).count();
    let (seconds, count) = (start.elapsed().as_secs_f64(), plan.layers.len());
    println!("plan: {seconds:.2} s, peak {}; {kept} of {count} layers kept", peak());
}
