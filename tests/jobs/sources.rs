//! Images as people have them: which can be opened, and what is said of the others.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use restrata::check::check;
use restrata::degraded::Code;
use restrata::diff::diff;
use restrata::error::Error;
use restrata::oci::{Platform, Reference};
use restrata::progress::{Now, Phase, Progress};
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::source::{Source, SourceError};
use restrata::verify::verify;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::image::{Entry, file, inspected, options, plain, tar};

fn reference(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn run(new: &str, dest: &str, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
    let mut request = Request::new(reference(new), reference(dest), options());
    change(&mut request);
    rechunk(&request, &Progress::new())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An OCI layout that is made by hand, so that it can be wrong.
struct Layout(PathBuf);

impl Layout {
    fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self(dir.to_owned())
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        fs::write(self.0.join("blobs/sha256").join(hex(bytes)), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
    }

    fn json(&self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, value.to_string().as_bytes())
    }

    /// The layer's blob may be something else than its tar.
    fn image(&self, tar: &[u8], blob: &[u8]) -> Value {
        let config = json!({"os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [digest(tar)]}});
        let config = self.json("application/vnd.oci.image.config.v1+json", &config);
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", blob);
        self.json(MANIFEST, &json!({"schemaVersion": 2, "config": config, "layers": [layer]}))
    }

    fn index(&self, entries: &[Value]) -> String {
        fs::write(self.0.join("index.json"), json!({"schemaVersion": 2, "manifests": entries}).to_string()).unwrap();
        format!("oci:{}", self.0.display())
    }

    fn archive(&self, to: &Path) -> String {
        pack(&self.0, to);
        format!("oci-archive:{}", to.display())
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn pack(dir: &Path, to: &Path) {
    let mut tar = ::tar::Builder::new(fs::File::create(to).unwrap());
    tar.append_dir_all(".", dir).unwrap();
    tar.finish().unwrap();
}

fn tagged(mut entry: Value, tag: &str) -> Value {
    entry["annotations"]["org.opencontainers.image.ref.name"] = json!(tag);
    entry
}

fn on(mut entry: Value, architecture: &str) -> Value {
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

fn hello() -> Vec<Entry> {
    vec![file("hello", b"hi\n")]
}

/// docker's archive of `images`: names, config beside the layers' DiffIDs, and layers' tars.
fn docker_archive(dir: &Path, images: &[(Value, &[Vec<u8>])]) -> String {
    let (path, inside) = (dir.join("docker.tar"), dir.join("docker"));
    fs::create_dir_all(&inside).unwrap();
    let mut list = Vec::new();
    for (names, tars) in images {
        let ids: Vec<String> = tars.iter().map(|tar| digest(tar)).collect();
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let config = config.to_string();
        let name = format!("{}.json", hex(config.as_bytes()));
        fs::write(inside.join(&name), &config).unwrap();
        tars.iter().for_each(|tar| fs::write(inside.join(format!("{}.tar", hex(tar))), tar).unwrap());
        let layers: Vec<String> = tars.iter().map(|tar| format!("{}.tar", hex(tar))).collect();
        let layers = if layers.is_empty() { Value::Null } else { json!(layers) };
        list.push(json!({"Config": name, "RepoTags": names, "Layers": layers}));
    }
    fs::write(inside.join("manifest.json"), Value::from(list).to_string()).unwrap();
    pack(&inside, &path);
    format!("docker-archive:{}", path.display())
}

fn error(reference: &str) -> SourceError {
    let source = Source::open(&self::reference(reference)).and_then(|source| source.images(None));
    source.map(drop).unwrap_err()
}

#[test]
fn a_layer_in_xz_or_bzip2_is_read_under_any_type() {
    let dir = TempDir::new().unwrap();
    let tar = tar(&hello());
    let plain = plain(dir.path(), "plain", &[hello()]);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&tar).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(&tar).unwrap();
    for (name, blob) in [("bzip2", bzip2.finish().unwrap()), ("xz", xz.finish().unwrap())] {
        let layout = Layout::new(&dir.path().join(name));
        let new = layout.index(&[layout.image(&tar, &blob)]);
        let dest = format!("oci:{}:t", dir.path().join(format!("{name}.out")).display());
        run(&new, &dest, |_| {}).unwrap();
        for other in [&new, &dest] {
            let verdict = verify(&reference(&plain), &reference(other), None, &[], options(), &Progress::new());
            assert!(verdict.unwrap().is_same(), "{other}");
        }
        let report = check(&reference(&new), None, options(), &Progress::new()).unwrap();
        assert_eq!((report.is_clean(), report.images[0].layers[0].kind), (true, name));
    }
}

/// docker with the containerd store saves one platform, under an index that names all.
#[test]
fn absent_platforms_are_left_out_with_a_note() {
    let dir = TempDir::new().unwrap();
    let layout = Layout::new(&dir.path().join("save"));
    let tar = tar(&hello());
    let gone =
        |byte: &str| json!({"mediaType": MANIFEST, "digest": format!("sha256:{}", byte.repeat(64)), "size": 529});
    // Its manifest is there, and nothing of what that names.
    let bare = json!({"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": gone("3")["digest"], "size": 5}, "layers": []});
    let bare = on(layout.json(MANIFEST, &bare), "s390x");
    let entries = [on(layout.image(&tar, &tar), "amd64"), on(gone("1"), "arm64"), on(gone("2"), "unknown"), bare];
    let with = |entries: &[Value]| {
        let index = layout.json(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}));
        layout.index(&[tagged(index, "1.0")])
    };
    let new = with(&entries);
    let archive = layout.archive(&dir.path().join("save.tar"));
    let progress = Progress::new();
    for (at, new) in [format!("{new}:1.0"), new.clone(), archive].into_iter().enumerate() {
        let note = format!("{new}: left out linux/arm64, linux/unknown, linux/s390x: the index names it");
        let noted = |notes: &[String]| assert!(notes.iter().any(|found| found.starts_with(&note)), "{notes:?}");
        let dest = format!("oci:{}:{at}", dir.path().join("out").display());
        let made = run(&new, &dest, |request| {
            request.previous = vec![reference(&new)];
            request.base = Some(reference(&new));
        });
        let made = made.unwrap();
        noted(&made.notes);
        assert_eq!(made.images.len(), 1);
        assert!(made.degraded.iter().any(|it| it.code == Code::PlatformAbsent), "{:?}", made.degraded);
        let new = reference(&new);
        noted(&verify(&new, &reference(&dest), None, &[], options(), &progress).unwrap().notes);
        noted(&check(&new, None, options(), &progress).unwrap().notes);
        noted(&inspected(&new).unwrap().notes);
        let (olds, choice) = (vec![new.clone()], restrata::diff::Choice::default());
        let new = reference(&dest);
        let request = restrata::diff::Request { olds, new, platform: None, choice, resources: options() };
        noted(&diff(&request, &progress).unwrap().notes);
        let new = &request.olds[0];
        let amd64: Platform = "linux/amd64".parse().unwrap();
        let wanted = Source::open(new).unwrap();
        assert_eq!((wanted.images(Some(&amd64)).unwrap().len(), wanted.take_notes().len()), (1, 0));
    }
    // Without its end mark, an archive may have lost what is missing.
    let save = dir.path().join("save.tar");
    let bytes = fs::read(&save).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    fs::write(&save, &bytes[..end.next_multiple_of(512)]).unwrap();
    let cut = error(&format!("oci-archive:{}", save.display())).to_string();
    assert!(cut.contains("nor an end mark"), "{cut}");
    let none = error(&with(&entries[1..])).to_string();
    let says = "found none; the index names linux/arm64, linux/unknown, linux/s390x, but the blobs are not there";
    assert!(none.ends_with(says), "{none}");
    // Where a part of an image is there, that is no platform that was left out, but damage.
    let config = |image: &Value| {
        let path = |digest: &Value| layout.0.join("blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..]);
        let manifest: Value = serde_json::from_slice(&fs::read(path(&image["digest"])).unwrap()).unwrap();
        path(&manifest["config"]["digest"])
    };
    fs::remove_file(config(&entries[0])).unwrap();
    let damaged = error(&with(&entries)).to_string();
    assert!(damaged.contains("config sha256:") && damaged.ends_with("the blob is missing"), "{damaged}");
}

#[test]
fn a_number_or_a_digest_chooses() {
    let dir = TempDir::new().unwrap();
    let layout = Layout::new(&dir.path().join("twice"));
    let tars = [tar(&[file("one", b"1")]), tar(&[file("two", b"2")])];
    let [one, two] = tars.each_ref().map(|tar| layout.image(tar, tar));
    let named = |mut entry: Value, name: &str| {
        entry["annotations"]["io.containerd.image.name"] = json!(name);
        tagged(entry, "latest")
    };
    let digest_of = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
    let (d1, d2) = (digest_of(&one), digest_of(&two));
    let twice = layout.index(&[
        named(one.clone(), "docker.io/library/one:latest"),
        named(two.clone(), "docker.io/library/two:latest"),
    ]);
    let archive = layout.archive(&dir.path().join("twice.tar"));
    for place in [&twice, &archive] {
        for (choice, digest) in [
            ("@0".to_owned(), &d1),
            ("@1".to_owned(), &d2),
            (format!("@{d1}"), &d1),
            (format!("@{d2}"), &d2),
            ("docker.io/library/two:latest".to_owned(), &d2),
            (d2.clone(), &d2),
        ] {
            let images = Source::open(&reference(&format!("{place}:{choice}"))).unwrap().images(None).unwrap();
            let [image] = &images[..] else { panic!("{choice}") };
            assert_eq!(image.manifest_digest.unwrap().to_string(), *digest, "{choice}");
        }
        let several = error(&format!("{place}:latest"));
        let SourceError::SeveralImages { available, examples, .. } = &several else { panic!("{several}") };
        assert_eq!(available, &["@0 (docker.io/library/one:latest)", "@1 (docker.io/library/two:latest)"]);
        assert_eq!(&examples[0], &format!("{place}:@0"));
        for missing in ["@2".to_owned(), format!("@sha256:{}", "0".repeat(64))] {
            let error = Error::from(error(&format!("{place}:{missing}")));
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(
                error.to_string().contains(&format!("expected the image {missing}, found @0 (docker.io")),
                "{error}"
            );
        }
    }
    let nameless = layout.index(&[one, two]);
    let several = error(&nameless);
    let SourceError::SeveralImages { available, examples, .. } = &several else { panic!("{several}") };
    assert_eq!((available[1].as_str(), &examples[0]), (format!("@1 ({d2})").as_str(), &format!("{nameless}:@0")));

    let docker = docker_archive(dir.path(), &[(Value::Null, &tars[..1]), (json!([null, ""]), &tars[1..])]);
    let several = error(&docker);
    let SourceError::SeveralImages { available, examples, .. } = &several else { panic!("{several}") };
    assert_eq!((available.join(" ").as_str(), &examples[0]), ("@0 @1", &format!("{docker}:@0")));
    for (choice, tar) in [("@0", &tars[0]), ("@1", &tars[1])] {
        let image = Source::open(&reference(&format!("{docker}:{choice}"))).unwrap().images(None).unwrap().remove(0);
        assert_eq!(image.config.diff_ids()[0].to_string(), digest(tar));
        // docker's own name for an image is its config's digest.
        let id = image.manifest.config().digest;
        let same = Source::open(&reference(&format!("{docker}:@{id}"))).unwrap().images(None).unwrap().remove(0);
        assert_eq!(same.config, image.config);
    }
    assert!(error(&format!("{docker}:@2")).to_string().contains("expected the image @2, found @0, @1"));
}

#[test]
fn an_image_without_layers_is_one() {
    let dir = TempDir::new().unwrap();
    let docker = docker_archive(dir.path(), &[(json!(["e:1"]), &[])]);
    let layout = Layout::new(&dir.path().join("empty"));
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": null},
        "config": null, "history": null});
    let config = layout.json("application/vnd.oci.image.config.v1+json", &config);
    let manifest = json!({"schemaVersion": 2, "mediaType": null, "config": config, "layers": null, "manifests": null,
        "annotations": null});
    let manifest = layout.json(MANIFEST, &manifest);
    let oci = layout.index(&[manifest]);
    for new in [docker, oci] {
        let dest = format!("oci:{}:t", dir.path().join(hex(new.as_bytes())).display());
        assert_eq!(run(&new, &dest, |_| {}).unwrap().images[0].layers.len(), 0);
        let verdict = verify(&reference(&new), &reference(&dest), None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same());
    }
}

/// docker 25.0 wrote an OCI manifest without layers beside a right manifest.json.
#[test]
fn layers_that_stand_in_manifest_json_alone_are_named() {
    let dir = TempDir::new().unwrap();
    let layout = Layout::new(&dir.path().join("save"));
    let tar = tar(&hello());
    layout.image(&tar, &tar);
    let config =
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]}});
    let config = layout.json("application/vnd.oci.image.config.v1+json", &config);
    layout.index(&[layout.json(MANIFEST, &json!({"schemaVersion": 2, "config": config, "layers": []}))]);
    let inside = |digest: &str| format!("blobs/sha256/{}", &digest["sha256:".len()..]);
    let list = json!([{"Config": inside(config["digest"].as_str().unwrap()), "RepoTags": null, "Layers": [inside(&digest(&tar))]}]);
    fs::write(layout.0.join("manifest.json"), list.to_string()).unwrap();
    let archive = layout.archive(&dir.path().join("save.tar"));
    let docker = archive.replace("oci-", "docker-");
    let told = error(&archive).to_string();
    assert!(
        told.contains("names no layers, but the config lists 1") && told.ends_with(&format!("(read it as {docker})")),
        "{told}"
    );
    assert_eq!(Source::open(&reference(&docker)).unwrap().images(None).unwrap()[0].layers.len(), 1);
}

