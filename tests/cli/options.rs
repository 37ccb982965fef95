//! The options that say how an image is laid out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

use super::{code, err, images, out, restrata};

#[test]
fn a_dry_run_prints_the_plan_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let dry = restrata(&["rechunk", "--dry-run", &root, &layout]);
    assert_eq!(code(&dry), 0, "{}", err(&dry));
    assert!(out(&dry).contains("in no kept layer") && out(&dry).ends_with("nothing is written.\n"), "{}", out(&dry));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the root file system alone");
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let update = ["rechunk", "--dry-run", &root, &layout.replace(":v1", ":v2"), "--previous", &layout];
    let dry = restrata(&[&update[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((&report["layers"][0]["state"], &report["layers"][0]["reason"]), (&"kept".into(), &"live".into()));
    assert!(report["layers"][0]["digest"].is_string() && report["dropped"].as_array().unwrap().is_empty());
    assert_eq!(code(&restrata(&["inspect", &layout.replace(":v1", ":v2")])), 2);
}

#[test]
fn the_options_of_the_layout_are_obeyed() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let options =
        ["--prune", "/etc/", "--label", "a=b", "--annotation", "c=d", "--max-waste", "0", "--max-layers", "3"];
    let output = restrata(&[&["rechunk", "-q", &root, &layout, "--order", "canonical"], &options[..]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    let differs = restrata(&["verify", &root, &layout]);
    assert!(out(&differs).starts_with("/etc/hostname: only in A: a file of 2 bytes\n"), "{}", out(&differs));
    assert_eq!(code(&restrata(&["verify", &root, &layout, "--prune", "/etc/"])), 0);
    assert_eq!(code(&restrata(&["verify", &root, &layout, "--prune", "/"])), 64);
    let manifest = out(&output).trim_end().replace("sha256:", "");
    let manifest = fs::read_to_string(dir.path().join("out/blobs/sha256").join(manifest)).unwrap();
    assert!(manifest.contains(r#""annotations":{"c":"d"}"#), "{manifest}");
    let based = layout.replace(":v1", ":v2");
    let few = restrata(&["rechunk", &layout, &based, "--base", &layout, "--max-layers", "1"]);
    assert_eq!(code(&few), 1);
    assert!(err(&few).contains("expected at least 2 layers") && err(&few).contains("found 1"), "{}", err(&few));
    assert_eq!(code(&restrata(&["rechunk", "-q", &layout, &based, "--base", &layout])), 0);
}

#[test]
fn debris_is_left_out_and_forgiven() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let hosts = dir.path().join("root/etc/hosts");
    fs::write(&hosts, b"").unwrap();
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o755)).unwrap();
    let output = restrata(&["rechunk", "--prune-debris", &root, &layout]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let note = "restrata: note: --prune-debris left out what builders leave behind: /etc/hosts\n";
    assert!(err(&output).contains(note), "{}", err(&output));
    let differs = restrata(&["verify", &root, &layout]);
    assert_eq!(code(&differs), 3);
    assert!(out(&differs).starts_with("/etc/hosts: only in A: a file of 0 bytes\n"), "{}", out(&differs));
    assert_eq!(code(&restrata(&["verify", &root, &layout, "--prune-debris"])), 0);
}

#[test]
fn xattrs_and_layers_are_named() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let options = ["--drop-xattr", "user.*", "--own-layer", "/no/where"];
    let output = restrata(&[&["rechunk", &root, &layout], &options[..]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("user.*: to be dropped, but the image has no such xattr"), "{}", err(&output));
    assert!(err(&output).contains("/no/where: to have a layer of its own, but"), "{}", err(&output));
    let same = restrata(&["verify", &root, &layout, "--drop-xattr", "user.*"]);
    assert_eq!(code(&same), 0, "{}", out(&same));
    let none = restrata(&["verify", &root, &layout, "--drop-xattr", ""]);
    assert!(code(&none) == 64 && err(&none).contains("hint: such as security.selinux"), "{}", err(&none));
}

#[test]
fn a_file_names_owners() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let owners = dir.path().join("owners");
    let named = ["--owners", owners.to_str().unwrap()];
    fs::write(&owners, "# ours\n/etc settings\n").unwrap();
    let output = restrata(&[&["rechunk", &root, &layout], &named[..]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("user:settings"), "{}", out(&output));
    let later = layout.replace(":v1", ":v2");
    fs::write(dir.path().join("root/etc/new"), "new").unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &later, "--previous", &layout])), 0);
    for told in [&["diff", &layout, &later][..], &["history", &layout, &later]] {
        let told = restrata(&[told, &named[..]].concat());
        assert!(out(&told).contains("user:settings"), "{}{}", out(&told), err(&told));
    }
    fs::write(&owners, "/etc settings\n/usr\n").unwrap();
    let wrong = restrata(&[&["rechunk", &root, &layout], &named[..]].concat());
    let says = "line 2: expected GLOB NAME, found 1 words; write ? for a blank in a path\nhint: a line such as opt/app";
    assert!(code(&wrong) == 64 && err(&wrong).contains(says), "{}", err(&wrong));
    let absent = restrata(&["rechunk", &root, &layout, "--owners", "/no/such/file"]);
    assert!(code(&absent) == 64 && err(&absent).contains("No such file"), "{}", err(&absent));
}

