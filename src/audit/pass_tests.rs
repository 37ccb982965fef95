//! The audit in one pass says yes to what is sound, and never where the other one has something to say.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::pass::is_plainly_sound;
use super::{Blob, Findings, Said, audit, fault};
use crate::bytes::FileBytes;
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::{Config, Descriptor, Manifest, Platform};
use crate::pack::IndexPlace;
use crate::progress::{Progress, SizeLimit};
use crate::rechunk::{Request, rechunk};
use crate::sink::Sink;
use crate::source::Source;
use crate::span::Span;
use crate::tar::{END_OF_ARCHIVE, EntryKind, Header, encode, padding};
use crate::toc::{ChunkedAnnotations, TOC_DIGEST};

/// Bytes that don't compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(step).collect()
}

fn tar() -> Vec<u8> {
    let hot = [noise(150_000), vec![0; 200_000], noise(150_000)].concat();
    let (files, mut tar) = ([("a", noise(3000)), ("var/lib/dpkg/status", hot), ("empty", vec![])], Vec::new());
    for name in ["./", "var/", "var/lib/", "var/lib/dpkg/"] {
        tar.extend(encode(&Header { mode: 0o755, ..Header::new(name, EntryKind::Dir) }));
    }
    for (name, content) in files {
        let size = content.len() as u64;
        tar.extend(encode(&Header { mode: 0o644, size, ..Header::new(name, EntryKind::Regular) }));
        tar.extend(content);
        tar.resize(tar.len() + padding(size), 0);
    }
    tar.extend(encode(&Header { link: b"a".to_vec(), ..Header::new("link", EntryKind::HardLink) }));
    tar.extend(END_OF_ARCHIVE);
    tar
}

/// A zstd:chunked layer of that tar.
struct Made {
    blob: Vec<u8>,
    descriptor: Descriptor,
    diff_id: DiffId,
}

fn made(dir: &Path, index: IndexPlace) -> Made {
    let [plain, chunked] = ["plain", "chunked"].map(|name| format!("oci:{}:a", dir.join(name).display()));
    let sink = Sink::create(&plain.parse().unwrap(), &Progress::new()).unwrap();
    let mut blob = sink.blob().unwrap();
    blob.write_all(&tar()).unwrap();
    let (digest, size) = blob.finish().unwrap();
    let layer = Descriptor::new(Compression::None.media_type(), digest, size);
    let config = Config::minimal(&Platform::host()).with_diff_ids(&[DiffId::from_bytes(*digest.as_bytes())]);
    let (digest, size) = sink.put_bytes(&config.to_bytes()).unwrap();
    let config = Descriptor::new("application/vnd.oci.image.config.v1+json", digest, size);
    let manifest = Manifest::new(config.clone()).to_oci_with(vec![layer], config);
    let (digest, size) = sink.put_bytes(&manifest.to_bytes()).unwrap();
    let manifest = Descriptor::new("application/vnd.oci.image.manifest.v1+json", digest, size);
    sink.commit(vec![manifest], None, &Progress::new()).unwrap();
    let options = JobOptions::new(2, std::env::temp_dir());
    let request = Request { index, ..Request::new(plain.parse().unwrap(), chunked.parse().unwrap(), options) };
    rechunk(&request, &Progress::new()).unwrap();
    let source = Source::open(&chunked.parse().unwrap()).unwrap();
    let images = source.images(None).unwrap();
    let layers = &images[0].layers;
    let largest = layers.iter().max_by_key(|layer| layer.descriptor.as_ref().unwrap().size).unwrap();
    let descriptor = largest.descriptor.clone().unwrap();
    let blob = fs::read(dir.join("chunked/blobs/sha256").join(descriptor.digest.hex())).unwrap();
    Made { blob, descriptor, diff_id: largest.diff_id.unwrap() }
}

