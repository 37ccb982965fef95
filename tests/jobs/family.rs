//! Images that are planned together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use restrata::digest::BlobDigest;
use restrata::error::Error;
use restrata::oci::{Platform, Reference};
use restrata::order::{Reason, State};
use restrata::progress::Progress;
use restrata::rechunk::{FamilyOutcome, Outcome, Request, family, plan_family, rechunk};
use restrata::tar::EntryKind;
use restrata::verify::verify;
use tempfile::TempDir;

use super::image::{Entry, entry, file, noise, options, plain, platforms};
use super::registry::World;
use super::runs::dest;

/// Bytes that no other seed has.
fn data(seed: u8, len: usize) -> Vec<u8> {
    noise(len).into_iter().map(|byte| byte ^ seed.wrapping_mul(37)).collect()
}

/// What all members have, in files that builders stamp anew.
fn common(stamp: i64) -> Vec<Entry> {
    let mut entries = vec![entry("usr/", EntryKind::Dir), entry("usr/lib/", EntryKind::Dir)];
    entries.extend((0..12).map(|n| file(&format!("usr/lib/{n}"), &data(n, 60_000))));
    entries.iter_mut().for_each(|(header, _)| header.mtime.secs += stamp);
    entries
}

/// What a member alone has.
fn own(member: u8, version: u8) -> Vec<Entry> {
    vec![
        file(&format!("opt/{member}"), &data(100 + member, 40_000)),
        file("opt/changes", &data(200 + member, 900 + usize::from(version))),
    ]
}

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn image(&self, name: &str, layers: &[Vec<Entry>]) -> String {
        let dir = self.dir.path().join(name);
        fs::create_dir(&dir).unwrap();
        plain(&dir, "t", layers)
    }

    /// Members a, b, .. of a version, each with its own times.
    fn version(&self, version: u8, members: u8) -> Vec<Request> {
        let member = |member: u8| {
            let name = format!("{}{version}", char::from(b'a' + member));
            let new = self.image(
                &format!("in-{name}"),
                &[common(i64::from(version) * 100 + i64::from(member)), own(member, version)],
            );
            Request::new(new.parse().unwrap(), self.dest(&name), options())
        };
        (0..members).map(member).collect()
    }

    fn dest(&self, tag: &str) -> Reference {
        dest(&self.dir, tag).parse().unwrap()
    }

    fn assert_same(&self, request: &Request) {
        let verdict = verify(&request.dest, &request.new, None, &[], options(), &Progress::new()).unwrap();
        // What several have, has the time of the first one.
        let other: Vec<_> = verdict.differences.iter().filter(|it| it.what != "mtime").collect();
        assert!(other.is_empty(), "{other:?}");
    }
}

fn run(requests: &[Request]) -> FamilyOutcome {
    family(requests, &Progress::new()).unwrap()
}

fn refused(requests: &[Request]) -> Error {
    family(requests, &Progress::new()).unwrap_err()
}

fn layers(outcome: &Outcome) -> BTreeMap<BlobDigest, u64> {
    outcome.images.iter().flat_map(|image| &image.layers).map(|layer| (layer.digest, layer.size)).collect()
}

/// Bytes of layers that both have.
fn shared(one: &Outcome, other: &Outcome) -> u64 {
    let other = layers(other);
    layers(one).iter().filter(|(digest, _)| other.contains_key(*digest)).map(|(_, size)| size).sum()
}

const COMMON: u64 = 12 * 60_000;

