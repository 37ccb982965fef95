//! Version after version through the main job, each laid out against what came out for the one before.

mod cases;
#[path = "../image/mod.rs"]
mod image;
mod oracle;
mod world;

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use restrata::check::check;
use restrata::codec::Level;
use restrata::compression::{Format, Formats};
use restrata::degraded::Code;
use restrata::error::Error;
use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::order::layers::{Mtime, Options, Prune, Share};
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Effort, ImageOutcome, Request, rechunk};
use restrata::tar::{TarPath, Time};

use cases::config;
use image::layout::{self, Image, Packing};
use image::read::read_tar;
use image::tar_of;
use oracle::{Nodes, Promise, View, expected, purged};
use world::{Edit, World};

/// What clients have.
#[derive(Debug, Clone, Copy)]
enum Previous {
    Nothing,
    Last,
    /// The input of the version before, which has no TOCs.
    Foreign,
    /// The last one in one layer.
    Squashed,
    Unrelated,
    Older,
    Several,
}

#[derive(Debug, Clone)]
struct Step {
    edits: Vec<Edit>,
    layers: usize,
    previous: Previous,
    max_waste: u32,
    max_layers: usize,
    max_layer_size: Option<u64>,
    purge: Vec<Index>,
    prune: Vec<Index>,
    canonical: bool,
    clients: &'static str,
    mtime: Mtime,
    on_base: bool,
    keep_foreign: bool,
    place: IndexPlace,
    again: bool,
    /// With a gzip image beside the zstd one.
    twin: bool,
}

#[derive(Debug, Clone)]
struct Chain {
    /// Edits that make the base image, and how it is laid out.
    base: Option<(Vec<Edit>, usize, bool)>,
    steps: Vec<Step>,
}

fn step() -> impl Strategy<Value = Step> {
    use Previous::{Foreign, Last, Nothing, Older, Several, Squashed, Unrelated};
    let previous =
        select(vec![Last, Last, Last, Last, Last, Last, Nothing, Foreign, Squashed, Unrelated, Older, Several]);
    let mtime = prop_oneof![
        3 => Just(Mtime::Previous),
        1 => Just(Mtime::Keep),
        1 => Just(Mtime::Clamp(Time { secs: 1_600_000_004, nanos: 0 })),
    ];
    let place = select(vec![IndexPlace::First, IndexPlace::First, IndexPlace::End]);
    let few = |most| proptest::collection::vec(any::<Index>(), 0..most);
    let input = (proptest::collection::vec(world::edit(), 0..8), 1_usize..4, previous);
    let sizes = select(vec![None, None, None, Some(1), Some(2_000), Some(20_000)]);
    let limits = (select(vec![0, 100, 1000, 5000]), 1_usize..9, sizes, few(2), few(2));
    let flags = proptest::bool::weighted(0.2);
    let clients = select(vec!["plain=1,podman=1", "plain=1,podman=1,docker=1"]);
    let modes = (
        flags,
        clients,
        mtime,
        proptest::bool::weighted(0.8),
        any::<bool>(),
        place,
        flags,
        proptest::bool::weighted(0.4),
    );
    (input, limits, modes).prop_map(|((edits, layers, previous), limits, modes)| {
        let (max_waste, max_layers, max_layer_size, purge, prune) = limits;
        let (canonical, clients, mtime, on_base, keep_foreign, place, again, twin) = modes;
        Step {
            edits,
            layers,
            previous,
            max_waste,
            max_layers,
            max_layer_size,
            purge,
            prune,
            canonical,
            clients,
            mtime,
            on_base,
            keep_foreign,
            place,
            again,
            twin,
        }
    })
}

fn chain() -> impl Strategy<Value = Chain> {
    let edits = || proptest::collection::vec(world::put(), 0..40);
    let base = proptest::option::weighted(0.3, (edits(), 1_usize..4, any::<bool>()));
    let steps = proptest::collection::vec(step(), 1..21);
    (base, edits(), steps).prop_map(|(base, first, mut steps)| {
        steps[0].edits.splice(0..0, first);
        Chain { base, steps }
    })
}

