//! What sequences of versions cost.

use std::path::Path;

use restrata::diff::{self, Choice, diff};
use restrata::history::{LayoutHistory, Outcome, Request, history};
use restrata::order::cost::{Client, RegistryProfile};
use restrata::order::layouts::{Cell, Layout, View};
use restrata::progress::Progress;
use restrata::rechunk::{self, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink};
use tempfile::TempDir;

use super::image::{Entry, entry, file, link, noise, options, plain, platforms};

const PLAIN: View = View { client: Client::Plain, registry: RegistryProfile::MultiRange };
const PODMAN: View = View { client: Client::Podman, registry: RegistryProfile::MultiRange };

fn request(references: &[String]) -> Request {
    Request {
        references: references.iter().map(|reference| reference.parse().unwrap()).collect(),
        platform: None,
        views: vec![PLAIN, PODMAN],
        resources: options(),
    }
}

fn run(references: &[String]) -> Outcome {
    history(&request(references), &Progress::new()).unwrap()
}

/// 200 files, of which every tenth is another one in each version, and one package; half of them in a layer of their own.
fn version(number: usize) -> Vec<Vec<Entry>> {
    let changed = |n: usize| if n % 10 == number % 10 { number } else { 0 };
    let files = |from: usize, to: usize| {
        let names = (from..to).map(|n| (format!("srv/files/{n}"), 8_000 + 2 * n + 1_000 * changed(n)));
        names.map(|(name, size)| file(&name, &noise(size))).collect::<Vec<_>>()
    };
    let dirs = vec![entry("srv/", Dir), entry("srv/files/", Dir)];
    let package = [entry("app/node_modules/x/", Dir), file("app/node_modules/x/index.js", &noise(50_000 + number))];
    vec![[dirs, files(0, 100)].concat(), [files(100, 200), package.to_vec()].concat()]
}

/// Versions as they are built, and as rechunk writes them, each against the one before.
fn versions(dir: &Path, count: usize, max_layers: usize) -> (Vec<String>, Vec<String>) {
    let (mut built, mut chain) = (Vec::new(), Vec::<String>::new());
    for number in 1..=count {
        let new = plain(dir, &format!("v{number}"), &version(number));
        let dest = format!("oci:{}:v{number}", dir.join("chain").display());
        let mut request = rechunk::Request::new(new.parse().unwrap(), dest.parse().unwrap(), options());
        request.layers.max_layers = max_layers;
        request.previous =
            chain.last().filter(|_| max_layers > 1).map(|last| last.parse().unwrap()).into_iter().collect();
        rechunk(&request, &Progress::new()).unwrap();
        built.push(new);
        chain.push(dest);
    }
    (built, chain)
}

fn layout(outcome: &Outcome, layout: Option<Layout>) -> &LayoutHistory {
    outcome.layouts.iter().find(|history| history.layout == layout).unwrap()
}

/// Within 3 %, as docs/history.md promises.
fn is_near(found: &LayoutHistory, expected: &LayoutHistory) {
    let near =
        |found: u64, expected: u64| assert!(found.abs_diff(expected) * 100 <= expected * 3, "{found} {expected}");
    near(found.stored_bytes(), expected.stored_bytes());
    for (found, expected) in found.versions.iter().zip(&expected.versions) {
        assert_eq!(found.layers, expected.layers);
        near(found.size, expected.size);
        for (found, expected) in found.cells.iter().zip(&expected.cells) {
            assert_eq!(found.outcome, expected.outcome);
            near(found.blob_bytes, expected.blob_bytes);
        }
    }
}

