//! Manifests, indexes and configs as JSON values: what this tool does not know stays where it was.

mod config;
mod descriptor;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod given;
mod hidden;
mod index;
mod json;
mod known;
mod manifest;
pub mod marks;
mod media;
mod platform;
mod reference;
mod top;

pub use config::Config;
pub use descriptor::Descriptor;
pub use error::OciError;
pub use index::{Index, IndexEntry, LAYOUT_FILE, check_layout_file};
pub use json::check_keys;
pub(crate) use json::json_values;
pub use known::DOCKER_ARCHIVE;
pub use manifest::{Document, Manifest, ManifestKind};
pub use media::{DOCKER_MANIFEST, MANIFEST, layer_compression, may_be_manifest};
pub use platform::Platform;
pub use reference::{Reference, ReferenceError, Transport, Which};
pub use top::Top;
