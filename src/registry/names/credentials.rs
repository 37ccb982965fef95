//! Who the user is at a registry: what options, files and helpers say, in the order of containers-auth.json(5).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::limits;
use crate::registry::endpoint::{Credentials, Secret};

use super::auth_file::{AuthFault, AuthFile, Format, Found};
use super::environment::Environment;
use super::files::{self, FileError};
use super::helper::{self, HelperError};

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path:?}: expected the file with credentials that was named, found none")]
    Missing { path: PathBuf },
    #[error("{path:?}: {fault}")]
    Damaged { path: PathBuf, fault: AuthFault },
    #[error("{path:?}: {source}")]
    Helper { path: PathBuf, source: HelperError },
    #[error("credential-helpers of registries.conf: {0}")]
    GlobalHelper(HelperError),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected USER[:PASSWORD], found {0}")]
pub struct CredsError(&'static str);

/// `--creds USER[:PASSWORD]`. Nobody is asked for a password: without one it is empty.
impl FromStr for Credentials {
    type Err = CredsError;

    fn from_str(text: &str) -> Result<Self, CredsError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        match (text, user) {
            ("", _) => Err(CredsError("nothing")),
            (_, "") => Err(CredsError("no user before the colon")),
            _ => Ok(Self::Basic { user: user.to_owned(), password: Secret::new(password.to_owned()) }),
        }
    }
}

/// The name in registries.conf for all files.
pub(super) const FILES: &str = "containers-auth.json";

pub(super) struct Lookup<'a> {
    pub environment: &'a Environment,
    /// `--authfile`.
    pub authfile: Option<&'a Path>,
    /// `credential-helpers` of registries.conf.
    pub helpers: &'a [String],
}

impl Lookup<'_> {
    /// For `HOST/REPOSITORY`. The first that knows it counts; one that fails counts where none knows it.
    pub(super) fn find(&self, place: &str) -> Result<Option<Credentials>, CredentialsError> {
        let host = place.split('/').next().unwrap_or(place);
        let mut failed = None;
        for name in self.helpers {
            let found = match name.as_str() {
                FILES => self.in_files(place),
                name => {
                    let asked = helper::ask(name, host, self.environment, helper::PATIENCE);
                    asked.map_err(CredentialsError::GlobalHelper)
                }
            };
            match found {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Helpers for all registries come after all files: podman does not know them, so that what it finds counts first.
    fn in_files(&self, place: &str) -> Result<Option<Credentials>, CredentialsError> {
        let named = self.authfile.or(self.environment.auth_file.as_deref());
        let paths = match named {
            Some(path) => vec![(path.to_owned(), Format::Current)],
            None => paths(self.environment),
        };
        let mut stores = Vec::new();
        for (path, format) in paths {
            match self.in_file(&path, format, place)? {
                None if named.is_some() => return Err(CredentialsError::Missing { path }),
                None | Some(Found::Nothing) => {}
                Some(Found::Store { name, server }) => stores.push((path, name, server)),
                Some(Found::Credentials(credentials)) => return Ok(Some(credentials)),
                Some(Found::Helper { name, server }) => {
                    let asked = helper::ask(&name, &server, self.environment, helper::PATIENCE);
                    if let Some(credentials) = asked.map_err(|source| CredentialsError::Helper { path, source })? {
                        return Ok(Some(credentials));
                    }
                }
            }
        }
        for (path, name, server) in stores {
            match helper::ask(&name, &server, self.environment, helper::PATIENCE) {
                // docker's desktop names one that is not on every machine.
                Ok(None) | Err(HelperError::Missing { .. }) => {}
                Ok(found) => return Ok(found),
                Err(source) => return Err(CredentialsError::Helper { path, source }),
            }
        }
        Ok(None)
    }

    /// None where there is no such file.
    fn in_file(&self, path: &Path, format: Format, place: &str) -> Result<Option<Found>, CredentialsError> {
        let Some(bytes) = files::read(path, limits::SETTINGS_BYTES)? else { return Ok(None) };
        let found = AuthFile::parse(&bytes, format).and_then(|file| file.find(place));
        found.map(Some).map_err(|fault| CredentialsError::Damaged { path: path.to_owned(), fault })
    }
}

/// Where credentials are when nobody says where, first to last.
fn paths(environment: &Environment) -> Vec<(PathBuf, Format)> {
    let of_login = match &environment.runtime_dir {
        Some(dir) => dir.join("containers/auth.json"),
        None => environment.system(&format!("run/containers/{}/auth.json", environment.uid)),
    };
    let config_home = environment.config_home.clone().or_else(|| environment.at_home(".config"));
    let docker = environment.docker_config.clone().or_else(|| environment.at_home(".docker"));
    let current = [
        Some(of_login),
        config_home.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ];
    let current = current.into_iter().flatten().map(|path| (path, Format::Current));
    current.chain(environment.at_home(".dockercfg").map(|path| (path, Format::Old))).collect()
}
