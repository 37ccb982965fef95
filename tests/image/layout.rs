//! OCI layouts as files.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::sha256;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Writes an image with the tag `t`.
pub fn write(dir: &Path, layers: &[(Vec<u8>, Packing)]) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = sha256(bytes);
        fs::write(blob(dir, &digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let layer = |(tar, packing): &(Vec<u8>, Packing)| match packing {
        Packing::Plain => put("application/vnd.oci.image.layer.v1.tar", tar),
        Packing::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(tar).unwrap();
            put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip.finish().unwrap())
        }
        Packing::Zstd => {
            put("application/vnd.oci.image.layer.v1.tar+zstd", &zstd::encode_all(tar.as_slice(), 1).unwrap())
        }
    };
    let config = config(&layers.iter().map(|(tar, _)| sha256(tar)).collect::<Vec<_>>());
    let config = put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "annotations": {"org.example.kept": "yes"},
    });
    let mut entry = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "t"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

/// With fields that no tool knows.
fn config(diff_ids: &[String]) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=1"], "X-Unknown": [1.5, null]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": diff_ids.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
        "x-unknown": {"a": -1},
    })
}

pub struct Image {
    pub manifest_digest: String,
    pub layers: Vec<Layer>,
}

pub struct Layer {
    pub descriptor: Value,
    pub blob: Vec<u8>,
    pub tar: Vec<u8>,
}

impl Layer {
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.descriptor["annotations"][format!("io.github.containers.zstd-chunked.{key}")].as_str()
    }

    /// The TOC's rows.
    pub fn toc(&self) -> Vec<Value> {
        let position: Vec<usize> =
            self.annotation("manifest-position").unwrap().split(':').map(|number| number.parse().unwrap()).collect();
        let toc = &self.blob[position[0]..][..position[1]];
        assert_eq!(sha256(toc), self.annotation("manifest-checksum").unwrap());
        let toc = zstd::decode_all(toc).unwrap();
        assert_eq!(toc.len(), position[2]);
        serde_json::from_slice::<Value>(&toc).unwrap()["entries"].as_array().unwrap().clone()
    }
}

/// Reads the only image of a layout that [`write`] or restrata wrote, of two the zstd one; checks every digest, and that the
/// config is the one that [`write`] wrote but for the DiffIDs.
pub fn read(dir: &Path) -> Image {
    read_pair(dir).0
}

/// The same, and the gzip image beside it.
pub fn read_pair(dir: &Path) -> (Image, Option<Image>) {
    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    if entry["mediaType"] != "application/vnd.oci.image.index.v1+json" {
        return (read_image(dir, entry), None);
    }
    let pair: Value = serde_json::from_slice(&get(dir, entry)).unwrap();
    let (gzip, zstd) = match &pair["manifests"].as_array().unwrap()[..] {
        // A pair was the input, and no gzip was asked for: the index stays.
        [zstd] => return (read_image(dir, zstd), None),
        [gzip, zstd] => (gzip, zstd),
        _ => panic!("{pair}"),
    };
    assert_eq!(zstd["annotations"]["io.github.containers.compression.zstd"], "true");
    (read_image(dir, zstd), Some(read_image(dir, gzip)))
}

fn get(dir: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let bytes = fs::read(blob(dir, digest)).unwrap();
    assert_eq!((sha256(&bytes).as_str(), bytes.len() as u64), (digest, descriptor["size"].as_u64().unwrap()));
    bytes
}

fn read_image(dir: &Path, entry: &Value) -> Image {
    let get = |descriptor: &Value| get(dir, descriptor);
    let manifest: Value = serde_json::from_slice(&get(entry)).unwrap();
    assert_eq!(manifest["annotations"]["org.example.kept"], "yes");
    let layer = |descriptor: &Value| {
        let blob = get(descriptor);
        let tar = decompress(descriptor["mediaType"].as_str().unwrap(), &blob);
        Layer { descriptor: descriptor.clone(), blob, tar }
    };
    let layers: Vec<Layer> = manifest["layers"].as_array().unwrap().iter().map(layer).collect();
    let mut found: Value = serde_json::from_slice(&get(&manifest["config"])).unwrap();
    // Another layout has another history; what matters is that it pairs up with the layers.
    let steps = found["history"].as_array_mut().unwrap();
    assert_eq!(steps.iter().filter(|step| step["empty_layer"] != true).count(), layers.len());
    *steps = vec![serde_json::json!({"created_by": "test"}); layers.len()];
    assert_eq!(found, config(&layers.iter().map(|layer| sha256(&layer.tar)).collect::<Vec<_>>()));
    Image { manifest_digest: entry["digest"].as_str().unwrap().to_owned(), layers }
}

fn decompress(media_type: &str, blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    match media_type.rsplit(['.', '+']).next().unwrap() {
        "tar" => tar.extend_from_slice(blob),
        "gzip" => drop(flate2::read::GzDecoder::new(blob).read_to_end(&mut tar).unwrap()),
        "zstd" => drop(zstd::stream::read::Decoder::new(blob).unwrap().read_to_end(&mut tar).unwrap()),
        other => panic!("a layer of type {other}"),
    }
    tar
}

fn blob(dir: &Path, digest: &str) -> std::path::PathBuf {
    dir.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
}
