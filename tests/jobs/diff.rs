//! What updates cost, and why.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use restrata::codec::Sha256Stream;
use restrata::diff::{Choice, Diff, Outcome, Request, diff};
use restrata::error::Error;
use restrata::order::changes::FileState;
use restrata::order::cost::{Client, PullOutcome, RegistryProfile};
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{self, rechunk};
use restrata::tar::EntryKind::Dir;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{Entry, chunked, entry, file, inspected, noise, options, plain, platforms, tar};

fn request(olds: &[&str], new: &str) -> Request {
    Request {
        olds: olds.iter().map(|old| old.parse().unwrap()).collect(),
        new: new.parse().unwrap(),
        platform: None,
        choice: Choice::default(),
        resources: options(),
    }
}

fn run(olds: &[&str], new: &str) -> Outcome {
    let outcome = diff(&request(olds, new), &Progress::new()).unwrap();
    outcome.diffs.iter().for_each(|diff| adds_up(&outcome, diff));
    outcome
}

/// What the oracle says of a plain client is what the parts are of, and every share is a part of a sum.
fn adds_up(outcome: &Outcome, diff: &Diff) {
    let plain = diff.pull(Client::Plain, RegistryProfile::MultiRange).unwrap();
    let parts = &diff.changes.parts;
    assert_eq!(plain.blob_bytes(), parts.bytes() + outcome.config_bytes);
    assert_eq!(parts.new, diff.changes.changed_bytes);
    for ((layer, parts), pull) in outcome.layers.iter().zip(&diff.changes.layers).zip(&plain.layers) {
        assert_eq!(parts.is_none(), pull.outcome == PullOutcome::Reused);
        assert_eq!(parts.map_or(layer.size, |parts| parts.bytes()), layer.size);
    }
    let owners = &diff.changes.owners;
    assert_eq!(owners.iter().map(|share| share.changed_bytes).sum::<u64>(), parts.new);
    for share in owners {
        let files: Vec<_> = diff.files_of(share).filter(|file| file.state != FileState::Hidden).collect();
        assert_eq!(files.len() as u64, share.changed_files);
        assert_eq!(files.iter().map(|file| file.changed_bytes).sum::<u64>(), share.changed_bytes);
    }
}

fn only(outcome: &Outcome) -> &Diff {
    assert_eq!(outcome.diffs.len(), 1);
    &outcome.diffs[0]
}

/// Two packages of dpkg.
fn packages(a: &[u8], b: &[u8]) -> Vec<Entry> {
    let list = |name: &str, files: &str| file(&format!("var/lib/dpkg/info/{name}.list"), files.as_bytes());
    let status = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok installed\n";
    vec![
        entry("usr/", Dir),
        file("usr/a", a),
        file("usr/b", b),
        list("a", "/usr\n/usr/a\n"),
        list("b", "/usr\n/usr/b\n"),
        file("var/lib/dpkg/status", status.as_bytes()),
    ]
}

fn names(diff: &Diff) -> Vec<(Option<&str>, u64)> {
    diff.changes.owners.iter().map(|share| (diff.owner_name(share.owner), share.changed_files)).collect()
}

#[test]
fn plain_layers_are_told_by_their_files() {
    let dir = TempDir::new().unwrap();
    let old = plain(dir.path(), "old", &[packages(&noise(50_000), &noise(70_000))]);
    let mut entries = packages(&noise(50_000), &noise(90_000));
    entries[1].0.mtime.secs += 1;
    let new = plain(dir.path(), "new", &[entries]);
    let outcome = run(&[&old], &new);
    let diff = only(&outcome);
    assert_eq!((diff.changes.changed_bytes, diff.changes.parts.same.times), (90_000, 50_000));
    assert_eq!(names(diff)[..2], [(Some("dpkg:b"), 1), (Some("dpkg:a"), 0)]);
    let [file] = diff.changes.files.as_slice() else { panic!("{:?}", diff.changes.files) };
    assert_eq!((file.path.to_string().as_str(), file.state, file.size), ("/usr/b", FileState::Changed, 90_000));
    let counts = diff.changes.counts;
    assert_eq!((counts.changed, counts.times, counts.added + counts.removed + counts.metadata), (1, 1, 0));
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
}

