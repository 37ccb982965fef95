//! Random images through the main job: what a container sees stays the same, and the layers are what the format
//! and the order promise. The output is read by `image`, not by restrata.

mod image;

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use restrata::codec::Level;
use restrata::job::JobOptions;
use restrata::merge::Rules;
use restrata::order::State;
use restrata::order::layers::{self, Mtime};
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Effort, ImageOutcome, Merge, Request, rechunk};
use restrata::tar::{EntryKind, Header, Time, Xattr};

use image::layout::{self, Image, Packing};
use image::read::read_tar;
use image::tree::{Seen, Unpacking, clean, extracted, merged};
use image::{Content, Entry, tar_of};

/// What a generated layer does; [`realise`] leaves out what no file system would allow.
#[derive(Debug, Clone)]
enum Op {
    Put {
        path: String,
        spelling: u8,
        kind: EntryKind,
        link: String,
        content: (u16, usize),
        meta: Meta,
    },
    /// To one of the files that are there.
    Link {
        path: String,
        spelling: u8,
        target: Index,
    },
    /// A whiteout, or an opaque marker.
    Hide {
        dir: String,
        name: String,
    },
}

#[derive(Debug, Clone)]
struct Meta {
    mode: i64,
    owner: (i64, i64, &'static str),
    mtime: Time,
    device: (i64, i64),
    xattrs: Vec<Xattr>,
}

/// One change between two versions.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, Op),
    Remove(Index),
    Add(Op),
}

#[derive(Debug, Clone)]
struct Layer {
    ops: Vec<Op>,
    packing: Packing,
}

#[derive(Debug, Clone)]
struct Case {
    layers: Vec<Layer>,
    edits: Vec<(Index, Edit)>,
    packings: Vec<Packing>,
    /// A layer that the second version has on top.
    added: Option<Layer>,
    place: IndexPlace,
}

fn path() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        12 => select(vec!["a", "b", "c", "lib"]),
        3 => select(vec!["-z", "f.so.1", "\u{fc}n\u{ef}", "sp ace"]),
        1 => Just(LONG),
    ];
    proptest::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"))
}

/// Too long for ustar, twice of it too long for its prefix too.
const LONG: &str = "a-name-of-one-hundred-and-fifty-bytes-is-more-than-the-hundred-that-a-header-holds-and-so-needs-\
    a-pax-record-of-its-own-in-front-of-it---------------";

