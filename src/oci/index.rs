//! An image index, and the index.json of a layout, whose entries carry the tags.

use oci_spec::image::{ANNOTATION_REF_NAME, MediaType};
use serde_json::{Map, Value};

use super::media::DOCKER_LIST;
use super::{Descriptor, OciError, Platform, json, known};
use crate::limits;

/// The content of a layout's `oci-layout` file.
pub const LAYOUT_FILE: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Fails for every layout version but the only one there is.
pub fn check_layout_file(bytes: &[u8], what: &str) -> Result<(), OciError> {
    let map = json::object(bytes, &known::LAYOUT, what)?;
    match json::string(&map, "imageLayoutVersion", what)? {
        "1.0.0" => Ok(()),
        _ => Err(OciError::Field {
            what: what.to_owned(),
            field: "imageLayoutVersion".to_owned(),
            expected: "1.0.0",
            found: "another version".to_owned(),
        }),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    value: Map<String, Value>,
}

impl Default for Index {
    fn default() -> Self {
        let mut value = Map::new();
        value.insert("schemaVersion".to_owned(), Value::from(2));
        value.insert("mediaType".to_owned(), Value::from(MediaType::ImageIndex.as_ref()));
        value.insert("manifests".to_owned(), Value::Array(Vec::new()));
        Self { value }
    }
}

impl Index {
    /// `what` names the index in messages.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        Self::from_map(json::object(bytes, &known::DOCUMENT, what)?, what)
    }

    pub(super) fn from_map(value: Map<String, Value>, what: &str) -> Result<Self, OciError> {
        json::list(&value, "manifests", limits::INDEX_MANIFESTS, what)?;
        Ok(Self { value })
    }

    pub fn manifests(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        let list = self.value.get("manifests").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().enumerate().map(|(at, value)| IndexEntry { value, at })
    }

    /// The tags, sorted, each once.
    pub fn tags(&self) -> Vec<String> {
        let mut tags: Vec<_> = self.manifests().filter_map(|entry| entry.tag()).map(str::to_owned).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// The entries with this tag; with `None`, those without any.
    pub fn tagged(&self, tag: Option<&str>) -> Vec<IndexEntry<'_>> {
        self.manifests().filter(|entry| entry.tag() == tag).collect()
    }

    /// Puts `entry` in the place of those with the same tag (or lack of one); other entries stay as they are.
    pub fn replace_tag(&mut self, mut entry: Descriptor, tag: Option<&str>) {
        match tag {
            Some(tag) => entry.set_annotation(ANNOTATION_REF_NAME, tag),
            None => entry.remove_annotation(ANNOTATION_REF_NAME),
        }
        let at = self.manifests().position(|old| old.tag() == tag).unwrap_or(self.manifests().count());
        let others = self.manifests().filter(|old| old.tag() != tag);
        let mut manifests: Vec<Value> = others.map(|old| old.value.clone()).collect();
        manifests.insert(at, entry.to_value());
        self.value.insert("manifests".to_owned(), Value::Array(manifests));
    }

    /// The same index as an OCI index over other images: annotations and unknown fields stay.
    pub fn to_oci_with(&self, manifests: Vec<Descriptor>) -> Self {
        let mut value = self.value.clone();
        json::set_media_type(&mut value, MediaType::ImageIndex.as_ref());
        let manifests = manifests.into_iter().map(|manifest| manifest.into_oci().to_value()).collect();
        value.insert("manifests".to_owned(), manifests);
        Self { value }
    }

    /// The same as docker's manifest list, over images that have docker's types.
    pub fn to_docker_with(&self, manifests: &[Descriptor]) -> Self {
        let mut value = self.value.clone();
        json::set_media_type(&mut value, DOCKER_LIST);
        value.insert("manifests".to_owned(), manifests.iter().map(Descriptor::to_value).collect());
        Self { value }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.value.clone()).to_string().into_bytes()
    }
}

/// One entry of an index. It is taken apart when it is asked for: an entry that this tool can't read, such as one
/// with a sha512 digest, must not stand in the way of the others.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'a> {
    value: &'a Value,
    at: usize,
}

impl<'a> IndexEntry<'a> {
    /// `what` names the index in messages.
    pub fn descriptor(&self, what: &str) -> Result<Descriptor, OciError> {
        Descriptor::parse(self.value, what, &self.place())
    }

    /// The digest as it is written, whatever its algorithm; else the place in the index.
    pub fn name(&self) -> String {
        self.value.get("digest").and_then(Value::as_str).map_or_else(|| self.place(), json::excerpt)
    }

    pub fn tag(&self) -> Option<&'a str> {
        self.annotation(ANNOTATION_REF_NAME)
    }

    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        json::annotation(self.value.as_object()?, key)
    }

    /// Empty when there is none.
    pub fn media_type(&self) -> &'a str {
        self.value.get("mediaType").and_then(Value::as_str).unwrap_or("")
    }

    /// `None` when it names no OS and architecture.
    pub fn platform(&self) -> Option<Platform> {
        Platform::from_fields(self.value.get("platform")?.as_object()?)
    }

    fn place(&self) -> String {
        format!("manifests[{}]", self.at)
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
        let first = |entry: IndexEntry<'_>| entry.descriptor("index.json").unwrap().digest.as_bytes()[0];
        assert_eq!(index.manifests().map(first).collect::<Vec<_>>(), [4, 2, 3]);
        let again = Index::parse(&index.to_bytes(), "index.json").unwrap();
        assert_eq!(again.value["annotations"], json!({"k": "v"}));
        assert_eq!(again.tagged(None)[0].name(), entry(3).digest.to_string());
        assert_eq!(again.tagged(Some("a")).len(), 1);
    }

    #[test]
    fn keeps_entries_that_it_cannot_read() {
        let foreign =
            r#"{"mediaType":"x","digest":"sha512:00","annotations":{"org.opencontainers.image.ref.name":"f"}}"#;
        let text = format!(r#"{{"manifests":[{foreign},"what"]}}"#);
        let mut index = Index::parse(text.as_bytes(), "index.json").unwrap();
        index.replace_tag(entry(1), Some("a"));
        let written = String::from_utf8(index.to_bytes()).unwrap();
        assert!(written.starts_with(&format!(r#"{{"manifests":[{foreign},"what",{{"#)), "{written}");
        assert_eq!(index.tags(), ["a", "f"]);
        let names: Vec<_> = index.manifests().take(2).map(|entry| entry.name()).collect();
        assert_eq!(names, ["sha512:00", "manifests[1]"]);
        let error = index.tagged(Some("f"))[0].descriptor("index.json").unwrap_err().to_string();
        assert!(error.contains("index.json: manifests[0].digest") && error.contains("sha512:00"), "{error}");
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
        assert!(error.to_string().ends_with("expected 1.0.0, found another version"));
    }
}
