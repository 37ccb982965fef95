//! What points at a blob, with every field that came along.

use serde_json::{Map, Value};

use super::{OciError, Platform, json, media};
use crate::digest::BlobDigest;

#[derive(Debug, Clone)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: BlobDigest,
    pub size: u64,
    /// The whole object as it was found; the three fields above win when it is written.
    raw: Map<String, Value>,
}

/// Two are equal when they are written alike.
impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.to_value() == other.to_value()
    }
}

/// Of a descriptor, in the order of image-spec's Go type.
const FIELDS: [&str; 8] = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];

impl Descriptor {
    pub fn new(media_type: &str, digest: BlobDigest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, raw: Map::new() }
    }

    /// `what` and `field` say where the descriptor stands, for messages.
    pub fn parse(value: &Value, what: &str, field: &str) -> Result<Self, OciError> {
        let inside = format!("{what}: {field}");
        let raw = value.as_object().ok_or_else(|| json::wrong(what, field, "an object", Some(value)))?;
        let digest = json::string(raw, "digest", &inside)?;
        let digest = digest.parse().map_err(|source| OciError::Digest {
            what: what.to_owned(),
            field: format!("{field}.digest"),
            source,
        })?;
        let size = raw.get("size").and_then(Value::as_u64);
        let size = size.ok_or_else(|| json::wrong(&inside, "size", "a number of bytes", raw.get("size")))?;
        // Old tools leave the media type of an index entry out; the document itself then says what it is.
        let media_type = json::text(raw, "mediaType", &inside)?.to_owned();
        Ok(Self { media_type, digest, size, raw: raw.clone() })
    }

    pub fn to_value(&self) -> Value {
        let mut map = self.raw.clone();
        if !self.media_type.is_empty() {
            map.insert("mediaType".to_owned(), Value::from(self.media_type.as_str()));
        }
        map.insert("digest".to_owned(), Value::from(self.digest.to_string()));
        map.insert("size".to_owned(), Value::from(self.size));
        Value::Object(map)
    }

    /// The object as it was found.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        json::annotation(&self.raw, key)
    }

    pub fn set_annotation(&mut self, key: &str, value: &str) {
        json::set_annotation(&mut self.raw, key, Some(value));
    }

    pub fn remove_annotation(&mut self, key: &str) {
        json::set_annotation(&mut self.raw, key, None);
    }

    /// The `platform` of an index entry; `None` when it names no OS and architecture.
    pub fn platform(&self) -> Option<Platform> {
        Platform::from_fields(self.raw.get("platform")?.as_object()?)
    }

    /// Gives an index entry a platform, unless it has one (which may say more, such as `os.version`).
    pub fn set_platform(&mut self, platform: &Platform) {
        if self.platform().is_none() {
            self.raw.insert("platform".to_owned(), platform.to_value());
        }
    }

    /// The same with nothing but the media type, the digest, the size and the annotations that `keeps` says, in their
    /// order; and the names of what was left out.
    pub fn only(&self, keeps: impl Fn(&str, &str) -> bool) -> (Self, Vec<String>) {
        let mut out = Vec::new();
        let mut kept = self.clone();
        kept.raw.retain(|key, value| match key.as_str() {
            "mediaType" | "digest" | "size" => true,
            "annotations" => {
                let Some(annotations) = value.as_object_mut() else { return false };
                annotations.retain(|key, value| {
                    let is_kept = value.as_str().is_some_and(|value| keeps(key, value));
                    if !is_kept {
                        out.push(format!("the annotation {:?}", json::excerpt(key)));
                    }
                    is_kept
                });
                !annotations.is_empty()
            }
            other => {
                out.push(format!("{:?}", json::excerpt(other)));
                false
            }
        });
        (kept, out)
    }

    /// With the fields and annotations of an index entry in the order of c/image, which writes an entry again and compares
    /// the bytes (skopeo copy --all --preserve-digests). Unknown fields come last.
    pub fn in_order(&self) -> Self {
        let Value::Object(mut all) = self.to_value() else { return self.clone() };
        let mut raw: Map<String, Value> =
            FIELDS.into_iter().filter_map(|field| all.shift_remove_entry(field)).collect();
        raw.append(&mut all);
        if let Some(annotations) = raw.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.sort_keys();
        }
        Self { raw, ..self.clone() }
    }

    /// The same entry for another blob: annotations, platform and unknown fields stay.
    pub fn pointing_at(&self, media_type: &str, digest: BlobDigest, size: u64) -> Self {
        let mut raw = self.raw.clone();
        // Inlined content, and where else it can be had, belong to the old blob (OCI descriptor.md).
        raw.shift_remove("data");
        raw.shift_remove("urls");
        Self { media_type: media_type.to_owned(), digest, size, raw }
    }

    /// With a docker media type replaced by its OCI name.
    pub fn into_oci(mut self) -> Self {
        self.media_type = media::to_oci(&self.media_type).to_owned();
        self
    }

    /// With an OCI media type replaced by docker's name.
    pub fn into_docker(mut self) -> Self {
        self.media_type = media::to_docker(&self.media_type);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Value {
        json!({
            "future": [1, {"a": null}],
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": 3,
            "digest": format!("sha256:{}", "0a".repeat(32)),
            "annotations": {"x": "1"},
            "data": "AAAA",
        })
    }

    #[test]
    fn writes_what_it_read() {
        let value = sample();
        let descriptor = Descriptor::parse(&value, "manifest m", "layers[0]").unwrap();
        assert_eq!(descriptor.to_value().to_string(), value.to_string());
        assert_eq!(descriptor.annotation("x"), Some("1"));
    }

    #[test]
    fn keeps_unknown_fields_when_it_changes() {
        let mut changed = Descriptor::parse(&sample(), "m", "layers[0]").unwrap().into_oci();
        changed.set_annotation("y", "2");
        changed.remove_annotation("x");
        changed = changed.pointing_at("application/x", BlobDigest::from_bytes([1; 32]), 9);
        changed.set_platform(&"linux/arm64/v8".parse().unwrap());
        let value = changed.to_value();
        assert_eq!(value["future"], sample()["future"]);
        assert_eq!(value["annotations"], json!({"y": "2"}));
        assert_eq!(value["size"], 9);
        assert!(value.get("data").is_none());
        assert_eq!(value["platform"]["variant"], "v8");
    }

    #[test]
    fn an_index_entry_has_the_order_of_c_image() {
        let mut entry = Descriptor::parse(&sample(), "m", "manifests[0]").unwrap();
        entry.set_platform(&"linux/arm64/v8".parse().unwrap());
        entry.set_annotation("a", "2");
        let ordered = entry.in_order().to_value();
        let fields: Vec<&str> = ordered.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["mediaType", "digest", "size", "annotations", "data", "platform", "future"]);
        assert_eq!(ordered["annotations"].to_string(), r#"{"a":"2","x":"1"}"#);
    }

    #[test]
    fn leaves_out_what_is_not_named() {
        let mut value = sample();
        value["annotations"] = json!({"b": "2", "x": "1", "c": 3, "a": "1"});
        value["urls"] = json!(["http://x"]);
        let descriptor = Descriptor::parse(&value, "m", "layers[0]").unwrap();
        let (only, out) = descriptor.only(|key, _| ["a", "b", "c"].contains(&key));
        let digest = &value["digest"];
        let expected = format!(
            r#"{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":3,"digest":{digest},"annotations":{{"b":"2","a":"1"}}}}"#
        );
        assert_eq!(only.to_value().to_string(), expected);
        assert_eq!(out, ["\"future\"", "the annotation \"x\"", "the annotation \"c\"", "\"data\"", "\"urls\""]);
        let (only, _) = descriptor.only(|_, _| false);
        assert!(only.to_value().get("annotations").is_none());
    }

    #[test]
    fn names_what_is_wrong() {
        let mut value = sample();
        value["size"] = json!("3");
        let message = Descriptor::parse(&value, "manifest m", "layers[2]").unwrap_err().to_string();
        assert!(message.contains("manifest m: layers[2]: size") && message.ends_with("found a string"), "{message}");
        value["size"] = json!(3);
        value["digest"] = json!("sha512:00");
        let message = Descriptor::parse(&value, "manifest m", "config").unwrap_err().to_string();
        assert!(message.contains("config.digest") && message.contains("sha512"), "{message}");
    }
}
