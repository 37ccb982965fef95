//! The first place that has the image, and the image's largest layer.

use crate::digest::BlobDigest;
use crate::error::{Error, ProbeError};
use crate::limits;
use crate::oci::{Descriptor, Document, Index, Manifest, Platform, may_be_manifest};
use crate::progress::Progress;
use crate::registry::names::{Purpose, Target, Which, resolve};
use crate::registry::{self, Client, RegistryError, Repository};
use crate::source::mistyped;

use super::Request;

pub(super) struct Opened<'p> {
    pub client: Client<'p>,
    pub repository: String,
    /// `HOST/REPOSITORY`.
    pub place: String,
    pub digest: BlobDigest,
    pub layer: BlobDigest,
    pub size: u64,
}

pub(super) fn open<'p>(
    request: &Request,
    progress: &'p Progress,
    notes: &mut Vec<String>,
) -> Result<Opened<'p>, Error> {
    let targets = resolve(&request.name, &request.access, &request.environment, Purpose::Read)
        .map_err(|source| ProbeError::Lookup { reference: reference(request), source: Box::new(source) })?;
    let last = targets.len().saturating_sub(1);
    for (at, target) in targets.into_iter().enumerate() {
        let place = format!("{}/{}", target.endpoint.host, target.repository);
        match at_place(request, progress, target, &place) {
            Ok(opened) => return Ok(opened),
            Err(error) if at == last || error.exit_code() == 130 => return Err(error),
            Err(error) => notes.push(format!("the mirror {place} is passed over: {error}")),
        }
    }
    Err(Error::Internal("no place to look for an image"))
}

fn at_place<'p>(request: &Request, progress: &'p Progress, target: Target, place: &str) -> Result<Opened<'p>, Error> {
    let failed = |error| failed(request, error);
    let client = Client::new(target.endpoint, request.options.clone(), progress).map_err(failed)?;
    let repository = client.repository(&target.repository).map_err(failed)?;
    let (manifest, digest) = manifest(request, &repository)?;
    let layers = manifest.layers().iter().filter(|layer| !layer.raw().contains_key("urls"));
    let largest = layers.max_by_key(|layer| layer.size);
    let (layer, size) = match largest {
        Some(Descriptor { digest, size, .. }) if *size > 0 => (*digest, *size),
        _ => return Err(ProbeError::NoLayer { reference: reference(request) }.into()),
    };
    drop(repository);
    Ok(Opened { client, repository: target.repository, place: place.to_owned(), digest, layer, size })
}

/// Of the image for this machine; of another if there is none.
fn manifest(request: &Request, repository: &Repository<'_, '_>) -> Result<(Manifest, BlobDigest), Error> {
    let mut found = match request.name.which() {
        Which::Digest(digest) => repository.manifest(&registry::Which::Digest(*digest)),
        Which::Tag(tag) => repository.manifest(&registry::Which::Tag(tag)),
    }
    .map_err(|error| absent(request, repository, error))?;
    for _ in 0..=limits::INDEX_DEPTH {
        let what = format!("{}: manifest {}", reference(request), found.digest);
        let declared = if may_be_manifest(&found.media_type) { found.media_type.as_str() } else { "" };
        let document = Document::parse(&found.bytes, declared, &what).map_err(ProbeError::Document)?;
        let index = match document {
            Document::Manifest(manifest) => return Ok((manifest, found.digest)),
            Document::Index(index) => index,
        };
        let Some(entry) = entry(&index, &what) else { break };
        found = repository.manifest(&registry::Which::Digest(entry.digest)).map_err(|error| failed(request, error))?;
    }
    Err(ProbeError::NoLayer { reference: reference(request) }.into())
}

fn entry(index: &Index, what: &str) -> Option<Descriptor> {
    let host = Platform::host();
    let entries = index.manifests().filter(|entry| may_be_manifest(entry.media_type()));
    let read = entries.filter_map(|entry| entry.descriptor(what).ok());
    let images: Vec<Descriptor> =
        read.filter(|entry| !entry.platform().is_some_and(|platform| platform.is_unknown())).collect();
    let of_host = images.iter().find(|entry| entry.platform().is_some_and(|platform| platform.is_same_family(&host)));
    of_host.or(images.first()).cloned()
}

/// With what the repository has instead, where it says so.
fn absent(request: &Request, repository: &Repository<'_, '_>, error: RegistryError) -> Error {
    let Which::Tag(tag) = request.name.which() else { return failed(request, error) };
    if !error.is_not_found() {
        return failed(request, error);
    }
    let mut available = match repository.tags() {
        Ok(tags) if !tags.is_empty() => tags,
        Err(RegistryError::Interrupted(interrupted)) => return interrupted.into(),
        _ => return failed(request, error),
    };
    let names: Vec<&str> = available.iter().map(String::as_str).collect();
    let near = mistyped(tag, &names).map(|near| format!("docker://{}:{near}", request.name.place()));
    available.sort();
    ProbeError::NoTag { reference: reference(request), tag: tag.clone(), available, near }.into()
}

pub(super) fn failed(request: &Request, error: RegistryError) -> Error {
    match error {
        RegistryError::Interrupted(interrupted) => interrupted.into(),
        source => ProbeError::Registry { reference: reference(request), source: Box::new(source) }.into(),
    }
}

fn reference(request: &Request) -> String {
    format!("docker://{}", request.name)
}
