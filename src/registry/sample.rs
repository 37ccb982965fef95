//! How a registry answers for a blob, told by a few bytes of each answer. What clients can do there follows from it.

use super::blob::whole;
use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError};
use super::ranges::{Wire, range_header};
use super::reply::Reply;
use crate::digest::BlobDigest;
use crate::span::Span;
use crate::units;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub answer: Sampled,
    /// The host that the registry sent the client to, if it did not answer itself.
    pub elsewhere: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sampled {
    /// 206: each range as it was asked for, in its order, and nothing else.
    Parts,
    /// 200: the whole blob, of which nothing is read.
    Whole,
    /// Another status.
    Refused(u16),
    /// An answer that no client expects, or none, in words that are safe to show.
    Odd(String),
}

/// How a registry answers who asks it to mount a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountAnswer {
    /// 201.
    Mounted,
    /// 202: it began an upload instead, which is ended again.
    Upload,
    /// The status that says that the user may not.
    Denied(u16),
    /// Another status.
    Refused(u16),
    /// An answer that no client expects, or none, in words that are safe to show.
    Odd(String),
}

impl Repository<'_, '_> {
    /// Mounts the blob, where the registry does it. The other repository has to have it.
    pub fn sample_mount(&self, digest: BlobDigest, from: &str) -> Result<MountAnswer, RegistryError> {
        let failure = match self.ask_to_mount(digest, from) {
            Ok(true) => return Ok(MountAnswer::Mounted),
            Ok(false) => return Ok(MountAnswer::Upload),
            Err(RegistryError::Failed(failure)) => failure,
            Err(error) => return Err(error),
        };
        Ok(match failure.fault {
            Fault::Denied { status, .. } => MountAnswer::Denied(status),
            Fault::Status { found: status, .. } => MountAnswer::Refused(status),
            Fault::NotFound { .. } => MountAnswer::Refused(404),
            fault => MountAnswer::Odd(fault.to_string()),
        })
    }

    /// [`Sampled::Whole`] where the registry has the blob.
    pub fn sample_head(&self, digest: BlobDigest, size: u64) -> Result<Sample, RegistryError> {
        let path = self.blob_path(digest);
        self.sample(&Wanted::new("HEAD", &path), digest, size, &[])
    }

    /// `spans` are as for [`Repository::ranges`], and small: where the registry sends them, they are read.
    pub fn sample_ranges(&self, digest: BlobDigest, size: u64, spans: &[Span]) -> Result<Sample, RegistryError> {
        let path = self.blob_path(digest);
        let headers = [("Range", range_header(spans.iter()))];
        self.sample(&Wanted { headers: &headers, ..Wanted::new("GET", &path) }, digest, size, spans)
    }

    fn sample(&self, wanted: &Wanted, digest: BlobDigest, size: u64, spans: &[Span]) -> Result<Sample, RegistryError> {
        let asked = self.ask(wanted, |reply| {
            let elsewhere = (!reply.own).then(|| reply.request.host.clone());
            let answer = match reply.status {
                200 => whole(reply, size).map(|_| Sampled::Whole)?,
                206 => parts(reply, size, spans)?,
                status => {
                    let error = reply.refused("a blob", &format!("the blob {digest}"));
                    if error.is_temporary() {
                        return Err(error);
                    }
                    Sampled::Refused(status)
                }
            };
            Ok(Sample { answer, elsewhere })
        });
        let failure = match asked {
            // With more tries it would have been no answer at all.
            Err(error) if self.asks_once && error.is_temporary() => return Err(error),
            Err(RegistryError::Failed(failure)) => failure,
            asked => return asked,
        };
        let elsewhere = (failure.request.host != self.client.host()).then(|| failure.request.host.clone());
        let answer = match failure.fault {
            Fault::Status { found: status, .. } | Fault::Denied { status, .. } => Sampled::Refused(status),
            fault => Sampled::Odd(fault.to_string()),
        };
        Ok(Sample { answer, elsewhere })
    }
}

/// podman takes the parts as they come and does not look at their ranges, so that joined ones are of no use to it.
fn parts(reply: Reply, size: u64, spans: &[Span]) -> Result<Sampled, RegistryError> {
    let mut wire = Wire::new(reply)?;
    for (at, span) in spans.iter().enumerate() {
        match wire.next()? {
            Some(range) if range.is(span.start(), span.end(), size) => wire.pass(*span)?,
            Some(_) => return Ok(Sampled::Odd("206 with other ranges than were asked for".to_owned())),
            None => {
                let (found, all) = (units::count(at as u64), units::count(spans.len() as u64));
                return Ok(Sampled::Odd(format!("206 with {found} of {all} ranges")));
            }
        }
    }
    Ok(match wire.next()? {
        None => Sampled::Parts,
        Some(_) => Sampled::Odd("206 with more ranges than were asked for".to_owned()),
    })
}