/// Nix writes such archives, and docker load takes them.
#[test]
fn a_compressed_archive_is_unpacked_once() {
    let dir = TempDir::new().unwrap();
    let docker = docker_archive(dir.path(), &[(json!(["x:1"]), &[tar(&hello())])]);
    let bytes = fs::read(dir.path().join("docker.tar")).unwrap();
    let oci = Layout::new(&dir.path().join("layout"));
    oci.index(&[oci.image(&tar(&hello()), &tar(&hello()))]);
    oci.archive(&dir.path().join("oci.tar"));
    let oci = fs::read(dir.path().join("oci.tar")).unwrap();
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(&bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&bytes).unwrap();
    for (transport, name, packed) in [
        ("docker-archive", "gzip", gzip(&bytes)),
        ("docker-archive", "zstd", zstd::encode_all(bytes.as_slice(), 1).unwrap()),
        ("docker-archive", "xz", xz.finish().unwrap()),
        ("docker-archive", "bzip2", bzip2.finish().unwrap()),
        ("oci-archive", "gzip", gzip(&oci)),
    ] {
        let path = dir.path().join("packed");
        fs::write(&path, &packed).unwrap();
        let new = format!("{transport}:{}", path.display());
        let dest = format!("oci:{}:{name}", dir.path().join("out").display());
        let notes = run(&new, &dest, |_| {}).unwrap().notes;
        let said = format!("{}: unpacked into a temporary file of ", path.display());
        assert!(notes.iter().any(|note| note.starts_with(&said) && note.contains(name)), "{notes:?}");
        let verdict = verify(&reference(&docker), &reference(&new), None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same());
        for bytes in [packed.len() - 9, packed.len() / 2] {
            fs::write(&path, &packed[..bytes]).unwrap();
            let progress = Progress::new();
            let error = Source::open_file(&reference(&new), dir.path(), &progress).unwrap_err();
            let place = format!("at byte {bytes} of its compressed data; copy or save it again");
            assert_eq!(error.to_string(), format!("{}: the archive ends early, {place}", path.display()));
            // How far it came is told by what is compressed.
            let bytes = bytes as u64;
            assert_eq!(progress.now(), Now { phase: Phase::Opening, done: bytes, total: Some(bytes) });
        }
    }
}

