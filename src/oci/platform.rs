//! Operating system and architecture, spelt as Go spells them.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::Arch;
use serde_json::{Map, Value};

use super::OciError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on the architecture that this program was built for.
    pub fn host() -> Self {
        Self { os: "linux".to_owned(), architecture: Arch::default().to_string(), variant: None }
    }

    /// From a config, or from `platform` of an index entry.
    pub(super) fn from_fields(map: &Map<String, Value>) -> Option<Self> {
        let text = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self { os: text("os")?, architecture: text("architecture")?, variant: text("variant") })
    }

    pub(super) fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("architecture".to_owned(), Value::from(self.architecture.as_str()));
        map.insert("os".to_owned(), Value::from(self.os.as_str()));
        if let Some(variant) = &self.variant {
            map.insert("variant".to_owned(), Value::from(variant.as_str()));
        }
        Value::Object(map)
    }

    /// buildkit's mark on attestations.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// True for the very platform; 64-bit ARM without a variant is v8, as in containerd.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_family(other) && self.full_variant() == other.full_variant()
    }

    /// True when only the variants may differ.
    pub fn is_same_family(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture
    }

    fn full_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None) => Some("v8"),
            (_, variant) => variant,
        }
    }
}

impl FromStr for Platform {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word =
            |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(word) {
            return Err(OciError::Platform { found: super::json::excerpt(text) });
        }
        // The kernel's names are what `uname -m` prints, so people type them.
        let architecture = match parts[1] {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(Self {
            os: parts[0].to_owned(),
            architecture: architecture.to_owned(),
            variant: parts.get(2).map(|&variant| variant.to_owned()),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, printed) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), printed);
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/arm64/v8/x", "linux /amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn compares_variants_as_containerd() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        assert!(platform("linux/arm64").is_same(&platform("linux/arm64/v8")));
        assert!(!platform("linux/arm").is_same(&platform("linux/arm/v7")));
        assert!(platform("linux/arm").is_same_family(&platform("linux/arm/v7")));
    }

    #[test]
    fn spells_the_host_as_go_does() {
        if cfg!(target_arch = "x86_64") {
            assert_eq!(Platform::host().to_string(), "linux/amd64");
        }
    }
}
