//! Where an image is, in the notation of containers-transports(5): `TRANSPORT:PATH[:TAG]`, or `docker://NAME[:TAG]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::BlobDigest;
use crate::registry;
use crate::registry::names::{Name, NameError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// An OCI layout in a directory.
    Oci,
    /// An OCI layout in a tar file.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
    /// A root file system.
    Dir,
    /// A registry.
    Docker,
    /// What podman, buildah and CRI-O keep.
    ContainersStorage,
    /// What a docker daemon keeps.
    DockerDaemon,
}

impl Transport {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Dir => "dir",
            Self::Docker => "docker",
            Self::ContainersStorage => "containers-storage",
            Self::DockerDaemon => "docker-daemon",
        }
    }

    /// What follows the colon is a file's or directory's path.
    pub const fn is_file(self) -> bool {
        matches!(self, Self::Oci | Self::OciArchive | Self::DockerArchive | Self::Dir)
    }

    const fn is_archive(self) -> bool {
        matches!(self, Self::OciArchive | Self::DockerArchive)
    }
}

/// Which of the images at a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Which {
    Tag(String),
    /// As skopeo counts: from 0, in the order of the place's own list.
    Position(usize),
    /// Of a manifest or index; in a docker-archive, which has neither, of the config.
    Digest(BlobDigest),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Position(position) => write!(f, "@{position}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    transport: Transport,
    path: PathBuf,
    which: Option<Which>,
    /// Of an image in a registry.
    name: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error(
        "{found:?}: expected TRANSPORT:PATH[:TAG] with oci, oci-archive, docker-archive or dir, or \
         docker://HOST/REPOSITORY[:TAG], containers-storage:NAME[:TAG] or docker-daemon:NAME:TAG"
    )]
    NoTransport { found: String },
    #[error("{found:?}: the transport {transport:?} is not supported yet in this version")]
    Unsupported { found: String, transport: String },
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("{found:?}: expected docker://HOST/REPOSITORY[:TAG|@DIGEST]")]
    NoSlashes { found: String },
    #[error("{found:?}: expected containers-storage:NAME[:TAG|@ID]")]
    NoImage { found: String },
    #[error("{found:?}: expected docker-daemon:NAME:TAG")]
    NoDaemonTag { found: String },
    #[error("{found:?}: expected a path after \"{transport}:\"")]
    NoPath { found: String, transport: &'static str },
    #[error("{found:?}: a root file system has no tag, but {tag:?} follows the path (which ends at the first colon)")]
    TagOnDir { found: String, tag: String },
    #[error(
        "{found:?}: expected a tag of letters and digits, joined by single - . _ : @ + or /, found {tag:?} (the path \
         ends at the first colon)"
    )]
    BadTag { found: String, tag: String },
    #[error(
        "{found:?}: expected @N with an image's number, from 0 on, or @sha256:HEX with its digest, found {which:?}"
    )]
    BadChoice { found: String, which: String },
}

impl Reference {
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Of files; in a registry, host and repository; in a store, all that names the image.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `-` as an archive's file: standard input, or standard output.
    pub fn is_stdio(&self) -> bool {
        self.transport.is_archive() && self.path == Path::new("-")
    }

