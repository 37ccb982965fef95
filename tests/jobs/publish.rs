//! A run whose destination, or previous image, is in a registry.

use std::fs;
use std::path::Path;

use restrata::cache::Cache;
use restrata::degraded::Code;
use restrata::digest::BlobDigest;
use restrata::error::Error;
use restrata::oci::{Platform, Reference};
use restrata::order::State;
use restrata::progress::Progress;
use restrata::push::PushError;
use restrata::rechunk::{Outcome, Request, plan, rechunk};
use restrata::verify::verify;

use super::image::{Entry, file, noise, plain, platforms};
use super::registry::World;
use super::registry::stub::{Answer, Auth, Fault};

/// Three versions: files that stay, one that changes, and many that go, so that a layer is cleaned.
fn version(number: u8) -> Vec<Entry> {
    let mut entries: Vec<Entry> = (0..12).map(|n| file(&format!("stays/{n}"), &noise(90_000 + n))).collect();
    entries.push(file("changes", &[noise(3000), vec![number]].concat()));
    let gone = if number == 1 { 9 } else { 0 };
    entries.extend((0..gone).map(|n| file(&format!("goes/{n}"), &noise(20_000 + n))));
    entries
}

/// The version as a builder made it.
fn built(world: &World, number: u8) -> Reference {
    let dir = world.dir.path().join(format!("built{number}"));
    if !dir.exists() {
        fs::create_dir(&dir).unwrap();
        plain(&dir, "new", &[version(number)]);
    }
    format!("oci:{}:new", dir.join("plain").display()).parse().unwrap()
}

fn cached(world: &World, name: &str) -> Cache {
    Cache::at(world.dir.path().join(name))
}

fn request(world: &World, number: u8, dest: &str, cache: &str) -> Request {
    let dest = match dest.starts_with("oci:") {
        true => dest.parse().unwrap(),
        false => world.reference(dest),
    };
    let mut request = Request::new(built(world, number), dest, world.options());
    request.resources.cache = cached(world, cache);
    request
}

fn run(request: &Request) -> Outcome {
    rechunk(request, &Progress::new()).unwrap()
}

/// The digests of the first three versions in files.
fn in_files(world: &World) -> Vec<BlobDigest> {
    let layout = |number: u8| format!("oci:{}:v{number}", world.dir.path().join("files").display());
    let digest = |number: u8| {
        let mut request = request(world, number, &layout(number), "files-cache");
        request.previous = (number > 1).then(|| layout(number - 1).parse().unwrap()).into_iter().collect();
        run(&request).digest
    };
    (1..=3).map(digest).collect()
}

/// The layers' blobs that were asked for whole, as often as they were.
fn whole(world: &World, layers: &[BlobDigest]) -> usize {
    let asked = world.blobs();
    let is_layer = |path: &str| layers.iter().any(|layer| path.ends_with(&layer.hex()));
    asked.iter().filter(|(path, range)| range.is_none() && is_layer(path)).count()
}

fn layers(outcome: &Outcome) -> Vec<BlobDigest> {
    outcome.images[0].layers.iter().map(|layer| layer.digest).collect()
}

#[test]
fn what_the_tag_points_at_is_the_previous_image() {
    let world = World::new();
    let expected = in_files(&world);
    let first = run(&request(&world, 1, "v", "cache"));
    assert_eq!(first.digest, expected[0]);
    assert!(first.notes.iter().any(|note| note.ends_with("has no such tag yet: this is a first layout")));
    world.registry.state().asked.clear();
    let second = run(&request(&world, 2, "v", "cache"));
    assert_eq!(second.digest, expected[1], "as from files");
    let note = format!("the previous image is {}", world.reference("v"));
    assert!(second.notes.iter().any(|it| it.starts_with(&note)), "{:?}", second.notes);
    let states: Vec<State> = second.images[0].layers.iter().map(|layer| layer.planned.state).collect();
    assert!(states.contains(&State::Cleaned), "frames came by range: {states:?}");
    assert_eq!(whole(&world, &layers(&first)), 0);
    let third = run(&request(&world, 3, "v", "cache"));
    assert_eq!(third.digest, expected[2]);
    assert!(world.registry.state().incomplete().is_empty());
    let (there, built) = (world.reference("v"), built(&world, 3));
    assert!(verify(&there, &built, None, &[], world.options(), &Progress::new()).unwrap().is_same());
}

