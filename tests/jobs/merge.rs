//! Images laid over each other. Whole random stacks are in `roundtrip`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use restrata::compression::{Format, Formats};
use restrata::degraded::Code;
use restrata::error::Error;
use restrata::merge::{Rule, Rules, Unit};
use restrata::oci::{Config, Platform, Reference};
use restrata::order::State;
use restrata::progress::Progress;
use restrata::rechunk::{Merge, Outcome, Request, plan, rechunk};
use restrata::source::Source;
use restrata::tar::EntryKind::{Dir, HardLink, Symlink};
use restrata::verify::verify;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{Entry, configured, entry, file, inspected, link, noise, options, plain, platforms};
use super::published::World;

/// A merge into the layout `out` below a directory.
struct Job<'a> {
    dir: &'a Path,
    request: Request,
}

fn job<'a>(dir: &'a Path, images: &[&str]) -> Job<'a> {
    let (new, below) = images.split_last().unwrap();
    let below = below.iter().map(|image| image.parse().unwrap()).collect();
    let dest = format!("oci:{}:t", dir.join("out").display()).parse().unwrap();
    let request = Request {
        merge: Some(Merge { below, ..Merge::default() }),
        ..Request::new(new.parse().unwrap(), dest, options())
    };
    Job { dir, request }
}

impl Job<'_> {
    fn rules(mut self, rules: &[&str]) -> Self {
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        self.request.merge.as_mut().unwrap().rules = Rules::new(&rules).unwrap();
        self
    }

    fn unite(mut self, units: &[Unit]) -> Self {
        self.request.merge.as_mut().unwrap().unite = units.iter().copied().collect();
        self
    }

    fn run(&self) -> Result<Outcome, Error> {
        rechunk(&self.request, &Progress::new())
    }

    fn message(&self) -> String {
        let error = self.run().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(!self.dir.join("out").exists());
        error.to_string()
    }

    /// The result has the same tree as an image of this one layer.
    fn expect(&self, layer: &[Entry]) -> Outcome {
        let outcome = self.run().unwrap();
        let expected = plain(self.dir, "expected", &[layer.to_vec()]);
        let verdict =
            verify(&expected.parse().unwrap(), &self.request.dest, None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same(), "{:?}", verdict.differences);
        outcome
    }

    fn config(&self) -> Config {
        let source = Source::open(&self.request.dest).unwrap();
        source.images(None).unwrap().remove(0).config
    }
}

fn status(packages: &[(&str, &str)]) -> Entry {
    let stanza = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    file("var/lib/dpkg/status", packages.iter().map(stanza).collect::<String>().as_bytes())
}

#[test]
fn package_databases_and_users_are_united() {
    let dir = TempDir::new().unwrap();
    let passwd = |lines: &str| file("etc/passwd", format!("root:x:0:0::/root:/bin/sh\n{lines}").as_bytes());
    let a = plain(dir.path(), "a", &[vec![status(&[("libc6", "2"), ("python3", "3")]), passwd("")]]);
    let b = plain(dir.path(), "b", &[vec![status(&[("libc6", "2"), ("nginx", "1")]), passwd("www:x:33:33::/:/no\n")]]);
    let message = job(dir.path(), &[&a, &b]).message();
    assert!(
        message.contains("1 package database differs: /var/lib/dpkg/status (") && message.contains("--unite dpkg"),
        "{message}"
    );
    let all = [status(&[("libc6", "2"), ("python3", "3"), ("nginx", "1")]), passwd("www:x:33:33::/:/no\n")];
    let outcome = job(dir.path(), &[&a, &b]).unite(&[Unit::Dpkg, Unit::Passwd]).expect(&all);
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    let taken = [status(&[("libc6", "2"), ("python3", "3")]), passwd("")];
    let outcome = job(dir.path(), &[&a, &b]).rules(&["first"]).expect(&taken);
    let notes = outcome.notes.join("\n");
    assert!(notes.contains("1 package database differs, and the earlier one is taken"), "{notes}");
    assert!(notes.contains("1 file of users and groups differs, and the earlier one is taken"), "{notes}");
}

