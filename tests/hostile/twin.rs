//! A gzip image beside the zstd one that is not what it says.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::harness::{Case, DEST, NEW, OLD, cases};
use super::make::*;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const AGAIN: &[&str] = &["rechunk", NEW, DEST, "--previous", OLD, "--twin", "gzip"];

/// What restrata makes of a small image, with this blob in place of its gzip layer.
fn pair(dir: &Path, gzip: &[u8]) {
    honest(&dir.join("new"));
    let made = std::process::Command::new(assert_cmd::cargo::cargo_bin("restrata"))
        .args(["rechunk", NEW, OLD, "--twin", "gzip", "-q"])
        .current_dir(dir)
        .env("XDG_CACHE_HOME", dir.join("other-cache"))
        .status()
        .unwrap();
    assert!(made.success());
    let old = dir.join("old");
    let json = |digest: &Value| -> Value {
        let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
        serde_json::from_slice(&std::fs::read(old.join("blobs/sha256").join(digest)).unwrap()).unwrap()
    };
    let top: Value = serde_json::from_slice(&std::fs::read(old.join("index.json")).unwrap()).unwrap();
    let mut index = json(&top["manifests"][0]["digest"]);
    let mut manifest = json(&index["manifests"][0]["digest"]);
    let annotations = manifest["layers"][0]["annotations"].clone();
    let mut layer = put(&old, GZIP, gzip);
    layer["annotations"] = annotations;
    manifest["layers"] = json!([layer]);
    let platform = index["manifests"][0]["platform"].clone();
    index["manifests"][0] = put(&old, MANIFEST, manifest.to_string().as_bytes());
    index["manifests"][0]["platform"] = platform;
    tag(&old, put(&old, INDEX, index.to_string().as_bytes()));
}

/// So many GiB of zeros.
fn bomb(gib: usize) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..gib << 10).for_each(|_| gzip.write_all(&zeros).unwrap());
    gzip.finish().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

cases! {
    a_twin_that_is_a_bomb: Case {
        make: |dir| pair(dir, &bomb(1)),
        ..Case::works(
            &["rechunk", NEW, DEST, "--previous", OLD, "--twin", "gzip", "--max-size", "500MB"],
            "expected at most 500,000,000; --max-size SIZE allows more",
        )
    },
    a_twin_that_is_a_bomb_for_check: Case {
        make: |dir| pair(dir, &bomb(1)),
        ..Case::fails(&["check", OLD, "--max-size", "500MB"], "--max-size")
    },
    a_twin_with_another_tar: Case {
        make: |dir| pair(dir, &gzip(&[0; 10_240])),
        ..Case::works(AGAIN, "degraded: layer-damaged: oci:old:t: the gzip twin of layer 0")
    },
    a_twin_that_is_cut_short: Case {
        make: |dir| {
            let whole = gzip(&[7; 100_000]);
            pair(dir, &whole[..whole.len() / 2]);
        },
        ..Case::works(AGAIN, "degraded: layer-damaged: oci:old:t: the gzip twin of layer 0")
    },
    a_twin_that_is_zstd: Case {
        make: |dir| pair(dir, &zeros_frame(1)),
        ..Case::works(AGAIN, "degraded: layer-damaged: oci:old:t: the gzip twin of layer 0")
    },
    a_twin_that_lies_for_a_strict_run: Case {
        make: |dir| pair(dir, b"no gzip"),
        code: 3,
        ..Case::fails(&["rechunk", NEW, DEST, "--previous", OLD, "--twin", "gzip", "--strict"], "layer-damaged")
    },
    a_twin_that_lies_for_check: Case {
        make: |dir| pair(dir, b"no gzip"),
        code: 3,
        ..Case::fails(&["check", OLD], "1 problem in 2 layers")
    },
}
