//! Certificates for a registry: containers-certs.d(5).

use std::path::{Path, PathBuf};

use crate::limits;
use crate::registry::endpoint::{ClientCertificate, Secret};

use super::environment::Environment;
use super::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path:?}: expected the directory with certificates that was named, found none")]
    NoDir { path: PathBuf },
    #[error("{path:?}: expected a key {key:?} beside the client certificate; a certificate authority's ends in .crt")]
    NoKey { path: PathBuf, key: String },
    #[error("{path:?}: expected a client certificate {certificate:?} beside the key")]
    NoCertificate { path: PathBuf, certificate: String },
    #[error("{path:?}: expected a key in PEM, found bytes that are no text")]
    Key { path: PathBuf },
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certs {
    pub roots: Vec<Vec<u8>>,
    pub client: Option<ClientCertificate>,
}

impl Certs {
    /// For a host as users name it. `--cert-dir` is the directory itself, for whatever host.
    pub(super) fn load(host: &str, dir: Option<&Path>, environment: &Environment) -> Result<Self, CertsError> {
        if let Some(dir) = dir {
            let names = files::list(dir, limits::SETTINGS_FILES)?;
            return Self::of(dir, &names.ok_or_else(|| CertsError::NoDir { path: dir.to_owned() })?);
        }
        let system = ["etc/containers/certs.d", "etc/docker/certs.d"].map(|dir| Some(environment.system(dir)));
        let dirs = [environment.at_home(".config/containers/certs.d")].into_iter().chain(system).flatten();
        // The first that exists counts alone. One that is not for this user's eyes may be for another's.
        for dir in dirs.map(|dir| dir.join(host)) {
            match files::list(&dir, limits::SETTINGS_FILES) {
                Ok(None) => {}
                Err(FileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {}
                Ok(Some(names)) => return Self::of(&dir, &names),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self::default())
    }

    fn of(dir: &Path, names: &[String]) -> Result<Self, CertsError> {
        let mut certs = Self::default();
        let has = |name: &str| names.iter().any(|other| other == name);
        for name in names {
            let path = dir.join(name);
            if name.ends_with(".crt") {
                // One that was removed since the list was made is not missed.
                certs.roots.extend(files::read(&path, limits::SETTINGS_BYTES)?);
            } else if let Some(base) = name.strip_suffix(".cert") {
                let key = format!("{base}.key");
                let pair = if has(&key) { pair(&path, &dir.join(&key))? } else { None };
                // Of several the first is shown to the registry.
                certs.client = certs.client.or(Some(pair.ok_or(CertsError::NoKey { path, key })?));
            } else if let Some(base) = name.strip_suffix(".key") {
                let certificate = format!("{base}.cert");
                if !has(&certificate) {
                    return Err(CertsError::NoCertificate { path, certificate });
                }
            }
        }
        Ok(certs)
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<Option<ClientCertificate>, CertsError> {
    let read = |path| files::read(path, limits::SETTINGS_BYTES);
    let Some((certificate, bytes)) = read(certificate)?.zip(read(key)?) else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| CertsError::Key { path: key.to_owned() })?;
    Ok(Some(ClientCertificate { certificate, key: Secret::new(text) }))
}
