//! An image index, and the index.json of a layout, whose entries carry the tags.

use oci_spec::image::{ANNOTATION_REF_NAME, MediaType};
use serde_json::{Map, Value};

use super::{Descriptor, OciError, json};
use crate::limits;

/// The content of a layout's `oci-layout` file.
pub const LAYOUT_FILE: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Fails for every layout version but the only one there is.
pub fn check_layout_file(bytes: &[u8], what: &str) -> Result<(), OciError> {
    let map = json::object(bytes, what)?;
    match json::string(&map, "imageLayoutVersion", what)? {
        "1.0.0" => Ok(()),
        _ => Err(json::wrong(what, "imageLayoutVersion", "\"1.0.0\"", map.get("imageLayoutVersion"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    value: Map<String, Value>,
    manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        let mut value = Map::new();
        value.insert("schemaVersion".to_owned(), Value::from(2));
        value.insert("mediaType".to_owned(), Value::from(MediaType::ImageIndex.as_ref()));
        value.insert("manifests".to_owned(), Value::Array(Vec::new()));
        Self { value, manifests: Vec::new() }
    }
}

impl Index {
    /// `what` names the index in messages.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        Self::from_map(json::object(bytes, what)?, what)
    }

    pub(super) fn from_map(value: Map<String, Value>, what: &str) -> Result<Self, OciError> {
        let manifests = json::list(&value, "manifests", limits::INDEX_MANIFESTS, what)?
            .iter()
            .enumerate()
            .map(|(i, entry)| Descriptor::parse(entry, what, &format!("manifests[{i}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self { value, manifests })
    }

    pub fn manifests(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// The tags, sorted, each once.
    pub fn tags(&self) -> Vec<String> {
        let tags = self.manifests.iter().filter_map(|entry| entry.annotation(ANNOTATION_REF_NAME));
        let mut tags: Vec<_> = tags.map(str::to_owned).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// The entries with this tag; with `None`, those without any.
    pub fn tagged(&self, tag: Option<&str>) -> Vec<&Descriptor> {
        self.manifests.iter().filter(|entry| entry.annotation(ANNOTATION_REF_NAME) == tag).collect()
    }

    /// Puts `entry` in the place of those with the same tag (or lack of one); other entries stay as they are.
    pub fn replace_tag(&mut self, mut entry: Descriptor, tag: Option<&str>) {
        match tag {
            Some(tag) => entry.set_annotation(ANNOTATION_REF_NAME, tag),
            None => entry.remove_annotation(ANNOTATION_REF_NAME),
        }
        let mut manifests = std::mem::take(&mut self.manifests);
        let is_old = |entry: &Descriptor| entry.annotation(ANNOTATION_REF_NAME) == tag;
        let at = manifests.iter().position(is_old).unwrap_or(manifests.len());
        manifests.retain(|entry| !is_old(entry));
        manifests.insert(at, entry);
        self.set_manifests(manifests);
    }

    /// The same index as an OCI index over other images: annotations and unknown fields stay.
    pub fn to_oci_with(&self, manifests: Vec<Descriptor>) -> Self {
        let mut index = self.clone();
        json::set_media_type(&mut index.value, MediaType::ImageIndex.as_ref());
        index.set_manifests(manifests.into_iter().map(Descriptor::into_oci).collect());
        index
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.value.clone()).to_string().into_bytes()
    }

    fn set_manifests(&mut self, manifests: Vec<Descriptor>) {
        self.value.insert("manifests".to_owned(), manifests.iter().map(Descriptor::to_value).collect());
        self.manifests = manifests;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;
    use serde_json::json;

    fn entry(byte: u8) -> Descriptor {
        Descriptor::new(MediaType::ImageManifest.as_ref(), BlobDigest::from_bytes([byte; 32]), 4)
    }

    #[test]
    fn replaces_one_tag_and_keeps_the_rest() {
        let mut index = Index::default();
        index.value.insert("annotations".to_owned(), json!({"k": "v"}));
        index.replace_tag(entry(1), Some("a"));
        index.replace_tag(entry(2), Some("b"));
        index.replace_tag(entry(3), None);
        index.replace_tag(entry(4), Some("a"));
        assert_eq!(index.tags(), ["a", "b"]);
        let digests: Vec<_> = index.manifests().iter().map(|entry| entry.digest.as_bytes()[0]).collect();
        assert_eq!(digests, [4, 2, 3]);
        let again = Index::parse(&index.to_bytes(), "index.json").unwrap();
        assert_eq!(again.value["annotations"], json!({"k": "v"}));
        assert_eq!(again.tagged(None)[0].digest, entry(3).digest);
        assert_eq!(again.tagged(Some("a")).len(), 1);
    }

    #[test]
    fn caps_the_number_of_images() {
        let entries = vec![entry(1).to_value(); limits::INDEX_MANIFESTS + 1];
        let text = json!({"manifests": entries}).to_string();
        assert!(matches!(Index::parse(text.as_bytes(), "i"), Err(OciError::TooMany { found: 1025, .. })));
    }

    #[test]
    fn knows_one_layout_version() {
        check_layout_file(LAYOUT_FILE, "oci-layout").unwrap();
        let error = check_layout_file(br#"{"imageLayoutVersion":"2"}"#, "oci-layout").unwrap_err();
        assert!(error.to_string().contains("\"2\""));
    }
}