#[test]
fn what_all_have_is_written_once_whatever_its_times() {
    let bench = Bench::new();
    let requests = bench.version(1, 3);
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        assert!(shared(&outcome.members[one], &outcome.members[other]) >= COMMON);
    }
    let every: BTreeMap<BlobDigest, u64> = outcome.members.iter().flat_map(layers).collect();
    assert_eq!(outcome.sums.stored, every.values().sum::<u64>());
    assert_eq!((outcome.sums.new, outcome.sums.common > COMMON), (outcome.sums.stored, true));
    assert!(outcome.sums.stored < COMMON + 3 * 45_000, "{:?}", outcome.sums);
    let switch = outcome.switches.iter().find(|it| (it.from, it.to) == (0, 1)).unwrap();
    let lacks = |(digest, _): &(BlobDigest, u64)| !layers(&outcome.members[0]).contains_key(digest);
    assert_eq!(switch.bytes, layers(&outcome.members[1]).into_iter().filter(lacks).map(|(_, size)| size).sum::<u64>());
}

#[test]
fn the_same_run_twice_has_the_same_digests_and_keeps_all() {
    let bench = Bench::new();
    let requests = bench.version(1, 3);
    let first = run(&requests);
    let again: Vec<Request> = requests
        .iter()
        .map(|request| {
            let mut again = Request { previous: vec![request.dest.clone()], ..request.clone() };
            again.dest = bench.dest(&format!("again-{}", request.dest.to_string().rsplit(':').next().unwrap()));
            again.resources.threads = 1;
            again
        })
        .collect();
    let second = run(&again);
    for (one, other) in first.members.iter().zip(&second.members) {
        assert_eq!(one.digest, other.digest);
    }
    assert_eq!(second.sums.new, 0);
}

#[test]
fn a_common_change_is_pulled_once() {
    let bench = Bench::new();
    let first = bench.version(1, 3);
    run(&first);
    let change = |member: u8| {
        let mut all = common(500 + i64::from(member));
        all[3] = file("usr/lib/1", &data(77, 60_000));
        let new = bench.image(&format!("in-new{member}"), &[all, own(member, 1)]);
        let previous = vec![first[usize::from(member)].dest.clone()];
        Request { previous, ..Request::new(new.parse().unwrap(), bench.dest(&format!("new{member}")), options()) }
    };
    let requests: Vec<Request> = (0..3).map(change).collect();
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    let new: Vec<BTreeSet<BlobDigest>> = outcome
        .members
        .iter()
        .map(|member| member.images[0].new_layers().map(|(digest, _)| digest).collect())
        .collect();
    assert!(new[0] == new[1] && new[1] == new[2], "{new:?}");
    assert!(outcome.sums.new < 63_000, "{:?}", outcome.sums);
}

#[test]
fn directories_of_other_modes_do_not_keep_layers_apart() {
    let bench = Bench::new();
    let member = |member: u8, mode: i64| {
        let mut all = common(0);
        all[1].0.mode = mode;
        let new = bench.image(&format!("in-dir{member}"), &[all]);
        Request::new(new.parse().unwrap(), bench.dest(&format!("dir{member}")), options())
    };
    let requests = [member(0, 0o755), member(1, 0o700)];
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    assert!(shared(&outcome.members[0], &outcome.members[1]) >= COMMON);
}

#[test]
fn a_member_joins_and_one_leaves() {
    let bench = Bench::new();
    run(&bench.version(1, 2));
    let mut second = bench.version(2, 3);
    second.remove(0);
    // b stays, and c is new. a is gone.
    second[0].previous = vec![bench.dest("b1")];
    let outcome = run(&second);
    second.iter().for_each(|request| bench.assert_same(request));
    let kept = outcome.members[1].images[0].layers.iter().filter(|layer| layer.planned.reason == Reason::Shared);
    assert!(kept.map(|layer| layer.size).sum::<u64>() >= COMMON, "the one that joins has b's layers");
    assert!(outcome.sums.new < 2 * 45_000, "{:?}", outcome.sums);
}

