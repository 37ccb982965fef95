//! How a registry answers what clients ask for, and which client that means what for. Reads a few kilobytes.
//!
//! | file | does |
//! | --- | --- |
//! | `open` | the first place that has the image, and the image's largest layer |
//! | `ask` | the requests |
//! | `mount` | whether the registry mounts the layer into another repository, which is the only thing that writes |
//! | `judge` | what follows from the answers; pure |

mod ask;
mod judge;
mod mount;
mod open;

pub(crate) use judge::said;

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod mount_tests;
#[cfg(test)]
mod tests;

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::order::cost::RegistryProfile;
use crate::progress::Progress;
use crate::registry::names::Name;
use crate::registry::{MountAnswer, Reach, RegistryError, Repository, Sample, Traffic};
use crate::source::SourceError;

use open::{Opened, open, reference};

#[derive(Debug, Clone)]
pub struct Request {
    pub name: Name,
    /// Another repository of the same host, into which the layer is mounted. `None`: nothing is written.
    pub mount: Option<String>,
    pub reach: Reach,
}

#[derive(Debug, Clone)]
pub struct Probed {
    /// `docker://` and the name in full.
    pub reference: String,
    /// `HOST/REPOSITORY` that was asked: a mirror's, if one has the image.
    pub place: String,
    /// Of the image's manifest.
    pub digest: BlobDigest,
    /// The layer that was asked for.
    pub layer: BlobDigest,
    pub layer_size: u64,
    pub answers: Vec<Answered>,
    /// `None`: that was not asked for.
    pub mount: Option<Mount>,
    /// The other hosts that blobs come from.
    pub elsewhere: Vec<String>,
    /// `None`: the answers fit none.
    pub profile: Option<RegistryProfile>,
    pub verdicts: Vec<Verdict>,
    /// What to do about it.
    pub hints: Vec<String>,
    pub traffic: Traffic,
    /// Places that were tried before.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub question: Question,
    pub sample: Sample,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Head,
    /// So many ranges in one request. Two come first, of a blob that is cold, as far as this run goes.
    Ranges(usize),
    /// The same two ranges once more, of a blob that is warm by now: caches answer in their own way.
    TwoAgain,
}

/// What became of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `HOST/REPOSITORY`.
    pub into: String,
    /// It had the layer before, so that the answer says little.
    pub was_there: bool,
    /// `None`: a mirror has the image, and nobody pushes to mirrors. So nothing was asked.
    pub answer: Option<MountAnswer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub client: ProbeClient,
    pub pulls: Pulls,
    /// In words, behind what `pulls` says.
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeClient {
    /// Everyone without partial pulls.
    Plain,
    /// podman with partial pulls.
    Podman,
    /// podman from 6.1 on, which goes on to other places where one has an error.
    PodmanMirror,
}

impl ProbeClient {
    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Podman => "podman",
            Self::PodmanMirror => "podman-mirror",
        }
    }
}

/// How a client pulls a changed layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulls {
    Parts,
    Whole,
    Fails,
    /// From the next mirror, or from the registry that the mirror is for.
    Elsewhere,
    /// The layer is too small to tell.
    Unknown,
}

impl Pulls {
    /// As reports have it; the first three as [`PullOutcome`](crate::order::cost::PullOutcome) names them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parts => "partial",
            Self::Whole => "whole",
            Self::Fails => "failed",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        }
    }
}

/// Why podman with partial pulls fails on a layer that needs up to this many ranges. A few bytes of the layer are read.
pub fn failing_pull(
    repository: &Repository<'_, '_>,
    layer: BlobDigest,
    size: u64,
    ranges: usize,
) -> Result<Option<String>, RegistryError> {
    Ok(judge::failing(&ask::ask_first(repository, layer, size, ranges)?))
}

pub fn probe(request: &Request, progress: &Progress) -> Result<Probed, Error> {
    let into = request.mount.as_deref().map(|repository| mount::place(&request.name, repository)).transpose()?;
    let Opened { found, digest, layer, size } = open(request, progress)?;
    let failed = |source| SourceError::Registry { place: reference(&request.name), source };
    let repository = found.client.repository(&found.repository).map_err(failed)?;
    let answers = ask::ask(&repository, layer, size).map_err(failed)?;
    let mut elsewhere: Vec<String> = answers.iter().filter_map(|answered| answered.sample.elsewhere.clone()).collect();
    elsewhere.sort();
    elsewhere.dedup();
    let mounted = into.map(|into| mount::mount(request, &into, &repository, layer, progress)).transpose()?;
    let (mount, more) = mounted.unzip();
    let mut judged = judge::judge(&answers);
    judged.hints.extend(mount.as_ref().map(judge::mounted));
    Ok(Probed {
        reference: reference(&request.name),
        digest,
        layer,
        layer_size: size,
        answers,
        mount,
        elsewhere,
        profile: judged.profile,
        verdicts: judged.verdicts,
        hints: judged.hints,
        traffic: more.into_iter().chain([found.client.traffic()]).sum(),
        place: found.place,
        notes: found.passed,
    })
}
