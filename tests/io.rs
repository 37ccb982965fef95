//! Sources and sinks against each other and against skopeo, where it is installed.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use restrata::compression::Compression;
use restrata::digest::DiffId;
use restrata::oci::Descriptor;
use restrata::progress::Progress;
use restrata::sink::Sink;
use restrata::source::{Image, Source};
use tempfile::TempDir;

/// Packs a small tree as an image of one plain layer.
fn write(root: &Path, destination: &str) -> Image {
    let source = Source::open(&format!("dir:{}", root.display()).parse().unwrap()).unwrap();
    let image = source.images(None).unwrap().remove(0);
    let sink = Sink::create(&destination.parse().unwrap(), &Progress::new()).unwrap();
    let mut layer = Vec::new();
    source.open_layer(&image.layers[0]).unwrap().read_to_end(&mut layer).unwrap();
    let mut blob = sink.blob().unwrap();
    blob.write_all(&layer).unwrap();
    let (digest, size) = blob.finish().unwrap();
    let config = image.config.with_diff_ids(&[DiffId::from_bytes(*digest.as_bytes())]);
    let layer = Descriptor::new(Compression::None.media_type(), digest, size);
    let (digest, size) = sink.put_bytes(&config.to_bytes()).unwrap();
    let config = image.manifest.config().pointing_at("application/vnd.oci.image.config.v1+json", digest, size);
    let manifest = image.manifest.to_oci_with(vec![layer], config);
    let (digest, size) = sink.put_bytes(&manifest.to_bytes()).unwrap();
    sink.commit(
        vec![Descriptor::new("application/vnd.oci.image.manifest.v1+json", digest, size)],
        None,
        &Progress::new(),
    )
    .unwrap();
    read(destination)
}

fn read(reference: &str) -> Image {
    let source = Source::open(&reference.parse().unwrap()).unwrap();
    let image = source.images(None).unwrap().remove(0);
    for layer in &image.layers {
        let mut stored = source.open_layer(layer).unwrap();
        std::io::copy(&mut stored, &mut std::io::sink()).unwrap();
    }
    image
}

fn tree(dir: &Path) -> std::path::PathBuf {
    let root = dir.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/motd"), b"hello\n").unwrap();
    fs::write(root.join("n".repeat(150)), vec![3; 5000]).unwrap();
    std::os::unix::fs::symlink("etc/motd", root.join("link")).unwrap();
    root
}

/// `None` when there is no skopeo here.
fn skopeo(args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("skopeo").arg("--insecure-policy").args(args).output().ok()?;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn reads_what_it_wrote() {
    let tmp = TempDir::new().unwrap();
    let root = tree(tmp.path());
    let layout = write(&root, &format!("oci:{}:v1", tmp.path().join("out").display()));
    let archive = write(&root, &format!("oci-archive:{}:v1", tmp.path().join("out.tar").display()));
    assert_eq!(layout.manifest_digest, archive.manifest_digest);
    assert_eq!(layout.layers[0].diff_id, archive.layers[0].diff_id);
}

#[test]
fn agrees_with_skopeo() {
    let tmp = TempDir::new().unwrap();
    let root = tree(tmp.path());
    let at = |name: &str| tmp.path().join(name).display().to_string();
    let ours = [format!("oci:{}:v1", at("out")), format!("oci-archive:{}:v1", at("out.tar"))];
    for (i, reference) in ours.iter().enumerate() {
        let image = write(&root, reference);
        let Some(raw) = skopeo(&["inspect", "--raw", reference]) else {
            eprintln!("skipped: skopeo is not installed");
            return;
        };
        assert_eq!(raw, image.manifest.to_bytes());
        let copies = [
            format!("oci:{}:copy", at(&format!("copy{i}"))),
            format!("oci-archive:{}:copy", at(&format!("copy{i}.tar"))),
            format!("docker-archive:{}:docker.io/library/copy:1", at(&format!("docker{i}.tar"))),
        ];
        for copy in copies {
            skopeo(&["copy", "-q", reference, &copy]).unwrap();
            let again = read(&copy);
            let ids = |image: &Image| image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>();
            assert_eq!(ids(&again), ids(&image), "{copy}");
            assert_eq!(again.platform, image.platform);
        }
    }
    // skopeo's second tag beside ours, then ours replaced: both stay readable.
    let second = format!("oci:{}:v2", at("out"));
    skopeo(&["copy", "-q", &ours[0], &second]).unwrap();
    write(&root, &ours[0]);
    read(&second);
    skopeo(&["inspect", &second]).unwrap();
}
