//! restrata re-lays container images so that the next update costs as little as possible to pull.

pub mod digest;
pub mod limits;
pub mod oci;
pub mod source;
pub mod span;
pub mod tar;
