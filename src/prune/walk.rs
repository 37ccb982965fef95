//! Which blobs a layout's index.json leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde_json::Value;

use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::error::{Error, PruneError};
use crate::limits;
use crate::oci::Index;
use crate::progress::Progress;

/// The blobs that index.json leads to, and documents whose subject is one of them, with all that those lead to.
pub(super) fn needed(
    layout: &Path,
    blobs: &BTreeMap<BlobDigest, u64>,
    progress: &Progress,
) -> Result<BTreeSet<BlobDigest>, Error> {
    let mut walk = Walk { layout, blobs, progress, needed: BTreeSet::new() };
    let bytes = read(&layout.join("index.json")).map_err(|reason| PruneError::unread("index.json", reason))?;
    Index::parse(&bytes, "index.json").map_err(|error| PruneError::unread("index.json", error))?;
    let index: Value = serde_json::from_slice(&bytes).map_err(|error| PruneError::unread("index.json", error))?;
    walk.follow(&index, "index.json")?;
    walk.attach()?;
    Ok(walk.needed)
}

struct Walk<'a> {
    layout: &'a Path,
    blobs: &'a BTreeMap<BlobDigest, u64>,
    progress: &'a Progress,
    needed: BTreeSet<BlobDigest>,
}

impl Walk<'_> {
    /// Takes in everything that a document leads to, at any depth.
    fn follow(&mut self, document: &Value, what: &str) -> Result<(), Error> {
        let mut open = Vec::new();
        links(document, None, what, &mut open)?;
        while let Some(link) = open.pop() {
            self.progress.check()?;
            if !self.needed.insert(link.digest) || link.is_leaf() {
                continue;
            }
            let what = link.digest.to_string();
            let Some(&size) = self.blobs.get(&link.digest) else {
                // A digest that stands somewhere in a document may be anything.
                if link.media_type.is_none() {
                    continue;
                }
                return Err(PruneError::unread(what, "it is not there").into());
            };
            // No client reads a manifest of more bytes, whatever its type.
            if size > limits::MANIFEST_BYTES && !link.is_manifest() {
                continue;
            }
            let bytes = read(&self.layout.join("blobs/sha256").join(link.digest.hex()));
            let bytes = bytes.map_err(|reason| PruneError::unread(&what, reason))?;
            if BlobDigest::from_bytes(Sha256Stream::of(&bytes)) != link.digest {
                return Err(PruneError::unread(what, "its content has another digest").into());
            }
            match serde_json::from_slice(&bytes) {
                Ok(document) => links(&document, None, &what, &mut open)?,
                Err(error) if link.is_manifest() => return Err(PruneError::unread(what, error).into()),
                // It is what it should be, and that is no document.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Signatures and attestations that index.json does not name, but that name what is needed.
    fn attach(&mut self) -> Result<(), Error> {
        let others = self
            .blobs
            .iter()
            .filter(|(digest, size)| **size <= limits::MANIFEST_BYTES && !self.needed.contains(*digest));
        let mut attachments = Vec::new();
        for (&digest, _) in others {
            self.progress.check()?;
            let bytes = read(&self.layout.join("blobs/sha256").join(digest.hex()));
            let bytes = bytes.map_err(|reason| PruneError::unread(digest, reason))?;
            let Ok(document) = serde_json::from_slice::<Value>(&bytes) else { continue };
            let subject = document.get("subject").and_then(|subject| subject.get("digest")).and_then(Value::as_str);
            if let Some(subject) = subject.and_then(|subject| subject.parse::<BlobDigest>().ok()) {
                attachments.push((digest, subject, document));
            }
        }
        // What is attached may itself have something attached.
        while let Some(at) = attachments.iter().position(|(_, subject, _)| self.needed.contains(subject)) {
            let (digest, _, document) = attachments.swap_remove(at);
            if self.needed.insert(digest) {
                self.follow(&document, &digest.to_string())?;
            }
        }
        Ok(())
    }
}

/// A digest in a document, with the media type beside it if it stands in a descriptor.
struct Link {
    digest: BlobDigest,
    media_type: Option<String>,
}

impl Link {
    /// Leads nowhere: a layer or a config. Their types are known, so they need not be read.
    fn is_leaf(&self) -> bool {
        self.media_type.as_deref().is_some_and(is_leaf)
    }

    fn is_manifest(&self) -> bool {
        let media_type = self.media_type.as_deref().unwrap_or("");
        media_type.contains(".manifest.") || media_type.contains(".index.")
    }
}

fn is_leaf(media_type: &str) -> bool {
    const LEAVES: [&str; 4] = [
        "application/vnd.oci.image.layer.",
        "application/vnd.oci.image.config.",
        "application/vnd.docker.image.rootfs.",
        "application/vnd.docker.container.image.",
    ];
    LEAVES.iter().any(|leaf| media_type.starts_with(leaf))
}

/// Every string that is a digest, whatever field it stands in: another tool's field is not known here.
fn links(value: &Value, media_type: Option<&str>, what: &str, found: &mut Vec<Link>) -> Result<(), PruneError> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("mediaType").and_then(Value::as_str).unwrap_or("");
            for (key, value) in fields {
                let beside = (key == "digest").then_some(own);
                links(value, beside, what, found)?;
            }
        }
        Value::Array(values) => values.iter().try_for_each(|value| links(value, None, what, found))?,
        Value::String(text) => match (text.parse(), media_type) {
            (Ok(digest), _) => found.push(Link { digest, media_type: media_type.map(str::to_owned) }),
            (Err(error), Some(own)) if !is_leaf(own) => return Err(PruneError::unread(what, error)),
            _ => {}
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// A small file's bytes, without waiting for a FIFO and without following a link.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(|error| error.to_string())?;
    let file = File::from(file);
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err("expected a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limits::MANIFEST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limits::MANIFEST_BYTES {
        return Err(format!("expected at most {} bytes", limits::MANIFEST_BYTES));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    struct Layout(TempDir);

    impl Layout {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
            Self(dir)
        }

        fn put(&self, content: &[u8]) -> String {
            let digest = BlobDigest::from_bytes(Sha256Stream::of(content));
            fs::write(self.0.path().join("blobs/sha256").join(digest.hex()), content).unwrap();
            digest.to_string()
        }

        fn put_json(&self, value: &Value) -> String {
            self.put(value.to_string().as_bytes())
        }

        fn remove(&self, digest: &str) {
            fs::remove_file(self.0.path().join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
        }

        fn needed(&self, entries: Value) -> Result<Vec<String>, String> {
            fs::write(self.0.path().join("index.json"), json!({"manifests": entries}).to_string()).unwrap();
            let blobs = super::super::blobs(self.0.path(), &mut Vec::new()).unwrap();
            let needed = needed(self.0.path(), &blobs, &Progress::new()).map_err(|error| error.to_string())?;
            Ok(needed.iter().filter(|digest| blobs.contains_key(digest)).map(ToString::to_string).collect())
        }
    }

    fn sorted(digests: &[&String]) -> Vec<String> {
        let mut digests: Vec<String> = digests.iter().map(|digest| (*digest).clone()).collect();
        digests.sort();
        digests
    }

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

    fn entry(media_type: &str, digest: &str) -> Value {
        json!({"mediaType": media_type, "digest": digest, "size": 1})
    }

    #[test]
    fn everything_that_the_index_leads_to_is_needed() {
        let layout = Layout::new();
        let (layer, other) = (layout.put(b"a layer"), layout.put(b"a layer that nobody needs"));
        let config = layout.put(br#"{"rootfs": {"diff_ids": []}}"#);
        let manifest = layout.put_json(&json!({"config": entry("application/vnd.oci.image.config.v1+json", &config),
                "layers": [entry(LAYER, &layer)]}));
        let index = layout.put_json(&json!({"manifests": [entry(MANIFEST, &manifest)]}));
        let all = sorted(&[&layer, &config, &manifest, &index]);
        assert_eq!(layout.needed(json!([entry(INDEX, &index)])).unwrap(), all);
        // A tag has nothing to do with it, and a type that is not there neither.
        assert_eq!(layout.needed(json!([{"digest": index, "size": 1}])).unwrap(), all);
        assert_eq!(layout.needed(json!([])).unwrap(), Vec::<String>::new());
        assert!(!all.contains(&other));
    }

    #[test]
    fn unknown_documents_are_followed() {
        let layout = Layout::new();
        let (payload, text) = (layout.put(b"a chart"), layout.put(b"{ no JSON"));
        let artifact = layout.put_json(&json!({"blobs": {"first": payload, "second": [text]}}));
        let found = layout.needed(json!([entry("application/x-unknown", &artifact)])).unwrap();
        assert_eq!(found, sorted(&[&payload, &text, &artifact]));
    }

    #[test]
    fn what_has_a_needed_subject_stays() {
        let layout = Layout::new();
        let manifest = layout.put_json(&json!({"layers": []}));
        let signature = layout.put(b"a signature");
        let subject = |digest: &str| json!({"subject": entry(MANIFEST, digest), "layers": [entry("x/y", &signature)]});
        let referrer = layout.put_json(&subject(&manifest));
        let on_that = layout.put_json(&json!({"subject": entry(MANIFEST, &referrer)}));
        let gone = layout.put_json(&json!({"subject": entry(MANIFEST, &layout.put(b"{}"))}));
        let found = layout.needed(json!([entry(MANIFEST, &manifest)])).unwrap();
        assert_eq!(found, sorted(&[&manifest, &signature, &referrer, &on_that]));
        assert!(!found.contains(&gone));
    }

    #[test]
    fn what_cannot_be_read_stops_it() {
        let layout = Layout::new();
        let manifest = layout.put(b"{\"layers\": [");
        let entries = |digest: &str| json!([entry(MANIFEST, digest)]);
        let error = layout.needed(entries(&manifest)).unwrap_err();
        assert!(error.starts_with(&format!("nothing is removed, since {manifest} can't be read: EOF")), "{error}");
        layout.remove(&manifest);
        assert!(layout.needed(entries(&manifest)).unwrap_err().contains("it is not there"));
        let path = layout.0.path().join("blobs/sha256").join(&manifest["sha256:".len()..]);
        fs::write(&path, "{}").unwrap();
        assert!(layout.needed(entries(&manifest)).unwrap_err().contains("another digest"));
        let sha512 = format!("sha512:{}", "0".repeat(128));
        assert!(layout.needed(entries(&sha512)).unwrap_err().contains("algorithm sha256"));
        // A layer need not be there, and may have any digest.
        let manifest = layout.put_json(&json!({"layers": [entry(LAYER, &sha512)]}));
        assert!(layout.needed(entries(&manifest)).is_ok());
        fs::write(layout.0.path().join("index.json"), "{").unwrap();
        assert!(needed(layout.0.path(), &BTreeMap::new(), &Progress::new()).is_err());
    }
}
