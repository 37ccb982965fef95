//! What costs clients more than it should is said in any case, and `--strict` refuses it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{code, err, images, out, restrata};

/// A new image, a previous one whose layer is damaged, and where to write.
fn damaged(dir: &Path) -> (String, String, String) {
    let (root, layout) = images(dir);
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let large = |path: &Path| fs::metadata(path).unwrap().len() > 900 && fs::read(path).unwrap()[0] != b'{';
    for path in fs::read_dir(dir.join("out/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()) {
        if large(&path) {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        }
    }
    let dest = format!("oci:{}:v2", dir.join("new").display());
    (root, layout, dest)
}

/// It does not follow from the message that the layers have no TOC what to do.
#[test]
fn an_archive_of_docker_is_no_previous_image() {
    let place = super::hints::place();
    let text = |name: &str| place.dir.path().join(name).display().to_string();
    let dest = format!("oci:{}:v2", text("new"));
    for (previous, what) in [
        (
            format!("docker-archive:{}", text("docker.tar")),
            "a docker-archive does not hold the layers that clients pulled",
        ),
        (place.root.clone(), "a root file system has no layers"),
    ] {
        for options in [&["-q"][..], &["-q", "--keep-foreign"], &["-q", "--dry-run"]] {
            let output = restrata(&[&["rechunk", &place.root, &dest, "--previous", &previous], options].concat());
            let copy = "name the published image: docker://HOST/REPO:TAG";
            let said = format!("{previous}: {what}, so that none of them can stay; {copy}");
            assert_eq!(err(&output), format!("restrata: degraded: no-layer-kept: {said}\n"));
            assert_eq!(code(&output), 0);
        }
    }
}

#[test]
fn a_forgotten_previous_image_is_noted() {
    let dir = TempDir::new().unwrap();
    let (root, first) = images(dir.path());
    let tag = |tag: &str| first.replace(":v1", &format!(":{tag}"));
    let run = |new: &str, tagged: &str, options: &[&str]| {
        let output = restrata(&[&["rechunk", new, &tag(tagged)], options].concat());
        assert_eq!(code(&output), 0, "{}", err(&output));
        err(&output)
    };
    assert_eq!(run(&root, "v1", &[]), "");
    // The same tag again, the image that is read, and a base are not what is forgotten.
    assert_eq!(run(&root, "v1", &[]) + &run(&tag("v1"), "v2", &["--dry-run"]), "");
    assert_eq!(run(&root, "v2", &["--base", &first, "--dry-run"]), "");
    let layout = first.strip_suffix(":v1").unwrap();
    let note = |has: &str, them: &str| {
        let previous = if has == "v1" { first.clone() } else { tag("TAG") };
        format!(
            "restrata: note: no previous image is given, so that every client pulls the whole image; {layout} has {has}: if \
             clients have {them}, add --previous {previous}\n"
        )
    };
    assert_eq!(run(&root, "v2", &["--dry-run"]), note("v1", "it"));
    assert_eq!(run(&root, "v2", &["--strict"]), note("v1", "it"));
    assert_eq!(run(&root, "v3", &[]), note("v1, v2", "one of them"));
    assert_eq!(run(&root, "v4", &["-q"]) + &run(&root, "v4", &["--previous", &first]), "");
}

#[test]
fn quiet_says_it_in_one_line() {
    let dir = TempDir::new().unwrap();
    let (root, old, dest) = damaged(dir.path());
    for options in [&["-q"][..], &["-q", "--dry-run"]] {
        let output = restrata(&[&["rechunk", &root, &dest, "--previous", &old], options].concat());
        assert_eq!(code(&output), 0, "{}", err(&output));
        let said = err(&output);
        assert!(said.starts_with("restrata: degraded: layer-damaged: oci:") && said.lines().count() == 1, "{said}");
        assert!(said.trim_end().ends_with("; and 1 more (no-layer-kept)"), "{said}");
    }
    // Every one has a line of its own else.
    let output = restrata(&["rechunk", &root, &dest, "--previous", &old]);
    let said = err(&output);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("restrata: degraded: ")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[1].starts_with("restrata: degraded: no-layer-kept: no layer"), "{said}");
    let good = restrata(&["rechunk", "-q", &root, &dest, "--previous", &dest, "--strict"]);
    assert_eq!((code(&good), err(&good)), (0, String::new()));
}