impl Made {
    /// Both audits' verdicts.
    fn verdicts(&self) -> (bool, bool) {
        let (blob, said, mut findings) = (self.blob(), self.said(), Findings::default());
        let (size, progress) = (SizeLimit::default(), Progress::new());
        audit(said, &blob, &mut findings, &size, &progress).unwrap();
        (is_plainly_sound(said, &blob, &size, &progress).unwrap(), findings.is_clean())
    }

    fn blob(&self) -> Blob<'static> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.blob).unwrap();
        let bytes = FileBytes::new(file, Span::new(0, self.blob.len() as u64).unwrap());
        Blob::new(Box::new(bytes), Path::new("blob"))
    }

    fn said(&self) -> Said<'_> {
        Said { descriptor: &self.descriptor, compression: Compression::Zstd, diff_id: Some(self.diff_id) }
    }

    /// With the digests of blob and TOC made right.
    fn put(&mut self, blob: Vec<u8>) {
        let annotations = ChunkedAnnotations::from_annotations(|key| self.descriptor.annotation(key));
        let toc = annotations.unwrap().unwrap().positions.toc;
        let toc = Sha256Stream::of(&blob[toc.start() as usize..toc.end() as usize]);
        self.descriptor.set_annotation(TOC_DIGEST, &BlobDigest::from_bytes(toc).to_string());
        self.descriptor.digest = BlobDigest::from_bytes(Sha256Stream::of(&blob));
        self.blob = blob;
    }
}

#[test]
fn a_sound_layer_needs_one_pass() {
    for index in [IndexPlace::First, IndexPlace::End] {
        let dir = tempfile::tempdir().unwrap();
        let made = made(dir.path(), index);
        assert_eq!(made.verdicts(), (true, true), "{index:?}");
        let toc = |blob: &[u8]| {
            let annotations = ChunkedAnnotations::from_annotations(|key| made.descriptor.annotation(key));
            let span = annotations.unwrap().unwrap().positions.toc;
            let json = zstd::decode_all(&blob[span.start() as usize..span.end() as usize]).unwrap();
            String::from_utf8(json).unwrap()
        };
        let toc = toc(&made.blob);
        assert!(toc.contains("\"chunk\"") && toc.contains("\"zeros\""), "chunks are asked, too: {toc}");
    }
}

#[test]
fn each_byte_counts_once_and_a_stop_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = made(dir.path(), IndexPlace::First);
    let bytes = zstd::decode_all(made.blob.as_slice()).unwrap().len() as u64;
    let progress = Progress::new();
    let asked = |made: &Made, limit: u64| fault(made.said(), &made.blob(), &SizeLimit::new(limit), &progress);
    assert!(asked(&made, bytes).unwrap().is_none());
    assert!(matches!(asked(&made, bytes - 1), Err(Error::TooLarge { .. })));
    let twice = SizeLimit::new(2 * bytes - 1);
    assert!(fault(made.said(), &made.blob(), &twice, &progress).unwrap().is_none());
    assert!(matches!(fault(made.said(), &made.blob(), &twice, &progress), Err(Error::TooLarge { .. })));
    // In doubt to its last byte: the blob is read a second time.
    made.diff_id = DiffId::from_bytes([7; 32]);
    assert!(asked(&made, bytes).unwrap().is_some());
    assert!(matches!(asked(&made, bytes - 1), Err(Error::TooLarge { .. })));
    progress.cancel();
    assert!(matches!(asked(&made, bytes), Err(Error::Interrupted(_))));
}

#[test]
fn what_one_pass_takes_the_audit_takes() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = made(dir.path(), IndexPlace::First);
    let good = made.blob.clone();
    let mut taken = 0;
    for at in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        made.put(bad);
        let (one_pass, whole) = made.verdicts();
        assert!(!one_pass || whole, "byte {at}");
        taken += usize::from(one_pass);
    }
    // What the padding holds does not matter.
    assert!(taken < 5, "{taken}");
}
