//! A client of OCI registries (distribution spec 1.1): blocking, over HTTP/1.1, usable without the rest of the crate.
//!
//! A [`Client`] speaks to one [`Endpoint`]; a [`Repository`] of it has manifests and blobs. What fails for the moment is tried
//! again; what a body lacks when it is cut is fetched by range. Credentials go to the endpoint and to its token server only.

mod address;
mod blob;
mod challenge;
mod client;
mod content;
mod elsewhere;
mod endpoint;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod list;
mod manifest;
mod multipart;
pub mod names;
mod network;
mod options;
mod ranges;
mod reach;
mod redirect;
mod referrers;
mod relay;
mod reply;
mod retry;
mod run;
mod sample;
mod scope;
mod sessions;
mod stored;
mod text;
mod tls;
mod token;
mod transport;
mod upload;

#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod blob_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod ranges_tests;
#[cfg(test)]
mod sample_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod upload_tests;

pub use blob::Blob;
pub use client::{Client, Repository};
pub use content::Opens;
pub use elsewhere::Elsewhere;
pub use endpoint::{ClientCertificate, Credentials, Endpoint, Secret, Tls};
pub use error::{Failure, Fault, RegistryError, Request};
pub use manifest::{Document, Head, Which};
pub use options::Options;
pub use ranges::{Answer, Parts};
pub use reach::Reach;
pub use relay::Relayed;
pub use retry::{Pause, Retries};
pub use run::{Ranged, Run};
pub use sample::{MountAnswer, Sample, Sampled};
pub use stored::StoredBlob;
pub use text::{Said, SaidError};
pub use transport::Traffic;
