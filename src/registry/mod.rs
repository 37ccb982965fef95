//! Images in registries.

pub mod endpoint;
pub mod names;
