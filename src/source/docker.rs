//! docker-archive: what `docker save` and `podman save` write.

use std::io::Read;

use oci_spec::image::MediaType;
use serde::Deserialize;

use super::archive::Archive;
use super::read::SpanReader;
use super::store::too_large;
use super::{BlobError, Image, Layer, Place, SourceError, select};
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Config, Descriptor, Manifest, OciError, Platform, Reference};
use crate::span::Span;

/// One image in manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

impl Entry {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    fn has_tag(&self, tag: &str) -> bool {
        let wanted = full_name(tag);
        self.tags().iter().any(|tag| full_name(tag) == wanted)
    }
}

pub(super) fn images(
    archive: &Archive,
    reference: &Reference,
    wanted: Option<&Platform>,
) -> Result<Vec<Image>, SourceError> {
    let entries = entries(archive)?;
    let name = || reference.to_string();
    if entries.is_empty() {
        return Err(SourceError::NoImage { reference: name(), notes: Vec::new() });
    }
    let available = || entries.iter().flat_map(Entry::tags).cloned().collect();
    let chosen: Vec<&Entry> = match reference.tag() {
        None => entries.iter().collect(),
        Some(tag) => {
            let found: Vec<_> = entries.iter().filter(|entry| entry.has_tag(tag)).collect();
            if found.is_empty() {
                return Err(SourceError::NoTag { reference: name(), tag: tag.to_owned(), available: available() });
            }
            found
        }
    };
    let images = chosen.into_iter().map(|entry| image(archive, entry)).collect::<Result<Vec<_>, _>>()?;
    if images.len() > 1 && !select::are_variants(&images) {
        return Err(SourceError::SeveralImages { reference: name(), available: available() });
    }
    select::by_platform(images, Vec::new(), wanted, reference)
}

fn entries(archive: &Archive) -> Result<Vec<Entry>, SourceError> {
    let member = "manifest.json";
    if archive.find(member)?.is_none() {
        let hint = match (archive.find("oci-layout")?, archive.find("repositories")?) {
            (Some(_), _) => " (perhaps oci-archive:FILE was meant)",
            (_, Some(_)) => " (written by a docker older than 1.10; load it and save it again)",
            _ => "",
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
    serde_json::from_slice(&bytes).map_err(|source| SourceError::DockerJson {
        archive: archive.path().to_owned(),
        member,
        source,
    })
}

fn image(archive: &Archive, entry: &Entry) -> Result<Image, SourceError> {
    let place = || archive.path().display().to_string();
    let oci = |source| SourceError::Oci { place: place(), source };
    let what = format!("config {}", entry.config);
    let bytes = document(archive, &entry.config)?;
    let digest = BlobDigest::from_bytes(Sha256Stream::of(&bytes));
    if let Some(promised) = named_digest(&entry.config)
        && promised != digest
    {
        return Err(SourceError::Blob { place: place(), what, source: BlobError::Digest { found: digest } });
    }
    let config = Config::parse(&bytes, &what).map_err(oci)?;
    if entry.layers.len() > limits::LAYERS {
        let (field, limit, found) = ("Layers", limits::LAYERS, entry.layers.len());
        return Err(oci(OciError::TooMany { what: "manifest.json".to_owned(), field, limit, found }));
    }
    config.check_layers(entry.layers.len(), &what).map_err(oci)?;
    let layers = entry.layers.iter().zip(config.diff_ids()).map(|(name, &diff_id)| {
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
    })
}

fn member(archive: &Archive, name: &str) -> Result<Span, SourceError> {
    archive.find(name)?.ok_or_else(|| SourceError::MissingMember {
        archive: archive.path().to_owned(),
        member: name.chars().take(200).collect(),
    })
}

fn compression(archive: &Archive, span: Span) -> Result<Compression, SourceError> {
    let mut head = Vec::new();
    SpanReader::new(archive.file(), span).take(4).read_to_end(&mut head).map_err(|source| io(archive, source))?;
    Ok(Compression::detect(&head))
}

fn io(archive: &Archive, source: std::io::Error) -> SourceError {
    SourceError::Io { path: archive.path().to_owned(), doing: "reading a member", source }
}

fn document(archive: &Archive, name: &str) -> Result<Vec<u8>, SourceError> {
    let span = member(archive, name)?;
    if span.len() > limits::MANIFEST_BYTES {
        return Err(too_large(name, span.len()));
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