/// The packages stand in frames, and what changed is what podman pulls.
#[test]
fn chunked_layers_are_told_by_their_tocs() {
    let dir = TempDir::new().unwrap();
    let image = |tag: &str, b: usize| plain(dir.path(), tag, &[packages(&noise(50_000), &noise(b))]);
    let (a, b) = (image("a", 70_000), image("b", 90_000));
    let old = chunked(dir.path(), &a, IndexPlace::First);
    let new = format!("oci:{}:v2", dir.path().join("new").display());
    let mut update = rechunk::Request::new(b.parse().unwrap(), new.parse().unwrap(), options());
    update.previous.push(old.parse().unwrap());
    let written = rechunk(&update, &Progress::new()).unwrap();
    let outcome = run(&[&old], &new);
    let diff = only(&outcome);
    let podman = diff.pull(Client::Podman, RegistryProfile::MultiRange).unwrap();
    assert_eq!(
        (diff.changes.changed_bytes, podman.cost.data_bytes),
        (podman.cost.data_bytes, diff.changes.files[0].changed_bytes)
    );
    assert_eq!(names(diff)[0], (Some("dpkg:b"), 1));
    let told: Vec<_> = written.images[0].pulls.iter().filter(|pull| pull.from.is_some()).cloned().collect();
    assert_eq!(diff.pulls, told);
    let shown = inspected(&new.parse().unwrap()).unwrap();
    let layers = shown.images[0].layers.iter().map(|layer| (layer.digest.unwrap(), layer.index_bytes));
    assert!(layers.eq(outcome.layers.iter().map(|layer| (layer.digest, layer.index_bytes()))));
    // The input's own layer against the same files in other layers.
    let again = run(&[&b], &new);
    assert_eq!((only(&again).changes.changed_bytes, only(&again).changes.counts.changed), (0, 0));
    assert!(run(&[&new], &new).diffs[0].changes.layers.iter().all(Option::is_none));
}

#[test]
fn a_damaged_toc_is_noted() {
    let dir = TempDir::new().unwrap();
    let image = plain(dir.path(), "a", &[vec![file("a", &noise(5_000))]]);
    let new = chunked(dir.path(), &image, IndexPlace::First);
    let mut parts = super::image::Parts::read(&new);
    let at = parts.index().positions.toc.start() as usize;
    parts.blob[at + 20] ^= 1;
    let new = parts.write(&dir.path().join("damaged"));
    let outcome = run(&[&image], &new);
    assert!(outcome.notes[0].contains("layer 0 is taken for one without a TOC"), "{:?}", outcome.notes);
    assert_eq!((outcome.layers[0].index, only(&outcome).changes.changed_bytes), (None, 0));
    assert_eq!(only(&outcome).changes.parts.recompressed, outcome.layers[0].size);
}

#[test]
fn several_old_images_have_a_block_each() {
    let dir = TempDir::new().unwrap();
    let image = |tag: &str, b: usize| plain(dir.path(), tag, &[packages(&noise(50_000), &noise(b))]);
    let (v1, v2, v3) = (image("v1", 100), image("v2", 300), image("v3", 300));
    let outcome = run(&[&v2, &v1], &v3);
    let told: Vec<_> = outcome.diffs.iter().map(|diff| (diff.old.as_str(), diff.changes.changed_bytes)).collect();
    assert_eq!(told, [(v2.as_str(), 0), (v1.as_str(), 300)]);
    assert!(outcome.over(1_000_000).is_none());
    let (diff, pull) = outcome.over(0).unwrap();
    assert_eq!((diff.old.as_str(), pull.client), (v1.as_str(), Client::Plain));
}

