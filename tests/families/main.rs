//! Random families, version after version: members that change, join, leave, and are rebuilt alone.

#[path = "../chain/cases.rs"]
mod cases;
#[path = "../image/mod.rs"]
mod image;
#[path = "../chain/oracle.rs"]
mod oracle;
#[path = "../chain/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;
use restrata::check::check;
use restrata::codec::Level;
use restrata::compression::{Format, Formats};
use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::order::layers::{Mtime, Options, Share};
use restrata::progress::Progress;
use restrata::rechunk::{Effort, FamilyOutcome, ImageOutcome, Request, family, rechunk};

use cases::config;
use image::layout::{self, Image, Layer, Packing};
use image::tar_of;
use oracle::{Nodes, Promise, View, expected, is_compiled};
use world::{Edit, World};

const MEMBERS: usize = 4;

/// What clients of a member have.
#[derive(Debug, Clone, Copy)]
enum Previous {
    Last,
    Nothing,
    /// The input of the version before, which has no TOCs.
    Foreign,
}

#[derive(Debug, Clone)]
struct Turn {
    /// A member that is not in the family at the time changes all the same.
    is_here: bool,
    edits: Vec<Edit>,
    layers: usize,
    previous: Previous,
}

#[derive(Debug, Clone)]
struct Step {
    /// Of all members.
    edits: Vec<Edit>,
    turns: Vec<Turn>,
    /// One member alone is rebuilt, and uses layers of the others.
    alone: Option<usize>,
    max_waste: u32,
    max_layers: usize,
    mtime: Mtime,
    again: bool,
    twin: bool,
}

fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec(prop_oneof![2 => world::put(), 1 => world::edit()], 0..most)
}

fn turn() -> impl Strategy<Value = Turn> {
    use Previous::{Foreign, Last, Nothing};
    let previous = select(vec![Last, Last, Last, Last, Last, Last, Nothing, Foreign]);
    (proptest::bool::weighted(0.8), edits(4), 1_usize..4, previous)
        .prop_map(|(is_here, edits, layers, previous)| Turn { is_here, edits, layers, previous })
}

