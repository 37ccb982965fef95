//! Files of a system and its user in a temporary directory, for tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Access, Environment, Purpose, Target, resolve};
use crate::registry::endpoint::{Credentials, Secret};

pub struct World {
    dir: TempDir,
    pub environment: Environment,
}

impl World {
    /// With a user's home, the directory of a session and one for programs, all empty.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut environment = Environment::below(dir.path());
        environment.uid = 1000;
        environment.home = Some(dir.path().join("home"));
        environment.runtime_dir = Some(dir.path().join("session"));
        let programs = format!("bin:{}:/usr/bin:/bin", dir.path().join("bin").display());
        environment.programs = programs.into();
        Self { dir, environment }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Copied by a program: a file that this process has open while another thread starts a child is busy.
    pub fn helper(&self, name: &str, script: &str) {
        let text = self.file("script", format!("#!/bin/sh\n{script}\n"));
        fs::create_dir_all(self.path("bin")).unwrap();
        let program = self.path(&format!("bin/docker-credential-{name}"));
        assert!(Command::new("install").args(["-m", "755"]).arg(text).arg(program).status().unwrap().success());
    }

    pub fn try_resolve(&self, name: &str, access: &Access, purpose: Purpose) -> Result<Vec<Target>, String> {
        resolve(&name.parse().unwrap(), access, &self.environment, purpose).map_err(|error| error.to_string())
    }

    pub fn read(&self, name: &str) -> Vec<Target> {
        self.try_resolve(name, &Access::default(), Purpose::Read).unwrap()
    }

    pub fn error(&self, name: &str) -> String {
        self.try_resolve(name, &Access::default(), Purpose::Read).unwrap_err()
    }

    /// The user, or the token, that is shown to the first place.
    pub fn user(&self, name: &str) -> Option<String> {
        user(self.read(name).remove(0))
    }
}

pub fn user(target: Target) -> Option<String> {
    target.endpoint.credentials.map(|credentials| match credentials {
        Credentials::Basic { user, password } => format!("{user}:{}", password.expose()),
        Credentials::IdentityToken(token) => format!("token {}", token.expose()),
    })
}

pub fn basic(user: &str, password: &str) -> Credentials {
    Credentials::Basic { user: user.to_owned(), password: Secret::new(password.to_owned()) }
}
