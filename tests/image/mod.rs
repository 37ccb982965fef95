//! OCI layouts written and read with none of restrata's own readers: the `tar`, `zstd` and `flate2` crates, and
//! an applier that mounts layers as overlayfs does.

#![allow(dead_code, reason = "each test uses a part")]

pub mod layout;
pub mod read;
pub mod tree;

use std::rc::Rc;

use restrata::tar::{EntryKind, Header};
use sha2::{Digest, Sha256};

/// An entry as a test makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub header: Header,
    pub content: Content,
}

/// File content, cheap to copy.
#[derive(Clone, PartialEq)]
pub struct Content(pub Rc<[u8]>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Content {
    /// The same bytes for the same numbers; about half of them compress away.
    pub fn new(seed: u64, len: usize) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut block = [0; 4096];
        for byte in &mut block {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
            *byte = if state >> 63 == 0 { b'x' } else { (state >> 40) as u8 };
        }
        let mut bytes = block.repeat(len.div_ceil(block.len()));
        bytes.truncate(len);
        for (count, piece) in (0_u32..).zip(bytes.chunks_exact_mut(block.len())) {
            piece[..4].copy_from_slice(&count.to_le_bytes());
        }
        Self(bytes.into())
    }
}

/// A layer's tar, with Go's and GNU tar's two zero blocks at the end.
pub fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for Entry { header, content } in entries {
        tar.extend(restrata::tar::encode(header));
        if header.kind == EntryKind::Regular {
            assert_eq!(header.size, content.0.len() as u64);
            tar.extend_from_slice(&content.0);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