#[test]
fn only_what_the_registry_lacks_travels() {
    let world = World::new();
    run(&request(&world, 1, "v", "cache"));
    let second = run(&request(&world, 2, "v", "cache"));
    let new = |layer: &&restrata::rechunk::LayerOutcome| layer.planned.state != State::Kept;
    let sent: u64 = second.images[0].layers.iter().filter(new).map(|layer| layer.size).sum();
    let published = second.published.as_ref().unwrap();
    let config = published.counts.sent.bytes - sent;
    assert!(config < 4000, "{published:?}");
    assert_eq!(published.references, [world.reference("v").to_string()]);
    // Again: the same image, of which nothing is sent. The indexes are known from the run that wrote them.
    world.registry.state().asked.clear();
    let again = run(&request(&world, 2, "v", "cache"));
    let published = again.published.as_ref().unwrap();
    assert_eq!((again.digest, published.counts.sent.blobs), (second.digest, 0));
    // How the registry answers two ranges is asked.
    let ranges: Vec<String> = world.blobs().into_iter().filter_map(|(_, range)| range).collect();
    assert!(matches!(&ranges[..], [one] if one.starts_with("bytes=0-3,")), "{ranges:?}");
    assert_eq!(whole(&world, &layers(&again)), 0);
}

#[test]
fn a_layer_that_no_cache_knows_is_read_once() {
    let world = World::new();
    let expected = in_files(&world);
    let first = run(&request(&world, 1, "v", "cache"));
    for (round, wanted) in [(1, layers(&first).len()), (2, 0)] {
        world.registry.state().asked.clear();
        let mut request = request(&world, 2, "w", "cold");
        request.previous = vec![world.reference("v")];
        let update = run(&request);
        assert_eq!(update.digest, expected[1]);
        assert_eq!(whole(&world, &layers(&first)), wanted, "round {round}");
        let is_told = update.notes.iter().any(|note| note.contains("are downloaded once to prove them"));
        assert_eq!(is_told, round == 1, "{:?}", update.notes);
    }
}

#[test]
fn a_trusted_layer_is_not_read_and_not_remembered_as_proven() {
    let world = World::new();
    let expected = in_files(&world);
    let first = run(&request(&world, 1, "v", "cache"));
    let kept = layers(&first);
    for dest in ["w".to_owned(), format!("oci:{}:w", world.dir.path().join("kept").display())] {
        world.registry.state().asked.clear();
        let mut trusting = request(&world, 2, &dest, "cold");
        (trusting.previous, trusting.trust_previous) = (vec![world.reference("v")], true);
        let update = run(&trusting);
        assert_eq!(update.digest, expected[1]);
        assert!(update.notes.iter().any(|note| note.contains("taken without a proof")), "{:?}", update.notes);
        let copied = update.images[0].layers.iter().filter(|layer| kept.contains(&layer.digest)).count();
        assert_eq!(whole(&world, &kept), if dest == "w" { 0 } else { copied }, "only to copy it: {dest}");
    }
    let mut request = request(&world, 2, "x", "cold");
    request.previous = vec![world.reference("v")];
    world.registry.state().asked.clear();
    run(&request);
    assert_eq!(whole(&world, &kept), kept.len());
}

#[test]
fn a_registry_without_ranges_is_asked_for_each_layer_once() {
    let world = World::new();
    let expected = in_files(&world);
    let first = run(&request(&world, 1, "v", "cache"));
    world.registry.state().no_ranges = true;
    world.registry.state().asked.clear();
    let mut cold = request(&world, 2, "w", "cold");
    cold.previous = vec![world.reference("v")];
    assert_eq!(run(&cold).digest, expected[1]);
    assert_eq!(whole(&world, &layers(&first)), layers(&first).len());
    // Known: the index alone, and what of a cleaned layer is needed.
    let mut warm = request(&world, 2, "x", "cache");
    warm.previous = vec![world.reference("v")];
    assert_eq!(run(&warm).digest, expected[1]);
}

