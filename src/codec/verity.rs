//! The fs-verity digest of a file (Linux, Documentation/filesystems/fsverity.rst).

use super::Sha256Stream;

/// Bytes of a block, of content as of digests.
const BLOCK: usize = 4096;
const DIGEST: usize = 32;

/// A running fs-verity digest: SHA-256, blocks of 4,096 bytes, no salt, as composefs wants it. Memory: a block a level.
#[derive(Debug, Clone, Default)]
pub struct Verity {
    size: u64,
    /// Unfinished blocks: content, then digests of it, and so on.
    levels: Vec<Vec<u8>>,
}

impl Verity {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, content: &[u8]) {
        self.size += content.len() as u64;
        self.push(0, content);
    }

    fn push(&mut self, level: usize, mut bytes: &[u8]) {
        if self.levels.len() == level {
            self.levels.push(Vec::with_capacity(BLOCK));
        }
        while !bytes.is_empty() {
            // A full block waits until more comes: the last one of the highest level is the root's.
            if self.levels[level].len() == BLOCK {
                self.close(level);
            }
            let block = &mut self.levels[level];
            let len = bytes.len().min(BLOCK - block.len());
            block.extend_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
        }
    }

    /// The block's digest goes to the level above.
    fn close(&mut self, level: usize) {
        let mut block = std::mem::take(&mut self.levels[level]);
        block.resize(BLOCK, 0);
        let digest = Sha256Stream::of(&block);
        block.clear();
        self.levels[level] = block;
        self.push(level + 1, &digest);
    }

    pub fn finish(mut self) -> [u8; DIGEST] {
        let mut level = 0;
        // Digests go up until one block holds all that there is.
        while level + 1 < self.levels.len() {
            self.close(level);
            level += 1;
        }
        let root = match self.levels.pop() {
            Some(mut block) => {
                block.resize(BLOCK, 0);
                Sha256Stream::of(&block)
            }
            None => [0; DIGEST],
        };
        // struct fsverity_descriptor: version 1, SHA-256, blocks of 2^12, no salt.
        let mut descriptor = [0; 256];
        descriptor[..3].copy_from_slice(&[1, 1, 12]);
        descriptor[8..16].copy_from_slice(&self.size.to_le_bytes());
        descriptor[16..48].copy_from_slice(&root);
        Sha256Stream::of(&descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(content: &[u8], piece: usize) -> String {
        let mut verity = Verity::new();
        content.chunks(piece).for_each(|piece| verity.update(piece));
        faster_hex::hex_string(&verity.finish())
    }

    /// As `mkcomposefs` 1.0.8 and `fsverity digest` give them.
    #[test]
    fn digests() {
        let numbers: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
        let known = [
            (vec![0; 65], "2d98e93d22d214e78052ae99e8a15efdb456e1a14295d3cb161b559eb35311a7"),
            (numbers.into_bytes(), "daf471aa939bd07796cc73bb8cec3f5ce59b8c43fe969d9bae5c253fc29ee10f"),
            (Vec::new(), "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"),
        ];
        for (content, expected) in known {
            for piece in [1, 1000, BLOCK, 1 << 20] {
                assert_eq!(digest(&content, piece), expected);
            }
        }
    }

    /// Where a level is just full, or has just one byte more.
    #[test]
    fn sizes_around_full_levels() {
        let fanout = BLOCK / DIGEST;
        let mut seen = std::collections::BTreeSet::new();
        for size in [BLOCK - 1, BLOCK, BLOCK + 1, fanout * BLOCK, fanout * BLOCK + 1, 2 * fanout * BLOCK] {
            let content = vec![7; size];
            let whole = digest(&content, size);
            assert_eq!(whole, digest(&content, 4095), "{size}");
            assert_eq!(whole, simple(&content), "{size}");
            assert!(seen.insert(whole));
        }
    }

    /// Level by level.
    fn simple(content: &[u8]) -> String {
        let mut level = content.to_vec();
        loop {
            let is_one = level.len() <= BLOCK;
            let hash = |block: &[u8]| {
                let mut block = block.to_vec();
                block.resize(BLOCK, 0);
                Sha256Stream::of(&block)
            };
            level = level.chunks(BLOCK).flat_map(hash).collect();
            if is_one {
                break;
            }
        }
        let mut descriptor = [0; 256];
        descriptor[..3].copy_from_slice(&[1, 1, 12]);
        descriptor[8..16].copy_from_slice(&(content.len() as u64).to_le_bytes());
        descriptor[16..48].copy_from_slice(&level);
        faster_hex::hex_string(&Sha256Stream::of(&descriptor))
    }
}
