//! A mirror on this machine that lets podman and CRI-O pull single files from registries that don't answer several ranges.

mod config;
mod install;
mod listen;

pub use config::{ClientConfig, ConfigError, DEFAULT_HOSTS};
pub use install::{InstallError, Installed, install};
pub use listen::{Listen, ListenError};