    /// Of an image in a registry.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    pub fn which(&self) -> Option<&Which> {
        self.which.as_ref()
    }

    pub fn tag(&self) -> Option<&str> {
        match &self.which {
            Some(Which::Tag(tag)) => Some(tag),
            _ => None,
        }
    }

    /// Another image at the same place. A registry's images have no numbers, and a store's name says which one already.
    pub fn choosing(&self, which: Which) -> Self {
        if matches!(self.transport, Transport::ContainersStorage | Transport::DockerDaemon) {
            return self.clone();
        }
        let Some(name) = &self.name else { return Self { which: Some(which), ..self.clone() } };
        let other = match which {
            Which::Tag(tag) => format!("{}:{tag}", name.place()).parse().ok(),
            Which::Digest(digest) => format!("{}@{digest}", name.place()).parse().ok(),
            Which::Position(_) => None,
        };
        other.map_or_else(|| self.clone(), |name: Name| Self::from(name))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let found = text.to_owned();
        let (name, rest) = text.split_once(':').unwrap_or(("", text));
        if name == Transport::Docker.name() {
            let name = rest.strip_prefix("//").ok_or_else(|| ReferenceError::NoSlashes { found: shown(text) })?;
            return Ok(Self::from(name.parse::<Name>()?));
        }
        if name == Transport::ContainersStorage.name() || name == Transport::DockerDaemon.name() {
            return stored(name, rest, found);
        }
        let transports = [Transport::Oci, Transport::OciArchive, Transport::DockerArchive, Transport::Dir];
        let Some(transport) = transports.into_iter().find(|transport| transport.name() == name) else {
            let transport = name.to_owned();
            return Err(match OTHERS.contains(&name) {
                true => ReferenceError::Unsupported { found, transport },
                false => ReferenceError::NoTransport { found },
            });
        };
        let (path, which) = match rest.split_once(':') {
            Some((path, which)) => (path, Some(which)),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(ReferenceError::NoPath { found, transport: transport.name() });
        }
        if let (Transport::Dir, Some(tag)) = (transport, which) {
            return Err(ReferenceError::TagOnDir { found, tag: tag.to_owned() });
        }
        let which = which.map(|which| choice(which, found)).transpose()?;
        Ok(Self { transport, path: PathBuf::from(path), which, name: None })
    }
}

/// An image that another program finds, which knows best what may be a name.
fn stored(transport: &str, image: &str, found: String) -> Result<Reference, ReferenceError> {
    let last = image.rsplit('/').next().unwrap_or(image);
    let transport = match transport == Transport::DockerDaemon.name() {
        // Without a tag docker saves all of a name's images.
        true if image.is_empty() || !last.contains([':', '@']) => return Err(ReferenceError::NoDaemonTag { found }),
        true => Transport::DockerDaemon,
        false if image.is_empty() => return Err(ReferenceError::NoImage { found }),
        false => Transport::ContainersStorage,
    };
    Ok(Reference { transport, path: PathBuf::from(image), which: None, name: None })
}

impl From<Name> for Reference {
    fn from(name: Name) -> Self {
        let which = match name.which() {
            registry::names::Which::Tag(tag) => Which::Tag(tag.clone()),
            registry::names::Which::Digest(digest) => Which::Digest(*digest),
        };
        Self { transport: Transport::Docker, path: PathBuf::from(name.place()), which: Some(which), name: Some(name) }
    }
}

/// Up to what may be a password.
fn shown(text: &str) -> String {
    if text.contains('@') { "docker:..".to_owned() } else { text.to_owned() }
}

/// No tag begins with an `@`.
fn choice(text: &str, found: String) -> Result<Which, ReferenceError> {
    let Some(rest) = text.strip_prefix('@') else {
        let tag = text.to_owned();
        return if is_tag(text) { Ok(Which::Tag(tag)) } else { Err(ReferenceError::BadTag { found, tag }) };
    };
    let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let position = is_number.then(|| rest.parse().ok().map(Which::Position)).flatten();
    let digest = || rest.parse().ok().map(Which::Digest);
    position.or_else(digest).ok_or_else(|| ReferenceError::BadChoice { found, which: text.to_owned() })
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            return write!(f, "docker://{name}");
        }
        write!(f, "{}:{}", self.transport.name(), self.path.display())?;
        match &self.which {
            Some(which) => write!(f, ":{which}"),
            None => Ok(()),
        }
    }
}

/// Other transports of skopeo, from which it can copy.
const OTHERS: [&str; 4] = ["ostree", "sif", "atomic", "tarball"];

