//! restrata re-lays container images so that the next update costs as little as possible to pull.

pub mod codec;
pub mod digest;
pub mod inventory;
pub mod limits;
pub mod oci;
pub mod order;
pub mod progress;
pub mod sink;
pub mod source;
pub mod span;
pub mod spool;
pub mod tar;