/// The content that is united lies in layers that the registry has, and is compressed there.
#[test]
fn from_a_registry_to_its_tag() {
    let world = World::new();
    let of = |tag: &str, packages: &[(&str, &str)], seed: usize| {
        let content = &noise(900_000)[seed..seed + 400_000];
        plain(world.path(), tag, &[vec![status(packages), file(&format!("{tag}.bin"), content)]])
    };
    world.publish(&of("a", &[("libc6", "2"), ("python3", "3")], 0), "a");
    world.publish(&of("b", &[("libc6", "2"), ("nginx", "1")], 450_000), "b");
    let request = || Request {
        merge: Some(Merge {
            below: vec![world.tag("a")],
            unite: [Unit::Dpkg].into_iter().collect(),
            ..Merge::default()
        }),
        ..world.request(&world.tag("b").to_string(), world.tag("all"))
    };
    // Laid out against one of the inputs, so that what that has stays.
    let first = Request { previous: vec![world.tag("a")], ..request() };
    let first = rechunk(&first, &Progress::new()).unwrap();
    assert!(first.images[0].layers.iter().any(|layer| layer.planned.state == State::Kept));
    let expected = [
        status(&[("libc6", "2"), ("python3", "3"), ("nginx", "1")]),
        file("a.bin", &noise(900_000)[..400_000]),
        file("b.bin", &noise(900_000)[450_000..850_000]),
    ];
    let expected = plain(world.path(), "expected", &[expected.to_vec()]).parse().unwrap();
    let reach = world.request("oci:x", world.tag("all")).resources;
    let verdict = verify(&expected, &world.tag("all"), None, &[], reach, &Progress::new()).unwrap();
    assert!(verdict.is_same(), "{:?}", verdict.differences);
    // The tag's own image is the previous one.
    let again = rechunk(&request(), &Progress::new()).unwrap();
    assert_eq!(again.digest, first.digest);
    assert!(again.images[0].layers.iter().all(|layer| layer.planned.state == State::Kept));
}