#[test]
fn a_limit_goes_by_the_choice() {
    let dir = TempDir::new().unwrap();
    let image = |tag: &str, b: usize| {
        // In one layer, which a plain client pulls whole.
        let files = vec![file("a", &noise(50_000)), file("b", &noise(b))];
        let (to, from) = (dir.path().join(tag), plain(dir.path(), tag, &[files]));
        fs::create_dir(&to).unwrap();
        chunked(&to, &from, IndexPlace::First)
    };
    let (old, new) = (image("a", 70_000), image("b", 90_000));
    let over = |clients: &[Client], registries: &[RegistryProfile]| {
        let choice = Choice { clients: clients.to_vec(), registries: registries.to_vec() };
        let outcome = diff(&Request { choice, ..request(&[&old], &new) }, &Progress::new()).unwrap();
        outcome.over(120_000).map(|(_, pull)| (pull.client, pull.registry, pull.outcome))
    };
    use RegistryProfile::{Bridge, MultiRange, Refuse501};
    assert_eq!(over(&[], &[]), Some((Client::Plain, MultiRange, PullOutcome::Whole)));
    assert_eq!(over(&[Client::Podman], &[]), None);
    // A client that is named is judged, also where it pulls what others do.
    assert_eq!(over(&[Client::PlainGzip], &[]), Some((Client::PlainGzip, MultiRange, PullOutcome::Whole)));
    assert_eq!(over(&[Client::PlainGzip], &[Refuse501]).unwrap().0, Client::PlainGzip);
    assert_eq!(over(&[Client::Podman], &[Refuse501]), Some((Client::Podman, Refuse501, PullOutcome::Failed)));
    assert_eq!(over(&[Client::Plain], &[Refuse501]).unwrap().0, Client::Plain);
    assert_eq!(over(&[], &[MultiRange]).unwrap().0, Client::Plain);
    // What the client pulls is judged, as on other registries.
    assert_eq!(over(&[Client::Podman], &[Bridge]), None);
    assert_eq!(over(&[Client::Podman], &[Refuse501, Bridge]).unwrap().1, Refuse501);
}

/// docker with a graph driver pulls the upper layer again, too. Only a limit that names it judges it.
#[test]
fn a_limit_that_is_not_for_docker_says_what_docker_pulls() {
    let dir = TempDir::new().unwrap();
    let image = |tag: &str, low: usize| {
        let layers = [vec![file("low", &noise(low))], vec![file("high", &noise(150_000))]];
        plain(dir.path(), tag, &layers)
    };
    let (old, new) = (image("v1", 10_000), image("v2", 20_000));
    let outcome = |clients: &[Client]| {
        let choice = Choice { clients: clients.to_vec(), registries: Vec::new() };
        diff(&Request { choice, ..request(&[&old], &new) }, &Progress::new()).unwrap()
    };
    let silent = outcome(&[]);
    assert!(silent.over(100_000).is_none());
    assert!(silent.docker_over(100_000).is_some_and(|pull| pull.blob_bytes() > 170_000));
    assert!(silent.docker_over(1_000_000).is_none());
    let named = outcome(&[Client::Docker]);
    assert!(named.over(100_000).is_some_and(|(_, pull)| pull.client == Client::Docker));
    assert!(outcome(&[Client::Plain]).docker_over(100_000).is_none());
}

