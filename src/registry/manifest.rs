//! Manifests and indexes, as bytes that are what their digest says.

use std::io::{self, Cursor, Read};

use sha2::{Digest as _, Sha256};

use super::client::{Repository, Wanted};
use super::content::Content;
use super::error::{Fault, RegistryError};
use super::names::is_tag;
use super::reply::Reply;
use super::text::shown;
use crate::digest::BlobDigest;
use crate::limits;

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Which manifest of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    Tag(&'a str),
    Digest(BlobDigest),
}

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub bytes: Vec<u8>,
    /// As the registry names it; the document itself may say more.
    pub media_type: String,
    pub digest: BlobDigest,
}

/// What a registry says of a manifest without sending it. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub media_type: String,
    pub digest: Option<BlobDigest>,
    pub size: Option<u64>,
}

impl Repository<'_, '_> {
    pub fn manifest(&self, which: &Which) -> Result<Document, RegistryError> {
        let path = self.manifest_path(which)?;
        self.document(&path, which, &self.what(which))
    }

    /// `None` if it is not there.
    pub fn head_manifest(&self, which: &Which) -> Result<Option<Head>, RegistryError> {
        let path = self.manifest_path(which)?;
        let headers = [("Accept", ACCEPT.to_owned())];
        let wanted = Wanted { headers: &headers, ..Wanted::new("HEAD", &path) };
        self.ask(&wanted, |reply| match reply.status {
            200 => {
                let digest = said_digest(&reply);
                Ok(Some(Head { media_type: reply.media_type(), digest, size: reply.length() }))
            }
            404 => Ok(None),
            _ => Err(reply.refused("a manifest", &self.what(which))),
        })
    }

    /// Puts a manifest under a tag or its own digest.
    pub fn put_manifest(&self, which: &Which, media_type: &str, bytes: &[u8]) -> Result<BlobDigest, RegistryError> {
        let path = self.manifest_path(which)?;
        let digest = digest_of(bytes);
        let headers = [("Content-Type", media_type.to_owned())];
        let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
        let content = Some(Content { size: bytes.len() as u64, source: &open, seen: &|_| () });
        let wanted = Wanted { headers: &headers, content, ..Wanted::new("PUT", &path) };
        self.client.ask(&wanted, &self.to_push(), |reply| match reply.status {
            200..=202 => match said_digest(&reply) {
                Some(found) if found != digest => {
                    let (expected, found) = (digest, found.to_string());
                    Err(reply.error(Fault::Digest { place: "the registry's answer", expected, found }))
                }
                _ => Ok(()),
            },
            _ => Err(reply.refused("that the manifest is taken", &self.name)),
        })?;
        Ok(digest)
    }

    pub(super) fn document(&self, path: &str, which: &Which, what: &str) -> Result<Document, RegistryError> {
        let headers = [("Accept", ACCEPT.to_owned())];
        let wanted = Wanted { headers: &headers, ..Wanted::new("GET", path) };
        self.ask(&wanted, |mut reply| {
            if reply.status != 200 {
                return Err(reply.refused("a manifest", what));
            }
            let media_type = reply.media_type();
            if media_type == "text/html" {
                let found = media_type;
                return Err(reply.error(Fault::NotARegistry { expected: "a manifest", found }));
            }
            let bytes =
                reply.read("bytes of a manifest", limits::MANIFEST_BYTES).map_err(|fault| reply.error(fault))?;
            let digest = digest_of(&bytes);
            let wrong =
                |place, expected| Err(reply.error(Fault::Digest { place, expected, found: digest.to_string() }));
            match (which, said_digest(&reply)) {
                (Which::Digest(expected), _) if *expected != digest => wrong("the manifest that was sent", *expected),
                (_, Some(said)) if said != digest => wrong("the manifest that came with it", said),
                _ => Ok(Document { bytes, media_type, digest }),
            }
        })
    }

    fn manifest_path(&self, which: &Which) -> Result<String, RegistryError> {
        match which {
            Which::Digest(digest) => Ok(format!("{}/manifests/{digest}", self.name)),
            Which::Tag(tag) if is_tag(tag) => Ok(format!("{}/manifests/{tag}", self.name)),
            Which::Tag(tag) => Err(RegistryError::Name {
                host: self.client.host().to_owned(),
                expected: "a tag: at most 128 letters, digits and ._-",
                found: (*tag).to_owned(),
            }),
        }
    }

    fn what(&self, which: &Which) -> String {
        match which {
            Which::Tag(tag) => format!("the tag {} of {}", shown(tag), self.name),
            Which::Digest(digest) => format!("the manifest {digest} of {}", self.name),
        }
    }
}

/// One of another algorithm is as good as none.
fn said_digest(reply: &Reply) -> Option<BlobDigest> {
    reply.header("docker-content-digest")?.trim().parse().ok()
}

fn digest_of(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(Sha256::digest(bytes).into())
}
