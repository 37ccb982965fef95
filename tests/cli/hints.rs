//! Every hint works as it is printed: each one is made to appear, and what it says is then run.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{code, err, images, restrata};

pub struct Place {
    pub dir: TempDir,
    pub root: String,
    pub layout: String,
}

/// A layout, archives of both kinds, and a root file system.
pub fn place() -> Place {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let place = Place { dir, root, layout };
    place.done(&["rechunk", "-q", &place.root, &place.layout]);
    place.done(&["rechunk", "-q", &place.root, &format!("oci-archive:{}:v1", place.text("oci.tar"))]);
    place.docker("docker.tar", &["app:1"]);
    place.docker("two.tar", &["app:1", "app:2"]);
    place.docker("nameless.tar", &["", ""]);
    let gzip = fs::File::create(place.path("docker.tar.gz")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::fast());
    std::io::copy(&mut fs::File::open(place.path("docker.tar")).unwrap(), &mut gzip).unwrap();
    gzip.finish().unwrap();
    place
}

impl Place {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn done(&self, arguments: &[&str]) -> Output {
        let output = restrata(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", err(&output));
        output
    }

    /// docker's archive with an image of one layer for each tag.
    fn docker(&self, name: &str, tags: &[&str]) {
        let mut archive = ::tar::Builder::new(fs::File::create(self.path(name)).unwrap());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = ::tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).unwrap();
        };
        let mut list = Vec::new();
        for (at, tag) in tags.iter().enumerate() {
            let mut tar =
                restrata::tar::encode(&restrata::tar::Header::new(format!("d{at}/"), restrata::tar::EntryKind::Dir));
            tar.resize(tar.len() + 1024, 0);
            let digest = restrata::digest::BlobDigest::from_bytes(restrata::codec::Sha256Stream::of(&tar));
            let config = json!({"os": "linux", "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": [digest.to_string()]}});
            add(&format!("c{at}.json"), config.to_string().as_bytes());
            add(&format!("l{at}.tar"), &tar);
            let tags = if tag.is_empty() { Value::Null } else { json!([tag]) };
            list.push(json!({"Config": format!("c{at}.json"), "RepoTags": tags, "Layers": [format!("l{at}.tar")]}));
        }
        add("manifest.json", Value::from(list).to_string().as_bytes());
        archive.finish().unwrap();
    }

    /// Runs the command, and again with `reference` replaced by the one that follows `before` in what it says.
    fn follows(&self, arguments: &[&str], reference: &str, before: &str) {
        let refused = restrata(arguments);
        assert_ne!(code(&refused), 0, "{arguments:?}");
        let said = err(&refused);
        let (_, rest) = said.split_once(before).unwrap_or_else(|| panic!("{arguments:?}: no {before:?} in {said}"));
        let end = rest.find([' ', '\n', ')']).unwrap_or(rest.len());
        let again: Vec<&str> =
            arguments.iter().map(|word| if *word == reference { &rest[..end] } else { *word }).collect();
        self.done(&again);
    }

    /// The command below a hint, which the shell takes apart; `skopeo` prints its arguments, one a line.
    fn command(&self, arguments: &[&str]) -> Vec<String> {
        let refused = restrata(arguments);
        assert_eq!(code(&refused), 64, "{arguments:?}: {}", err(&refused));
        let said = err(&refused);
        let command = said.lines().find(|line| line.starts_with("  skopeo copy ")).unwrap_or_else(|| panic!("{said}"));
        let script = format!("skopeo() {{ printf '%s\\n' \"$@\"; }}\n{command}");
        let output = std::process::Command::new("sh").args(["-euc", &script]).output().unwrap();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_path_gets_its_transport() {
    let place = place();
    for name in ["oci.tar", "docker.tar", "docker.tar.gz", "out", "root"] {
        let path = place.text(name);
        place.follows(&["verify", &path, &place.reference(name)], &path, "hint: perhaps ");
    }
    let tagged = format!("{}:app:1", place.text("docker.tar"));
    place.follows(&["inspect", &tagged], &tagged, "hint: perhaps ");
    let tagged = format!("{}:v1", place.text("out"));
    place.follows(&["check", &tagged], &tagged, "hint: perhaps ");
}

impl Place {
    fn reference(&self, name: &str) -> String {
        let transport = match name {
            "oci.tar" => "oci-archive",
            "out" => "oci",
            "root" => "dir",
            _ => "docker-archive",
        };
        format!("{transport}:{}", self.text(name))
    }
}

#[test]
fn a_wrong_transport_is_told_the_right_one() {
    let place = place();
    for (wrong, names) in [
        ("oci", &["oci.tar", "docker.tar", "docker.tar.gz", "root"][..]),
        ("oci-archive", &["docker.tar", "docker.tar.gz", "out", "root"]),
        ("docker-archive", &["oci.tar", "out", "root"]),
        ("dir", &["oci.tar", "docker.tar", "out"]),
    ] {
        for name in names {
            let reference = format!("{wrong}:{}", place.text(name));
            place.follows(&["verify", &reference, &place.reference(name)], &reference, "(perhaps ");
        }
    }
}

#[test]
fn one_of_several_images_is_named() {
    let place = place();
    for name in ["two.tar", "nameless.tar"] {
        let reference = format!("docker-archive:{}", place.text(name));
        place.follows(&["inspect", &reference], &reference, "hint: such as ");
        // Each of those that are listed, too.
        let said = err(&restrata(&["inspect", &reference]));
        let (_, list) = said.lines().next().unwrap().split_once("name one of ").unwrap();
        for choice in list.split(", ") {
            place.done(&["inspect", &format!("{reference}:{choice}")]);
        }
    }
    // The same tag twice, and a tag beside images without any.
    let index = place.path("out/index.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let other = place.layout.replace(":v1", ":v2");
    place.done(&["rechunk", "-q", &place.root, &other, "--label", "other=1"]);
    let second = serde_json::from_slice::<Value>(&fs::read(&index).unwrap()).unwrap()["manifests"][1].clone();
    let reference = format!("oci:{}", place.text("out"));
    for (tag, asked) in [(json!("v1"), format!("{reference}:v1")), (Value::Null, reference.clone())] {
        let mut second = second.clone();
        second["annotations"]["org.opencontainers.image.ref.name"] = tag;
        value["manifests"] = json!([value["manifests"][0], second]);
        fs::write(&index, value.to_string()).unwrap();
        for arguments in
            [&["inspect", &asked][..], &["check", &asked], &["verify", &asked, &place.root, "--ignore", "mtime"]]
        {
            place.follows(arguments, &asked, "hint: such as ");
        }
    }
}

#[test]
fn a_tag_that_is_there_is_named() {
    let place = place();
    place.docker("one.tar", &["localhost/app:v2"]);
    place.docker("some.tar", &["localhost/app:v2", "localhost/other:v3", ""]);
    for (name, wanted) in [
        ("one.tar", "v2"),
        ("one.tar", "app:v2"),
        ("some.tar", "v3"),
        ("some.tar", "other:v3"),
        ("some.tar", "registry.example/localhost/app:v2"),
    ] {
        let reference = format!("docker-archive:{}:{wanted}", place.text(name));
        place.follows(&["inspect", &reference], &reference, "\nhint: perhaps ");
        let said = err(&restrata(&["inspect", &reference]));
        assert_eq!(said.contains("localhost/other:v3\n"), wanted.ends_with("v3"), "{said}");
    }
    for (name, wanted) in [("one.tar", "localhost/ap:v2"), ("some.tar", "lcoalhost/other:v3")] {
        let reference = format!("docker-archive:{}:{wanted}", place.text(name));
        place.follows(&["inspect", &reference], &reference, "\nhint: perhaps ");
    }
    // None of those that are there is like it: they are listed.
    for (name, wanted) in [("some.tar", "v9"), ("one.tar", "quay.io/app:v9")] {
        let said = err(&restrata(&["inspect", &format!("docker-archive:{}:{wanted}", place.text(name))]));
        assert!(said.contains(", found localhost/app:v2") && !said.contains("hint:"), "{said}");
    }
    let reference = format!("oci:{}:app:v1", place.text("out"));
    place.follows(&["check", &reference], &reference, "\nhint: perhaps ");
}

#[test]
fn no_image_is_named_that_the_command_names_already() {
    let place = place();
    let tag = |tag: &str| place.layout.replace(":v1", &format!(":{tag}"));
    place.done(&["rechunk", "-q", &place.root, &tag("new")]);
    place.done(&["rechunk", "-q", &place.root, &tag("published"), "--label", "a=b"]);
    let (layout, new) = (format!("oci:{}", place.text("out")), tag("new"));
    let named = |arguments: &[&str]| {
        let said = err(&restrata(arguments));
        said.split_once("\nhint: ").map(|(_, hint)| hint.trim_end().to_owned())
    };
    let previous = |wanted: &str| format!("--previous={wanted}");
    let other = format!("oci:{}", place.text("other"));
    assert_eq!(
        named(&["rechunk", &place.root, &other, &previous(&tag("publishd"))]).unwrap(),
        format!("perhaps {}", tag("published"))
    );
    assert_eq!(named(&["diff", &layout, &new]).unwrap(), format!("such as {}", tag("v1")));
    assert_eq!(named(&["diff", &layout, &tag("v1")]).unwrap(), format!("such as {new}"));
    assert_eq!(named(&["rechunk", &place.root, &tag("v1"), &previous(&layout)]).unwrap(), format!("such as {new}"));
    assert_eq!(named(&["diff", &layout, &tag("v1"), &new]).unwrap(), format!("such as {}", tag("published")));
    assert_eq!(named(&["history", &layout, &tag("v1"), &new, &tag("published")]), None);
    assert_eq!(named(&["diff", &tag("nwe"), &new]), None);
    place.follows(&["diff", &tag("nwe"), &tag("published")], &tag("nwe"), "\nhint: perhaps ");
}

/// One exit code, whichever image is meant.
#[test]
fn several_images_and_no_tag_is_wrong_usage() {
    let place = place();
    let two = format!("docker-archive:{}", place.text("two.tar"));
    let second = place.layout.replace(":v1", ":v2");
    place.done(&["rechunk", "-q", &place.root, &second, "--label", "a=b"]);
    let layout = format!("oci:{}", place.text("out"));
    let other = format!("oci:{}", place.text("other"));
    for several in [&two, &layout] {
        for arguments in [
            &["inspect", several][..],
            &["check", several],
            &["verify", &place.root, several],
            &["diff", several, &place.layout],
            &["history", several, &place.layout],
            &["rechunk", several, &other],
            &["rechunk", &place.root, &other, "--previous", several],
            &["rechunk", &place.root, &other, "--base", several],
        ] {
            let output = restrata(arguments);
            assert_eq!(code(&output), 64, "{arguments:?}: {}", err(&output));
            assert!(err(&output).contains("\nhint: such as "), "{arguments:?}: {}", err(&output));
        }
    }
    assert_eq!(code(&restrata(&["rechunk", &place.root, &layout])), 64);
}

#[test]
fn a_destination_is_one_that_can_be_written() {
    let place = place();
    let layout = format!("oci:{}", place.text("out"));
    place.follows(&["rechunk", "-q", &place.root, &layout], &layout, "hint: such as ");
    for name in ["new-layout", "new-layout:v1", "new.tar", "oci.tar:v2", "out:v3"] {
        let path = place.text(name);
        place.follows(&["rechunk", "-q", &place.root, &path], &path, "hint: perhaps ");
    }
    let dir = format!("dir:{}", place.text("new-dir"));
    place.follows(&["rechunk", "-q", &place.root, &dir], &dir, "hint: perhaps ");
}

/// Writing to stores is skopeo's; what it would be told is looked at.
#[test]
fn what_restrata_does_not_write_is_skopeos() {
    let place = place();
    let docker_archive = format!("docker-archive:{}", place.text("new docker.tar"));
    for (reference, all) in [
        ("containers-storage:localhost/app:v1", true),
        ("containers-storage:[overlay@/a b]localhost/app", true),
        ("docker-daemon:app:v1", false),
        ("containers-storage:it's", true),
    ] {
        let said = err(&restrata(&["rechunk", "oci:a", "oci:b", "--previous", reference]));
        assert!(said.contains("a store holds them unpacked\nhint: name the published image"), "{said}");
        let command = place.command(&["rechunk", &place.root, reference]);
        let (from, to) = (&command[command.len() - 2], &command[command.len() - 1]);
        assert_eq!((to.as_str(), command.len() == 5), (reference, all), "{command:?}");
        assert_eq!(from.parse::<restrata::oci::Reference>().unwrap().transport().name(), "oci");
    }
    let said = err(&restrata(&["inspect", "quay.io/team/app:v1"]));
    assert!(said.contains("for an image in a registry: docker://quay.io/team/app:v1\n"), "{said}");
    let command = place.command(&["rechunk", &place.root, &docker_archive]);
    assert_eq!((command.len(), &command[2]), (3, &docker_archive));
    let said = err(&restrata(&["rechunk", &place.root, &docker_archive]));
    assert!(said.contains("a docker-archive holds restrata's layers uncompressed and without an index"), "{said}");
}

/// skopeo's own directories look like none of restrata's.
#[test]
fn a_directory_of_skopeo_is_converted() {
    let place = place();
    let dir = place.path("skopeo");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("manifest.json"), "{}").unwrap();
    fs::write(dir.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    for transport in ["dir", "oci"] {
        let said = err(&restrata(&["inspect", &format!("{transport}:{}", dir.display())]));
        let (from, to) = (format!("dir:{}", dir.display()), format!("oci:{}.oci", dir.display()));
        assert!(said.ends_with(&format!("convert it: skopeo copy --all {from} {to})\n")), "{said}");
    }
}

#[test]
fn what_docker_export_writes_is_unpacked() {
    let place = place();
    let exported = place.path("exported.tar");
    let mut archive = ::tar::Builder::new(fs::File::create(&exported).unwrap());
    archive.append_dir_all(".", place.path("root")).unwrap();
    archive.finish().unwrap();
    let (path, place_of) = (exported.display().to_string(), format!("dir:{}.d", exported.display()));
    for reference in
        [path.clone(), format!("docker-archive:{path}"), format!("oci-archive:{path}"), format!("oci:{path}")]
    {
        let said = err(&restrata(&["inspect", &reference]));
        let (_, command) =
            said.split_once(&format!("name the directory {place_of}: ")).unwrap_or_else(|| panic!("{said}"));
        let command = command.lines().next().unwrap().trim_end_matches(')');
        assert!(std::process::Command::new("sh").args(["-euc", command]).status().unwrap().success(), "{command}");
        place.done(&["verify", &place.root, &place_of, "--ignore", "mtime"]);
        fs::remove_dir_all(place.path("exported.tar.d")).unwrap();
    }
}

#[test]
fn a_layout_of_ostree_becomes_a_plain_image() {
    let place = place();
    let config = place.path("config.json");
    fs::write(&config, r#"{"config":{"Labels":{"ostree.commit":"ab","ostree.final-diffid":"cd"}}}"#).unwrap();
    let mut arguments = vec!["rechunk", "-q", &place.root, "oci:DEST", "--config", config.to_str().unwrap()];
    let dest = format!("oci:{}", place.text("plain"));
    arguments[3] = &dest;
    let refused = restrata(&arguments);
    let said = err(&refused);
    let (_, hint) = said.split_once("hint: ").unwrap();
    let (options, _) = hint.split_once(" makes it").unwrap();
    arguments.extend(options.split(' '));
    place.done(&arguments);
}

#[test]
fn a_place_for_temporary_files_is_asked_for() {
    let place = place();
    let (spool, missing) = (place.text("spool"), place.text("missing"));
    fs::create_dir(&spool).unwrap();
    for new in [place.root.clone(), place.reference("docker.tar.gz")] {
        let dest = place.layout.replace(":v1", ":spooled");
        let mut arguments = ["rechunk", "-q", &new, &dest, "--tmpdir", &missing];
        let said = err(&restrata(&arguments));
        assert!(said.contains(&missing) && said.contains("hint: temporary files go to --tmpdir DIR"), "{said}");
        arguments[5] = &spool;
        place.done(&arguments);
    }
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}

#[test]
fn a_config_is_for_root_file_systems() {
    let place = place();
    let config = place.text("config.json");
    fs::write(&config, "secret").unwrap();
    let run = |new: &str| restrata(&["rechunk", "-q", new, &place.layout, "--config", &config]);
    let (wrong, broken) = (run(&place.layout), run(&place.root));
    assert_eq!((code(&wrong), code(&broken)), (64, 1));
    assert!(err(&wrong).contains("--config is for dir:ROOTFS"), "{}", err(&wrong));
    assert!(err(&wrong).contains("Usage: restrata rechunk [OPTIONS] <NEW> <DEST>"), "{}", err(&wrong));
    assert!(err(&broken).contains(&format!("--config {config}: expected JSON")), "{}", err(&broken));
    assert!(!err(&broken).contains("secret"));
    fs::write(&config, format!("{{\"os\":\"{}\"}}", "x".repeat(5 << 20))).unwrap();
    assert!(err(&run(&place.root)).contains("expected at most 4,194,304 bytes"));
}
