//! What of the process's surroundings counts when a registry is looked up.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A value, so that a test or a program with its own rules needs no global state. Nothing else here reads variables.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What files of the system are below: `/`.
    pub root: PathBuf,
    pub uid: u32,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `DOCKER_CONFIG`, a directory.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF` or, where that is not set, `REGISTRIES_CONFIG_PATH`.
    pub registries_conf: Option<PathBuf>,
    /// `PATH`, for credential helpers.
    pub programs: OsString,
}

impl Environment {
    /// Of this process.
    pub fn current() -> Self {
        Self::of(|name| env::var_os(name), rustix::process::getuid().as_raw())
    }

    /// A variable that is empty is not set.
    fn of(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Self {
        let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            root: PathBuf::from("/"),
            uid,
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            config_home: path("XDG_CONFIG_HOME"),
            docker_config: path("DOCKER_CONFIG"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF").or_else(|| path("REGISTRIES_CONFIG_PATH")),
            programs: variable("PATH").unwrap_or_default(),
        }
    }

    /// With nothing set and all files below a directory.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            uid: 0,
            home: None,
            runtime_dir: None,
            config_home: None,
            docker_config: None,
            auth_file: None,
            registries_conf: None,
            programs: OsString::new(),
        }
    }

    pub(super) fn system(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_their_places() {
        let all = Environment::of(|name| Some(name.into()), 7);
        let named = |name: &str| Some(PathBuf::from(name));
        assert_eq!((all.root.as_path(), all.uid), (Path::new("/"), 7));
        assert_eq!((all.home, all.runtime_dir), (named("HOME"), named("XDG_RUNTIME_DIR")));
        assert_eq!((all.config_home, all.docker_config), (named("XDG_CONFIG_HOME"), named("DOCKER_CONFIG")));
        assert_eq!(all.auth_file, named("REGISTRY_AUTH_FILE"));
        assert_eq!(all.registries_conf, named("CONTAINERS_REGISTRIES_CONF"));
        assert_eq!(all.programs, "PATH");

        let older = Environment::of(|name| (name == "REGISTRIES_CONFIG_PATH").then(|| "older".into()), 7);
        assert_eq!((older.registries_conf, older.home, older.programs), (named("older"), None, OsString::new()));
        let empty = Environment::of(|_| Some(OsString::new()), 7);
        assert_eq!((empty.home, empty.auth_file, empty.registries_conf), (None, None, None));
    }
}
