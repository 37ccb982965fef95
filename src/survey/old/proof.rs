//! Whether an old layer is what it says. A previous image is an input like any other: its config, its TOC and its
//! annotations may lie, under digests that are right.

use std::io::{self, BufReader};

use crate::audit::{Blob, RULES, Said, fault};
use crate::cache::{Cache, Claim, Proof};
use crate::codec::{HashingReader, decompress};
use crate::compression::Compression;
use crate::digest::DiffId;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::origin::Origin;
use crate::progress::{Progress, SizeLimit, Stop};
use crate::registry::RegistryError;
use crate::source::{SourceError, bytes_of, read_of};
use crate::toc::{TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION};
use crate::watch::{Stamp, Watched};

use super::opened::OldLayer;
use super::trust::Standing;

/// How often a layer is proven that something writes to.
const PROOFS: usize = 3;

const GONE: &str = "the registry does not have it";

/// Hashing and inflating like large pieces.
const BUFFER: usize = 1 << 20;

impl OldLayer<'_> {
    /// Is the blob all that any client may ask of it: its digest, its DiffID, its TOC, its tar-split, and where its frames
    /// are? What this cache knows as proven is not unpacked again, and a file that was not written to since is not read
    /// again. Nothing that stands in the image itself spares a layer the questions.
    ///
    /// The answer is what is wrong with it, for a file also when the job is to stop: the next to look at the flag says so.
    pub fn lies(&self, cache: &Cache, size: &SizeLimit, progress: &Progress) -> Result<Option<String>, Error> {
        let claim = claim(&self.descriptor, self.diff_id);
        match &self.place {
            Origin::File(file) => Ok(self.lies_in(file, claim, cache, size, progress)),
            Origin::Registry(_) if self.standing != Standing::Unproven => Ok(None),
            Origin::Registry(_) => {
                progress.expect(self.descriptor.size);
                let fault = match self.fault(size, progress) {
                    Err(error) if is_networks(&error) => return Err(error),
                    fault => fault.unwrap_or_else(|error| Some(error.to_string())),
                };
                if fault.is_none() {
                    cache.remember_claim(self.descriptor.digest, claim);
                }
                Ok(fault)
            }
        }
    }

    fn lies_in(
        &self,
        file: &Watched,
        claim: Claim,
        cache: &Cache,
        size: &SizeLimit,
        progress: &Progress,
    ) -> Option<String> {
        let digest = self.descriptor.digest;
        let known = cache.proof(digest).filter(|known| known.claim == claim);
        if let Some(known) = known {
            if is_whole_file(file) && file.stamp() == Some(known.stamp) {
                return None;
            }
            if file.prove(digest, progress).is_ok_and(|is_proven| is_proven) {
                self.remember(cache, claim, file.stamp());
                return None;
            }
        }
        for _ in 0..PROOFS {
            progress.expect(self.descriptor.size);
            let stamp = match file.renew() {
                Ok(stamp) => stamp,
                Err(error) => return Some(error.to_string()),
            };
            if let Some(fault) = self.fault(size, progress).unwrap_or_else(|error| Some(error.to_string())) {
                return Some(fault);
            }
            if file.is(stamp) {
                self.remember(cache, claim, stamp);
                return None;
            }
        }
        Some("something writes to its blob all the time".to_owned())
    }

    fn remember(&self, cache: &Cache, claim: Claim, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            cache.remember(self.descriptor.digest, Proof { claim, stamp });
        }
    }

    /// As [`lies`](Self::lies), for a blob whose image nobody has opened: it may be gone.
    pub fn lies_or_is_gone(
        &self,
        cache: &Cache,
        size: &SizeLimit,
        progress: &Progress,
    ) -> Result<Option<String>, Error> {
        match &self.place {
            Origin::Registry(blob) if self.standing != Standing::Unproven => {
                let is_gone = blob.repository.lacks_blob(blob.digest);
                let is_gone = is_gone.map_err(|source| SourceError::Network(source.into()))?;
                Ok(is_gone.then(|| GONE.to_owned()))
            }
            _ => self.lies(cache, size, progress),
        }
    }

    fn fault(&self, size: &SizeLimit, progress: &Progress) -> Result<Option<String>, Error> {
        if self.descriptor.annotation(TOC_DIGEST).is_none() {
            return self.tar_fault(size, progress);
        }
        let blob = Blob::new(bytes_of(&self.place), self.reference.as_ref());
        let said = Said { descriptor: &self.descriptor, compression: self.compression, diff_id: Some(self.diff_id) };
        fault(said, &blob, size, progress)
    }
}

impl OldLayer<'_> {
    /// Of a layer without a TOC: its digest, its DiffID, and how it is compressed.
    fn tar_fault(&self, size: &SizeLimit, progress: &Progress) -> Result<Option<String>, Error> {
        let unpacked = || -> io::Result<(DiffId, Compression)> {
            let blob = read_of(&self.place, self.descriptor.digest)?;
            let (tar, compression) = decompress(progress.watch_blob(blob))?;
            let tar = HashingReader::new(progress.watch_size(tar, size));
            let mut tar = BufReader::with_capacity(BUFFER, tar);
            io::copy(&mut tar, &mut io::sink())?;
            Ok((DiffId::from_bytes(tar.into_inner().finish().unwrap_or_default()), compression))
        };
        match unpacked() {
            Ok((diff_id, _)) if diff_id != self.diff_id => {
                Ok(Some(format!("its tar is {diff_id}: expected {}", self.diff_id)))
            }
            Ok((_, found)) if found != self.compression => {
                Ok(Some(format!("it is {}: expected {}", found.name(), self.compression.name())))
            }
            Ok(_) => Ok(None),
            Err(error) => match (RegistryError::of(&error), Stop::of(&error)) {
                (_, Some(Stop::Interrupted(interrupted))) => Err(interrupted.into()),
                (Some(cause), _) if cause.is_not_found() => Ok(Some(GONE.to_owned())),
                (Some(cause), _) if !cause.is_damage() => Err(SourceError::Network(error).into()),
                _ => Ok(Some(error.to_string())),
            },
        }
    }
}

/// True where the registry or the way to it fails, which says nothing of the layer.
fn is_networks(error: &Error) -> bool {
    match error {
        Error::Source(SourceError::Io { source, .. } | SourceError::Network(source)) => {
            RegistryError::of(source).is_some_and(|error| !error.is_damage())
        }
        Error::Interrupted(_) => true,
        _ => false,
    }
}

/// False for a blob in an archive: the archive's stamp says nothing of where in it the blob was.
fn is_whole_file(file: &Watched) -> bool {
    file.file().metadata().is_ok_and(|meta| meta.len() == file.span().len())
}

/// All that the audit goes by beside the blob's own bytes, and who asked.
pub fn claim(descriptor: &Descriptor, diff_id: DiffId) -> Claim {
    let oci = descriptor.clone().into_oci();
    let annotation = |key| descriptor.annotation(key).map(str::as_bytes);
    Claim::of(&[
        Some(env!("CARGO_PKG_VERSION").as_bytes()),
        Some(&RULES.to_le_bytes()),
        Some(diff_id.as_bytes()),
        Some(&descriptor.size.to_le_bytes()),
        Some(oci.media_type.as_bytes()),
        annotation(TOC_DIGEST),
        annotation(TOC_POSITION),
        annotation(TAR_SPLIT_POSITION),
    ])
}