/// The grammar of `org.opencontainers.image.ref.name` (OCI annotations.md).
fn is_tag(tag: &str) -> bool {
    tag.split('/').all(|component| {
        let bytes = component.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
            && component.split(|c: char| c.is_ascii_alphanumeric()).all(|separator| {
                matches!(separator, "" | "--") || (separator.len() == 1 && "-._:@+".contains(separator))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Reference>().unwrap_err().to_string()
    }

    #[test]
    fn prints_what_it_parsed() {
        for (text, path, tag) in [
            ("oci:/a/b", "/a/b", None),
            ("oci:a:latest", "a", Some("latest")),
            ("oci-archive:x.tar:docker.io/library/x:1.2--rc_1", "x.tar", Some("docker.io/library/x:1.2--rc_1")),
            ("docker-archive:x.tar:alpine:3.19", "x.tar", Some("alpine:3.19")),
            ("dir:./root", "./root", None),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.path(), reference.tag()), (Path::new(path), tag));
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn chooses_by_position_and_digest() {
        let digest = BlobDigest::from_bytes([0xab; 32]);
        for (choice, which) in [
            ("@0".to_owned(), Which::Position(0)),
            ("@17".to_owned(), Which::Position(17)),
            (format!("@{digest}"), Which::Digest(digest)),
        ] {
            let text = format!("oci-archive:a.tar:{choice}");
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.which(), reference.tag()), (Some(&which), None));
            assert_eq!(reference.to_string(), text);
        }
        for bad in ["@", "@-1", "@+1", "@x", "@1a", "@sha256:ab", "@99999999999999999999999", "@@0"] {
            assert!(error(&format!("oci:dir:{bad}")).contains("expected @N"), "{bad}");
        }
    }

    #[test]
    fn a_registrys_image_is_named_in_full() {
        let reference: Reference = "docker://alpine".parse().unwrap();
        assert_eq!(
            (reference.transport(), reference.path()),
            (Transport::Docker, Path::new("docker.io/library/alpine"))
        );
        assert_eq!(reference.to_string(), "docker://docker.io/library/alpine:latest");
        let other = reference.choosing(Which::Tag("3.19".to_owned()));
        assert_eq!(other.to_string(), "docker://docker.io/library/alpine:3.19");
        assert_eq!(other.to_string().parse(), Ok(other.clone()));
        assert_eq!((other.tag(), other.choosing(Which::Position(1))), (Some("3.19"), other.clone()));
        let digest = format!("sha256:{}", "ab".repeat(32));
        let exact: Reference = format!("docker://localhost:5000/a/b@{digest}").parse().unwrap();
        assert!(matches!(exact.which(), Some(Which::Digest(_))));
        assert_eq!(exact.to_string(), format!("docker://localhost:5000/a/b@{digest}"));
    }

    #[test]
    fn a_store_gets_the_name_as_it_is() {
        for (text, transport) in [
            ("containers-storage:localhost/app:v1", Transport::ContainersStorage),
            ("containers-storage:[overlay@/a b+/run]app@0123", Transport::ContainersStorage),
            ("docker-daemon:app:v1", Transport::DockerDaemon),
            ("docker-daemon:localhost:5000/app:v1", Transport::DockerDaemon),
            ("docker-daemon:sha256:0123", Transport::DockerDaemon),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.transport(), reference.which()), (transport, None), "{text}");
            assert_eq!((reference.to_string(), reference.choosing(Which::Position(1))), (text.to_owned(), reference));
        }
    }

    #[test]
    fn a_dash_is_standard_input_or_output() {
        for (text, is_stdio) in [
            ("docker-archive:-", true),
            ("oci-archive:-:v1", true),
            ("oci-archive:./-", false),
            ("oci:-", false),
            ("dir:-", false),
            ("containers-storage:-", false),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().is_stdio(), is_stdio, "{text}");
        }
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        assert!(error("alpine:3.19").contains("expected TRANSPORT:PATH[:TAG]"));
        assert!(error("ostree:x").contains("not supported yet"));
        assert!(error("docker-daemon:x").contains("expected docker-daemon:NAME:TAG"));
        assert!(error("docker-daemon:").contains("expected docker-daemon:NAME:TAG"));
        assert!(error("docker-daemon:localhost:5000/x").contains("expected docker-daemon:NAME:TAG"));
        assert!(error("containers-storage:").contains("expected containers-storage:NAME"));
        assert!(error("docker:quay.io/x").contains("expected docker://HOST/REPOSITORY"));
        assert!(error("docker://quay.io/X").contains("expected a repository in lower case"));
        for hidden in ["docker:me:secret@quay.io/x", "docker://me:secret@quay.io/x"] {
            assert!(!error(hidden).contains("secret"), "{hidden}");
        }
        assert!(error("oci:").contains("expected a path"));
        assert!(error("oci::tag").contains("expected a path"));
        assert!(error("dir:/root:tag").contains("no tag"));
        for tag in ["", "-a", "a-", "a..b", "a b", "a//b", "a---b"] {
            assert!(error(&format!("oci:dir:{tag}")).contains("expected a tag"), "{tag}");
        }
    }
}
