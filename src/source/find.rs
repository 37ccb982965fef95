//! The first place that has a registry's image: its mirrors, then the registry itself.

use super::{SourceError, choice, near};
use crate::oci::{Reference, Which};
use crate::progress::Progress;
use crate::registry::names::{self, Name, Purpose, Target, resolve};
use crate::registry::{self, Client, Document, Reach, RegistryError, Repository};

#[derive(Debug)]
pub struct Found<'p> {
    pub client: Client<'p>,
    pub repository: String,
    /// `HOST/REPOSITORY`.
    pub place: String,
    /// The manifest or index that the name leads to.
    pub root: Document,
    /// Places that were asked before, and why they were passed over.
    pub passed: Vec<String>,
}

/// Fails as the last place does.
pub fn find<'p>(name: &Name, reach: &Reach, progress: &'p Progress) -> Result<Found<'p>, SourceError> {
    let reference = Reference::from(name.clone());
    let failed = |source| SourceError::Registry { place: reference.to_string(), source };
    let targets = resolve(name, &reach.access, &reach.environment, Purpose::Read)
        .map_err(|source| SourceError::Lookup { place: reference.to_string(), source: Box::new(source) })?;
    let which = match name.which() {
        names::Which::Tag(tag) => registry::Which::Tag(tag),
        names::Which::Digest(digest) => registry::Which::Digest(*digest),
    };
    let (mut passed, last) = (Vec::new(), targets.len().saturating_sub(1));
    for (at, Target { endpoint, repository: name }) in targets.into_iter().enumerate() {
        let place = format!("{}/{name}", endpoint.host);
        let client = Client::new(endpoint, reach.options.clone(), progress).map_err(failed)?;
        let repository = client.repository(&name).map_err(failed)?;
        match repository.manifest(&which) {
            Ok(root) => {
                drop(repository);
                return Ok(Found { client, repository: name, place, root, passed });
            }
            Err(error @ RegistryError::Interrupted(_)) => return Err(failed(error)),
            Err(error) if at == last => {
                return Err(untagged(&reference, &repository, &error).unwrap_or_else(|| failed(error)));
            }
            Err(error) => passed.push(format!("the mirror {place} is passed over: {error}")),
        }
    }
    Err(SourceError::Internal("a name without a place"))
}

/// What a repository without the tag has instead, if it tells.
fn untagged(reference: &Reference, repository: &Repository<'_, '_>, error: &RegistryError) -> Option<SourceError> {
    let which = reference.which().filter(|which| matches!(which, Which::Tag(_)) && error.is_not_found())?;
    let tags = repository.tags().ok().filter(|tags| !tags.is_empty())?;
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    Some(choice::none(reference, which, near::first(&which.to_string(), &names), &names))
}