#[test]
fn a_previous_layer_that_lies_is_written_anew() {
    let world = World::new();
    let first = run(&request(&world, 1, "v", "cache"));
    // The registry's copy is another one, under the same digest.
    let lying = first.images[0].layers.iter().max_by_key(|layer| layer.size).unwrap().digest;
    for (_, blob) in world.registry.state().blobs.iter_mut().filter(|((_, digest), _)| digest.ends_with(&lying.hex())) {
        let middle = blob.len() / 2;
        blob[middle] ^= 1;
    }
    let mut request = request(&world, 2, "w", "cold");
    request.previous = vec![world.reference("v")];
    let update = run(&request);
    assert!(update.degraded.iter().any(|it| it.code == Code::LayerDamaged), "{:?}", update.degraded);
    assert!(!layers(&update).contains(&lying));
    assert!(world.registry.state().incomplete().iter().all(|it| it.starts_with("app:v ")));
    let verdict = verify(&world.reference("w"), &built(&world, 2), None, &[], world.options(), &Progress::new());
    assert!(verdict.unwrap().is_same());
}

#[test]
fn a_registry_that_fails_makes_no_layer_a_damaged_one() {
    let world = World::new();
    let first = run(&request(&world, 1, "v", "cache"));
    let layer = first.images[0].layers[0].digest;
    let path: &'static str = format!("/blobs/{layer}").leak();
    world.registry.fault("GET", path, 1000, Fault::Answer(Answer::new(503)));
    let mut request = request(&world, 2, "v", "cold");
    let refused = rechunk(&request, &Progress::new()).unwrap_err();
    assert!(refused.to_string().contains("status 503"), "{refused}");
    assert_eq!(refused.exit_code(), 1);
    request.first = true;
    world.registry.state().rules_end();
    run(&request);
}

#[test]
fn a_frame_that_is_not_what_the_index_says_never_reaches_the_output() {
    let world = World::new();
    let first = run(&request(&world, 1, "v", "cache"));
    for layer in layers(&first) {
        let state = &mut world.registry.state();
        for (_, blob) in state.blobs.iter_mut().filter(|((_, digest), _)| digest.ends_with(&layer.hex())) {
            let end = blob.len() - blob.len() / 4;
            blob[end] ^= 1;
        }
    }
    // The cache has proven these digests.
    let mut request = request(&world, 2, "w", "cache");
    request.previous = vec![world.reference("v")];
    match rechunk(&request, &Progress::new()) {
        Ok(_) => panic!("frames that were changed are published"),
        Err(error) => assert!(error.to_string().contains("previous image"), "{error}"),
    }
    assert!(!world.registry.state().manifests.keys().any(|(_, tag)| tag == "w"));
}

#[test]
fn other_tags_get_the_image_and_one_of_them_can_be_the_previous_one() {
    let world = World::new();
    let expected = in_files(&world);
    let publish = |number: u8, dest: &str| {
        let mut request = request(&world, number, dest, "cache");
        request.tags = vec!["latest".to_owned()];
        run(&request)
    };
    publish(1, "v1");
    let second = publish(2, "v2");
    assert_eq!(second.digest, expected[1]);
    let references = [world.reference("v2").to_string(), world.reference("latest").to_string()];
    assert_eq!(second.published.unwrap().references, references);
}

#[test]
fn somebody_else_publishes_meanwhile() {
    let world = World::new();
    run(&request(&world, 1, "v", "cache"));
    let mut update = request(&world, 2, "v", "cache");
    // The tag moves after it was read: what the second look finds is another image.
    let other = run(&request(&world, 3, "other", "cache")).digest.to_string();
    let head = Answer::new(200).header("Docker-Content-Digest", other);
    world.registry.fault("HEAD", "/manifests/v", 1, Fault::Answer(head.clone()));
    let refused = rechunk(&update, &Progress::new()).unwrap_err();
    assert!(matches!(&refused, Error::Push(error) if matches!(**error, PushError::Moved { .. })), "{refused}");
    assert_eq!(refused.exit_code(), 1);
    world.registry.state().rules_end();
    world.registry.fault("HEAD", "/manifests/v", 1, Fault::Answer(head));
    update.force = true;
    let forced = run(&update);
    assert!(forced.notes.iter().any(|note| note.contains("--force replaced")), "{:?}", forced.notes);
}

