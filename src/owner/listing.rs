//! Documents in JSON that list the files of packages.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Problem;
use super::hint::{Days, days};

/// `{"files": [PATH, ...], "interval": ...}` with any other keys. Nothing of it is kept: a document of many short
/// strings takes far more memory than bytes.
pub(super) struct Package<'s> {
    pub path: &'s mut dyn FnMut(&[u8]),
}

impl<'de> DeserializeSeed<'de> for Package<'_> {
    type Value = Option<Days>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Package<'_> {
    type Value = Option<Days>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a package with a list of files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut interval, mut has_files) = (None, false);
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "files" => {
                    has_files = true;
                    map.next_value_seed(Files { path: &mut *self.path })?;
                }
                "interval" => {
                    let value = map.next_value::<Cow<'_, str>>()?;
                    interval = Some(days(value.as_bytes()).ok_or_else(|| A::Error::custom("an unknown interval"))?);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match has_files {
            true => Ok(interval),
            false => Err(A::Error::missing_field("files")),
        }
    }
}

struct Files<'s> {
    path: &'s mut dyn FnMut(&[u8]),
}

impl<'de> DeserializeSeed<'de> for Files<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Files<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(File { path: &mut *self.path })?.is_some() {}
        Ok(())
    }
}

struct File<'s> {
    path: &'s mut dyn FnMut(&[u8]),
}

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for File<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<(), E> {
        (self.path)(path.as_bytes());
        Ok(())
    }
}

/// Reads a whole document.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(json: &'de [u8], seed: S) -> Result<S::Value, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = seed.deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    // Its message may quote the document.
    read.map_err(|error| Problem::Filemap { line: error.line(), column: error.column() })
}
