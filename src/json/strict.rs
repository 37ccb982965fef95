//! Structs that serde fills: their keys as strict as every client's.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::known::{KeyFault, excerpt};

/// Reads a struct as serde's derive does, and refuses what readers read in different ways: see [`super`]. The keys that
/// clients know are the struct's fields.
pub struct Strict<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, StrictVisitor { visitor, fields })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct StrictVisitor<V> {
    visitor: V,
    fields: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(StrictMap::new(map, self.fields))
    }
}

/// The known keys of an object; what other keys hold is looked at and left out.
pub struct StrictMap<A> {
    map: A,
    fields: &'static [&'static str],
    /// A bit for each field.
    seen: u64,
    /// Real ones are few.
    unknown: HashSet<String>,
}

impl<A> StrictMap<A> {
    /// `fields` are 64 at most.
    pub fn new(map: A, fields: &'static [&'static str]) -> Self {
        assert!(fields.len() <= u64::BITS as usize, "a bit for each field");
        Self { map, fields, seen: 0, unknown: HashSet::new() }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictMap<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key_seed(KeySeed(self.fields))? {
            match key {
                Key::Field(at) => {
                    let name = self.fields[at];
                    if self.seen & 1 << at != 0 {
                        return Err(A::Error::custom(KeyFault::Twice { found: name.to_owned() }));
                    }
                    self.seen |= 1 << at;
                    return seed.deserialize(name.into_deserializer()).map(Some);
                }
                Key::Other(name) => {
                    if self.unknown.contains(&name) {
                        return Err(A::Error::custom(KeyFault::Twice { found: excerpt(&name) }));
                    }
                    self.unknown.insert(name);
                    self.map.next_value_seed(Skipped)?;
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

enum Key {
    /// Its number.
    Field(usize),
    Other(String),
}

struct KeySeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        if let Some(at) = self.0.iter().position(|field| *field == key) {
            return Ok(Key::Field(at));
        }
        let fault = if key.is_empty() { Some(KeyFault::Empty) } else { KeyFault::of(key, self.0.iter().copied()) };
        fault.map_or_else(|| Ok(Key::Other(key.to_owned())), |fault| Err(E::custom(fault)))
    }
}

/// A value that nobody reads; keys that stand in it twice make some readers fail.
struct Skipped;

impl<'de> DeserializeSeed<'de> for Skipped {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = ();

    skips_single_values!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Skipped)?.is_some() {}
        Ok(())
    }

    /// Numbers come here, too, as an object of one key.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        StrictMap::new(map, &[]).next_key::<String>().map(drop)
    }
}

/// A map of texts, or `null`. serde would take the last of two values.
pub fn unique_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts, or null")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut texts = BTreeMap::new();
            while let Some(key) = map.next_key::<String>()? {
                if key.is_empty() {
                    return Err(A::Error::custom(KeyFault::Empty));
                }
                let found = excerpt(&key);
                if texts.insert(key, map.next_value()?).is_some() {
                    return Err(A::Error::custom(KeyFault::Twice { found }));
                }
            }
            Ok(Some(texts))
        }
    }
    deserializer.deserialize_any(Texts)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        #[serde(default)]
        chunk_size: i64,
        #[serde(default, deserialize_with = "unique_map")]
        xattrs: Option<BTreeMap<String, String>>,
    }

    fn read(text: &[u8]) -> Result<Row, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let row = Row::deserialize(Strict(&mut deserializer)).map_err(|error| error.to_string())?;
        deserializer.end().map_err(|error| error.to_string()).map(|()| row)
    }

    #[test]
    fn unknown_keys_are_skipped() {
        let text = r#"{"NumLink":1,"x":{"a":[1.5,null,true,"t",{}]},"chunkSize":7,"xattrs":{"a":"1","A":"2"}}"#;
        let row = read(text.as_bytes()).unwrap();
        assert_eq!((row.chunk_size, row.xattrs.unwrap().len()), (7, 2));
        assert_eq!(read(b"{\"xattrs\":null}").unwrap(), Row { chunk_size: 0, xattrs: None });
    }

    #[test]
    fn what_readers_read_in_different_ways_is_refused() {
        for (text, says) in [
            (r#"{"chunkSize":1,"ChunkSize":2}"#, "\"ChunkSize\" differs from \"chunkSize\""),
            (r#"{"chun\u212aSize":2}"#, "differs from \"chunkSize\""),
            (r#"{"\u0058attrs":{}}"#, "\"Xattrs\" differs from \"xattrs\""),
            (r#"{"chunkSize":1,"chunk\u0053ize":1}"#, "\"chunkSize\" stands there twice"),
            (r#"{"y":1,"y":1}"#, "\"y\" stands there twice"),
            (r#"{"y":[{"z":1,"z":1}]}"#, "\"z\" stands there twice"),
            (r#"{"xattrs":{"a":"1","a":"1"}}"#, "\"a\" stands there twice"),
            (r#"{"":1}"#, "an empty key"),
            (r#"{"xattrs":{"":"1"}}"#, "an empty key"),
            (r#"{"y":{"":1}}"#, "an empty key"),
            (r#"[1,null]"#, "expected an object"),
            (r#"{"chunkSize":1.0}"#, "invalid type"),
            (r#"{"chunkSize":1e0}"#, "invalid type"),
            (r#"{"chunkSize":null}"#, "invalid type"),
            (r#"{"y":"\udfff"}"#, "surrogate"),
        ] {
            let found = read(text.as_bytes()).unwrap_err();
            assert!(found.contains(says), "{text}: {found}");
        }
        assert!(read(b"{\"y\":\"\xff\"}").is_err() && read(b"{\"\xff\":1}").is_err());
    }
}
