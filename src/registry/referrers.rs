//! What refers to an image: signatures, SBOMs, attestations.

use serde::Deserialize;

use super::client::Repository;
use super::error::RegistryError;
use super::manifest::{Document, Which};
use crate::digest::BlobDigest;

/// Images of an index that are asked about, too.
const IMAGES: usize = 8;

/// Where cosign puts its artifacts, unless it is told to use the API.
const COSIGN: [(&str, &str); 3] =
    [(".sig", "a cosign signature"), (".att", "a cosign attestation"), (".sbom", "a cosign SBOM")];

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    artifact_type: serde_json::Value,
    #[serde(default)]
    digest: serde_json::Value,
}

impl Repository<'_, '_> {
    /// An index of what refers to an image. `None` where there is nothing, or where the registry does not know.
    pub fn referrers(&self, digest: BlobDigest) -> Result<Option<Document>, RegistryError> {
        match self.referrers_api(digest) {
            Ok(document) => Ok(Some(document)),
            Err(error) if matches!(error.status(), Some(400 | 404 | 405)) => self.referrers_tag(digest),
            Err(error) => Err(error),
        }
    }

    fn referrers_api(&self, digest: BlobDigest) -> Result<Document, RegistryError> {
        let path = format!("{}/referrers/{digest}", self.name);
        // The index is made for the asker: no digest is known of it.
        self.document(&path, &Which::Tag("referrers"), &format!("what refers to {digest}"))
    }

    /// Where clients put it on registries without the API (distribution spec 1.1, "Referrers Tag Schema").
    fn referrers_tag(&self, digest: BlobDigest) -> Result<Option<Document>, RegistryError> {
        match self.manifest(&Which::Tag(&format!("sha256-{}", digest.hex()))) {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The kinds of artifacts that refer to an image or index and, where the registry has the API, to the first images of the
    /// index; each kind as often as there are such artifacts.
    ///
    /// Every way is asked once, and a failure counts as no answer: nothing depends on it.
    pub fn artifacts(&self, image: &Document) -> Vec<String> {
        let own = self.clone().asking_once();
        let mut kinds = match own.referrers_api(image.digest) {
            Ok(listed) => {
                let mut kinds = kinds(&listed.bytes);
                for part in parts(&image.bytes) {
                    kinds.extend(
                        own.referrers_api(part).map_or_else(|_| Vec::new(), |listed| self::kinds(&listed.bytes)),
                    );
                }
                kinds
            }
            Err(RegistryError::Interrupted(_)) => return Vec::new(),
            Err(_) => match own.referrers_tag(image.digest) {
                Ok(Some(listed)) => kinds(&listed.bytes),
                _ => Vec::new(),
            },
        };
        for (end, kind) in COSIGN {
            let tag = format!("sha256-{}{end}", image.digest.hex());
            if matches!(own.head_manifest(&Which::Tag(&tag)), Ok(Some(_))) {
                kinds.push(kind.to_owned());
            }
        }
        kinds
    }
}

fn kinds(index: &[u8]) -> Vec<String> {
    let listed = serde_json::from_slice::<Listed>(index).map_or_else(|_| Vec::new(), |listed| listed.manifests);
    listed.iter().map(|entry| kind(entry.artifact_type.as_str().unwrap_or_default())).collect()
}

/// A media type, and nothing that only looks like one.
fn kind(artifact_type: &str) -> String {
    let is_meant = |byte: u8| byte.is_ascii_alphanumeric() || b"/.+-_;=".contains(&byte);
    match !artifact_type.is_empty() && artifact_type.len() <= 128 && artifact_type.bytes().all(is_meant) {
        true => artifact_type.to_owned(),
        false => "an artifact without a known type".to_owned(),
    }
}

fn parts(document: &[u8]) -> Vec<BlobDigest> {
    let listed = serde_json::from_slice::<Listed>(document).map_or_else(|_| Vec::new(), |listed| listed.manifests);
    listed.iter().filter_map(|entry| entry.digest.as_str()?.parse().ok()).take(IMAGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_media_types() {
        let of = |text: &str| kinds(text.as_bytes());
        let other = "an artifact without a known type";
        let listed = r#"{"manifests":[{"artifactType":"application/spdx+json"},{"artifactType":""},{},
            {"artifactType":3},{"artifactType":"a\u001b[31m"},{"digest":"x","artifactType":"a/b; c=d"}]}"#;
        assert_eq!(of(listed), ["application/spdx+json", other, other, other, other, other]);
        for none in ["", "<html>", "[]", "{}", r#"{"manifests":null}"#, r#"{"manifests":[1]}"#] {
            assert_eq!(of(none), [""; 0], "{none}");
        }
        assert_eq!(kind(&"x".repeat(129)), other);
        let digest = BlobDigest::from_bytes([7; 32]);
        let index = format!(r#"{{"manifests":[{{"digest":"{digest}"}},{{"digest":"sha512:00"}}]}}"#);
        assert_eq!(parts(index.as_bytes()), [digest]);
        let many = format!(r#"{{"manifests":[{}]}}"#, vec![format!(r#"{{"digest":"{digest}"}}"#); 50].join(","));
        assert_eq!(parts(many.as_bytes()).len(), IMAGES);
    }
}