#[test]
fn a_plan_sends_nothing() {
    let world = World::new();
    run(&request(&world, 1, "v", "cache"));
    world.registry.state().asked.clear();
    let planned = plan(&request(&world, 2, "v", "cache"), &Progress::new()).unwrap();
    assert!(planned.images[0].layers.iter().any(|layer| layer.state == State::Cleaned));
    assert!(world.registry.state().asked.iter().all(|asked| matches!(asked.method.as_str(), "GET" | "HEAD")));
}

#[test]
fn a_run_into_files_needs_only_what_stays() {
    let world = World::new();
    let expected = in_files(&world);
    run(&request(&world, 1, "v", "cache"));
    let layout = world.dir.path().join("out");
    let mut request = request(&world, 2, &format!("oci:{}:v2", layout.display()), "cache");
    request.previous = vec![world.reference("v")];
    let update = run(&request);
    assert_eq!(update.digest, expected[1]);
    let blobs = |layer: &BlobDigest| Path::new(&layout).join("blobs/sha256").join(layer.hex()).exists();
    assert!(layers(&update).iter().all(blobs));
}

#[test]
fn the_published_image_is_read_as_the_destination_is() {
    let world = World::new();
    let expected = in_files(&world);
    world.registry.state().auth = Auth::Basic("me", "hunter2");
    let publish = |number: u8| {
        let mut request = request(&world, number, "v", "cache");
        request.dest_reach.access.credentials = Some("me:hunter2".parse().unwrap());
        run(&request).digest
    };
    assert_eq!([publish(1), publish(2)], expected[..2]);
}

#[test]
fn a_platform_that_a_tag_loses_is_told() {
    let world = World::new();
    let arm = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned(), variant: None };
    let both =
        platforms(world.dir.path(), "both", &[(Platform::host(), &[version(1)][..]), (arm.clone(), &[version(1)][..])]);
    let mut first = request(&world, 1, "v", "cache");
    first.new = both.parse().unwrap();
    run(&first);
    let update = run(&request(&world, 2, "v", "cache"));
    let told = |outcome: &Outcome| outcome.notes.iter().any(|note| note.contains("has an image for linux/arm64 now"));
    assert!(told(&update), "{:?}", update.notes);
    assert!(update.images[0].pulls.iter().any(|pull| pull.from.is_some()), "compared with its own platform");
    assert!(!told(&run(&request(&world, 3, "v", "cache"))));
}

#[test]
fn a_layer_that_is_gone_is_written_anew_whatever_the_cache_knows() {
    let world = World::new();
    let first = run(&request(&world, 1, "v", "cache"));
    run(&request(&world, 1, "v", "cache"));
    let gone = layers(&first)[0];
    world.registry.state().blobs.retain(|(_, digest), _| !digest.ends_with(&gone.hex()));
    let update = run(&request(&world, 2, "v", "cache"));
    assert!(update.degraded.iter().any(|it| it.code == Code::LayerDamaged), "{:?}", update.degraded);
    assert!(world.registry.state().incomplete().is_empty());
    let verdict = verify(&world.reference("v"), &built(&world, 2), None, &[], world.options(), &Progress::new());
    assert!(verdict.unwrap().is_same());
}

#[test]
fn who_may_not_push_learns_it_before_the_work() {
    let world = World::new();
    let denied = Answer::error(403, "DENIED");
    world.registry.fault("POST", "/blobs/uploads/", 1, Fault::Answer(denied));
    let mut request = request(&world, 1, "v", "cache");
    request.new = "oci:/nowhere:new".parse().unwrap();
    let refused = rechunk(&request, &Progress::new()).unwrap_err();
    assert!(refused.to_string().contains("no permission to push to app"), "{refused}");
    assert!(world.registry.state().uploads.is_empty());
}