#[test]
fn one_member_alone_uses_layers_of_the_others() {
    let bench = Bench::new();
    let first = bench.version(1, 2);
    let first = run(&first);
    let mut request = bench.version(2, 3).remove(2);
    request.shares = vec![bench.dest("a1"), bench.dest("b1")];
    let alone = rechunk(&request, &Progress::new()).unwrap();
    bench.assert_same(&request);
    assert!(shared(&alone, &first.members[0]) >= COMMON);
    let reasons: Vec<Reason> = alone.images[0].layers.iter().map(|layer| layer.planned.reason).collect();
    assert!(reasons.contains(&Reason::Shared), "{reasons:?}");
    let own = alone.images[0].layers.iter().filter(|layer| layer.planned.state != State::Kept);
    assert!(own.map(|layer| layer.size).sum::<u64>() < 45_000);
}

#[test]
fn an_image_with_other_files_shares_nothing() {
    let bench = Bench::new();
    run(&bench.version(1, 1));
    let new = bench.image("in-other", &[vec![file("usr/lib/0", &data(9, 60_000))]]);
    let mut request = Request::new(new.parse().unwrap(), bench.dest("other"), options());
    request.shares = vec![bench.dest("a1")];
    let outcome = rechunk(&request, &Progress::new()).unwrap();
    bench.assert_same(&request);
    assert!(outcome.images[0].layers.iter().all(|layer| layer.planned.reason != Reason::Shared));
}

#[test]
fn a_previous_image_of_another_tool_is_laid_out_anew() {
    let bench = Bench::new();
    let first = bench.version(1, 2);
    run(&first);
    let mut second = bench.version(2, 2);
    second[0].previous = vec![bench.dest("a1")];
    second[1].previous = vec![first[1].new.clone()];
    let outcome = run(&second);
    second.iter().for_each(|request| bench.assert_same(request));
    assert!(shared(&outcome.members[0], &outcome.members[1]) >= COMMON);
}

#[test]
fn platforms_share_nothing_with_each_other() {
    let bench = Bench::new();
    let architecture = |name: &str| format!("linux/{name}").parse::<Platform>().unwrap();
    let member = |member: u8, names: &[&str]| {
        let dir = bench.dir.path().join(format!("in-platforms{member}"));
        fs::create_dir(&dir).unwrap();
        let layers: Vec<Vec<Vec<Entry>>> = names.iter().map(|_| vec![common(0), own(member, 1)]).collect();
        let images: Vec<(Platform, &[Vec<Entry>])> =
            names.iter().zip(&layers).map(|(name, layers)| (architecture(name), layers.as_slice())).collect();
        let new = platforms(&dir, "t", &images);
        Request::new(new.parse().unwrap(), bench.dest(&format!("platforms{member}")), options())
    };
    let requests = [member(0, &["amd64", "arm64"]), member(1, &["arm64"])];
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    assert_eq!(outcome.members.iter().map(|member| member.images.len()).collect::<Vec<_>>(), [2, 1]);
    assert!(shared(&outcome.members[0], &outcome.members[1]) >= COMMON);
}

#[test]
fn the_gzip_twins_share_layers_as_well() {
    let bench = Bench::new();
    let formats = restrata::compression::Formats::with_gzip_twin(restrata::compression::Format::Chunked).unwrap();
    let requests: Vec<Request> =
        bench.version(1, 2).into_iter().map(|request| Request { formats, ..request }).collect();
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    let gzip = |member: &Outcome| {
        let twin = member.images[0].twin.as_ref().unwrap();
        twin.layers.iter().map(|blob| (blob.digest, blob.size)).collect::<BTreeMap<_, _>>()
    };
    let (one, other) = (gzip(&outcome.members[0]), gzip(&outcome.members[1]));
    let both = one.iter().filter(|(digest, _)| other.contains_key(*digest)).map(|(_, size)| size);
    assert!(both.sum::<u64>() >= COMMON);
}

