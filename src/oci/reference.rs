//! Where an image is, in the notation of containers-transports(5): `TRANSPORT:PATH[:TAG]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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
}

impl Transport {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Dir => "dir",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    transport: Transport,
    path: PathBuf,
    tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("{found:?}: expected TRANSPORT:PATH[:TAG] with oci, oci-archive, docker-archive or dir; {hint}")]
    NoTransport { found: String, hint: String },
    #[error("{found:?}: the transport {transport:?} is not supported yet in this version; {hint}")]
    Unsupported { found: String, transport: String, hint: String },
    #[error("{found:?}: expected a path after \"{transport}:\"")]
    NoPath { found: String, transport: &'static str },
    #[error("{found:?}: a root file system has no tag, but {tag:?} follows the path (which ends at the first colon)")]
    TagOnDir { found: String, tag: String },
    #[error(
        "{found:?}: expected a tag of letters and digits, joined by single - . _ : @ + or /, found {tag:?} (the path \
         ends at the first colon)"
    )]
    BadTag { found: String, tag: String },
}

impl Reference {
    pub fn transport(&self) -> Transport {
        self.transport
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let found = text.to_owned();
        let (name, rest) = text.split_once(':').unwrap_or(("", text));
        let transports = [Transport::Oci, Transport::OciArchive, Transport::DockerArchive, Transport::Dir];
        let Some(transport) = transports.into_iter().find(|transport| transport.name() == name) else {
            return Err(no_transport(text, name));
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(ReferenceError::NoPath { found, transport: transport.name() });
        }
        match (transport, tag) {
            (Transport::Dir, Some(tag)) => return Err(ReferenceError::TagOnDir { found, tag: tag.to_owned() }),
            (_, Some(tag)) if !is_tag(tag) => return Err(ReferenceError::BadTag { found, tag: tag.to_owned() }),
            _ => {}
        }
        Ok(Self { transport, path: PathBuf::from(path), tag: tag.map(str::to_owned) })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.path.display())?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

/// Other transports of skopeo, from which it can copy.
const OTHERS: [&str; 7] = ["docker", "containers-storage", "docker-daemon", "ostree", "sif", "atomic", "tarball"];

fn no_transport(text: &str, name: &str) -> ReferenceError {
    let found = text.to_owned();
    if OTHERS.contains(&name) {
        let hint = format!("copy the image first: skopeo copy --preserve-digests {text} oci:DIR");
        return ReferenceError::Unsupported { found, transport: name.to_owned(), hint };
    }
    let looks_local = ["/", "./", "../", "~"].iter().any(|start| text.starts_with(start)) || Path::new(text).exists();
    let hint = if looks_local {
        format!(
            "perhaps oci:{text} for an OCI layout, oci-archive:{text} for a tar file, or dir:{text} for a root file system"
        )
    } else {
        format!("for an image in a registry copy it first: skopeo copy --preserve-digests docker://{text} oci:DIR")
    };
    ReferenceError::NoTransport { found, hint }
}

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
    fn hints_at_what_was_meant() {
        assert!(error("alpine").contains("docker://alpine"));
        assert!(error("alpine:3.19").contains("docker://alpine:3.19"));
        assert!(error("./dir").contains("dir:./dir"));
        assert!(error("docker://quay.io/x").contains("not supported yet"));
        assert!(error("containers-storage:x").contains("skopeo copy --preserve-digests containers-storage:x"));
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        assert!(error("oci:").contains("expected a path"));
        assert!(error("oci::tag").contains("expected a path"));
        assert!(error("dir:/root:tag").contains("no tag"));
        for tag in ["", "-a", "a-", "a..b", "a b", "a//b", "@0", "a---b"] {
            assert!(error(&format!("oci:dir:{tag}")).contains("expected a tag"), "{tag}");
        }
    }
}
