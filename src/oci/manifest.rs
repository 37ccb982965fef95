//! One image's manifest, or the index that leads to several.

use serde_json::{Map, Value, json};

use oci_spec::image::MediaType;

use super::media::{self, DocumentType};
use super::{Descriptor, Index, OciError, json, known};
use crate::limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    Oci,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    Docker2,
}

/// What a tag can point at.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    Manifest(Manifest),
    Index(Index),
}

impl Document {
    /// `declared` is the media type that led here (empty when none did), `what` names the document in messages.
    pub fn parse(bytes: &[u8], declared: &str, what: &str) -> Result<Self, OciError> {
        let value = json::object(bytes, &known::DOCUMENT, what)?;
        match document_type(&value, declared, what)? {
            DocumentType::Index => Index::from_map(value, what).map(Self::Index),
            DocumentType::Manifest(kind) => Manifest::from_map(value, kind, what).map(Self::Manifest),
        }
    }
}

fn document_type(value: &Map<String, Value>, declared: &str, what: &str) -> Result<DocumentType, OciError> {
    if value.get("schemaVersion").and_then(Value::as_u64) == Some(1) {
        return Err(OciError::Schema1 { what: what.to_owned() });
    }
    // One that is both would be read differently by different clients (CVE-2021-41190).
    if json::has(value, "manifests") && (json::has(value, "layers") || json::has(value, "config")) {
        return Err(OciError::Ambiguous { what: what.to_owned() });
    }
    let own = json::text(value, "mediaType", what)?;
    let media_type = if own.is_empty() { declared } else { own };
    match media::document_type(media_type) {
        Some(found) => Ok(found),
        None if media_type.is_empty() && json::has(value, "manifests") => Ok(DocumentType::Index),
        None if media_type.is_empty() && value.contains_key("layers") => Ok(DocumentType::Manifest(ManifestKind::Oci)),
        None => Err(OciError::MediaType { what: what.to_owned(), found: json::excerpt(media_type) }),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    value: Map<String, Value>,
    kind: ManifestKind,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Manifest {
    /// For an image that came without a manifest of its own.
    pub fn new(config: Descriptor) -> Self {
        let mut value = Map::new();
        value.insert("schemaVersion".to_owned(), Value::from(2));
        value.insert("mediaType".to_owned(), Value::from(MediaType::ImageManifest.as_ref()));
        value.insert("config".to_owned(), config.to_value());
        value.insert("layers".to_owned(), json!([]));
        Self { value, kind: ManifestKind::Oci, config, layers: Vec::new() }
    }

    fn from_map(value: Map<String, Value>, kind: ManifestKind, what: &str) -> Result<Self, OciError> {
        let config = value.get("config").ok_or_else(|| json::wrong(what, "config", "a descriptor", None))?;
        let config = Descriptor::parse(config, what, "config")?;
        let layers = json::list(&value, "layers", limits::LAYERS, what)?
            .iter()
            .enumerate()
            .map(|(i, layer)| Descriptor::parse(layer, what, &format!("layers[{i}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self { value, kind, config, layers })
    }

    pub fn kind(&self) -> ManifestKind {
        self.kind
    }

    pub fn config(&self) -> &Descriptor {
        &self.config
    }

    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        json::annotation(&self.value, key)
    }

    pub fn set_annotation(&mut self, key: &str, value: &str) {
        json::set_annotation(&mut self.value, key, Some(value));
    }

    /// The digest of the manifest that an artifact is about, as it is written.
    pub fn subject(&self) -> Option<&str> {
        self.value.get("subject")?.as_object()?.get("digest")?.as_str()
    }

    /// The whole manifest.
    pub fn value(&self) -> &Map<String, Value> {
        &self.value
    }

    /// Fails for artifacts: signatures, charts, models.
    pub fn check_is_image(&self, what: &str) -> Result<(), OciError> {
        if media::to_oci(&self.config.media_type) == MediaType::ImageConfig.as_ref() {
            return Ok(());
        }
        Err(OciError::Artifact { what: what.to_owned(), found: json::excerpt(&self.config.media_type) })
    }

    /// The same image as an OCI manifest over other layers: annotations and unknown fields stay.
    pub fn to_oci_with(&self, layers: Vec<Descriptor>, config: Descriptor) -> Self {
        let layers: Vec<_> = layers.into_iter().map(Descriptor::into_oci).collect();
        let config = config.into_oci();
        let mut value = self.value.clone();
        json::set_media_type(&mut value, MediaType::ImageManifest.as_ref());
        value.insert("config".to_owned(), config.to_value());
        value.insert("layers".to_owned(), layers.iter().map(Descriptor::to_value).collect());
        Self { value, kind: ManifestKind::Oci, config, layers }
    }

    /// The same in docker's names (schema 2). It keeps annotations, which docker has no word for: readers skip them.
    pub fn into_docker(mut self) -> Self {
        self.kind = ManifestKind::Docker2;
        self.config = self.config.into_docker();
        self.layers = self.layers.into_iter().map(Descriptor::into_docker).collect();
        json::set_media_type(&mut self.value, media::DOCKER_MANIFEST);
        self.value.insert("config".to_owned(), self.config.to_value());
        self.value.insert("layers".to_owned(), self.layers.iter().map(Descriptor::to_value).collect());
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.value.clone()).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    fn docker() -> Value {
        let digest = BlobDigest::from_bytes([3; 32]).to_string();
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 5, "digest": digest},
            "layers": [
                {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 7, "digest": digest, "x": 1}
            ],
            "annotations": {"a": "b"},
            "later": true,
        })
    }

    fn parse(value: &Value, declared: &str) -> Result<Document, OciError> {
        Document::parse(value.to_string().as_bytes(), declared, "manifest m")
    }

    #[test]
    fn turns_docker_into_oci_and_keeps_the_rest() {
        let Document::Manifest(manifest) = parse(&docker(), "").unwrap() else { panic!("no manifest") };
        assert_eq!(manifest.kind(), ManifestKind::Docker2);
        manifest.check_is_image("m").unwrap();
        let oci = manifest.to_oci_with(manifest.layers().to_vec(), manifest.config().clone());
        let value: Value = serde_json::from_slice(&oci.to_bytes()).unwrap();
        assert_eq!(value["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(value["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
        assert_eq!(value["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
        assert_eq!(value["layers"][0]["x"], 1);
        assert_eq!((&value["annotations"]["a"], &value["later"]), (&json!("b"), &json!(true)));
        assert_eq!(parse(&value, "").unwrap(), Document::Manifest(oci));
    }

    #[test]
    fn tells_kinds_apart() {
        let mut plain = docker();
        plain.as_object_mut().unwrap().shift_remove("mediaType");
        assert!(matches!(parse(&plain, "").unwrap(), Document::Manifest(m) if m.kind() == ManifestKind::Oci));
        assert!(matches!(parse(&json!({"schemaVersion": 2, "manifests": []}), "").unwrap(), Document::Index(_)));
        let schema1 = json!({"schemaVersion": 1, "fsLayers": []});
        assert!(matches!(parse(&schema1, ""), Err(OciError::Schema1 { .. })));
        let mut both = docker();
        both["manifests"] = json!([]);
        assert!(matches!(parse(&both, ""), Err(OciError::Ambiguous { .. })));
        assert!(matches!(parse(&plain, "text/html"), Err(OciError::MediaType { found, .. }) if found == "text/html"));
    }

    #[test]
    fn writes_the_media_type_where_others_do() {
        let mut plain = docker();
        plain.as_object_mut().unwrap().shift_remove("mediaType");
        let Document::Manifest(manifest) = parse(&plain, "").unwrap() else { panic!("no manifest") };
        let text = String::from_utf8(manifest.to_oci_with(Vec::new(), manifest.config().clone()).to_bytes()).unwrap();
        assert!(text.starts_with(r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#));
    }
}
