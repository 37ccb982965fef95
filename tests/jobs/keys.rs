//! Documents with keys that clients read in different ways: in the new image, in a previous one and in a base.

use std::fs;
use std::path::Path;

use restrata::check::check;
use restrata::oci::Reference;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use tempfile::TempDir;

use super::image::{Parts, file, options};
use super::runs::Bench;

/// Changes the text of a manifest, a config or an index.
type Change = (Which, &'static str, &'static str, &'static str);

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Manifest,
    Config,
    Index,
}

use Which::{Config, Index, Manifest};

/// What is changed into what, and what the error names.
const CHANGES: [Change; 14] = [
    (Manifest, "\"layers\":[{", "\"layers\":[{\"Digest\":\"sha256:0\",", "layers[0]: the key \"Digest\""),
    (Manifest, "\"layers\":[{", "\"layers\":[{\"dige\\u017ft\":\"sha256:0\",", "layers[0]: the key \"digeſt\""),
    (Manifest, "\"layers\":[{", "\"layers\":[{\"URLs\":[\"http://x\"],", "layers[0]: the key \"URLs\""),
    (Manifest, "\"layers\":[{", "\"layers\":[{\"size\":1,", "layers[0]: the key \"size\" stands there twice"),
    (
        Manifest,
        "\"annotations\":{",
        "\"annotations\":{\"x\":\"1\",\"x\":\"2\",",
        "layers[0].annotations: the key \"x\"",
    ),
    (Manifest, "\"annotations\":{", "\"Annotations\":{},\"annotations\":{", "the key \"Annotations\""),
    (Manifest, "\"config\":{", "\"Config\":{},\"config\":{", "the document: the key \"Config\""),
    (Manifest, "\"layers\":[", "\"LAYERS\":[],\"layers\":[", "the document: the key \"LAYERS\""),
    (Manifest, "\"layers\":[", "\"Manifests\":[],\"layers\":[", "the document: the key \"Manifests\""),
    (Config, "\"config\":{", "\"Config\":{},\"config\":{", "the document: the key \"Config\""),
    (Config, "\"config\":{", "\"config\":{\"cmd\":[\"x\"]", "config: the key \"cmd\""),
    (Config, "\"rootfs\":{", "\"rootfs\":{\"DIFF_IDS\":[],", "rootfs: the key \"DIFF_IDS\""),
    (Index, "\"digest\":", "\"Size\":1,\"digest\":", "manifests[0]: the key \"Size\""),
    (
        Index,
        "\"manifests\":",
        "\"manifests\":[],\"manifests\":",
        "the document: the key \"manifests\" stands there twice",
    ),
];

impl Bench {
    /// The old image with one text changed, and all digests made right.
    fn changed(&self, (which, from, to, _): Change) -> Reference {
        let replace = |text: String, this: Which| {
            assert!(which != this || text.contains(from), "{from} in {text}");
            if which == this { text.replacen(from, to, 1) } else { text }
        };
        let edit = [Config, Manifest, Index].map(|this| move |text: String| replace(text, this));
        let dir = self.dir.path().join("changed");
        Parts::read(&self.old).write_texts(&dir, &edit[0], &edit[1], &edit[2]).parse().unwrap()
    }
}

#[test]
fn a_document_that_clients_read_in_different_ways_is_refused() {
    let bench = Bench::new(IndexPlace::End);
    for change in CHANGES {
        let (old, says) = (bench.changed(change), change.3);
        let report = check(&old, None, options(), &Progress::new()).unwrap();
        assert!(!report.is_clean() && report.problems[0].contains(says), "{says}: {report:?}");
        let error = bench.run(|request| request.new = old.clone()).unwrap_err();
        assert!(error.exit_code() == 1 && error.to_string().contains(says), "{says}: {error}");
        let error = bench.run(|request| request.base = Some(old.clone())).unwrap_err().to_string();
        assert!(error.starts_with("--base: ") && error.contains(says), "{says}: {error}");
        let outcome = bench.run(|request| request.previous.push(old.clone())).unwrap();
        let is_told = |note: &String| note.contains("not compared with, since it is damaged: ") && note.contains(says);
        assert!(outcome.notes.iter().any(is_told), "{says}: {:?}", outcome.notes);
    }
}

/// What clients find in a TOC and a tar-split.
#[test]
fn an_index_that_clients_read_in_different_ways_is_refused() {
    let bench = Bench::new(IndexPlace::End);
    let changes: [(&str, &str, &str, &str); 6] = [
        ("toc", "\"digest\":", "\"Digest\":\"sha256:0\",\"digest\":", "the key \"Digest\" differs from \"digest\""),
        ("toc", "\"digest\":", "\"d\\u0130gest\":\"sha256:0\",\"digest\":", "differs from \"digest\""),
        ("toc", "\"offset\":", "\"Offset\":9,\"offset\":", "the key \"Offset\" differs from \"offset\""),
        ("toc", "\"offset\":", "\"\":null,\"offset\":", "an empty key"),
        ("toc", "\"version\":1", "\"version\":1,\"Entries\":[]", "the key \"Entries\" differs from \"entries\""),
        ("split", "\"payload\":", "\"PAYLOAD\":\"AA==\",\"payload\":", "the key \"PAYLOAD\" differs from \"payload\""),
    ];
    for (part, from, to, says) in changes {
        let mut parts = Parts::read(&bench.old);
        parts.reindex(|toc, split| {
            let text = if part == "toc" { toc } else { split };
            assert!(text.contains(from), "{from} in {text}");
            *text = text.replacen(from, to, 1);
        });
        let old: Reference = parts.write(&bench.dir.path().join("changed")).parse().unwrap();
        let report = check(&old, None, options(), &Progress::new()).unwrap();
        let problems = &report.images[0].layers[0].problems;
        assert!(problems.iter().any(|problem| problem.contains(says)), "{says}: {problems:?}");
        let outcome = bench.run(|request| request.previous.push(old.clone())).unwrap();
        let is_told = |note: &String| note.contains(": layer 0 (") && note.contains(") is not used: ");
        assert!(outcome.notes.iter().any(is_told), "{says}: {:?}", outcome.notes);
        let error = bench.run(|request| request.base = Some(old)).unwrap_err().to_string();
        assert!(error.starts_with("base image"), "{says}: {error}");
    }
}

#[test]
fn the_lists_of_a_docker_archive_are_read_alike() {
    let dir = TempDir::new().unwrap();
    let archive = |manifest: &str| {
        let members = [file("manifest.json", manifest.as_bytes())];
        let path = dir.path().join("saved.tar");
        fs::write(&path, super::image::tar(&members)).unwrap();
        format!("docker-archive:{}", Path::display(&path)).parse::<Reference>().unwrap()
    };
    let says = |manifest: &str| {
        let report = check(&archive(manifest), None, options(), &Progress::new()).unwrap();
        report.problems[0].clone()
    };
    let found = says(r#"[{"Config":"a","Layers":[],"layers":["x"]}]"#);
    assert!(found.contains("manifest.json: [0]: the key \"layers\" differs from \"Layers\""), "{found}");
    let found = says(r#"[{"Config":"a","Config":"b","Layers":[]}]"#);
    assert!(found.contains("\"Config\" stands there twice"), "{found}");
}