fn step() -> impl Strategy<Value = Step> {
    let turns = proptest::collection::vec(turn(), MEMBERS);
    let alone = proptest::option::weighted(0.15, 0..MEMBERS);
    let limits = (select(vec![0, 100, 1000, 5000]), 1_usize..16);
    let mtime = prop_oneof![2 => Just(Mtime::Previous), 1 => Just(Mtime::Keep)];
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.3));
    (edits(6), turns, alone, limits, mtime, flags).prop_map(|(edits, turns, alone, limits, mtime, (again, twin))| {
        Step { edits, turns, alone, max_waste: limits.0, max_layers: limits.1, mtime, again, twin }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let first = proptest::collection::vec(world::put(), 0..40);
    (first, proptest::collection::vec(step(), 1..7)).prop_map(|(first, mut steps)| {
        steps[0].edits.splice(0..0, first);
        steps
    })
}

fn reference(dir: &Path, name: &str) -> Reference {
    format!("oci:{}:t", dir.join(name).display()).parse().unwrap()
}

/// A directory of layouts, and the last output of each member.
struct Run {
    dir: tempfile::TempDir,
    worlds: Vec<World>,
    last: BTreeMap<usize, String>,
}

impl Run {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), worlds: vec![World::default(); MEMBERS], last: BTreeMap::new() }
    }

    fn read(&self, name: &str) -> Image {
        layout::read(&self.dir.path().join(name))
    }

    fn step(&mut self, number: usize, step: &Step) {
        for (world, turn) in self.worlds.iter_mut().zip(&step.turns) {
            step.edits.iter().chain(&turn.edits).for_each(|edit| world.apply(edit));
        }
        let alone = step.alone.filter(|member| self.last.keys().any(|other| other != member));
        let is_here = |member: &usize| alone.map_or(step.turns[*member].is_here, |alone| alone == *member);
        let members: Vec<usize> = (0..MEMBERS).filter(is_here).collect();
        if members.is_empty() {
            return;
        }
        let requests: Vec<Request> = members.iter().map(|&member| self.request(number, step, member)).collect();
        let outcome = match alone {
            None => family(&requests, &Progress::new()).unwrap().into(),
            Some(member) => self.rebuilt(&requests[0], member),
        };
        // What was published before, by anybody, and what came out now.
        let before: Vec<Image> = requests.iter().flat_map(|request| &request.previous).map(|it| self.at(it)).collect();
        let shares: Vec<Image> = outcome.shares.iter().map(|it| self.at(it)).collect();
        let out: Vec<Image> = requests.iter().map(|request| self.at(&request.dest)).collect();
        let there: Vec<&Layer> = before.iter().chain(&shares).chain(&out).flat_map(|image| &image.layers).collect();
        for (at, request) in requests.iter().enumerate() {
            let old = View::new(there.iter().copied());
            self.check(request, &outcome.images[at], &out[at], &old);
        }
        assert_same_tars(&out);
        if step.again {
            self.check_again(&requests, alone.is_none(), &outcome.images);
        }
        for &member in &members {
            self.last.insert(member, format!("out{number}-{member}"));
        }
        self.last.retain(|member, _| step.turns[*member].is_here || alone.is_some());
    }

    fn request(&self, number: usize, step: &Step, member: usize) -> Request {
        let turn = &step.turns[member];
        let dir = self.dir.path();
        let [input, output] = ["in", "out"].map(|kind| format!("{kind}{number}-{member}"));
        let layers = self.worlds[member].layers(turn.layers);
        let layers: Vec<_> = layers.iter().map(|layer| (tar_of(layer), Packing::Gzip)).collect();
        layout::write(&dir.join(&input), &layers);
        let previous = match (turn.previous, self.last.get(&member)) {
            (Previous::Nothing, _) | (_, None) => vec![],
            (Previous::Last, Some(last)) => vec![reference(dir, last)],
            (Previous::Foreign, Some(last)) => vec![reference(dir, &last.replace("out", "in"))],
        };
        let layers = Options {
            max_waste: Share(step.max_waste),
            max_layers: step.max_layers,
            mtime: step.mtime,
            ..Options::default()
        };
        let formats = match step.twin {
            true => Formats::with_gzip_twin(Format::Chunked).unwrap(),
            false => Formats::default(),
        };
        let resources = JobOptions::new(1, dir.to_owned());
        Request {
            previous,
            layers,
            formats,
            effort: Effort::Fixed(Level::new(1).unwrap()),
            ..Request::new(reference(dir, &input), reference(dir, &output), resources)
        }
    }

    fn at(&self, reference: &Reference) -> Image {
        let text = reference.to_string();
        let name = text.trim_end_matches(":t").rsplit('/').next().unwrap();
        self.read(name)
    }

    fn rebuilt(&self, request: &Request, member: usize) -> Came {
        let others = self.last.iter().filter(|(other, _)| **other != member);
        let shares: Vec<Reference> = others.map(|(_, name)| reference(self.dir.path(), name)).collect();
        let request = Request { shares: shares.clone(), ..request.clone() };
        let outcome = rechunk(&request, &Progress::new()).unwrap();
        Came { images: outcome.images, shares }
    }

    fn check(&self, request: &Request, outcome: &ImageOutcome, out: &Image, there: &View<'_>) {
        let report = check(&request.dest, None, request.resources.clone(), &Progress::new()).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!(out.manifest_digest, outcome.digest.to_string());
        let (input, out) = (self.at(&request.new), View::new(&out.layers));
        let (new, nothing) = (View::new(&input.layers), View::new([]));
        let as_read = expected(&new, &nothing, &nothing, &request.layers);
        assert_shows(&out.nodes(), &as_read, request.layers.mtime);
        Promise { out: &out, outcome, options: &request.layers, is_large: false, old: there, base: &[] }.check();
    }

    fn check_again(&self, requests: &[Request], is_family: bool, images: &[ImageOutcome]) {
        if !is_family {
            return;
        }
        let again = |request: &Request| Request {
            dest: reference(
                self.dir.path(),
                &format!("again-{}", request.dest.to_string().rsplit('/').next().unwrap()),
            ),
            resources: JobOptions { threads: 3, ..request.resources.clone() },
            ..request.clone()
        };
        let requests: Vec<Request> = requests.iter().map(again).collect();
        let outcome = family(&requests, &Progress::new()).unwrap();
        for (one, other) in outcome.members.iter().zip(images) {
            assert_eq!(one.images[0].digest, other.digest, "the number of threads makes a difference");
        }
    }
}

/// Images that came out of a run.
struct Came {
    images: Vec<ImageOutcome>,
    /// Whose layers they could have.
    shares: Vec<Reference>,
}

impl From<FamilyOutcome> for Came {
    fn from(outcome: FamilyOutcome) -> Self {
        let images = outcome.members.into_iter().map(|mut member| member.images.remove(0)).collect();
        Self { images, shares: Vec::new() }
    }
}

/// The same tree; with [`Mtime::Previous`], times can be another image's.
fn assert_shows(found: &Nodes, expected: &Nodes, mtime: Mtime) {
    let paths: BTreeSet<&Vec<u8>> = found.keys().chain(expected.keys()).collect();
    for path in paths {
        let (mut found, mut wanted) = (found.get(path).cloned(), expected.get(path).cloned());
        if let (Some(found), Some(wanted)) = (&mut found, &mut wanted)
            && mtime == Mtime::Previous
            && !is_compiled(expected, path, wanted.meta.mtime)
        {
            (found.meta.mtime, wanted.meta.mtime) = (0, 0);
        }
        // Its layer may stay in later versions.
        if wanted.is_some() || !found.as_ref().is_some_and(|node| node.is_made_root(path)) {
            assert_eq!(found, wanted, "{}", String::from_utf8_lossy(path));
        }
    }
}

/// Layers that several members have are one tar.
fn assert_same_tars(out: &[Image]) {
    let mut tars: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for layer in out.iter().flat_map(|image| &image.layers) {
        let digest = layer.descriptor["digest"].as_str().unwrap();
        assert!(*tars.entry(digest).or_insert(&layer.tar) == layer.tar, "{digest}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_member_is_right(steps in steps()) {
        let mut run = Run::new();
        steps.iter().enumerate().for_each(|(number, step)| run.step(number, step));
    }
}