#[test]
fn an_archive_that_is_cut_short_says_where() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cut.tar");
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let entries = |last: &str| tar(&[file("first", &[b'a'; 1000]), file(last, &[b'b'; 700])]);
    for (transport, last) in [("docker-archive", "manifest.json"), ("oci-archive", "oci-layout")] {
        let whole = entries(last);
        assert_eq!(whole.len(), 512 + 1024 + 512 + 1024 + 1024);
        for (bytes, place) in [
            (1000, "1000IN, inside the member \"first\", which should end at byte 1512".to_owned()),
            // The padding is no content.
            (1512, format!("1512IN, where it has neither the member {last:?} nor an end mark")),
            (1536, format!("1536IN, where it has neither the member {last:?} nor an end mark")),
            (1900, "1900IN, inside a member's header".to_owned()),
            (2100, format!("2100IN, inside the member {last:?}, which should end at byte 2748")),
        ] {
            for (content, inside) in [(whole[..bytes].to_vec(), ""), (gzip(&whole[..bytes]), " of what it unpacks to")]
            {
                fs::write(&path, &content).unwrap();
                let new = format!("{transport}:{}", path.display());
                let says = format!(
                    "{}: the archive ends early, at byte {}; copy or save it again",
                    path.display(),
                    place.replace("IN", inside)
                );
                let error = error(&new);
                assert_eq!(error.to_string(), says);
                let report = check(&reference(&new), None, options(), &Progress::new()).unwrap();
                assert_eq!(report.problems, [says]);
            }
        }
    }
    // With an end mark the archive is another one.
    fs::write(&path, entries("else")).unwrap();
    let none = error(&format!("docker-archive:{}", path.display())).to_string();
    assert!(none.contains("expected what docker save writes, found no member manifest.json"), "{none}");
    // Whatever an image needs is missed where the archive ends.
    let docker = docker_archive(dir.path(), &[(json!(["x:1"]), &[tar(&hello())])]);
    let cut = dir.path().join("docker.tar");
    let bytes = fs::read(&cut).unwrap();
    for end in (512..bytes.len()).step_by(512).filter(|end| end + 1024 < bytes.len()) {
        fs::write(&cut, &bytes[..end]).unwrap();
        let source = Source::open(&reference(&docker));
        let told = source.and_then(|source| source.images(None).map(drop)).err();
        // A cut behind the last member takes nothing away.
        let is_whole = bytes[end..].iter().all(|byte| *byte == 0);
        assert!(told.as_ref().map_or(is_whole, |told| told.to_string().contains("the archive ends early")), "{told:?}");
    }
}

