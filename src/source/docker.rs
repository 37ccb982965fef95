//! docker-archive: what `docker save` and `podman save` write.

use std::io::Read;

use oci_spec::image::MediaType;
use serde::Deserialize;

use super::archive::{Archive, excerpt};
use super::store::too_large;
use super::{BlobError, Image, Layer, Place, SourceError, choice, guess, select};
use crate::bytes::SpanReader;
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Config, DOCKER_ARCHIVE, Descriptor, Manifest, OciError, Platform, Reference, Which, check_keys};
use crate::span::Span;

/// One image in manifest.json. Go writes null for a list without entries.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<Option<String>>>,
    layers: Option<Vec<String>>,
}

impl Entry {
    fn tags(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().filter_map(Option::as_deref).filter(|tag| !tag.is_empty())
    }

    fn layers(&self) -> &[String] {
        self.layers.as_deref().unwrap_or_default()
    }

    fn has_tag(&self, tag: &str) -> bool {
        let wanted = full_name(tag);
        self.tags().any(|tag| full_name(tag) == wanted)
    }
}

pub(super) fn images(
    archive: &Archive,
    reference: &Reference,
    wanted: Option<&Platform>,
) -> Result<Vec<Image>, SourceError> {
    let entries = entries(archive)?;
    if entries.is_empty() {
        return Err(SourceError::NoImage { reference: reference.to_string(), notes: Vec::new() });
    }
    let mut reader = Reader { archive, reference, left: limits::DOCUMENT_BYTES };
    let mut chosen: Vec<(usize, &Entry)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let is_meant = match reference.which() {
            None => true,
            Some(Which::Tag(tag)) => entry.has_tag(tag),
            Some(Which::Position(position)) => at == *position,
            Some(Which::Digest(digest)) => reader.digest(entry)? == *digest,
        };
        // The same image under other names is one image.
        let is_same = |(_, known): &(usize, &Entry)| known.config == entry.config && known.layers == entry.layers;
        if is_meant && !chosen.iter().any(is_same) {
            chosen.push((at, entry));
        }
    }
    if let (true, Some(which)) = (chosen.is_empty(), reference.which()) {
        let all: Vec<_> = entries.iter().enumerate().collect();
        let tags = entries.iter().flat_map(Entry::tags).filter(|tag| is_unique(tag, &all));
        return Err(choice::none(reference, which, labels(&all), &tags.collect::<Vec<_>>()));
    }
    let images = chosen.iter().map(|(_, entry)| reader.image(entry)).collect::<Result<Vec<_>, _>>()?;
    if images.len() > 1 && !select::are_variants(&images) {
        return Err(several(reference, &chosen));
    }
    select::by_platform(images, Vec::new(), Vec::new(), wanted, reference)
}

/// A name where it leads to one image, else the number.
fn labels(images: &[(usize, &Entry)]) -> Vec<String> {
    let label = |(at, entry): &(usize, &Entry)| match entry.tags().find(|tag| is_unique(tag, images)) {
        Some(tag) => tag.to_owned(),
        None => format!("@{at}"),
    };
    images.iter().map(label).collect()
}

fn is_unique(tag: &str, images: &[(usize, &Entry)]) -> bool {
    let is_legal = format!("docker-archive:x:{tag}").parse::<Reference>().is_ok_and(|parsed| parsed.tag() == Some(tag));
    is_legal && images.iter().filter(|(_, entry)| entry.has_tag(tag)).count() == 1
}

fn several(reference: &Reference, images: &[(usize, &Entry)]) -> SourceError {
    let available = labels(images);
    let example = |(label, (at, _)): (&String, &(usize, &Entry))| {
        let which = if label.starts_with('@') { Which::Position(*at) } else { Which::Tag(label.clone()) };
        reference.choosing(which).to_string()
    };
    let examples = available.iter().zip(images).take(choice::EXAMPLES).map(example).collect();
    SourceError::SeveralImages { reference: reference.to_string(), available, examples }
}

fn entries(archive: &Archive) -> Result<Vec<Entry>, SourceError> {
    let member = "manifest.json";
    if archive.find(member)?.is_none() {
        let hint = match archive.find("repositories")? {
            Some(_) => " (written by a docker older than 1.10; load it and save it again)".to_owned(),
            None => guess::hint(archive.path()),
        };
        let found = "no member manifest.json".to_owned();
        return Err(SourceError::Kind {
            path: archive.path().to_owned(),
            expected: "what docker save writes",
            found,
            hint,
        });
    }
    let bytes = document(archive, member)?;
    match check_keys(&bytes, &DOCKER_ARCHIVE, member) {
        // Told below, with the archive's name.
        Ok(()) | Err(OciError::Json { .. }) => {}
        Err(source) => return Err(SourceError::Oci { place: archive.path().display().to_string(), source }),
    }
    let entries: Option<Vec<Entry>> = serde_json::from_slice(&bytes).map_err(|error| SourceError::DockerJson {
        archive: archive.path().to_owned(),
        member,
        line: error.line(),
        column: error.column(),
    })?;
    let entries = entries.unwrap_or_default();
    if entries.len() > limits::INDEX_MANIFESTS {
        let (field, limit, found) = ("images", limits::INDEX_MANIFESTS, entries.len());
        let source = OciError::TooMany { what: member.to_owned(), field, limit, found };
        return Err(SourceError::Oci { place: archive.path().display().to_string(), source });
    }
    Ok(entries)
}