#[test]
fn layers_that_inputs_have_in_common_are_read_once() {
    let bench = Bench::new();
    let dir = bench.dir.path().join("in-read");
    fs::create_dir(&dir).unwrap();
    let shared = common(0);
    let names = ["x", "y"];
    let news = [0, 1].map(|member| plain(&dir, names[usize::from(member)], &[shared.clone(), own(member, 1)]));
    let requests = [0, 1].map(|at| Request::new(news[at].parse().unwrap(), bench.dest(names[at]), options()));
    let progress = Progress::new();
    let outcome = family(&requests, &progress).unwrap();
    requests.iter().for_each(|request| bench.assert_same(request));
    assert!(outcome.sums.stored < COMMON + 2 * 45_000);
}

#[test]
fn a_plan_says_what_a_run_would_do() {
    let bench = Bench::new();
    let requests = bench.version(1, 3);
    let planned = plan_family(&requests, &Progress::new()).unwrap();
    assert!(!bench.dir.path().join("out").exists());
    let outcome = run(&requests);
    for (planned, written) in planned.members.iter().zip(&outcome.members) {
        let planned: Vec<(State, u64)> = planned.images[0].layers.iter().map(|it| (it.state, it.entries)).collect();
        let written = written.images[0].layers.iter().map(|it| (it.planned.state, it.planned.entries));
        assert_eq!(planned, written.collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_written_when_one_member_cannot_be_read() {
    let bench = Bench::new();
    let mut requests = bench.version(1, 3);
    requests[2].new = "oci:/nowhere:t".parse().unwrap();
    let error = refused(&requests);
    assert!(error.to_string().contains("/nowhere"), "{error}");
    assert!(!bench.dir.path().join("out").exists());
}

#[test]
fn members_need_places_of_their_own() {
    let bench = Bench::new();
    let mut requests = bench.version(1, 2);
    requests[1].dest = requests[0].dest.clone();
    let error = refused(&requests).to_string();
    assert!(error.contains("two members have the destination"), "{error}");
    let archive = bench.dir.path().join("out.tar");
    for (request, tag) in requests.iter_mut().zip(["x", "y"]) {
        request.dest = format!("oci-archive:{}:{tag}", archive.display()).parse().unwrap();
    }
    let error = refused(&requests).to_string();
    assert!(error.contains("out.tar"), "{error}");
    assert!(!archive.exists());
}

#[test]
fn archives_and_directories_hold_members_too() {
    let bench = Bench::new();
    let mut requests = bench.version(1, 2);
    requests[1].dest = format!("oci-archive:{}:t", bench.dir.path().join("b.tar").display()).parse().unwrap();
    let outcome = run(&requests);
    requests.iter().for_each(|request| bench.assert_same(request));
    assert!(shared(&outcome.members[0], &outcome.members[1]) >= COMMON);
}

#[test]
fn a_registry_gets_common_layers_once() {
    let world = World::new();
    let bench = Bench::new();
    let to = |requests: Vec<Request>| -> Vec<Request> {
        let tags = ["a", "b", "c"];
        let to = |(request, tag): (Request, &&str)| Request {
            dest: world.reference(tag),
            resources: world.options(),
            dest_reach: world.options().reach,
            ..request
        };
        requests.into_iter().zip(&tags).map(to).collect()
    };
    let requests = to(bench.version(1, 3));
    let outcome = run(&requests);
    let sent: u64 = outcome.members.iter().map(|member| member.published.as_ref().unwrap().counts.sent.bytes).sum();
    assert!(sent < outcome.sums.stored + 3 * 5_000, "{sent} of {:?}", outcome.sums);
    assert!(world.registry.state().incomplete().is_empty());
    let same = |request: &Request| {
        let verdict = verify(&request.dest, &request.new, None, &[], world.options(), &Progress::new()).unwrap();
        verdict.differences.iter().all(|it| it.what == "mtime")
    };
    assert!(requests.iter().all(same));
    // The tags are the previous images.
    let second = to(bench.version(2, 3));
    let outcome = run(&second);
    assert!(second.iter().all(same));
    assert!(outcome.sums.new < 3 * 5_000, "{:?}", outcome.sums);
}