#[test]
fn an_archive_comes_through_a_pipe() {
    let dir = TempDir::new().unwrap();
    docker_archive(dir.path(), &[(json!(["x:1"]), &[tar(&hello())])]);
    let bytes = fs::read(dir.path().join("docker.tar")).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let new = format!("docker-archive:{}", fifo.display());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The reader waits for a writer that comes late.
            std::thread::sleep(std::time::Duration::from_millis(300));
            fs::write(&fifo, &bytes).unwrap();
        });
        let image = Source::open(&reference(&new)).unwrap();
        assert_eq!(image.images(None).unwrap()[0].layers.len(), 1);
    });
    // Nobody writes, and somebody gives up.
    let progress = Progress::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            progress.cancel();
        });
        let error = Source::open_file(&reference(&new), dir.path(), &progress).unwrap_err();
        assert!(matches!(error, SourceError::Interrupted(_)), "{error}");
    });
}

#[test]
fn what_is_no_archive_is_not_shown() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let secret = "root:$6$secret:19000:0:99999:7:::\n".repeat(100);
    let json = format!("[\"{}\"]", "secret".repeat(10));
    let gzip = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    for content in [secret.as_bytes(), b"secret", json.as_bytes(), &gzip(&secret), &gzip("secret")] {
        fs::write(&path, content).unwrap();
        for transport in ["oci-archive", "docker-archive"] {
            let error = error(&format!("{transport}:{}", path.display())).to_string();
            assert_eq!(error, format!("{}: expected a tar file, found a file that is none", path.display()));
        }
    }
    // Links that lead out of the layout, to whatever else holds JSON.
    let layout = Layout::new(&dir.path().join("layout"));
    layout.index(&[]);
    let version = r#"{"imageLayoutVersion":"secret"}"#;
    for content in [json.as_str(), "\"secret\"", version, &secret] {
        fs::write(&path, content).unwrap();
        for name in ["oci-layout", "index.json"] {
            let there = layout.0.join(name);
            let kept = fs::read(&there).unwrap();
            fs::remove_file(&there).unwrap();
            std::os::unix::fs::symlink(&path, &there).unwrap();
            let error = error(&format!("oci:{}", layout.0.display())).to_string();
            assert!(!error.contains("secret"), "{error}");
            fs::remove_file(&there).unwrap();
            fs::write(&there, kept).unwrap();
        }
    }
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    for content in [json.as_str(), "\"secret\"", r#"[{"Config":["secret"]}]"#] {
        fs::write(inside.join("manifest.json"), content).unwrap();
        pack(&inside, &path);
        let error = error(&format!("docker-archive:{}", path.display())).to_string();
        assert!(error.contains("manifest.json: expected a list of images") && !error.contains("secret"), "{error}");
    }
}

