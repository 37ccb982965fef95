//! From JSON rows to [`Toc`]: the syntax. What the rows mean is checked in [`super::build`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::build::{Builder, EntryFault};
use super::entry::Toc;
use crate::digest::{BlobDigest, DigestError};
use crate::json::{Strict, StrictMap, unique_map};
use crate::limits;
use crate::units;

/// Why a TOC can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TocError {
    #[error("the TOC has {found} bytes: expected at most {limit}", found = units::count(*found), limit = units::count(*limit))]
    TooBig { found: u64, limit: u64 },
    #[error("the TOC has more than {limit} rows: expected at most as many, chunks included", limit = units::count(*limit as u64))]
    TooManyRows { limit: usize },
    #[error("the TOC is no valid JSON of the expected shape: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the TOC has version {found:?}: expected 1")]
    Version { found: Option<i64> },
    #[error("the TOC's tarSplitDigest: {0}")]
    TarSplitDigest(#[source] DigestError),
    #[error("TOC entry {name:?}: {fault}")]
    Entry { name: String, fault: EntryFault },
}

/// One element of `entries`. A file in chunks has a row for each chunk; the first is the file's own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub link_name: Cow<'a, str>,
    #[serde(default)]
    pub mode: i64,
    #[serde(default)]
    pub size: i64,
    #[serde(default)]
    pub uid: i64,
    #[serde(default)]
    pub gid: i64,
    #[serde(default, borrow)]
    pub modtime: Cow<'a, str>,
    #[serde(default, borrow)]
    pub accesstime: Cow<'a, str>,
    #[serde(default, borrow)]
    pub changetime: Cow<'a, str>,
    #[serde(default)]
    pub dev_major: i64,
    #[serde(default)]
    pub dev_minor: i64,
    #[serde(default, deserialize_with = "unique_map")]
    pub xattrs: Option<BTreeMap<String, String>>,
    #[serde(default, borrow)]
    pub digest: Cow<'a, str>,
    #[serde(default)]
    pub offset: i64,
    #[serde(default)]
    pub end_offset: i64,
    #[serde(default)]
    pub chunk_size: i64,
    #[serde(default)]
    pub chunk_offset: i64,
    #[serde(default, borrow)]
    pub chunk_digest: Cow<'a, str>,
    #[serde(default, borrow)]
    pub chunk_type: Cow<'a, str>,
}

/// Data behind the JSON value is an error, as it is for podman (container-libs `unmarshalToc`).
pub(super) fn parse(json: &[u8]) -> Result<Toc, TocError> {
    let found = json.len() as u64;
    if found > limits::TOC_BYTES {
        return Err(TocError::TooBig { found, limit: limits::TOC_BYTES });
    }
    let mut document = Document::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let syntax = (&mut document).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Some(fault) = document.fault {
        return Err(fault);
    }
    syntax?;
    if !document.has_entries {
        return Err(TocError::Json(serde_json::Error::missing_field("entries")));
    }
    if document.version != Some(1) {
        return Err(TocError::Version { found: document.version });
    }
    let tar_split_digest = match document.tar_split_digest.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse::<BlobDigest>().map_err(TocError::TarSplitDigest)?),
    };
    Ok(Toc { entries: document.builder.finish()?, tar_split_digest })
}

/// Rows go to the builder one by one, since a million of them would take more memory than the result.
#[derive(Default)]
struct Document {
    version: Option<i64>,
    builder: Builder,
    has_entries: bool,
    tar_split_digest: Option<String>,
    /// What stopped the builder: serde would carry its text only.
    fault: Option<TocError>,
}

impl<'de> DeserializeSeed<'de> for &mut Document {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Document {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with version and entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let mut map = StrictMap::new(map, &["version", "entries", "tarSplitDigest"]);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" => self.version = Some(map.next_value()?),
                "tarSplitDigest" => self.tar_split_digest = Some(map.next_value()?),
                _ => {
                    self.has_entries = true;
                    map.next_value_seed(Rows { builder: &mut self.builder, fault: &mut self.fault })?;
                }
            }
        }
        Ok(())
    }
}

struct StrictRow<'a>(Row<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for StrictRow<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Row::deserialize(Strict(deserializer)).map(Self)
    }
}

struct Rows<'a> {
    builder: &'a mut Builder,
    fault: &'a mut Option<TocError>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries")
    }

    /// Go writes a list without elements as `null`.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(StrictRow(row)) = rows.next_element()? {
            count += 1;
            let limit = limits::TOC_ROWS;
            let added = if count > limit { Err(TocError::TooManyRows { limit }) } else { self.builder.row(&row) };
            if let Err(fault) = added {
                *self.fault = Some(fault);
                return Err(A::Error::custom("an entry is not valid"));
            }
        }
        Ok(())
    }
}