#[test]
fn docker_manifests_are_of_gzip_layers_alone() {
    for (options, says) in [
        (&["--docker-manifest"][..], "but the layers are zstd: add --compression-format gzip"),
        (&["--docker-manifest", "--compression-format", "zstd"], "but the layers are zstd"),
        (&["--docker-manifest", "--twin", "gzip"], "but --twin gzip writes zstd, too: leave one of them out"),
        (&["--compression-format", "gzip", "--twin", "gzip"], "leave one of them out"),
    ] {
        let output = restrata(&[&["rechunk", "oci:a", "oci:b"], options].concat());
        assert!(code(&output) == 64 && err(&output).contains(says), "{options:?}: {}", err(&output));
    }
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let options = ["--docker-manifest", "--compression-format", "gzip", "-q"];
    assert_eq!(code(&restrata(&[&["rechunk", &root, &layout], &options[..]].concat())), 0);
    assert_eq!(code(&restrata(&["check", &layout])), 0);
}

#[test]
fn a_negative_number_is_no_option() {
    for (option, value, says) in [
        ("--max-waste", "-5", "expected 0 to 100 percent"),
        ("--max-waste", "-5%", "expected 0 to 100 percent"),
        ("--max-layers", "-1", "expected a whole number from 1 to "),
        (
            "--clients",
            "-1",
            "expected CLIENT=WEIGHT, several with commas between them, such as plain=1,podman=1,docker=1",
        ),
        ("--max-ranges", "-1", "expected a whole number from 1 to "),
        ("--level", "-1", "expected auto or a whole number from 1 to 22"),
        ("--threads", "-1", "expected a whole number from 1 to "),
    ] {
        let output = restrata(&["rechunk", "oci:a", "oci:b", option, value]);
        assert_eq!(code(&output), 64);
        let said = err(&output);
        assert!(said.starts_with(&format!("restrata: error: invalid value '{value}' for '{option} <")), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn weights_of_clients_are_read_strictly() {
    for (value, says) in [
        ("dokcer=1", "there is no such client: expected plain, docker, podman, podman-reflink, composefs"),
        ("docker=-1", "the weight of docker is no number from 0 to 1000 with at most three decimals"),
        ("docker=1,docker=1", "docker has two weights: expected one"),
        ("docker=0", "no client has a weight above 0"),
    ] {
        let output = restrata(&["rechunk", "oci:a", "oci:b", "--clients", value]);
        assert_eq!(code(&output), 64);
        let said = err(&output);
        assert!(said.starts_with(&format!("restrata: error: invalid value '{value}' for '--clients <")), "{said}");
        assert!(said.contains(says), "{said}");
    }
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let output = restrata(&["rechunk", &root, &layout, "--clients", "plain=0.5,docker=2"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
}

#[test]
fn a_layout_on_a_base_is_told_as_one() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let first = restrata(&["rechunk", &root, &layout]);
    assert!(out(&first).contains("A first layout, without a previous image: 2 files, "), "{}", out(&first));
    fs::write(dir.path().join("root/etc/new"), "new").unwrap();
    let update = layout.replace(":v1", ":v2");
    let based = restrata(&["rechunk", &root, &update, "--base", &layout]);
    assert_eq!(code(&based), 0, "{}", err(&based));
    let says = "A first layout on a base image: 1 of the 2 layers is the base's.\n\
                New to clients that have the base: 1 file, 16 B compressed.\n";
    assert!(out(&based).contains(says), "{}", out(&based));
    let both = restrata(&["rechunk", &root, &update, "--base", &layout, "--previous", &layout]);
    assert!(out(&both).contains("Layers kept: 1 of the 2 in the new image.\n"), "{}", out(&both));
}

#[test]
fn source_date_epoch_clamps() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let run = |epoch: &str, options: &[&str]| {
        let mut command = Command::cargo_bin("restrata").unwrap();
        command.args(["rechunk", "-q", &root, &layout]).args(options).env("SOURCE_DATE_EPOCH", epoch).output().unwrap()
    };
    assert_eq!(code(&run("86400", &[])), 0);
    let clamped = restrata(&["verify", "--all", &root, &layout]);
    assert_eq!(code(&clamped), 3);
    assert!(out(&clamped).contains(" != 1970-01-02T00:00:00Z"), "{}", out(&clamped));
    assert!(out(&clamped).contains("Only times differ"), "{}", out(&clamped));
    assert_eq!(code(&restrata(&["verify", &root, &layout, "--ignore", "mtime"])), 0);
    let expected = "expected whole seconds since 1970, not milliseconds, up to the year 9999, or nothing\n";
    let long = "9".repeat(500);
    for (bad, shown) in [
        ("now", "now"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        (" 1", " 1"),
        ("1600000000000", "1600000000000"),
        (long.as_str(), &long[..80]),
        ("a\u{1b}[2J\n", r"a\u{1b}[2J\n"),
    ] {
        let output = run(bad, &[]);
        assert_eq!(code(&output), 64, "{bad}");
        assert_eq!(err(&output), format!("restrata: error: SOURCE_DATE_EPOCH is \"{shown}\": {expected}"));
    }
    // For files it is no more than the default.
    assert_eq!(code(&run("86400", &["--mtime", "keep"])), 0);
    assert_eq!(code(&restrata(&["verify", &root, &layout])), 0);
    let created = || {
        let blobs =
            fs::read_dir(dir.path().join("out/blobs/sha256")).unwrap().map(|blob| fs::read(blob.unwrap().path()));
        let configs = blobs.filter_map(|blob| serde_json::from_slice::<Value>(&blob.unwrap()).ok());
        configs.filter_map(|config| config["created"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert!(created().iter().all(|created| created == "1970-01-02T00:00:00Z") && !created().is_empty());
    // An empty one is none.
    fs::remove_dir_all(dir.path().join("out")).unwrap();
    assert_eq!(code(&run("", &[])), 0);
    assert_eq!(code(&restrata(&["verify", &root, &layout])), 0);
    assert_eq!(created(), [""; 0]);
}

#[test]
fn an_ostree_commit_is_refused_with_what_helps() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let objects = dir.path().join("root/sysroot/ostree/repo/objects/3f");
    fs::create_dir_all(&objects).unwrap();
    fs::write(objects.join("9a.file"), "x").unwrap();
    let output = restrata(&["rechunk", &root, &layout]);
    assert_eq!(code(&output), 1);
    let said = err(&output);
    let options = said.split_once("\nhint: ").unwrap().1.split_once(" makes it").unwrap().0;
    let options: Vec<&str> = options.split(' ').collect();
    assert!(said.contains("an image that ostree made") && options.len() == 6, "{said}");
    let output = restrata(&[&["rechunk", "-q", &root, &layout], &options[..]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
}

#[test]
fn long_lists_are_cut_unless_all_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let mut options = Vec::new();
    for n in 0..24 {
        fs::write(dir.path().join(format!("root/file{n}")), format!("{n}")).unwrap();
        options.extend(["--own-layer".to_owned(), format!("/file{n}")]);
    }
    let run = |more: &[&str]| {
        let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let output = restrata(&[&["rechunk", &root, &layout], &options[..]].concat());
        assert_eq!(code(&output), 0, "{}", err(&output));
        out(&output)
    };
    for more in [&[][..], &["--dry-run"]] {
        let (short, all) = (run(more), run(&[more, &["--all"]].concat()));
        assert!(short.contains("13 more layers") && short.contains("\n  --all lists them\n"), "{short}");
        assert!(!all.contains("more layers") && all.lines().count() >= short.lines().count() + 11, "{all}");
    }
    let checked = |more: &[&str]| out(&restrata(&[&["check", &layout], more].concat()));
    let (short, all) = (checked(&[]), checked(&["--all"]));
    assert_eq!((short.matches("  ok ").count(), all.matches("  ok ").count()), (20, 25), "{short}");
    assert!(short.contains("\nand 5 more layers, 0 of them bad (--all lists them)\n"), "{short}");
    assert!(short.ends_with("no problems: 25 layers\n") && all.ends_with("no problems: 25 layers\n"), "{all}");
}