#[test]
fn the_first_platform_that_all_have_is_taken() {
    let dir = TempDir::new().unwrap();
    let layers = |n: u8| vec![vec![file("a", &[n; 100])]];
    let platform = |name: &str| name.parse().unwrap();
    let (a, b) = (layers(1), layers(2));
    let new = platforms(dir.path(), "new", &[(platform("linux/amd64"), &a), (platform("linux/arm64"), &b)]);
    let old = platforms(dir.path(), "old", &[(platform("linux/arm64/v8"), &b)]);
    let outcome = run(&[&old], &new);
    assert_eq!(
        (outcome.platform.as_ref().unwrap().to_string(), only(&outcome).changes.changed_bytes),
        ("linux/arm64".into(), 0)
    );
    let others = platforms(dir.path(), "others", &[(platform("linux/s390x"), &a), (platform("linux/riscv64"), &b)]);
    let error = diff(&request(&[&others], &new), &Progress::new()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let expected = "expected an image for linux/amd64 or linux/arm64, found linux/s390x, linux/riscv64";
    assert!(error.to_string().ends_with(expected), "{error}");
    let amd = Request { platform: Some(platform("linux/amd64")), ..request(&[&old], &new) };
    assert_eq!(diff(&amd, &Progress::new()).unwrap_err().exit_code(), 2);
    let lone = platforms(dir.path(), "lone", &[(platform("linux/s390x"), &a)]);
    let outcome = run(&[&lone], &new);
    let notes = [
        "told for linux/amd64 alone; it has images for linux/arm64, too (--platform)",
        "expected an image for linux/amd64, found one for linux/s390x",
    ];
    assert_eq!(outcome.notes.len(), 2);
    assert!(outcome.notes.iter().zip(notes).all(|(note, end)| note.ends_with(end)), "{:?}", outcome.notes);
}

/// A docker-archive of one layer; returns its reference.
fn docker_archive(path: &Path, layer: &[Entry]) -> String {
    let layer = tar(layer);
    let diff_id = format!("sha256:{}", faster_hex::hex_string(&Sha256Stream::of(&layer)));
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let manifest = json!([{"Config": "config.json", "RepoTags": ["app:v1"], "Layers": ["layer.tar"]}]);
    let member = |name: &str, content: &[u8]| file(name, content);
    let members = [
        member("manifest.json", manifest.to_string().as_bytes()),
        member("config.json", config.to_string().as_bytes()),
        member("layer.tar", &layer),
    ];
    fs::File::create(path).unwrap().write_all(&tar(&members)).unwrap();
    format!("docker-archive:{}", path.display())
}

#[test]
fn archives_of_docker_go_by_their_tars_and_root_file_systems_not_at_all() {
    let dir = TempDir::new().unwrap();
    let entries = packages(&noise(5_000), &noise(7_000));
    let archive = docker_archive(&dir.path().join("a.tar"), &entries);
    let layout = plain(dir.path(), "a", &[entries]);
    let outcome = run(&[&archive], &layout);
    // The same plain tar is the same blob.
    assert!(only(&outcome).changes.layers.iter().all(Option::is_none));
    assert!(outcome.notes[0].contains("layers in docker's archives are not compressed"), "{:?}", outcome.notes);
    assert_eq!(outcome.layers[0].size, run(&[&layout], &archive).layers[0].size);
    let root = format!("dir:{}", dir.path().display());
    for (old, new) in [(&root, &layout), (&layout, &root)] {
        let error = diff(&request(&[old], new), &Progress::new()).unwrap_err();
        assert!(matches!(&error, Error::NoLayers { reference } if *reference == root), "{error}");
    }
}

/// Content that lies behind the end of the blob makes no sums that can be right.
#[test]
fn a_toc_that_points_outside_is_none() {
    let dir = TempDir::new().unwrap();
    let image = plain(dir.path(), "a", &[vec![file("a", &noise(5_000))]]);
    let new = chunked(dir.path(), &image, IndexPlace::End);
    let mut parts = super::image::Parts::read(&new);
    parts.reindex(|toc, _| {
        let mut rows: Value = serde_json::from_str(toc).unwrap();
        let last =
            rows["entries"].as_array_mut().unwrap().iter_mut().rfind(|row| row["endOffset"].is_number()).unwrap();
        last["endOffset"] = 9_000_000.into();
        *toc = rows.to_string();
    });
    let outcome = run(&[&image], &parts.write(&dir.path().join("outside")));
    assert!(outcome.notes[0].contains("content ends at byte 9,000,000"), "{:?}", outcome.notes);
    assert!(outcome.notes[1].contains("1 of 1 layers have no index, so that"), "{:?}", outcome.notes);
    assert_eq!(outcome.layers[0].index, None);
}
