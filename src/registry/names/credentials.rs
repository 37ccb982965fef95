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

    fn in_files(&self, place: &str) -> Result<Option<Credentials>, CredentialsError> {
        if let Some(path) = self.authfile.or(self.environment.auth_file.as_deref()) {
            let path = path.to_owned();
            return match self.in_file(&path, Format::Current, place)? {
                InFile::NoFile => Err(CredentialsError::Missing { path }),
                InFile::Says(found) => Ok(found),
            };
        }
        for (path, format) in paths(self.environment) {
            if let InFile::Says(Some(found)) = self.in_file(&path, format, place)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn in_file(&self, path: &Path, format: Format, place: &str) -> Result<InFile, CredentialsError> {
        let Some(bytes) = files::read(path, limits::SETTINGS_BYTES)? else { return Ok(InFile::NoFile) };
        let path = || path.to_owned();
        let found = AuthFile::parse(&bytes, format).and_then(|file| file.find(place));
        let ask = |name: &str, server: &str| helper::ask(name, server, self.environment, helper::PATIENCE);
        let found = match found.map_err(|fault| CredentialsError::Damaged { path: path(), fault })? {
            Found::Nothing => Ok(None),
            Found::Credentials(credentials) => Ok(Some(credentials)),
            Found::Helper { name, server } => ask(&name, &server),
            // podman does not know these at all, and docker's desktop names one that is not on every machine.
            Found::Store { name, server } => match ask(&name, &server) {
                Err(HelperError::Missing { .. }) => Ok(None),
                answer => answer,
            },
        };
        found.map(InFile::Says).map_err(|source| CredentialsError::Helper { path: path(), source })
    }
}

enum InFile {
    NoFile,
    Says(Option<Credentials>),
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
