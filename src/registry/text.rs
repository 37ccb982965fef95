//! What a registry says of an error, made safe to show.

use std::fmt;

use serde::Deserialize;

const SHOWN_CHARS: usize = 300;
const SHOWN_ERRORS: usize = 3;

/// Untrusted text in quotes, escaped and cut.
pub(super) fn shown(text: &str) -> String {
    let cut = if text.chars().nth(SHOWN_CHARS).is_some() { "..." } else { "" };
    format!("\"{}{cut}\"", text.chars().take(SHOWN_CHARS).collect::<String>().escape_debug())
}

/// The registry's own words; nothing where it said nothing of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub errors: Vec<SaidError>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidError {
    /// As the distribution spec has them: `MANIFEST_UNKNOWN`.
    pub code: String,
    pub message: String,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
    // What token servers and some registries send instead.
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default, alias = "error_description", alias = "details")]
    message: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    message: serde_json::Value,
}

impl Said {
    pub(super) fn parse(body: &[u8]) -> Self {
        let Ok(found) = serde_json::from_slice::<Errors>(body) else { return Self::default() };
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.chars().take(SHOWN_CHARS).collect(),
            serde_json::Value::Number(number) => number.to_string().chars().take(20).collect(),
            _ => String::new(),
        };
        let listed = found.errors.iter().map(|one| SaidError { code: text(&one.code), message: text(&one.message) });
        let mut errors: Vec<_> = listed.filter(|one| !one.is_empty()).take(SHOWN_ERRORS).collect();
        if errors.is_empty() {
            let text = |value: Option<serde_json::Value>| value.as_ref().map(text).unwrap_or_default();
            let one = SaidError { code: text(found.error), message: text(found.message) };
            errors.extend((!one.is_empty()).then_some(one));
        }
        Self { errors }
    }

    pub fn has_code(&self, code: &str) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }
}

impl SaidError {
    fn is_empty(&self) -> bool {
        self.code.is_empty() && self.message.is_empty()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors.iter().enumerate() {
            f.write_str(if number == 0 { ": the registry says " } else { ", " })?;
            match (error.code.as_str(), error.message.as_str()) {
                (code, "") => f.write_str(&shown(code))?,
                ("", message) => f.write_str(&shown(message))?,
                (code, message) => f.write_str(&shown(&format!("{code}: {message}")))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_escaped_and_bounded() {
        let said = |body: &str| Said::parse(body.as_bytes()).to_string();
        let one = r#"{"errors":[{"code":"DENIED","message":"no \u001b[31m access\u202e","detail":[{}]}]}"#;
        assert_eq!(said(one), r#": the registry says "DENIED: no \u{1b}[31m access\u{202e}""#);
        assert_eq!(
            said(r#"{"error":"invalid_grant","error_description":"old"}"#).as_str(),
            r#": the registry says "invalid_grant: old""#
        );
        assert_eq!(said(r#"{"errors":[{"code":401}]}"#), r#": the registry says "401""#);
        for nothing in ["", "<html>", "[]", "{}", r#"{"errors":[]}"#, r#"{"errors":[{}]}"#, r#"{"errors":3}"#] {
            assert_eq!(said(nothing), "", "{nothing}");
        }
        let many = format!(r#"{{"errors":[{}{{"code":"Z"}}]}}"#, r#"{"code":"A"},"#.repeat(50));
        assert_eq!(said(&many), r#": the registry says "A", "A", "A""#);
        let long = said(&format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(9000)));
        assert!(long.len() < 400, "{long}");
    }
}