/// A layer with a TOC, or one of restrata's own that can have none.
fn can_stay(layer: &layout::Layer) -> bool {
    let is_own = layer.descriptor["annotations"]["io.github.restrata.layer"].is_string();
    let is_odd = || read_tar(&layer.tar).iter().any(|seen| std::str::from_utf8(&seen.path).is_err());
    layer.annotation("manifest-checksum").is_some() || (is_own && is_odd())
}

/// A directory of layouts, and what was made in it so far.
struct Run {
    dir: tempfile::TempDir,
    world: World,
    base: Option<String>,
    /// Names of outputs, newest last.
    outputs: Vec<String>,
}

fn reference(dir: &Path, name: &str) -> Reference {
    format!("oci:{}:t", dir.join(name).display()).parse().unwrap()
}

/// The images stay in the directory of this variable, with a list of those that podman must mount alike
/// (tests/harness/chains.sh --layouts).
const LAYOUTS: &str = "RESTRATA_CHAIN_LAYOUTS";

fn workspace() -> tempfile::TempDir {
    match std::env::var_os(LAYOUTS) {
        Some(dir) => tempfile::Builder::new().prefix("chain").disable_cleanup(true).tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

impl Run {
    fn start(chain: &Chain) -> Self {
        let mut run = Self { dir: workspace(), world: World::default(), base: None, outputs: Vec::new() };
        if let Some((edits, layers, is_foreign)) = &chain.base {
            edits.iter().for_each(|edit| run.world.apply(edit));
            run.write("base-in", *layers);
            let squashed = run.request("base-in", "base-out").clone();
            rechunk(&squashed, &Progress::new()).unwrap();
            run.base = Some(if *is_foreign { "base-in" } else { "base-out" }.to_owned());
        }
        run.write_to("unrelated-in", &unrelated(), 2);
        rechunk(&run.request("unrelated-in", "unrelated"), &Progress::new()).unwrap();
        run
    }

    fn write(&self, name: &str, layers: usize) {
        self.write_to(name, &self.world, layers);
    }

    fn write_to(&self, name: &str, world: &World, layers: usize) {
        let layers: Vec<_> = world.layers(layers).iter().map(|layer| (tar_of(layer), Packing::Gzip)).collect();
        layout::write(&self.dir.path().join(name), &layers);
    }

    fn read(&self, name: &str) -> Image {
        layout::read(&self.dir.path().join(name))
    }

    fn request(&self, new: &str, dest: &str) -> Request {
        let resources = JobOptions::new(1, self.dir.path().to_owned());
        let (new, dest) = (reference(self.dir.path(), new), reference(self.dir.path(), dest));
        Request { effort: Effort::Fixed(Level::new(1).unwrap()), ..Request::new(new, dest, resources) }
    }

    /// Names of the previous images, newest first.
    fn previous(&self, number: usize, step: &Step) -> Vec<String> {
        let last = self.outputs.last();
        match step.previous {
            Previous::Nothing => vec![],
            Previous::Last => last.into_iter().cloned().collect(),
            Previous::Foreign => number.checked_sub(1).map(|before| format!("in{before}")).into_iter().collect(),
            Previous::Unrelated => vec!["unrelated".to_owned()],
            Previous::Older => self.outputs.iter().rev().nth(1).into_iter().cloned().collect(),
            Previous::Several => self.outputs.iter().rev().take(3).cloned().collect(),
            Previous::Squashed => {
                let Some(last) = last else { return vec![] };
                let (name, options) = (format!("squashed{number}"), Options { max_layers: 1, ..Options::default() });
                rechunk(&Request { layers: options, ..self.request(last, &name) }, &Progress::new()).unwrap();
                vec![name]
            }
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        step.edits.iter().for_each(|edit| self.world.apply(edit));
        let (input, output) = (format!("in{number}"), format!("out{number}"));
        self.write(&input, step.layers);
        let previous = self.previous(number, step);
        let base = self.base.as_ref().filter(|_| step.on_base).map(|base| self.read(base).layers).unwrap_or_default();
        let before = previous.first().map(|name| self.read(name).layers).unwrap_or_default();
        let usable = before.iter().filter(|layer| step.keep_foreign || can_stay(layer));
        let mut old: Vec<&layout::Layer> = Vec::new();
        for layer in base.iter().chain(usable) {
            if !old.iter().any(|other| other.blob == layer.blob) {
                old.push(layer);
            }
        }
        let (old, input_layers) = (View::new(old), self.read(&input).layers);
        let new = View::new(&input_layers);
        let paths = |from: &View<'_>, at: &[Index]| {
            let all: Vec<TarPath> = from.mounted.paths.keys().map(|path| TarPath::new(path).unwrap()).collect();
            at.iter().filter(|_| !all.is_empty()).map(|at| at.get(&all).clone()).collect::<Vec<_>>()
        };
        let options = Options {
            max_waste: Share(step.max_waste),
            // A base image needs room for its own layers and one above.
            max_layers: step.max_layers.max(base.len() + 1),
            max_layer_size: step.max_layer_size,
            purge: paths(&old, &step.purge),
            prune: paths(&new, &step.prune).into_iter().map(|path| Prune { path, keep_dir: false }).collect(),
            mtime: step.mtime,
            canonical: step.canonical,
            clients: step.clients.parse().unwrap(),
            ..Options::default()
        };
        let request = Request {
            previous: previous.iter().map(|name| reference(self.dir.path(), name)).collect(),
            base: self.base.as_ref().filter(|_| step.on_base).map(|name| reference(self.dir.path(), name)),
            keep_foreign: step.keep_foreign,
            index: step.place,
            formats: if step.twin { twin() } else { Formats::default() },
            layers: options.clone(),
            ..self.request(&input, &output)
        };
        let expected = expected(&new, &old, &View::new(&base), &options);
        let outcome = match rechunk(&request, &Progress::new()) {
            Ok(outcome) => outcome,
            Err(error) => {
                let holds = purged(&old, &expected, &options);
                return assert_base_is_in_the_way(&error, &View::new(&base), &expected, &holds);
            }
        };
        if step.again {
            self.check_again(&request, &outcome.images[0]);
        }
        let report = check(&request.dest, None, request.resources.clone(), &Progress::new()).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        let (image, gzip) = layout::read_pair(&self.dir.path().join(&output));
        assert_eq!(image.manifest_digest, outcome.images[0].digest.to_string());
        assert_eq!(gzip.is_some(), step.twin);
        if let Some(gzip) = &gzip {
            let before = previous.first().map(|name| layout::read_pair(&self.dir.path().join(name)));
            assert_twins(&image, gzip, before.as_ref());
        }
        let out = View::new(&image.layers);
        assert_same(&out.nodes(), &expected);
        let is_large = outcome.degraded.iter().any(|it| it.code == Code::LayerTooLarge);
        Promise { out: &out, outcome: &outcome.images[0], options: &options, is_large, old: &old, base: &base }.check();
        if options.prune.is_empty() {
            self.list(&input, &output, options.mtime);
        }
        self.outputs.push(output);
    }

    fn list(&self, input: &str, output: &str, times: Mtime) {
        let mut list = fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("pairs")).unwrap();
        writeln!(list, "{input} {output} {}", if times == Mtime::Keep { "keep" } else { "other" }).unwrap();
    }

    fn check_again(&self, request: &Request, first: &ImageOutcome) {
        let resources = JobOptions { threads: 3, ..request.resources.clone() };
        let dest = reference(self.dir.path(), "again");
        let again = rechunk(&Request { resources, dest, ..request.clone() }, &Progress::new()).unwrap();
        assert_eq!(again.images[0].digest, first.digest, "the number of threads makes a difference");
        let twins = |image: &ImageOutcome| image.twin.as_ref().map(|twin| twin.digest);
        assert_eq!(twins(&again.images[0]), twins(first), "the number of threads makes a difference");
        let (dest, formats) = (reference(self.dir.path(), "alone"), Formats::default());
        let alone = rechunk(&Request { dest, formats, ..request.clone() }, &Progress::new()).unwrap();
        assert_eq!(alone.images[0].digest, first.digest, "a twin makes a difference");
        let previous = vec![request.dest.clone()];
        let dest = reference(self.dir.path(), "settled");
        let settled = rechunk(&Request { previous, dest, ..request.clone() }, &Progress::new()).unwrap();
        // A layer that repeats only what others show, such as directories, is dropped the next time.
        let digests = |image: &ImageOutcome| image.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>();
        if digests(first) == digests(&settled.images[0]) {
            assert_eq!(settled.images[0].digest, first.digest, "nothing changed: {request:#?}");
        }
    }
}

fn twin() -> Formats {
    Formats::with_gzip_twin(Format::Chunked).unwrap()
}

/// The same tars in the same order, and what the previous pair had of them stays.
fn assert_twins(zstd: &Image, gzip: &Image, before: Option<&(Image, Option<Image>)>) {
    assert_eq!(zstd.layers.len(), gzip.layers.len());
    for (own, other) in zstd.layers.iter().zip(&gzip.layers) {
        assert!(own.tar == other.tar, "another tar in the gzip image");
        let media_type = other.descriptor["mediaType"].as_str().unwrap();
        assert!(!media_type.ends_with("zstd"), "{media_type}");
        assert!(!media_type.ends_with("gzip") || other.blob.starts_with(&[0x1f, 0x8b]));
        let Some((old, Some(old_gzip))) = before else { continue };
        if let Some(at) = old.layers.iter().position(|old| old.blob == own.blob) {
            assert!(old_gzip.layers[at].blob == other.blob, "a kept layer has another gzip blob");
        }
    }
}

fn unrelated() -> World {
    let mut world = World::default();
    let dirs = ["a", "a/b", "x"].map(|dir| Edit::Compile(dir.into(), 1_600_000_000));
    dirs.iter().for_each(|edit| world.apply(edit));
    world
}

fn assert_same(found: &Nodes, expected: &Nodes) {
    let mut paths: Vec<&Vec<u8>> = found.keys().chain(expected.keys()).collect();
    paths.dedup();
    for path in paths {
        let name = String::from_utf8_lossy(path);
        let (found, expected) = (found.get(path), expected.get(path));
        // Its layer may stay in later versions.
        if expected.is_some() || !found.is_some_and(|node| node.is_made_root(path)) {
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// The two things that can go wrong: a layer that must stay shows what no layer above can hide, or has what is to be
/// purged.
fn assert_base_is_in_the_way(error: &Error, base: &View<'_>, expected: &Nodes, purged: &HashSet<&[u8]>) {
    let is_in_the_way = |path: &Vec<u8>| {
        let name = path.rsplit(|b| *b == b'/').next().unwrap();
        !expected.contains_key(path) && (name.len() > 251 || name.starts_with(b".wh."))
    };
    let is_right = match error.to_string() {
        text if text.contains("is to be purged") => {
            base.seen.iter().flatten().any(|seen| purged.contains(&*seen.content.0))
        }
        text => text.contains("base image") && base.nodes().keys().any(is_in_the_way),
    };
    assert!(is_right, "{error}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_version_is_right(chain in chain()) {
        let mut run = Run::start(&chain);
        chain.steps.iter().enumerate().for_each(|(number, step)| run.step(number, step));
    }
}