#[test]
fn what_contradicts_itself_is_not_united() {
    let dir = TempDir::new().unwrap();
    let of = |version, id: u32| {
        vec![vec![status(&[("openssl", version)]), file("etc/group", format!("web:x:{id}:\n").as_bytes())]]
    };
    let (a, b) = (plain(dir.path(), "a", &of("3.5.1", 101)), plain(dir.path(), "b", &of("3.5.4", 102)));
    let message = job(dir.path(), &[&a, &b]).unite(&[Unit::Dpkg, Unit::Passwd]).message();
    for says in [
        "/etc/group (",
        "group web is 101 in the first one and 102 in the second one: files of one of them would belong to somebody else",
        "package openssl has version 3.5.1 in the first one and 3.5.4 in the second one: files of both would be mixed",
    ] {
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn the_tree_is_what_unpacking_in_order_gives() {
    let dir = TempDir::new().unwrap();
    let mut sticky = entry("tmp", Dir);
    sticky.0.mode = 0o1777;
    let base = vec![file("f", b"1"), link("g", HardLink, "f"), sticky.clone(), file("gone", b"x")];
    let removes = vec![file(".wh.gone", b""), file("tmp/x", b"2")];
    let a = plain(dir.path(), "a", std::slice::from_ref(&base));
    let b = plain(dir.path(), "b", &[base.clone(), removes]);
    let c = plain(dir.path(), "c", &[vec![file("f", b"3"), link("l", Symlink, "f")]]);
    // podman shows a directory that an image's upper layer has no entry for with mode 0755. It says nothing of one that
    // another image has.
    let left = [file("g", b"1"), sticky, file("gone", b"x"), file("tmp/x", b"2")];
    let expected: Vec<Entry> = left.into_iter().chain([file("f", b"3"), link("l", Symlink, "f")]).collect();
    job(dir.path(), &[&a, &b, &c]).expect(&expected);
}

#[test]
fn a_type_change_is_an_error_unless_one_is_taken() {
    let dir = TempDir::new().unwrap();
    let a = plain(dir.path(), "a", &[vec![link("bin", Symlink, "usr/bin"), file("usr/bin/a", b"1")]]);
    let b = plain(dir.path(), "b", &[vec![file("bin/b", b"2")]]);
    let message = job(dir.path(), &[&a, &b]).message();
    assert!(message.contains("1 path is a directory in one input only: /bin ("), "{message}");
    let outcome = job(dir.path(), &[&a, &b])
        .rules(&["/bin=first"])
        .expect(&[link("bin", Symlink, "usr/bin"), file("usr/bin/a", b"1")]);
    assert!(outcome.notes.iter().any(|note| note.starts_with("1 path is left out, since")), "{:?}", outcome.notes);
    job(dir.path(), &[&a, &b]).rules(&["/bin=last"]).expect(&[file("usr/bin/a", b"1"), file("bin/b", b"2")]);
}

#[test]
fn the_config_is_of_the_last_image_or_of_the_one_that_is_named() {
    let dir = TempDir::new().unwrap();
    let config = |cmd: &str, env: &[&str]| {
        json!({
            "config": {"Cmd": [cmd], "Env": env, "Labels": {cmd: "1", "both": cmd}},
            "history": [{"created_by": "base"}, {"created_by": cmd}]
        })
    };
    let one = configured(dir.path(), "1", config("one", &["PATH=/bin:/sbin", "A=1"]), &[vec![file("a", b"1")]]);
    let two = configured(dir.path(), "2", config("two", &["PATH=/opt:/bin", "A=2"]), &[vec![file("b", b"1")]]);
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("c"), "1").unwrap();
    let tree = format!("dir:{}", root.display());
    let (mut last, mut first) = (job(dir.path(), &[&one, &two, &tree]), job(dir.path(), &[&one, &two, &tree]));
    last.request.labels = vec![("mine".to_owned(), Some("x".to_owned()))];
    assert_eq!(last.run().unwrap().images.len(), 1);
    let container = |job: &Job<'_>| job.config().value()["config"].clone();
    let told = |job: &Job<'_>| container(job)["Labels"].clone();
    assert_eq!(container(&last)["Cmd"], json!(["two"]));
    assert_eq!(container(&last)["Env"], json!(["PATH=/bin:/sbin:/opt", "A=2"]));
    assert_eq!(told(&last), json!({"two": "1", "both": "two", "one": "1", "mine": "x"}));
    let steps = last.config();
    let steps: Vec<&Value> = steps.history().iter().map(|step| &step["created_by"]).collect();
    assert_eq!(steps[..3], ["base", "one", "two"]);
    first.request.merge.as_mut().unwrap().config_from = Some(0);
    first.run().unwrap();
    assert_eq!((&container(&first)["Cmd"], &container(&first)["Env"][1]), (&json!(["one"]), &json!("A=1")));
    first.request.merge.as_mut().unwrap().config_from = Some(2);
    let message = first.run().unwrap_err().to_string();
    assert!(message.contains("--config-from: expected an image, found dir:"), "{message}");
    first.request.config = Some(Config::given(br#"{"config": {"Cmd": ["tree"]}}"#, "c").unwrap());
    first.run().unwrap();
    assert_eq!(container(&first)["Cmd"], json!(["tree"]));
}

#[test]
fn the_result_has_the_platforms_that_all_have() {
    let dir = TempDir::new().unwrap();
    let layers = |content: &str| [vec![file(content, content.as_bytes())]];
    let image = |tag: &str, names: &[&str]| {
        let layers = layers(tag);
        let of = |name: &&str| (name.parse::<Platform>().unwrap(), &layers[..]);
        platforms(dir.path(), tag, &names.iter().map(of).collect::<Vec<_>>())
    };
    let a = image("a", &["linux/amd64", "linux/arm64", "linux/s390x"]);
    let b = image("b", &["linux/arm64", "linux/amd64"]);
    let outcome = job(dir.path(), &[&a, &b]).run().unwrap();
    let written: Vec<String> =
        outcome.images.iter().map(|image| image.platform.as_ref().unwrap().to_string()).collect();
    assert_eq!(written, ["linux/arm64", "linux/amd64"]);
    let degraded: Vec<_> = outcome.degraded.iter().map(|it| (it.code, it.message.as_str())).collect();
    let note = format!("{a} has an image for linux/s390x, and another input has none");
    assert_eq!(degraded, [(Code::PlatformAbsent, note.as_str())]);
    // A tree is of any platform.
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let outcome = job(dir.path(), &[&b, &format!("dir:{}", tree.display())]).run().unwrap();
    assert_eq!((outcome.images.len(), outcome.degraded.len()), (2, 0));
    let c = image("c", &["linux/s390x"]);
    let message = job(dir.path(), &[&b, &c]).run().unwrap_err().to_string();
    assert!(message.starts_with("expected images for one platform"), "{message}");
}

#[test]
fn an_update_keeps_layers_and_a_base_stays() {
    let dir = TempDir::new().unwrap();
    let part = |name: &str, at: usize| file(name, &noise(2_000_000)[at..at + 400_000]);
    let a = plain(dir.path(), "a", &[vec![part("a", 0)], vec![part("b", 400_000)]]);
    let b = plain(dir.path(), "b", &[vec![part("c", 800_000)]]);
    let first = job(dir.path(), &[&a, &b]);
    let before = first.run().unwrap();
    let mut again = job(dir.path(), &[&a, &b]);
    again.request.previous = vec![first.request.dest.clone()];
    let planned = plan(&again.request, &Progress::new()).unwrap();
    assert!(planned.images[0].layers.iter().all(|layer| layer.state == State::Kept));
    let after = again.run().unwrap();
    assert_eq!((after.digest, after.images[0].pulls.len() > 4), (before.digest, true));
    // What of the base the result shows stays byte for byte.
    let mut based = job(dir.path(), &[&a, &b]);
    based.request.base = Some(a.parse().unwrap());
    let outcome = based.run().unwrap();
    let of = |reference: &str| -> BTreeSet<String> {
        let inspection = inspected(&reference.parse::<Reference>().unwrap()).unwrap();
        inspection.images[0].layers.iter().map(|layer| layer.digest.unwrap().to_string()).collect()
    };
    let kept = outcome.images[0].layers.iter().filter(|layer| layer.planned.state == State::Kept);
    assert_eq!(kept.map(|layer| layer.digest.to_string()).collect::<BTreeSet<_>>(), of(&a));
    let mut pair = job(dir.path(), &[&a, &b]);
    pair.request.formats = Formats::with_gzip_twin(Format::Chunked).unwrap();
    let outcome = pair.run().unwrap();
    assert_eq!(outcome.images[0].twin.as_ref().unwrap().layers.len(), outcome.images[0].layers.len());
}

/// One database is seen, and the files of both have owners.
#[test]
fn owners_are_those_of_all_databases() {
    let dir = TempDir::new().unwrap();
    let of = |package: &str| {
        let content = if package == "musl" { &noise(700_000)[..350_000] } else { &noise(700_000)[350_000..] };
        let installed = format!("P:{package}\nV:1\nF:lib\nR:{package}.so\n\n");
        vec![vec![file(&format!("lib/{package}.so"), content), file("lib/apk/db/installed", installed.as_bytes())]]
    };
    let (a, b) = (plain(dir.path(), "a", &of("musl")), plain(dir.path(), "b", &of("zlib")));
    let outcome = job(dir.path(), &[&a, &b]).rules(&["last"]).run().unwrap();
    let owners: BTreeSet<&String> = outcome.images[0].layers.iter().flat_map(|layer| &layer.planned.owners).collect();
    assert_eq!(owners.into_iter().map(String::as_str).collect::<Vec<_>>(), ["apk:musl", "apk:zlib"]);
}

/// The inputs may lie where the result goes; they are no previous images.
#[test]
fn what_inputs_do_not_show_is_told() {
    let dir = TempDir::new().unwrap();
    let a = plain(dir.path(), "a", &[vec![file("a", b"1")]]);
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join(".wh.a"), "1").unwrap();
    let mut job = job(dir.path(), &[&a, &format!("dir:{}", root.display())]);
    job.request.dest = a.replace(":a", ":merged").parse().unwrap();
    let notes = job.run().unwrap().notes;
    let says = "/.wh.a: a name that starts with .wh. is a whiteout in a layer: clients will not show this file";
    assert!(matches!(&notes[..], [note] if note.starts_with("dir:") && note.ends_with(says)), "{notes:?}");
}

#[test]
fn a_hundred_images_over_one_base() {
    let dir = TempDir::new().unwrap();
    let base: Vec<Entry> = (0..20).map(|n| file(&format!("base/{n}"), &[n; 100])).collect();
    let image = |n: usize| plain(dir.path(), &format!("i{n}"), &[base.clone(), vec![file(&format!("own/{n}"), b"x")]]);
    let images: Vec<String> = (0..100).map(image).collect();
    let all = (0..100).map(|n| file(&format!("own/{n}"), b"x"));
    let outcome = job(dir.path(), &images.iter().map(String::as_str).collect::<Vec<_>>())
        .expect(&base.iter().cloned().chain(all).collect::<Vec<_>>());
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    let steps: u64 = outcome.images[0].layers.iter().map(|layer| layer.planned.entries).sum();
    assert!(steps < 200, "{steps}");
}

#[test]
fn an_input_must_outlive_the_merge() {
    let dir = TempDir::new().unwrap();
    let a = plain(dir.path(), "a", &[vec![file("a", b"1")]]);
    let archive = format!("oci-archive:{}", dir.path().join("x.tar").display());
    let mut job = job(dir.path(), &[&archive, &a]);
    job.request.dest = archive.parse().unwrap();
    let error = job.run().unwrap_err().to_string();
    assert!(error.contains("an archive is written anew, and this one is an input"), "{error}");
    let tree = format!("dir:{}", dir.path().display());
    let inside = self::job(dir.path(), &[&tree, &a]).message();
    assert!(inside.contains("would become a part of its own image"), "{inside}");
}

#[test]
fn a_rule_for_a_path_that_nobody_has_is_told() {
    let dir = TempDir::new().unwrap();
    let images = ["a", "b"].map(|tag| plain(dir.path(), tag, &[vec![file("etc/x", tag.as_bytes())]]));
    let outcome = job(dir.path(), &[&images[0], &images[1]]).rules(&["/etc/x=first", "/ect/**=first"]).run().unwrap();
    let [told] = &outcome.degraded[..] else { panic!("{:?}", outcome.degraded) };
    assert_eq!((told.code, told.message.starts_with("--on-conflict /ect/**=first: ")), (Code::PathUnmatched, true));
}