#[test]
fn the_matrix_is_what_diff_says() {
    let dir = TempDir::new().unwrap();
    let (_, chain) = versions(dir.path(), 4, 64);
    let outcome = run(&chain);
    for (to, version) in outcome.versions.iter().enumerate() {
        assert_eq!((version.updates.len(), &version.reference), (to, &chain[to]));
        for (from, cells) in version.updates.iter().enumerate() {
            let request = diff::Request {
                olds: vec![chain[from].parse().unwrap()],
                new: chain[to].parse().unwrap(),
                platform: None,
                choice: Choice::default(),
                resources: options(),
            };
            let diff = diff(&request, &Progress::new()).unwrap().diffs.remove(0);
            let pull = |view: View| Cell::from(diff.pull(view.client, view.registry).unwrap());
            assert_eq!(*cells, [pull(PLAIN), pull(PODMAN)]);
            if from + 1 == to {
                assert_eq!(version.changed_bytes, Some(diff.changes.changed_bytes));
                assert_eq!(version.added_bytes, cells[0].blob_bytes - version.config_bytes);
            }
        }
        assert_eq!(version.first_pull[0].blob_bytes, version.size + version.config_bytes);
    }
    assert_eq!(outcome.versions[0].added_bytes, outcome.versions[0].size);
    let published = layout(&outcome, None);
    let added: u64 = outcome.versions.iter().map(|version| version.added_bytes).sum();
    assert_eq!(published.stored_bytes(), added);
    assert!(
        published
            .updates(0)
            .zip(&outcome.versions[1..])
            .all(|(cell, version)| *cell == version.updates.last().unwrap()[0])
    );
}

#[test]
fn owners_are_counted_over_all_updates() {
    let dir = TempDir::new().unwrap();
    let (built, chain) = versions(dir.path(), 4, 64);
    // Files of a tenth are other ones, and so are those of the tenth before, which are as they were at first. A layer that was
    // kept may still hold those.
    for (references, unowned) in [(built, 3 * 40..=3 * 40), (chain, 3 * 20..=3 * 40)] {
        let outcome = run(&references);
        let owners: Vec<_> = outcome.owners.iter().map(|it| (it.owner.as_deref(), it.updates)).collect();
        assert_eq!(owners, [(None, 3), (Some("npm:app/node_modules/x"), 3)], "{references:?}");
        assert!(unowned.contains(&outcome.owners[0].changed_files), "{:?}", outcome.owners);
        assert_eq!(outcome.owners[1].changed_files, 3);
        let bytes: u64 = outcome.owners.iter().map(|owner| owner.changed_bytes).sum();
        assert_eq!(bytes, outcome.changed_bytes());
    }
}

#[test]
fn estimates_are_near_what_rechunk_writes() {
    let dir = TempDir::new().unwrap();
    let (built, chain) = versions(dir.path(), 5, 64);
    let (built, chain) = (run(&built), run(&chain));
    is_near(layout(&chain, Some(Layout::Planned)), layout(&chain, None));
    is_near(layout(&built, Some(Layout::Planned)), layout(&chain, None));
    let dir = TempDir::new().unwrap();
    let (_, one) = versions(dir.path(), 3, 1);
    let one = run(&one);
    is_near(layout(&one, Some(Layout::OneLayer)), layout(&one, None));
}

#[test]
fn what_no_client_can_extract_has_no_other_layouts() {
    let dir = TempDir::new().unwrap();
    let good = plain(dir.path(), "good", &[vec![file("f", b"x")]]);
    let broken = plain(dir.path(), "broken", &[vec![file("f", b"x"), link("a", HardLink, "no/where")]]);
    let outcome = run(&[good, broken.clone()]);
    assert_eq!((outcome.layouts.len(), outcome.versions.len()), (1, 2));
    let note = format!("{broken}: other layouts are not told: layer 0: ");
    assert!(outcome.notes.iter().any(|found| found.starts_with(&note)), "{:?}", outcome.notes);
}

#[test]
fn all_versions_are_for_one_platform() {
    let dir = TempDir::new().unwrap();
    let of = |platform: &str| (platform.parse().unwrap(), version(1));
    let (amd, arm) = (of("linux/amd64"), of("linux/arm64"));
    let image = |tag: &str, parts: &[&(_, Vec<Vec<Entry>>)]| {
        let parts: Vec<(_, &[Vec<Entry>])> =
            parts.iter().map(|(platform, layers)| (Clone::clone(platform), &layers[..])).collect();
        platforms(dir.path(), tag, &parts)
    };
    let (v1, v2) = (image("v1", &[&amd, &arm]), image("v2", &[&arm, &amd]));
    assert_eq!(run(&[v1.clone(), v2.clone()]).platform.unwrap().to_string(), "linux/arm64");
    let other = Request { platform: Some("linux/s390x".parse().unwrap()), ..request(&[v1, v2]) };
    assert_eq!(history(&other, &Progress::new()).unwrap_err().exit_code(), 2);
    let root = format!("dir:{}", dir.path().display());
    let error = history(&request(&[root.clone(), root]), &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("found a root file system"), "{error}");
}
