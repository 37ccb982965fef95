//! Layouts and tars, made front to back: what they unpack to need not fit anywhere.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use restrata::tar::{EntryKind, Header, Xattr, encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(hash: &[u8]) -> String {
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A layer's descriptor, and its DiffID.
pub type Layer = (Value, String);

/// Writes the file that makes a directory a layout.
pub fn begin(dir: &Path) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Stores a blob and returns its descriptor.
pub fn put(dir: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    fs::write(dir.join("blobs/sha256").join(&digest["sha256:".len()..]), bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

/// A layer whose tar `write` writes.
pub fn layer(dir: &Path, write: impl FnOnce(&mut dyn Write)) -> Layer {
    struct Hashed<W>(W, Sha256);
    impl<W: Write> Write for Hashed<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.update(bytes);
            self.0.write_all(bytes).map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let mut out = Hashed(io::BufWriter::with_capacity(1 << 20, zstd), Sha256::new());
    write(&mut out);
    out.write_all(&[0; 1024]).unwrap();
    let blob = out.0.into_inner().map_err(|_| ()).unwrap().finish().unwrap();
    (put(dir, ZSTD, &blob), hex(&out.1.finalize()))
}

/// A layer that is stored as it is; its DiffID is made up.
pub fn raw_layer(dir: &Path, blob: &[u8]) -> Layer {
    (put(dir, ZSTD, blob), digest(b"made up"))
}

/// The config's and the manifest's descriptors of an image.
pub fn manifest(dir: &Path, layers: &[Layer], config: Value) -> Value {
    let mut fields = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| &layer.1).collect::<Vec<_>>()},
    });
    fields.as_object_mut().unwrap().extend(config.as_object().cloned().unwrap_or_default());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(dir, CONFIG, fields.to_string().as_bytes()),
        "layers": layers.iter().map(|layer| &layer.0).collect::<Vec<_>>(),
    });
    put(dir, MANIFEST, manifest.to_string().as_bytes())
}

/// Gives the tag `t` to an image or an index.
pub fn tag(dir: &Path, mut descriptor: Value) {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": "t"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]});
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

/// A layout with one image of one layer.
pub fn image(dir: &Path, write: impl FnOnce(&mut dyn Write)) {
    begin(dir);
    let layer = layer(dir, write);
    tag(dir, manifest(dir, &[layer], json!({})));
}

/// A layout with one small file.
pub fn honest(dir: &Path) {
    image(dir, |tar| file(tar, "etc/hostname", b"a\n"));
}

pub fn header(tar: &mut dyn Write, header: &Header) {
    tar.write_all(&encode(header)).unwrap();
}

pub fn file(tar: &mut dyn Write, name: &str, content: &[u8]) {
    let mut of_file = Header::new(name, EntryKind::Regular);
    of_file.mode = 0o644;
    of_file.size = content.len() as u64;
    header(tar, &of_file);
    tar.write_all(content).unwrap();
    pad(tar, content.len() as u64);
}

/// A file with `len` times a byte.
pub fn large_file(tar: &mut dyn Write, name: &str, byte: u8, len: u64) {
    let mut of_file = Header::new(name, EntryKind::Regular);
    of_file.size = len;
    header(tar, &of_file);
    repeat(tar, byte, len);
    pad(tar, len);
}

pub fn repeat(tar: &mut dyn Write, byte: u8, len: u64) {
    io::copy(&mut io::Read::take(io::repeat(byte), len), tar).unwrap();
}

pub fn pad(tar: &mut dyn Write, len: u64) {
    tar.write_all(&vec![0; (len.wrapping_neg() % 512) as usize]).unwrap();
}

pub fn dir(name: &str, xattrs: Vec<Xattr>) -> Header {
    Header { mode: 0o755, xattrs, ..Header::new(name, EntryKind::Dir) }
}

/// A header of GNU's for a long name, or pax's, with its body.
pub fn special(tar: &mut dyn Write, typeflag: u8, body: &[u8]) {
    let mut of_body = Header::new("././@LongLink", EntryKind::Regular);
    of_body.size = body.len() as u64;
    let mut block = encode(&of_body);
    assert_eq!(block.len(), 512);
    block[156] = typeflag;
    tar.write_all(&summed(block)).unwrap();
    tar.write_all(body).unwrap();
    pad(tar, body.len() as u64);
}

/// With the right checksum.
pub fn summed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().copied().map(u32::from).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// An entry in the old GNU sparse format, with `size` bytes of holes.
pub fn sparse(tar: &mut dyn Write, name: &str, size: u64) {
    let mut of_hole = Header::new(name, EntryKind::Regular);
    of_hole.mode = 0o644;
    let mut block = encode(&of_hole);
    block[156] = b'S';
    block[257..265].copy_from_slice(b"ustar  \0");
    block[345..500].fill(0);
    // Big-endian, marked by the highest bit.
    block[483] = 0x80;
    block[487..495].copy_from_slice(&size.to_be_bytes());
    tar.write_all(&summed(block)).unwrap();
}

/// A zstd frame of `blocks` blocks, each of 128 KiB of zeros in four bytes.
pub fn zeros_frame(blocks: u32) -> Vec<u8> {
    // Magic; no content size, no checksum; a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    for at in 1..=blocks {
        // The last-block bit, the type RLE, the size.
        let head = u32::from(at == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

pub fn skippable(content: &[u8]) -> Vec<u8> {
    [&0x184d_2a50_u32.to_le_bytes()[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// A zstd:chunked layer that has no content, with this TOC: podman's order, without a footer.
pub fn chunked_layer(dir: &Path, frames: &[u8], toc: &[u8]) -> Layer {
    let compress = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let split: &[u8] = b"{\"type\":2,\"payload\":\"AAAA\",\"position\":0}\n";
    let (packed_toc, packed_split) = (compress(toc), compress(split));
    let blob = [frames, &skippable(&packed_toc), &skippable(&packed_split)].concat();
    let at = frames.len() + 8;
    let mut descriptor = put(dir, ZSTD, &blob);
    let name = |name: &str| format!("io.github.containers.zstd-chunked.{name}");
    let split_at = at + packed_toc.len() + 8;
    descriptor["annotations"] = json!({
        name("manifest-checksum"): digest(&packed_toc),
        name("manifest-position"): format!("{at}:{}:{}:1", packed_toc.len(), toc.len()),
        name("tarsplit-position"): format!("{split_at}:{}:{}", packed_split.len(), split.len()),
    });
    (descriptor, digest(b"made up"))
}

/// A TOC of so many directories, whose names have so many bytes.
pub fn toc_of_dirs(rows: usize, name: usize) -> Vec<u8> {
    let mut toc = br#"{"version":1,"entries":["#.to_vec();
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        write!(toc, r#"{comma}{{"type":"dir","name":"{row:0name$}"}}"#).unwrap();
    }
    toc.extend_from_slice(b"]}");
    toc
}
