//! What was proven about blobs. A file that was not written to since a proof still has the proven bytes.

use super::Cache;
use super::records::Kind;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::watch::Stamp;

/// Names the record's form; another form is a miss.
const MAGIC: [u8; 8] = *b"rstproo5";
const RECORD: usize = MAGIC.len() + 32 + 5 * 8 + 4;

/// What was found when a blob was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub claim: Claim,
    /// The file that held the blob then. [`Stamp::default`], which no file has, when none did.
    pub stamp: Stamp,
}

/// Everything that was said of a blob when it was proven: the digest of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim([u8; 32]);

impl Claim {
    /// Absent parts are told from empty ones.
    pub fn of(parts: &[Option<&[u8]>]) -> Self {
        let mut hash = Sha256Stream::new();
        for part in parts {
            let len = part.map_or(u64::MAX, |part| part.len() as u64);
            hash.update(&len.to_le_bytes());
            hash.update(part.unwrap_or_default());
        }
        Self(hash.finish())
    }
}

impl Cache {
    pub fn proof(&self, blob: BlobDigest) -> Option<Proof> {
        let record = self.records.read(Kind::Proof, &blob.hex(), RECORD as u64)?;
        decode(&record, blob)
    }

    pub fn remember(&self, blob: BlobDigest, proof: Proof) {
        self.records.put(Kind::Proof, &blob.hex(), &encode(proof, blob));
    }

    /// Whether a blob with these bytes is what is claimed of it, wherever it is now.
    pub fn has_proven(&self, blob: BlobDigest, claim: Claim) -> bool {
        self.proof(blob).is_some_and(|known| known.claim == claim)
    }

    /// A proof of a blob that is in no file: it was decoded on its way from or to a registry. What is known of a file
    /// that holds it stays.
    pub fn remember_claim(&self, blob: BlobDigest, claim: Claim) {
        if !self.has_proven(blob, claim) {
            self.remember(blob, Proof { claim, stamp: Stamp::default() });
        }
    }
}

/// The checksum covers the blob's digest, too: a record under another name is a miss.
fn checksum(body: &[u8], blob: BlobDigest) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(blob.as_bytes());
    crc.finalize().to_le_bytes()
}

fn encode(proof: Proof, blob: BlobDigest) -> Vec<u8> {
    let mut record = [MAGIC.as_slice(), &proof.claim.0].concat();
    proof.stamp.words().iter().for_each(|word| record.extend_from_slice(&word.to_le_bytes()));
    record.extend_from_slice(&checksum(&record, blob));
    record
}

fn decode(record: &[u8], blob: BlobDigest) -> Option<Proof> {
    let (body, sum) = record.split_at_checked(RECORD - 4)?;
    let (claim, rest) = body.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let mut words = [0; 5];
    for (word, bytes) in words.iter_mut().zip(rest.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let proof = Proof { claim: Claim(*claim), stamp: Stamp::from_words(words) };
    (sum == checksum(body, blob)).then_some(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Proof = Proof { claim: Claim([7; 32]), stamp: Stamp::from_words([1, 2, 3, u64::MAX, 5]) };
    const BLOB: BlobDigest = BlobDigest::from_bytes([1; 32]);

    #[test]
    fn a_claim_is_all_that_was_said() {
        let claims = [
            Claim::of(&[Some(b"a"), Some(b"b"), None]),
            Claim::of(&[Some(b"ab"), Some(b""), None]),
            Claim::of(&[Some(b"a"), Some(b"b"), Some(b"")]),
            Claim::of(&[Some(b"a"), Some(b"b")]),
        ];
        assert!(claims.iter().enumerate().all(|(at, claim)| !claims[..at].contains(claim)));
    }

    #[test]
    fn damage_is_a_miss() {
        let record = encode(PROOF, BLOB);
        assert_eq!(decode(&record, BLOB), Some(PROOF));
        assert_eq!(decode(&record, BlobDigest::from_bytes([3; 32])), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged, BLOB), None, "byte {at}");
            assert_eq!(decode(&record[..at], BLOB), None);
        }
        assert_eq!(decode(&[record, vec![0]].concat(), BLOB), None);
    }

    #[test]
    fn a_claim_without_a_file_holds_and_leaves_a_file_s_proof() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("new"));
        let other = Claim([8; 32]);
        assert!(!cache.has_proven(BLOB, PROOF.claim));
        cache.remember_claim(BLOB, PROOF.claim);
        assert!(cache.has_proven(BLOB, PROOF.claim) && !cache.has_proven(BLOB, other));
        assert_eq!(cache.proof(BLOB).unwrap().stamp, Stamp::default());
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_ne!(Stamp::of(&std::fs::metadata(&file).unwrap()), Stamp::default());

        cache.remember(BLOB, PROOF);
        cache.remember_claim(BLOB, PROOF.claim);
        assert_eq!(cache.proof(BLOB), Some(PROOF));
        // Something else was claimed of the same bytes: one record is enough.
        cache.remember_claim(BLOB, other);
        assert_eq!(cache.proof(BLOB), Some(Proof { claim: other, stamp: Stamp::default() }));

        Cache::default().remember_claim(BLOB, other);
        assert!(!Cache::default().has_proven(BLOB, other));
    }
}