/// 20 kB of indexes that name one another 30 times, and one image 1,000 times.
#[test]
fn each_image_is_walked_once() {
    let dir = TempDir::new().unwrap();
    let layout = Layout::new(&dir.path().join("deep"));
    let tar = tar(&hello());
    let mut entry = layout.image(&tar, &tar);
    for _ in 0..4 {
        let many: Vec<Value> = (0..30).map(|at| on(entry.clone(), &format!("a{at}"))).collect();
        let equal = vec![entry; 30];
        let manifests = [equal, many].concat();
        entry = layout.json(INDEX, &json!({"schemaVersion": 2, "manifests": manifests}));
    }
    let images = Source::open(&reference(&layout.index(&[entry]))).unwrap().images(None).unwrap();
    assert_eq!(images.len(), 31, "each platform that stands beside the manifest, and none");

    let images = vec![(json!(["x:1"]), &[][..]); 1000];
    let docker = docker_archive(dir.path(), &images);
    assert_eq!(Source::open(&reference(&docker)).unwrap().images(None).unwrap().len(), 1);
    let docker = docker_archive(dir.path(), &vec![(json!(["x:1"]), &[][..]); 2000]);
    assert!(error(&docker).to_string().contains("expected at most 1,024 entries in images, found 2,000"));
}

