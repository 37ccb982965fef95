//! SHA-256 identities, one type for each meaning, so that a DiffID can never be taken for a blob digest.
//!
//! Parsing and printing only: streams are hashed in [`crate::codec`].

use std::fmt;
use std::str::FromStr;

/// Why a text is not a digest that this tool can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("digest {found:?}: expected the algorithm sha256")]
    Algorithm { found: String },
    #[error("digest {found:?}: expected 64 lower-case hexadecimal digits after \"sha256:\"")]
    Hex { found: String },
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes of a finished SHA-256.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 hexadecimal digits without the algorithm's name.
            pub fn hex(&self) -> String {
                faster_hex::hex_string(&self.0)
            }

            /// The first 12 digits, for messages and tables.
            pub fn short(&self) -> String {
                self.hex()[..12].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.hex())
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                parse(text).map(Self)
            }
        }
    };
}

digest_type! {
    /// SHA-256 of a blob as stored and sent: manifest, config or compressed layer.
    BlobDigest
}
digest_type! {
    /// SHA-256 of a layer's uncompressed tar (OCI image spec, config.md, `rootfs.diff_ids`).
    DiffId
}
digest_type! {
    /// SHA-256 of one regular file's whole content (`digest` in a TOC entry).
    FileDigest
}
digest_type! {
    /// SHA-256 of one chunk of a regular file's content (`chunkDigest` in a TOC entry).
    ChunkDigest
}

fn parse(text: &str) -> Result<[u8; 32], DigestError> {
    let Some(hex) = text.strip_prefix("sha256:") else {
        return Err(DigestError::Algorithm { found: text.chars().take(100).collect() });
    };
    let bad = || DigestError::Hex { found: text.chars().take(100).collect() };
    if hex.len() != 64 || hex.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(bad());
    }
    let mut bytes = [0; 32];
    faster_hex::hex_decode(hex.as_bytes(), &mut bytes).map_err(|_| bad())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parsed() {
        let text = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(text.parse::<BlobDigest>().unwrap().to_string(), text);
    }

    #[test]
    fn names_what_it_found() {
        assert!(matches!("md5:00".parse::<DiffId>(), Err(DigestError::Algorithm { found }) if found == "md5:00"));
        assert!(matches!("sha256:00".parse::<DiffId>(), Err(DigestError::Hex { .. })));
        assert!(format!("sha256:{}", "A".repeat(64)).parse::<DiffId>().is_err());
    }
}