#[test]
fn strict_is_3_and_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let (root, old, dest) = damaged(dir.path());
    let digest = dir.path().join("digest");
    let strict = ["rechunk", "-q", &root, &dest, "--previous", &old, "--strict"];
    let output = restrata(&[&strict[..], &["--digestfile", digest.to_str().unwrap()]].concat());
    assert_eq!((code(&output), out(&output)), (3, String::new()));
    assert!(
        err(&output).starts_with("restrata: error: no image is written, since --strict allows no degraded one: "),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains(": layer-damaged: oci:") && err(&output).lines().count() == 1, "{}", err(&output));
    let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["out", "root"]);
    let codes = |output: &std::process::Output| {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let list = report["degraded"].as_array().unwrap().clone();
        assert!(list.iter().all(|it| it["message"].is_string()), "{report}");
        list.into_iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let json = |options: &[&str]| restrata(&[&strict[..6], &["--format", "json"], options].concat());
    for (options, exit) in [(&["--strict"][..], 3), (&["--strict", "--dry-run"], 3), (&["--dry-run"], 0), (&[], 0)] {
        let output = json(options);
        assert_eq!(code(&output), exit, "{options:?}: {}", err(&output));
        assert_eq!(codes(&output), ["layer-damaged", "no-layer-kept"], "{options:?}");
    }
}

/// A path of an option that matches nothing may be mistyped.
#[test]
fn a_path_that_is_not_there() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let update = layout.replace(":v1", ":v2");
    for (option, says) in [
        ("--purge", "/no/where: to be purged, but no layer that could stay has anything there; check the path"),
        ("--prune", "/no/where: to be pruned, but the image has nothing there; check the path"),
        ("--own-layer", "/no/where: to have a layer of its own, but the image has nothing there; check the path"),
    ] {
        let run = ["rechunk", "-q", &root, &update, "--previous", &layout, option, "/no/where"];
        let output = restrata(&run);
        assert_eq!((code(&output), err(&output)), (0, format!("restrata: degraded: path-unmatched: {says}\n")));
        let strict = restrata(&[&run[..], &["--strict"]].concat());
        assert_eq!(code(&strict), 3);
        assert!(err(&strict).ends_with(&format!(": path-unmatched: {says}\n")), "{}", err(&strict));
        let json = restrata(&[&run[..], &["--format", "json"]].concat());
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report["degraded"][0]["code"], "path-unmatched");
        // What is there is no matter.
        let there = [&run[..7], &["/etc/hostname", "--strict"]].concat();
        assert_eq!(code(&restrata(&there)), 0, "{}", err(&restrata(&there)));
    }
    // Nothing can be left of what no layer could keep, and an image need not have every xattr of a pipeline's list.
    for option in [&["--purge", "/no/where"][..], &["--drop-xattr", "user.*"]] {
        let output = restrata(&[&["rechunk", &root, &update, "--strict"], option].concat());
        assert!(code(&output) == 0 && err(&output).starts_with("restrata: note: "), "{}", err(&output));
    }
}

/// The number of layers goes before their size.
#[test]
fn layers_that_are_too_large() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    ["a", "b"].iter().for_each(|name| fs::write(root.join(name), name.repeat(700_000)).unwrap());
    let (root, dest) = (format!("dir:{}", root.display()), format!("oci:{}:v1", dir.path().join("out").display()));
    let run = |more: &[&str]| restrata(&[&["rechunk", "-q", "--format", "json", &root, &dest], more].concat());
    let layers = |output: &std::process::Output| {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["layers"].as_array().unwrap().len()
    };
    assert_eq!(layers(&run(&[])), 1);
    assert_eq!(layers(&run(&["--max-layer-size", "1.4MB"])), 1);
    let cut = run(&["--max-layer-size", "1MB", "--strict"]);
    assert_eq!((code(&cut), layers(&cut)), (0, 2));
    let both = ["--max-layer-size", "1MB", "--max-layers", "1"];
    let few = run(&both);
    assert_eq!((code(&few), layers(&few)), (0, 1));
    let told =
        "layer-too-large: 1 new layer is above --max-layer-size 1.00 MB, since --max-layers 1 allows no more layers";
    assert!(err(&few).contains(told), "{}", err(&few));
    assert_eq!(code(&run(&[&both[..], &["--strict"]].concat())), 3);
    let wrong = run(&["--max-layer-size", "1"]);
    assert_eq!(code(&wrong), 64);
    assert!(err(&wrong).contains("expected a size of 1MB or more"), "{}", err(&wrong));
}