/// Configs of 4 MB parse to a hundred times as much memory.
#[test]
fn documents_are_bounded_together() {
    let dir = TempDir::new().unwrap();
    let layout = Layout::new(&dir.path().join("large"));
    let entries: Vec<Value> = (0..6)
        .map(|at| {
            let config = json!({"os": "linux", "architecture": format!("a{at}"), "x": "x".repeat(3_500_000),
                "rootfs": {"type": "layers", "diff_ids": []}});
            let config = layout.json("application/vnd.oci.image.config.v1+json", &config);
            let manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
            on(layout.json(MANIFEST, &manifest), &format!("a{at}"))
        })
        .collect();
    let few = layout.index(&entries[..4]);
    assert_eq!(Source::open(&reference(&few)).unwrap().images(None).unwrap().len(), 4);
    let error = error(&layout.index(&entries)).to_string();
    assert!(error.contains("expected manifests and configs of at most 16,777,216 bytes in all"), "{error}");
}

/// A header that promises 1 GiB of name, with as many bytes behind it as a sparse file costs nothing.
#[test]
fn a_long_name_is_not_read_into_memory() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("long.tar");
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::GNULongName);
    header.set_path("././@LongLink").unwrap();
    header.set_size(1 << 30);
    header.set_mode(0);
    header.set_cksum();
    fs::write(&path, header.as_bytes()).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len((1 << 30) + 4096).unwrap();
    let error = error(&format!("docker-archive:{}", path.display())).to_string();
    assert!(error.contains("an extended header of 1,073,741,824 bytes: expected at most 1,048,576"), "{error}");
}

