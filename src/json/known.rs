//! Documents that stay values: their keys, at every depth.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::folds_to;

/// The keys that clients look for at a place of a document.
#[derive(Debug)]
pub enum Known {
    /// None: text, numbers, and objects whose keys are names.
    Nothing,
    /// Those of one object, and what lies below each.
    Object(&'static [(&'static str, &'static Known)]),
    /// Those of each element of a list or each value of a map.
    Each(&'static Known),
}

/// Why readers differ on a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("the key {found:?} differs from {known:?} in case alone, and clients read it as that: expected {known:?}")]
    Folded { found: String, known: &'static str },
    #[error("the key {found:?} stands there twice, and clients differ on which one counts: expected it once")]
    Twice { found: String },
    #[error("an empty key, behind which podman reads no further: expected a name")]
    Empty,
}

/// Why a document is not for every reader the same.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("{place}: {fault}")]
    Key { place: String, fault: KeyFault },
}

/// Enough of a key to recognise it.
pub(super) fn excerpt(key: &str) -> String {
    key.chars().take(100).collect()
}

impl KeyFault {
    /// What is wrong with `key` among these.
    pub(super) fn of(key: &str, mut known: impl Iterator<Item = &'static str>) -> Option<Self> {
        let known = known.find(|known| *known != key && folds_to(key, known))?;
        Some(Self::Folded { found: excerpt(key), known })
    }
}

/// Fails for a document with a key that readers read in different ways.
pub fn check(document: &[u8], known: &'static Known) -> Result<(), KeyError> {
    let mut fault = None;
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let path = Path { up: None, step: Step::Top };
    let keys = Keys { known, path: &path, fault: &mut fault };
    let read = keys.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match fault {
        Some(fault) => Err(fault),
        None => Ok(read?),
    }
}

/// The way from a document's top to a value; spelt out for an error alone.
struct Path<'a> {
    up: Option<&'a Path<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Top,
    Key(&'a str),
    At(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_below_top = |up: &&Path<'_>| !matches!(up.step, Step::Top);
        if let Some(up) = self.up.filter(is_below_top) {
            write!(f, "{up}")?;
            if matches!(self.step, Step::Key(_)) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Top => f.write_str("the document"),
            Step::Key(key) => write!(f, "{}", excerpt(key).escape_debug()),
            Step::At(at) => write!(f, "[{at}]"),
        }
    }
}

/// Walks a value and keeps nothing of it but the keys of the objects that it is in.
struct Keys<'a> {
    known: &'static Known,
    path: &'a Path<'a>,
    fault: &'a mut Option<KeyError>,
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    skips_single_values!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { known, path, fault } = self;
        let below = if let Known::Each(below) = known { below } else { &Known::Nothing };
        let mut at = 0;
        loop {
            let path = Path { up: Some(path), step: Step::At(at) };
            if list.next_element_seed(Keys { known: below, path: &path, fault })?.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    /// Numbers come here, too, as an object of one key: serde_json's way to keep their digits.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { known, path, fault } = self;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let wrong = match known {
                Known::Object(keys) => KeyFault::of(&key, keys.iter().map(|(key, _)| *key)),
                Known::Nothing | Known::Each(_) => None,
            };
            let twice = || seen.contains(&key).then(|| KeyFault::Twice { found: excerpt(&key) });
            if let Some(wrong) = wrong.or_else(twice) {
                *fault = Some(KeyError::Key { place: path.to_string(), fault: wrong });
                return Err(A::Error::custom("a key that readers read in different ways"));
            }
            let below = match known {
                Known::Nothing => &Known::Nothing,
                Known::Object(keys) => {
                    keys.iter().find(|(name, _)| *name == key).map_or(&Known::Nothing, |known| known.1)
                }
                Known::Each(below) => below,
            };
            let below_path = Path { up: Some(path), step: Step::Key(&key) };
            map.next_value_seed(Keys { known: below, path: &below_path, fault: &mut *fault })?;
            seen.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Known = Known::Object(&[("digest", &Known::Nothing), ("size", &Known::Nothing)]);
    static DOCUMENT: Known = Known::Object(&[
        ("layers", &Known::Each(&INNER)),
        ("config", &INNER),
        ("named", &Known::Each(&INNER)),
        ("annotations", &Known::Nothing),
    ]);

    fn fault(text: &str) -> String {
        check(text.as_bytes(), &DOCUMENT).unwrap_err().to_string()
    }

    #[test]
    fn keys_are_asked_where_clients_know_some() {
        for text in [
            r#"{"layers":[{"digest":1.50},{"x":{"Digest":1,"digest":2}}],"annotations":{"Layers":"x","layers":"y"}}"#,
            r#"{"config":[{"Digest":1}],"layers":{"a":{"b":1}},"":{"":null},"named":{"Digest":{"size":-0}}}"#,
            "[1,true,null,\"\u{2028}\"]",
        ] {
            check(text.as_bytes(), &DOCUMENT).unwrap();
        }
        for (text, place, key) in [
            (r#"{"Layers":[]}"#, "the document: ", "\"Layers\" differs from \"layers\""),
            (r#"{"layers":[{},{"dige\u017ft":1}]}"#, "layers[1]: ", "the key \"digeſt\" differs from \"digest\""),
            (r#"{"config":{"SIZE":1}}"#, "config: ", "\"SIZE\""),
            (r#"{"named":{"x\u0007":{"Size":1}}}"#, "named.x\\u{7}: ", "\"Size\""),
            (r#"{"config":{"size":1,"size":1}}"#, "config: ", "\"size\" stands there twice"),
            (r#"{"x":[[{"a":{"b":1,"b":1}}]]}"#, "x[0][0].a: ", "\"b\" stands there twice"),
            (r#"{"annotations":{"a":"1","\u0061":"2"}}"#, "annotations: ", "\"a\" stands there twice"),
        ] {
            let found = fault(text);
            assert!(found.starts_with(place) && found.contains(key), "{text}: {found}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        let deep = "[".repeat(200);
        for text in ["", "{", "{} x", r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, &deep] {
            assert!(matches!(check(text.as_bytes(), &DOCUMENT), Err(KeyError::Syntax(_))), "{text}");
        }
        assert!(matches!(check(b"{\"a\":\"\xff\"}", &DOCUMENT), Err(KeyError::Syntax(_))));
        assert!(matches!(check(b"{\"\xff\":1}", &DOCUMENT), Err(KeyError::Syntax(_))));
    }
}