/// Reads configs, as many as one reference may lead to.
struct Reader<'a> {
    archive: &'a Archive,
    reference: &'a Reference,
    left: u64,
}

impl Reader<'_> {
    fn config(&mut self, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        let bytes = document(self.archive, &entry.config)?;
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| SourceError::TooManyDocuments {
            reference: self.reference.to_string(),
            limit: limits::DOCUMENT_BYTES,
        })?;
        Ok(bytes)
    }

    /// docker's name for the image.
    fn digest(&mut self, entry: &Entry) -> Result<BlobDigest, SourceError> {
        match named_digest(&entry.config) {
            Some(digest) => Ok(digest),
            None => Ok(BlobDigest::from_bytes(Sha256Stream::of(&self.config(entry)?))),
        }
    }

    fn image(&mut self, entry: &Entry) -> Result<Image, SourceError> {
        let bytes = self.config(entry)?;
        let archive = self.archive;
        let place = || archive.path().display().to_string();
        let oci = |source| SourceError::Oci { place: place(), source };
        let what = format!("config {}", excerpt(&entry.config));
        let digest = BlobDigest::from_bytes(Sha256Stream::of(&bytes));
        if let Some(promised) = named_digest(&entry.config)
            && promised != digest
        {
            return Err(SourceError::Blob { place: place(), what, source: BlobError::Digest { found: digest } });
        }
        let config = Config::parse(&bytes, &what).map_err(oci)?;
        let names = entry.layers();
        if names.len() > limits::LAYERS {
            let (field, limit, found) = ("Layers", limits::LAYERS, names.len());
            return Err(oci(OciError::TooMany { what: "manifest.json".to_owned(), field, limit, found }));
        }
        config.check_layers(names.len(), &what).map_err(oci)?;
        let layers = names.iter().zip(config.diff_ids()).map(|(name, &diff_id)| {
            let span = member(archive, name)?;
            let compression = compression(archive, span)?;
            Ok(Layer { descriptor: None, diff_id: Some(diff_id), compression, place: Place::Member(span) })
        });
        let descriptor = Descriptor::new(MediaType::ImageConfig.as_ref(), digest, bytes.len() as u64);
        Ok(Image {
            manifest: Manifest::new(descriptor),
            manifest_digest: None,
            layers: layers.collect::<Result<_, SourceError>>()?,
            platform: config.platform(),
            config,
            index_descriptor: None,
            index: None,
            twin: None,
        })
    }
}

fn member(archive: &Archive, name: &str) -> Result<Span, SourceError> {
    archive
        .find(name)?
        .ok_or_else(|| SourceError::MissingMember { archive: archive.path().to_owned(), member: excerpt(name) })
}

fn compression(archive: &Archive, span: Span) -> Result<Compression, SourceError> {
    let mut head = Vec::new();
    SpanReader::new(archive.file(), span)
        .take(Compression::MAGIC as u64)
        .read_to_end(&mut head)
        .map_err(|source| io(archive, source))?;
    Ok(Compression::detect(&head))
}

fn io(archive: &Archive, source: std::io::Error) -> SourceError {
    SourceError::Io { path: archive.path().to_owned(), doing: "reading a member", source }
}

fn document(archive: &Archive, name: &str) -> Result<Vec<u8>, SourceError> {
    let span = member(archive, name)?;
    if span.len() > limits::MANIFEST_BYTES {
        return Err(too_large(&excerpt(name), span.len()));
    }
    let mut bytes = Vec::new();
    SpanReader::new(archive.file(), span).read_to_end(&mut bytes).map_err(|source| io(archive, source))?;
    Ok(bytes)
}

/// docker names a config after its digest: `HEX.json`, or `blobs/sha256/HEX`.
fn named_digest(name: &str) -> Option<BlobDigest> {
    let last = name.rsplit('/').next()?;
    format!("sha256:{}", last.strip_suffix(".json").unwrap_or(last)).parse().ok()
}

/// docker's short names spelt out, so that `alpine` finds `docker.io/library/alpine:latest`.
fn full_name(name: &str) -> String {
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let has_host = first.contains(['.', ':']) || first == "localhost";
    let mut full = match (has_host, first) {
        (true, _) => name.to_owned(),
        (false, "") => format!("docker.io/library/{name}"),
        (false, _) => format!("docker.io/{name}"),
    };
    if !rest.rsplit('/').next().unwrap_or(rest).contains(':') {
        full.push_str(":latest");
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_names_out() {
        for (name, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "docker.io/library/alpine:3"),
            ("a/b", "docker.io/a/b:latest"),
            ("localhost/b:1", "localhost/b:1"),
            ("quay.io:443/a/b", "quay.io:443/a/b:latest"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }

    #[test]
    fn reads_digests_from_names() {
        let hex = "ab".repeat(32);
        assert!(named_digest(&format!("{hex}.json")).is_some());
        assert!(named_digest(&format!("blobs/sha256/{hex}")).is_some());
        assert!(named_digest("config.json").is_none());
    }
}
