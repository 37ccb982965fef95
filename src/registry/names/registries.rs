//! All files of registries.conf(5) and registries.conf.d(5) together, and where they lead a name.

use std::path::PathBuf;

use crate::limits;

use super::Purpose;
use super::conf::{Conf, ConfFault, Pull, Registry};
use super::credentials::FILES;
use super::environment::Environment;
use super::files::{self, FileError};
use super::name::{Name, Which};
use super::shown::shown_place;

#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path:?}: expected the registries.conf that the environment names, found none")]
    Missing { path: PathBuf },
    #[error("{path:?}: {fault}")]
    Damaged { path: PathBuf, fault: ConfFault },
    #[error("{name}: registries.conf blocks {prefix}")]
    Blocked { name: String, prefix: String },
    #[error("{name}: expected HOST[:PORT]/REPOSITORY from registries.conf, found {place} by the prefix {prefix}")]
    Place { name: String, prefix: String, place: String },
}

#[derive(Debug)]
pub(super) struct Registries(Conf);

/// Where an image may be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub name: Name,
    pub insecure: bool,
}

impl Registries {
    pub(super) fn load(environment: &Environment) -> Result<Self, RegistriesError> {
        let of_user = environment.at_home(".config/containers/registries.conf");
        let drop_ins_of_user = environment.at_home(".config/containers/registries.conf.d");
        let system = || environment.system("etc/containers/registries.conf");
        let drop_ins_of_system = || environment.system("etc/containers/registries.conf.d");
        let mut drop_ins = vec![drop_ins_of_system()];
        let mut main = None;
        if let Some(path) = &environment.registries_conf {
            main = Some(read(path.clone(), false)?.ok_or_else(|| RegistriesError::Missing { path: path.clone() })?);
        } else if let Some(path) = of_user {
            main = read(path, false)?;
            // The user's main file is instead of all that the system has.
            if main.is_some() {
                drop_ins.clear();
            }
        }
        let mut all = match main {
            Some(main) => main,
            None => read(system(), false)?.unwrap_or_default(),
        };
        drop_ins.extend(drop_ins_of_user);
        for dir in drop_ins {
            let names = files::list(&dir, limits::SETTINGS_FILES)?.unwrap_or_default();
            for name in names.into_iter().filter(|name| name.ends_with(".conf")) {
                let path = dir.join(name);
                // A directory's name says nothing.
                let Some(later) = (if path.is_dir() { None } else { read(path, true)? }) else { continue };
                all.registries.extend(later.registries);
                all.helpers = later.helpers.or(all.helpers);
            }
        }
        Ok(Self(all))
    }

    /// What is asked for credentials.
    pub(super) fn helpers(&self) -> Vec<String> {
        match &self.0.helpers {
            Some(helpers) if !helpers.is_empty() => helpers.clone(),
            _ => vec![FILES.to_owned()],
        }
    }

    /// Mirrors come first. As in podman, they and other locations are for reading alone.
    pub(super) fn sources(&self, name: &Name, purpose: Purpose) -> Result<Vec<Source>, RegistriesError> {
        let Some((registry, matched)) = self.find(name) else {
            return Ok(vec![Source { name: name.clone(), insecure: false }]);
        };
        let blocked = || RegistriesError::Blocked { name: name.to_string(), prefix: shown_place(&registry.prefix) };
        if purpose == Purpose::Write {
            let source = Source { name: name.clone(), insecure: registry.insecure };
            return if registry.blocked { Err(blocked()) } else { Ok(vec![source]) };
        }
        let rest = name.place().split_off(matched);
        let moved = |location: &str| {
            let place = format!("{location}{rest}");
            let wrong = || RegistriesError::Place {
                name: name.to_string(),
                prefix: shown_place(&registry.prefix),
                place: shown_place(&place),
            };
            name.at(&place).ok_or_else(wrong)
        };
        let is_by_digest = matches!(name.which(), Which::Digest(_));
        let mut sources = Vec::new();
        for mirror in &registry.mirrors {
            if mirror.pull == Pull::All || (mirror.pull == Pull::ByDigest) == is_by_digest {
                sources.push(Source { name: moved(&mirror.location)?, insecure: mirror.insecure });
            }
        }
        if !registry.blocked {
            let name = registry.location.as_deref().map_or_else(|| Ok(name.clone()), moved)?;
            sources.push(Source { name, insecure: registry.insecure });
        }
        // A place can be blocked by its own name, too. Mirrors of a blocked place stay: clusters without internet have
        // them.
        sources.retain(|source| !self.find(&source.name).is_some_and(|(registry, _)| registry.blocked));
        if sources.is_empty() { Err(blocked()) } else { Ok(sources) }
    }

    /// The longest prefix, and where it ends in the name's place.
    fn find(&self, name: &Name) -> Option<(&Registry, usize)> {
        let place = name.place();
        let matching =
            self.0.registries.values().filter_map(|registry| Some((registry, matched(&place, &registry.prefix)?)));
        // Of two as long the first counts.
        matching.rev().max_by_key(|(registry, _)| registry.prefix.len())
    }
}

/// Where the prefix ends in the place. As in podman, `host` matches `host:5000`, too.
fn matched(place: &str, prefix: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            let at = place.find(domain)?;
            if place[..at].contains('/') {
                return None;
            }
            at + domain.len()
        }
        _ => place.starts_with(prefix).then_some(prefix.len())?,
    };
    (end == place.len() || place[end..].starts_with([':', '/'])).then_some(end)
}

fn read(path: PathBuf, is_drop_in: bool) -> Result<Option<Conf>, RegistriesError> {
    let Some(bytes) = files::read(&path, limits::SETTINGS_BYTES)? else { return Ok(None) };
    Conf::parse(&bytes, is_drop_in).map(Some).map_err(|fault| RegistriesError::Damaged { path, fault })
}