fn meta() -> impl Strategy<Value = Meta> {
    let owner =
        (select(vec![0, 1000, 3_000_000_000]), select(vec![0, 50, 2_097_152]), select(vec!["", "root", "\u{e9}"]));
    let secs = prop_oneof![3 => 1_600_000_000_i64..1_600_000_010, 1 => -100_i64..100, 1 => Just(9_000_000_000)];
    let nanos = prop_oneof![2 => Just(0), 1 => Just(500_000_000), 1 => 1_u32..1_000_000_000];
    let name = select(vec!["security.capability", "user.\u{fc}", "system.posix_acl_access"]);
    let xattrs = proptest::collection::btree_map(name, proptest::collection::vec(any::<u8>(), 0..20), 0..3);
    let xattrs = prop_oneof![3 => Just(Default::default()), 1 => xattrs];
    (0_i64..0o10000, owner, (secs, nanos), (0_i64..300, 1_i64..3_000_000), xattrs).prop_map(
        |(mode, owner, (secs, nanos), device, xattrs)| Meta {
            mode,
            owner,
            mtime: Time { secs, nanos },
            device,
            xattrs: xattrs.into_iter().map(|(name, value)| Xattr { name: name.into(), value }).collect(),
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    use EntryKind::{Block, Char, Dir, Fifo, Regular, Symlink};
    let kind = select(vec![Regular, Regular, Regular, Regular, Regular, Dir, Dir, Symlink, Symlink, Char, Block, Fifo]);
    let content = prop_oneof![
        20 => (0_u16..6, 0_usize..40),
        80 => (any::<u16>(), 0_usize..9000),
        1 => (any::<u16>(), (4_usize << 20)..(5 << 20)),
    ];
    let link = prop_oneof![4 => path(), 1 => Just("../../../x".to_owned()), 1 => Just(format!("/{LONG}/{LONG}"))];
    let put = (path(), any::<u8>(), kind, link, content, meta())
        .prop_map(|(path, spelling, kind, link, content, meta)| Op::Put { path, spelling, kind, link, content, meta });
    let dir = prop_oneof![1 => Just(String::new()), 4 => path()];
    prop_oneof![
        14 => put,
        4 => (path(), any::<u8>(), any::<Index>()).prop_map(|(path, spelling, target)| Op::Link { path, spelling, target }),
        2 => (dir, select(vec!["a", "b", "lib", ".wh..opq"])).prop_map(|(dir, name)| Op::Hide { dir, name: name.into() }),
    ]
}

fn layer() -> impl Strategy<Value = Layer> {
    let ops = proptest::collection::vec(op(), 0..30);
    (ops, packing()).prop_map(|(ops, packing)| Layer { ops, packing })
}

fn packing() -> impl Strategy<Value = Packing> {
    select(vec![Packing::Plain, Packing::Gzip, Packing::Zstd])
}

fn case() -> impl Strategy<Value = Case> {
    let edit = prop_oneof![
        2 => (any::<Index>(), op()).prop_map(|(at, op)| Edit::Replace(at, op)),
        1 => any::<Index>().prop_map(Edit::Remove),
        2 => op().prop_map(Edit::Add),
    ];
    (
        proptest::collection::vec(layer(), 1..4),
        proptest::collection::vec((any::<Index>(), edit), 0..5),
        proptest::collection::vec(packing(), 3),
        proptest::option::weighted(0.3, layer()),
        select(vec![IndexPlace::First, IndexPlace::End]),
    )
        .prop_map(|(layers, edits, packings, added, place)| Case { layers, edits, packings, added, place })
}

/// Different names for the same path.
fn spelled(path: &str, spelling: u8, kind: EntryKind) -> String {
    let start = ["", "./", "/", ".//"][usize::from(spelling) % 4];
    let end = if kind == EntryKind::Dir && spelling & 4 != 0 { "/" } else { "" };
    format!("{start}{path}{end}")
}

fn realise(ops: &[Op]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut state = Unpacking::default();
    for op in ops {
        let entry = match op {
            Op::Put { path, spelling, kind, link, content, meta } => put(path, *spelling, *kind, link, *content, meta),
            Op::Link { path, spelling, target } => match hard_link(path, *spelling, target, &state, &entries) {
                Some(entry) => entry,
                None => continue,
            },
            Op::Hide { dir, name } => {
                let header = Header::new(format!("{dir}/.wh.{name}"), EntryKind::Regular);
                Entry { header, content: Content::new(0, 0) }
            }
        };
        if state.has_room_for(&clean(&entry.header.name)) {
            state.add(Seen::from(&entry));
            entries.push(entry);
        }
    }
    entries
}

fn put(path: &str, spelling: u8, kind: EntryKind, link: &str, (seed, len): (u16, usize), meta: &Meta) -> Entry {
    let mut header = Header {
        mode: meta.mode,
        uid: meta.owner.0,
        gid: meta.owner.1,
        uname: meta.owner.2.into(),
        mtime: meta.mtime,
        xattrs: meta.xattrs.clone(),
        ..Header::new(spelled(path, spelling, kind), kind)
    };
    let mut content = Content::new(0, 0);
    match kind {
        EntryKind::Regular => content = Content::new(seed.into(), len),
        EntryKind::Symlink => header.link = link.into(),
        EntryKind::Char | EntryKind::Block => (header.devmajor, header.devminor) = meta.device,
        _ => {}
    }
    header.size = content.0.len() as u64;
    Entry { header, content }
}

/// A link carries its inode's metadata, as every tar does: unpackers differ on what else would happen.
fn hard_link(path: &str, spelling: u8, target: &Index, state: &Unpacking, entries: &[Entry]) -> Option<Entry> {
    let is_target = |(other, inode): &(&Vec<u8>, &usize)| {
        state.inodes[**inode].kind != EntryKind::Dir
            && !other.starts_with(path.as_bytes())
            && !other.windows(4).any(|part| part == b".wh.")
    };
    let targets: Vec<_> = state.paths.iter().filter(is_target).collect();
    let (target, inode) = targets.get(target.index(targets.len().max(1)))?;
    // A client's own directories have no entry.
    let before = state.inodes[..**inode].iter().filter(|seen| !seen.is_implied).count();
    let inode = entries.iter().filter(|entry| entry.header.kind != EntryKind::HardLink).nth(before)?;
    let header = Header {
        name: spelled(path, spelling, EntryKind::HardLink).into(),
        kind: EntryKind::HardLink,
        link: spelled(std::str::from_utf8(target).unwrap(), spelling >> 3, EntryKind::HardLink).into(),
        size: 0,
        ..inode.header.clone()
    };
    Some(Entry { header, content: Content::new(0, 0) })
}

fn edited(case: &Case) -> Vec<Vec<Op>> {
    let mut layers: Vec<Vec<Op>> = case.layers.iter().map(|layer| layer.ops.clone()).collect();
    for (layer, edit) in &case.edits {
        let at = layer.index(layers.len());
        let ops = &mut layers[at];
        match edit {
            Edit::Add(op) => ops.push(op.clone()),
            _ if ops.is_empty() => {}
            Edit::Remove(at) => drop(ops.remove(at.index(ops.len()))),
            Edit::Replace(at, op) => {
                let at = at.index(ops.len());
                ops[at] = op.clone();
            }
        }
    }
    layers.extend(case.added.iter().map(|layer| layer.ops.clone()));
    layers
}

/// Runs the main job from the layout `new` below `dir` to the layout `dest`.
fn run(
    dir: &Path,
    new: &str,
    dest: &str,
    previous: Option<&str>,
    place: IndexPlace,
    threads: usize,
) -> (Image, ImageOutcome) {
    let reference = |name: &str| format!("oci:{}:t", dir.join(name).display()).parse().unwrap();
    let resources = JobOptions::new(threads, dir.to_owned());
    let request = Request {
        previous: previous.map(reference).into_iter().collect(),
        effort: Effort::Fixed(Level::new(1).unwrap()),
        index: place,
        // As the input is, so that any difference is the tool's.
        layers: layers::Options { mtime: Mtime::Keep, ..layers::Options::default() },
        ..Request::new(reference(new), reference(dest), resources)
    };
    let mut outcome = rechunk(&request, &Progress::new()).unwrap();
    let image = layout::read(&dir.join(dest));
    assert_eq!(outcome.digest.to_string(), image.manifest_digest);
    (image, outcome.images.remove(0))
}

fn seen(image: &Image) -> Vec<Vec<Seen>> {
    image.layers.iter().map(|layer| read_tar(&layer.tar)).collect()
}

/// What is asked of any output layer's order; `known` is the content that clients have.
fn check_order(layer: &layout::Layer, known: &HashSet<String>) {
    let rows = layer.toc();
    let entries: Vec<_> = rows.iter().filter(|row| row["type"] != "chunk").collect();
    let paths: Vec<_> = entries.iter().map(|row| clean(row["name"].as_str().unwrap().as_bytes())).collect();
    assert_eq!(paths.iter().collect::<HashSet<_>>().len(), paths.len(), "a path stands there twice");
    for (at, path) in paths.iter().enumerate() {
        let parent = &path[..path.iter().rposition(|b| *b == b'/').unwrap_or(0)];
        assert!(!paths[at + 1..].iter().any(|later| later == parent), "{:?} precedes its parent", entries[at]);
    }
    let class = |row: &serde_json::Value| match (row["type"].as_str().unwrap(), row["digest"].as_str()) {
        ("hardlink", _) => 3,
        (_, Some(digest)) if known.contains(digest) => 2,
        (_, Some(_)) => 1,
        (_, None) => 0,
    };
    let classes: Vec<_> = entries.iter().map(|row| class(row)).collect();
    assert!(classes.is_sorted(), "header-only, fresh, known, links: {classes:?}");
    let offsets: Vec<_> = entries.iter().filter_map(|row| row["offset"].as_u64()).collect();
    assert!(offsets.is_sorted() && !offsets.contains(&0), "{offsets:?}");
}

fn digests(image: &Image) -> HashSet<String> {
    let rows = image.layers.iter().flat_map(|layer| layer.toc());
    rows.filter_map(|row| Some(row["digest"].as_str()?.to_owned())).collect()
}

fn assert_same(found: &Image, made: &[Vec<Seen>]) {
    let (mut found, expected) = (merged(&seen(found)), merged(made));
    // Its layer may stay in an update.
    if !expected.contains_key("") {
        found.retain(|path, node| !node.is_made_root(path.as_bytes()));
    }
    assert_eq!(found, expected);
}

fn check(case: &Case) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    let first: Vec<Vec<Entry>> = case.layers.iter().map(|layer| realise(&layer.ops)).collect();
    let second: Vec<Vec<Entry>> = edited(case).iter().map(|ops| realise(ops)).collect();
    let write = |name: &str, layers: &[Vec<Entry>], packings: &mut dyn Iterator<Item = Packing>| {
        let layers: Vec<_> = layers.iter().map(|layer| tar_of(layer)).zip(packings).collect();
        layout::write(&dir.join(name), &layers);
    };
    write("v1", &first, &mut case.layers.iter().map(|layer| layer.packing));
    write(
        "v2",
        &second,
        &mut case.packings.iter().chain(case.added.iter().map(|layer| &layer.packing)).copied().cycle(),
    );

    // The test's own writer and reader agree, so a difference below is the tool's.
    let made: Vec<Vec<Seen>> = first.iter().map(|layer| layer.iter().map(Seen::from).collect()).collect();
    assert_eq!(seen(&layout::read(&dir.join("v1"))), made);

    let (one, _) = run(dir, "v1", "out1", None, case.place, 1);
    let (again, _) = run(dir, "v1", "out1-again", None, case.place, 3);
    assert_eq!(one.manifest_digest, again.manifest_digest, "the number of threads makes a difference");
    assert_same(&one, &made);
    one.layers.iter().for_each(|layer| check_order(layer, &HashSet::new()));

    let (two, outcome) = run(dir, "v2", "out2", Some("out1"), case.place, 2);
    let made: Vec<Vec<Seen>> = second.iter().map(|layer| layer.iter().map(Seen::from).collect()).collect();
    assert_same(&two, &made);
    let known = digests(&one);
    for (at, (layer, outcome)) in two.layers.iter().zip(&outcome.layers).enumerate() {
        let same = first == second;
        assert!(
            !same || outcome.planned.state == State::Kept,
            "layer {at} is the same, but {:?}",
            outcome.planned.state
        );
        match outcome.planned.state {
            State::Kept => assert!(one.layers.iter().any(|old| old.blob == layer.blob)),
            _ => check_order(layer, &known),
        }
    }
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn images_stay_the_same(case in case()) {
        check(&case);
    }
}

/// Images that are laid over each other. Of some, the lowest layer is that of the first one.
#[derive(Debug, Clone)]
struct Stack {
    images: Vec<(Vec<Layer>, bool)>,
    threads: usize,
}

fn stack() -> impl Strategy<Value = Stack> {
    let image = (proptest::collection::vec(layer(), 1..3), any::<bool>());
    (proptest::collection::vec(image, 1..5), 1_usize..4).prop_map(|(images, threads)| Stack { images, threads })
}

/// Merges the layouts `names` below `dir` into the layout `dest`.
fn merge(dir: &Path, names: &[String], dest: &str, previous: Option<&str>, threads: usize) -> Image {
    let reference = |name: &str| format!("oci:{}:t", dir.join(name).display()).parse().unwrap();
    let (new, below) = names.split_last().unwrap();
    let merge = Merge {
        below: below.iter().map(|name| reference(name)).collect(),
        rules: Rules::new(&["last".parse().unwrap()]).unwrap(),
        ..Merge::default()
    };
    let request = Request {
        merge: Some(merge),
        previous: previous.map(reference).into_iter().collect(),
        effort: Effort::Fixed(Level::new(1).unwrap()),
        layers: layers::Options { mtime: Mtime::Keep, ..layers::Options::default() },
        ..Request::new(reference(new), reference(dest), JobOptions::new(threads, dir.to_owned()))
    };
    rechunk(&request, &Progress::new()).unwrap();
    layout::read(&dir.join(dest))
}

fn check_stack(stack: &Stack) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    let base = stack.images[0].0[0].clone();
    let (mut names, mut made) = (Vec::new(), Vec::new());
    for (number, (layers, is_on_base)) in stack.images.iter().enumerate() {
        let base = std::iter::once(&base).filter(|_| *is_on_base && number > 0);
        let layers: Vec<(Vec<Entry>, Packing)> =
            base.chain(layers).map(|layer| (realise(&layer.ops), layer.packing)).collect();
        names.push(format!("in{number}"));
        made.push(layers.iter().map(|(layer, _)| layer.iter().map(Seen::from).collect()).collect::<Vec<Vec<Seen>>>());
        let tars: Vec<_> = layers.into_iter().map(|(layer, packing)| (tar_of(&layer), packing)).collect();
        layout::write(&dir.join(&names[number]), &tars);
    }
    let assert_same = |found: &Image, made: &[Vec<Vec<Seen>>]| {
        let (mut found, expected) = (merged(&seen(found)), extracted(made));
        if !expected.contains_key("") {
            found.retain(|path, node| !node.is_made_root(path.as_bytes()));
        }
        assert_eq!(found, expected);
    };
    let one = merge(dir, &names, "out1", None, stack.threads);
    assert_same(&one, &made);
    // In the other order, as an update.
    names.reverse();
    made.reverse();
    assert_same(&merge(dir, &names, "out2", Some("out1"), 2), &made);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_merge_is_what_unpacking_in_order_gives(stack in stack()) {
        check_stack(&stack);
    }
}

