//! Puts the clients' configuration into a directory, beside what is there.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::config::{ClientConfig, MARK, PULL_OPTIONS};
use crate::limits::SETTINGS_BYTES;

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{path:?}: expected no file, or one that 'restrata bridge' wrote, found another; nothing is written")]
    NotOurs { path: PathBuf },
    #[error(
        "{path:?}: it has an entry for {host} already, and clients take only one of two; nothing is written. Add the bridge \
         there as its first mirror (restrata bridge --print-config shows it), or remove that entry"
    )]
    Taken { path: PathBuf, host: String },
    #[error("{path:?}: {doing}: {source}")]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
}

/// What was written, and what is left to do. Its text says both.
#[derive(Debug, PartialEq, Eq)]
pub struct Installed {
    pub files: Vec<PathBuf>,
    /// Read by all versions of podman, and never written here: a new one would replace the system's own.
    pub storage_conf: PathBuf,
    pub storage: Storage,
}

/// What `storage.conf` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    PartialPulls,
    WholeLayers,
    Absent,
}

const NAME: &str = "60-restrata-bridge.conf";

/// Writes both files or none. Files that the bridge wrote before are replaced.
pub fn install(dir: &Path, config: &ClientConfig) -> Result<Installed, InstallError> {
    let wanted = [("registries.conf.d", config.registries()), ("storage.conf.d", ClientConfig::storage())];
    let wanted = wanted.map(|(sub, text)| (dir.join(sub), text));
    let mut replaced = Vec::new();
    for (dir, _) in &wanted {
        replaced.push(is_ours(&dir.join(NAME))?);
    }
    expect_no_other(dir, config)?;
    let staged = wanted.iter().map(|(dir, text)| staged(dir, text)).collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = Vec::new();
    for (((dir, _), staged), replaces) in wanted.iter().zip(staged).zip(&replaced) {
        let path = dir.join(NAME);
        if let Err(error) = named(staged, &path, *replaces) {
            // What was replaced was the bridge's own, and the next run writes it again.
            files
                .iter()
                .zip(&replaced)
                .filter(|(_, replaced)| !**replaced)
                .for_each(|(path, _)| drop(fs::remove_file(path)));
            return Err(error);
        }
        files.push(path);
    }
    let storage_conf = dir.join("storage.conf");
    let storage = storage(&storage_conf)?;
    Ok(Installed { files, storage_conf, storage })
}

/// False where there is nothing; an error where something else is in the way.
fn is_ours(path: &Path) -> Result<bool, InstallError> {
    let not_ours = || InstallError::NotOurs { path: path.to_owned() };
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(InstallError::Io { path: path.to_owned(), doing: "looking at it", source }),
    };
    if !kind.is_file() {
        return Err(not_ours());
    }
    match read(path)?.starts_with(MARK.as_bytes()) {
        true => Ok(true),
        false => Err(not_ours()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SETTINGS_BYTES).read_to_end(&mut bytes))
        .map_err(|source| InstallError::Io { path: path.to_owned(), doing: "reading it", source })?;
    Ok(bytes)
}

/// The whole file, on disk, under a name that no client reads.
fn staged(dir: &Path, text: &str) -> Result<NamedTempFile, InstallError> {
    let write = || {
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().prefix(".restrata-bridge-").tempfile_in(dir)?;
        file.write_all(text.as_bytes())?;
        // Whatever the umask: every user's podman reads what is in /etc, and fails where it can't.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|source| InstallError::Io { path: dir.to_owned(), doing: "writing a file there", source })
}

fn named(staged: NamedTempFile, path: &Path, replaces: bool) -> Result<(), InstallError> {
    let named = match replaces {
        true => staged.persist(path),
        false => staged.persist_noclobber(path),
    };
    match named {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(InstallError::NotOurs { path: path.to_owned() })
        }
        Err(error) => Err(InstallError::Io { path: path.to_owned(), doing: "giving it its name", source: error.error }),
    }
}

/// Of two entries for one registry, clients take the one of the file that comes last, and that one alone: the user's own
/// mirrors, or what he blocked, would be gone.
fn expect_no_other(dir: &Path, config: &ClientConfig) -> Result<(), InstallError> {
    let mut files = vec![dir.join("registries.conf")];
    let parts = dir.join("registries.conf.d");
    match fs::read_dir(&parts) {
        Ok(entries) => files.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(InstallError::Io { path: parts, doing: "listing it", source }),
    }
    files.retain(|path| {
        path.extension().is_some_and(|end| end == "conf") && path.file_name().is_some_and(|it| it != NAME)
    });
    files.sort();
    for path in files.into_iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        // What can't be read as registries.conf(5) is for podman to complain about.
        let conf = toml::from_str::<RegistriesConf>(&text).unwrap_or_default();
        let mut prefixes = conf.registry.iter().map(|it| if it.prefix.is_empty() { &it.location } else { &it.prefix });
        if let Some(host) = prefixes.find(|prefix| config.hosts().any(|host| host == prefix.as_str())) {
            return Err(InstallError::Taken { host: host.clone(), path });
        }
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RegistriesConf {
    registry: Vec<RegistryTable>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RegistryTable {
    prefix: String,
    location: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StorageConf {
    storage: StorageTable,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StorageTable {
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    pull_options: PullOptions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PullOptions {
    enable_partial_images: String,
}

/// What can't be read as storage.conf(5) is for podman to complain about.
fn storage(path: &Path) -> Result<Storage, InstallError> {
    if !path.exists() {
        return Ok(Storage::Absent);
    }
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let conf = toml::from_str::<StorageConf>(&text).unwrap_or_default();
    match conf.storage.options.pull_options.enable_partial_images.to_lowercase() == "true" {
        true => Ok(Storage::PartialPulls),
        false => Ok(Storage::WholeLayers),
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conf = self.storage_conf.display();
        for file in &self.files {
            writeln!(f, "written: {}", file.display())?;
        }
        let older = "\
Podman and CRI-O with containers/storage older than 1.63 do not read storage.conf.d. podman 5.4 is one of them.";
        match self.storage {
            Storage::PartialPulls => writeln!(f, "{conf} switches partial pulls on already.")?,
            Storage::WholeLayers => writeln!(
                f,
                "\n{older}\nFor them, put this line into the table [storage.options] of {conf}:\n  {PULL_OPTIONS}"
            )?,
            // podman 5.4 does not start as root where the file leaves these out.
            Storage::Absent => writeln!(
                f,
                "\n{older}
For them, make {conf}.
It replaces /usr/share/containers/storage.conf: if there is one, copy it and add the last two lines. Else:
  [storage]
  driver = \"overlay\"
  runroot = \"/run/containers/storage\"       # without root: leave out
  graphroot = \"/var/lib/containers/storage\" # without root: leave out
  [storage.options]
  {PULL_OPTIONS}"
            )?,
        }
        write!(f, "\nTo remove the bridge: rm")?;
        self.files.iter().try_for_each(|file| write!(f, " {}", file.display()))?;
        writeln!(f)
    }
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
