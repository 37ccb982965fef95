//! The registries behind the bridge: a client for each, and as whom it asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::progress::Progress;
use crate::registry::names::{LookupError, Name, Purpose, Target, resolve};
use crate::registry::{Client, Endpoint, Reach, RegistryError};
use crate::threads::lock;

use super::route::Place;

/// After this a login counts that was made meanwhile.
const LOOKED_UP: Duration = Duration::from_secs(30);
/// Repositories and clients that are remembered.
const REMEMBERED: usize = 256;

pub(super) struct Upstreams<'p> {
    reach: Reach,
    /// The user's own credentials are shown.
    is_local: bool,
    targets: Mutex<HashMap<(String, String), (Instant, Target)>>,
    clients: Mutex<Vec<(Endpoint, Arc<Client<'p>>)>>,
    progress: &'p Progress,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("{0}")]
    Name(#[from] crate::registry::names::NameError),
    #[error("{0}")]
    Lookup(#[from] LookupError),
    #[error("{0}")]
    Registry(#[from] RegistryError),
    #[error("a name without a place")]
    Nowhere,
}

impl<'p> Upstreams<'p> {
    pub fn new(reach: Reach, is_local: bool, progress: &'p Progress) -> Self {
        Self { reach, is_local, targets: Mutex::default(), clients: Mutex::default(), progress }
    }

    /// A client for a repository, and the repository's name there.
    pub fn find(&self, place: &Place) -> Result<(Arc<Client<'p>>, String), UpstreamError> {
        let target = self.target(place)?;
        let mut clients = lock(&self.clients);
        if let Some((_, client)) = clients.iter().find(|(endpoint, _)| *endpoint == target.endpoint) {
            return Ok((client.clone(), target.repository));
        }
        let client = Arc::new(Client::new(target.endpoint.clone(), self.reach.options.clone(), self.progress)?);
        if clients.len() >= REMEMBERED {
            clients.remove(0);
        }
        clients.push((target.endpoint, client.clone()));
        Ok((client, target.repository))
    }

    /// A client for what is no repository's.
    pub fn root(&self, host: &str) -> Result<Arc<Client<'p>>, UpstreamError> {
        Ok(self.find(&Place::root(host))?.0)
    }

    fn target(&self, place: &Place) -> Result<Target, UpstreamError> {
        let key = (place.host.clone(), place.repository.clone());
        if let Some((looked_up, target)) = lock(&self.targets).get(&key)
            && looked_up.elapsed() < LOOKED_UP
        {
            return Ok(target.clone());
        }
        let name: Name = format!("{}/{}", place.host, place.repository).parse()?;
        // Mirrors are for reading: they lead to this bridge. So it asks as who writes does.
        let found = resolve(&name, &self.reach.access, &self.reach.environment, Purpose::Write)?;
        let mut target = found.into_iter().next().ok_or(UpstreamError::Nowhere)?;
        if !self.is_local {
            target.endpoint.credentials = None;
            target.endpoint.tls.client = None;
        }
        let mut targets = lock(&self.targets);
        if targets.len() >= REMEMBERED {
            targets.clear();
        }
        targets.insert(key, (Instant::now(), target.clone()));
        Ok(target)
    }
}
