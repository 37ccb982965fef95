//! Typed access to JSON fields, with errors that name the document and the field.

use serde_json::{Map, Value};

use super::OciError;
use crate::json::{KeyError, Known, check};
use crate::limits;

/// Parses a document whose top is an object with keys that every client reads alike; `what` is for messages.
pub(super) fn object(bytes: &[u8], known: &'static Known, what: &str) -> Result<Map<String, Value>, OciError> {
    let (found, limit) = (json_values(bytes), limits::JSON_VALUES);
    if found > limit {
        return Err(OciError::TooMany { what: what.to_owned(), field: "all lists and objects together", limit, found });
    }
    check_keys(bytes, known, what)?;
    let value = serde_json::from_slice(bytes).map_err(|source| OciError::Json { what: what.to_owned(), source })?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(wrong(what, "the document", "an object", Some(&other))),
    }
}

/// Fails for a document that clients read in different ways.
pub fn check_keys(bytes: &[u8], known: &'static Known, what: &str) -> Result<(), OciError> {
    check(bytes, known).map_err(|error| match error {
        KeyError::Syntax(source) => OciError::Json { what: what.to_owned(), source },
        KeyError::Key { place, fault } => OciError::Key { what: what.to_owned(), place, fault: Box::new(fault) },
    })
}

/// Values in a document, keys included, before any memory is spent on them.
pub fn json_values(bytes: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (1, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

pub(super) fn string<'a>(map: &'a Map<String, Value>, key: &str, what: &str) -> Result<&'a str, OciError> {
    let found = map.get(key);
    found.and_then(Value::as_str).ok_or_else(|| wrong(what, key, "a string", found))
}

/// An absent or null list is empty, as in Go.
pub(super) fn list<'a>(
    map: &'a Map<String, Value>,
    key: &'static str,
    limit: usize,
    what: &str,
) -> Result<&'a [Value], OciError> {
    let list = match map.get(key) {
        None | Some(Value::Null) => return Ok(&[]),
        Some(Value::Array(list)) => list,
        other => return Err(wrong(what, key, "a list", other)),
    };
    if list.len() > limit {
        return Err(OciError::TooMany { what: what.to_owned(), field: key, limit, found: list.len() });
    }
    Ok(list)
}

/// What a value is, and never what it says: a link in a layout may lead to any file.
fn kind(value: &Value) -> String {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) => return excerpt(&number.to_string()),
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    name.to_owned()
}

/// False for a field that is absent or null, which Go does not tell apart.
pub(super) fn has(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).is_some_and(|value| !value.is_null())
}

/// A text that is absent or null is empty, as in Go.
pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str, what: &str) -> Result<&'a str, OciError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(_) => string(map, key, what),
    }
}

pub(super) fn wrong(what: &str, field: &str, expected: &'static str, found: Option<&Value>) -> OciError {
    let found = found.map_or_else(|| "nothing".to_owned(), kind);
    OciError::Field { what: what.to_owned(), field: field.to_owned(), expected, found }
}

/// The object in a field, which takes the place of anything else.
pub(super) fn object_at<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().expect("made an object")
}

pub(super) fn annotation<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get("annotations")?.get(key)?.as_str()
}

pub(super) fn set_annotation(map: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if value.is_none() && annotation(map, key).is_none() {
        return;
    }
    let annotations = object_at(map, "annotations");
    match value {
        Some(value) => {
            annotations.insert(key.to_owned(), Value::from(value));
        }
        None => {
            annotations.shift_remove(key);
        }
    }
    if annotations.is_empty() {
        map.shift_remove("annotations");
    }
}

/// Sets `mediaType`, right behind `schemaVersion` when it is new, where every other tool writes it.
pub(super) fn set_media_type(map: &mut Map<String, Value>, media_type: &str) {
    let value = Value::from(media_type);
    if let Some(slot) = map.get_mut("mediaType") {
        *slot = value;
    } else {
        let at = usize::from(map.contains_key("schemaVersion"));
        map.shift_insert(at.min(map.len()), "mediaType".to_owned(), value);
    }
}

/// Enough of a text from outside to recognise it.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, count) in [("0", 1), ("[]", 2), ("[0,0]", 3), (r#"{"a":",,[\"{,","b":[1]}"#, 6)] {
            assert_eq!(json_values(text.as_bytes()), count, "{text}");
        }
        let zeros = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(limits::JSON_VALUES));
        let error = object(zeros.as_bytes(), &super::super::known::CONFIG, "config x").unwrap_err().to_string();
        assert!(error.starts_with("config x: expected at most 1,048,576 entries in all lists"), "{error}");
    }
}