fn fixed(layers: Vec<Vec<Entry>>) -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    let layers: Vec<_> = layers.iter().map(|layer| (tar_of(layer), Packing::Gzip)).collect();
    layout::write(&tmp.path().join("v1"), &layers);
    tmp
}

fn file(name: impl Into<Vec<u8>>, content: Content) -> Entry {
    let size = content.0.len() as u64;
    Entry { header: Header { size, ..Header::new(name, EntryKind::Regular) }, content }
}

/// Such files are streamed, not compressed in one call.
#[test]
fn a_file_above_the_whole_frame_limit() {
    let big = usize::try_from(restrata::codec::WHOLE_FRAME_INPUT).unwrap() + 12_345;
    let layer = vec![file("small", Content::new(1, 10)), file("big", Content::new(2, big))];
    let tmp = fixed(vec![layer.clone()]);
    let (one, _) = run(tmp.path(), "v1", "out1", None, IndexPlace::First, 1);
    let (three, _) = run(tmp.path(), "v1", "out3", None, IndexPlace::First, 3);
    assert_eq!(one.manifest_digest, three.manifest_digest);
    assert_eq!(merged(&seen(&one)), merged(&[layer.iter().map(Seen::from).collect()]));
}

/// A TOC can't hold the name, so the layer gets none; the other one does.
#[test]
fn a_name_that_is_not_utf_8() {
    let odd = vec![file(b"\xff".to_vec(), Content::new(1, 100)), file("b", Content::new(2, 100))];
    let layers = vec![vec![file("a", Content::new(3, 100))], odd];
    let tmp = fixed(layers.clone());
    let (image, outcome) = run(tmp.path(), "v1", "out", None, IndexPlace::First, 2);
    let made: Vec<Vec<Seen>> = layers.iter().map(|layer| layer.iter().map(Seen::from).collect()).collect();
    assert_eq!(merged(&seen(&image)), merged(&made));
    assert_eq!(outcome.layers.iter().map(|layer| layer.toc.is_some()).collect::<Vec<_>>(), [true, false]);
    assert!(image.layers[0].annotation("manifest-checksum").is_some());
    assert!(image.layers[1].annotation("manifest-checksum").is_none());
}