#[test]
fn a_root_file_system_can_be_given_a_config() {
    use restrata::oci::Config;
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    fs::write(dir.path().join("root/hello"), "hi\n").unwrap();
    let new = format!("dir:{}", dir.path().join("root").display());
    let config = br#"[{"Os":"linux","Architecture":"s390x","Config":{"Cmd":["/hello"],"Labels":{"a":"b"}}}]"#;
    let config = Config::given(config, "c").unwrap();
    let dest = format!("oci:{}:t", dir.path().join("out").display());
    let made = run(&new, &dest, |request| {
        request.config = Some(config.clone());
        request.labels = vec![("c".to_owned(), Some("d".to_owned()))];
    });
    assert_eq!(made.unwrap().images[0].platform.as_ref().unwrap().to_string(), "linux/s390x");
    let image = Source::open(&reference(&dest)).unwrap().images(None).unwrap().remove(0);
    let value = image.config.value();
    assert_eq!(value["config"], json!({"Cmd": ["/hello"], "Labels": {"a": "b", "c": "d"}}));
    assert_eq!(image.config.diff_ids().len(), image.layers.len());
    let other = run(&new, &dest, |request| {
        request.config = Some(config);
        request.platform = Some("linux/amd64".parse().unwrap());
    });
    let error = other.unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("found linux/s390x"), "{error}");
}

/// What skopeo leaves behind a copy that failed.
#[test]
fn empty_directories_for_blobs_are_an_empty_layout() {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "new", &[hello()]);
    for left in ["blobs", "blobs/sha256"] {
        let out = dir.path().join(left.replace('/', "-"));
        fs::create_dir_all(out.join(left)).unwrap();
        run(&new, &format!("oci:{}:t", out.display()), |_| {}).unwrap();
        assert!(Source::open(&reference(&format!("oci:{}:t", out.display()))).is_ok());
    }
    for other in ["blobs/sha512", "blobs/sha256/x", "blobs.old"] {
        let out = dir.path().join(format!("other-{}", other.replace('/', "-")));
        fs::create_dir_all(out.join(other)).unwrap();
        let error = run(&new, &format!("oci:{}:t", out.display()), |_| {}).unwrap_err().to_string();
        assert!(error.contains("found a directory with other content"), "{error}");
    }
    let error = run(&new, &format!("oci:{}:t", dir.path().join("no/where").display()), |_| {}).unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("can't be made: there is no directory {}", dir.path().join("no").display())),
        "{error}"
    );
    fs::write(dir.path().join("file"), "").unwrap();
    for transport in ["oci", "oci-archive"] {
        for below in ["file/x", "file/x/y"] {
            let path = dir.path().join(below);
            let error = run(&new, &format!("{transport}:{}:t", path.display()), |_| {}).unwrap_err().to_string();
            let says =
                format!("{} can't be made: {} is no directory", path.display(), dir.path().join("file").display());
            assert_eq!(error, says);
        }
    }
}
