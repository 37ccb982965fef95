//! Whether a registry mounts a blob. There is no way to ask without doing it.

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::progress::Progress;
use crate::registry::names::{Name, Purpose, Target, resolve};
use crate::registry::{Client, RegistryError, Repository, Traffic};
use crate::source::SourceError;

use super::open::reference;
use super::{Mount, Request};

/// Where the layer is to go.
pub(super) fn place(name: &Name, repository: &str) -> Result<Name, Error> {
    let into = name.beside(repository).filter(|into| into.place() != name.place());
    into.ok_or_else(|| refused(name))
}

fn refused(name: &Name) -> Error {
    Error::MountPlace { host: name.host().to_owned(), repository: name.repository().to_owned() }
}

/// By a client of its own, with the credentials that a push to that place has.
pub(super) fn mount(
    request: &Request,
    into: &Name,
    from: &Repository<'_, '_>,
    layer: BlobDigest,
    progress: &Progress,
) -> Result<(Mount, Traffic), Error> {
    let failed = |source| SourceError::Registry { place: reference(into), source };
    let targets = resolve(into, &request.reach.access, &request.reach.environment, Purpose::Write)
        .map_err(|source| SourceError::Lookup { place: reference(into), source: Box::new(source) })?;
    let target = targets.into_iter().next();
    let Target { endpoint, repository } = target.ok_or(SourceError::Internal("a name without a place"))?;
    let mount = Mount { into: into.place(), was_there: false, answer: None };
    if endpoint.host != from.host() {
        return Ok((mount, Traffic::default()));
    }
    // registries.conf can lead both names to one place.
    if repository == from.name() {
        return Err(refused(&request.name));
    }
    let client = Client::new(endpoint, request.reach.options.clone(), progress).map_err(failed)?;
    let repository = client.repository(&repository).map_err(failed)?;
    let was_there = match repository.clone().for_push().has_blob(layer) {
        Ok(size) => size.is_some(),
        Err(error @ RegistryError::Interrupted(_)) => return Err(failed(error).into()),
        // The mount gets the same answer, and tells it.
        Err(_) => false,
    };
    let answer = Some(repository.sample_mount(layer, from.name()).map_err(failed)?);
    Ok((Mount { was_there, answer, ..mount }, client.traffic()))
}
