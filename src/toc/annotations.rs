//! The annotations of a layer's descriptor: where the index lies and what its TOC hashes to.

use super::footer::SKIPPABLE_HEADER;
use crate::digest::{BlobDigest, DigestError};
use crate::limits;
use crate::span::Span;
use crate::units;

/// SHA-256 of the compressed TOC.
pub const TOC_DIGEST: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// `offset:length:uncompressed length:1` of the compressed TOC.
pub const TOC_POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";
/// `offset:length:uncompressed length` of the compressed tar-split.
pub const TAR_SPLIT_POSITION: &str = "io.github.containers.zstd-chunked.tarsplit-position";
/// Obsolete: [`super::Toc::tar_split_digest`] took its place. Rewriting a layer must drop it.
pub const TAR_SPLIT_DIGEST: &str = "io.github.containers.zstd-chunked.tarsplit-checksum";
/// eStargz's TOC digest. Clients fail on a layer that has this one and [`TOC_DIGEST`].
pub const ESTARGZ_TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";

/// The only kind of TOC there is (container-libs `minimal.ManifestTypeCRFS`).
pub(super) const TOC_KIND: u64 = 1;

/// Why the annotations don't describe an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    #[error("the layer has both {TOC_DIGEST} and {ESTARGZ_TOC_DIGEST}: expected one of them")]
    Both,
    #[error("the layer has {TOC_DIGEST} but no {key}")]
    Missing { key: &'static str },
    #[error("{TOC_DIGEST}: {0}")]
    TocDigest(#[from] DigestError),
    #[error("{key} is {found:?}: expected {expected} decimal numbers with colons between")]
    Syntax { key: &'static str, expected: usize, found: String },
    #[error(transparent)]
    Position(#[from] PositionError),
}

/// Why positions can't be those of an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    #[error("the TOC is of kind {found}: expected {TOC_KIND}")]
    Kind { found: u64 },
    #[error("the {part} at {start} has {len} bytes: the sum does not fit in 64 bits", start = units::count(*start), len = units::count(*len))]
    Overflow { part: &'static str, start: u64, len: u64 },
    #[error(
        "the {part} starts at byte {found}: expected {SKIPPABLE_HEADER} or more, since a frame header stands before it", found = units::count(*found))]
    Start { part: &'static str, found: u64 },
    #[error("the {part} has {found} bytes: expected 1 to {limit}", found = units::count(*found), limit = units::count(*limit))]
    Size { part: &'static str, found: u64, limit: u64 },
    #[error("TOC (bytes {toc:?}) and tar-split (bytes {tar_split:?}) overlap")]
    Overlap { toc: std::ops::Range<u64>, tar_split: std::ops::Range<u64> },
}

/// Where the two parts of the index lie, without their frame headers, and their sizes when unpacked, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    pub toc: Span,
    pub toc_uncompressed: u64,
    pub tar_split: Span,
    pub tar_split_uncompressed: u64,
}

impl Positions {
    /// Both parts, and what they are called.
    pub fn parts(&self) -> [(&'static str, Span); 2] {
        [("TOC", self.toc), ("tar-split", self.tar_split)]
    }

    /// Takes (offset, length, uncompressed length) of each part.
    pub(super) fn checked(toc: [u64; 3], tar_split: [u64; 3]) -> Result<Self, PositionError> {
        let positions = Self {
            toc: part("TOC", toc, limits::TOC_BYTES, limits::TOC_BYTES)?,
            toc_uncompressed: toc[2],
            tar_split: part("tar-split", tar_split, limits::TAR_SPLIT_COMPRESSED_BYTES, limits::TAR_SPLIT_BYTES)?,
            tar_split_uncompressed: tar_split[2],
        };
        if positions.toc.overlaps(positions.tar_split) {
            let range = |span: Span| span.start()..span.end();
            return Err(PositionError::Overlap { toc: range(positions.toc), tar_split: range(positions.tar_split) });
        }
        Ok(positions)
    }
}

fn part(
    part: &'static str,
    [start, len, unpacked]: [u64; 3],
    limit: u64,
    limit_unpacked: u64,
) -> Result<Span, PositionError> {
    if start < SKIPPABLE_HEADER {
        return Err(PositionError::Start { part, found: start });
    }
    for (found, limit) in [(len, limit), (unpacked, limit_unpacked)] {
        if !(1..=limit).contains(&found) {
            return Err(PositionError::Size { part, found, limit });
        }
    }
    Span::new(start, len).ok_or(PositionError::Overflow { part, start, len })
}

/// What a client knows of a layer's index before it has read any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkedAnnotations {
    pub toc_digest: BlobDigest,
    pub positions: Positions,
}

impl ChunkedAnnotations {
    /// `None`: not a zstd:chunked layer. `get` looks up an annotation of the layer's descriptor.
    pub fn from_annotations<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, AnnotationError> {
        let Some(toc_digest) = get(TOC_DIGEST) else { return Ok(None) };
        if get(ESTARGZ_TOC_DIGEST).is_some() {
            return Err(AnnotationError::Both);
        }
        let value = |key| get(key).ok_or(AnnotationError::Missing { key });
        let [start, len, unpacked, kind] = numbers(TOC_POSITION, value(TOC_POSITION)?)?;
        if kind != TOC_KIND {
            return Err(PositionError::Kind { found: kind }.into());
        }
        let tar_split = numbers(TAR_SPLIT_POSITION, value(TAR_SPLIT_POSITION)?)?;
        let positions = Positions::checked([start, len, unpacked], tar_split)?;
        Ok(Some(Self { toc_digest: toc_digest.parse()?, positions }))
    }

    /// The three annotations for the layer's descriptor, sorted by key.
    pub fn to_pairs(&self) -> [(&'static str, String); 3] {
        let Positions { toc, toc_uncompressed, tar_split, tar_split_uncompressed } = self.positions;
        [
            (TOC_DIGEST, self.toc_digest.to_string()),
            (TOC_POSITION, format!("{}:{}:{toc_uncompressed}:{TOC_KIND}", toc.start(), toc.len())),
            (TAR_SPLIT_POSITION, format!("{}:{}:{tar_split_uncompressed}", tar_split.start(), tar_split.len())),
        ]
    }
}

fn numbers<const N: usize>(key: &'static str, text: &str) -> Result<[u64; N], AnnotationError> {
    let syntax = || AnnotationError::Syntax { key, expected: N, found: text.chars().take(100).collect() };
    let mut numbers = [0; N];
    let mut fields = text.split(':');
    for number in &mut numbers {
        // `parse` alone would take "+1".
        let field = fields.next().filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()));
        *number = field.and_then(|field| field.parse().ok()).ok_or_else(syntax)?;
    }
    if fields.next().is_some() { Err(syntax()) } else { Ok(numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(pairs: &[(&str, &'static str)]) -> Result<Option<ChunkedAnnotations>, AnnotationError> {
        ChunkedAnnotations::from_annotations(|key| pairs.iter().find(|pair| pair.0 == key).map(|pair| pair.1))
    }

    #[test]
    fn writes_what_it_read() {
        let pairs = [(TOC_DIGEST, DIGEST), (TOC_POSITION, "100:50:400:1"), (TAR_SPLIT_POSITION, "158:20:90")];
        let read = read(&pairs).unwrap().unwrap();
        assert_eq!(read.positions.tar_split, Span::new(158, 20).unwrap());
        assert_eq!(read.to_pairs(), pairs.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn other_layers_have_no_index() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(ESTARGZ_TOC_DIGEST, DIGEST), (TAR_SPLIT_DIGEST, DIGEST)]), Ok(None));
    }

    #[test]
    fn refuses_what_clients_refuse() {
        let with = |toc, tar_split| read(&[(TOC_DIGEST, DIGEST), (TOC_POSITION, toc), (TAR_SPLIT_POSITION, tar_split)]);
        assert_eq!(read(&[(TOC_DIGEST, DIGEST), (ESTARGZ_TOC_DIGEST, DIGEST)]), Err(AnnotationError::Both));
        assert_eq!(read(&[(TOC_DIGEST, DIGEST)]), Err(AnnotationError::Missing { key: TOC_POSITION }));
        for toc in ["", "1:2:3", "100:50:400:1:1", "100:50:+400:1", "100:50::1", "18446744073709551616:1:1:1"] {
            assert!(matches!(with(toc, "158:20:90"), Err(AnnotationError::Syntax { .. })), "{toc}");
        }
        let position = |toc, tar_split| match with(toc, tar_split) {
            Err(AnnotationError::Position(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(position("100:50:400:2", "158:20:90"), PositionError::Kind { found: 2 });
        assert!(matches!(position("7:50:400:1", "158:20:90"), PositionError::Start { .. }));
        assert!(matches!(position("100:0:400:1", "158:20:90"), PositionError::Size { .. }));
        assert!(matches!(position("100:50:157286401:1", "158:20:90"), PositionError::Size { .. }));
        assert!(matches!(position("100:50:400:1", "149:20:90"), PositionError::Overlap { .. }));
        assert!(matches!(position("18446744073709551615:50:400:1", "149:20:90"), PositionError::Overflow { .. }));
    }
}
