//! restrata re-lays container images so that the next update costs as little as possible to pull.

pub mod check;
pub mod codec;
pub mod digest;
pub mod error;
pub mod inspect;
pub mod inventory;
pub mod job;
pub mod limits;
pub mod oci;
pub mod order;
pub mod pack;
pub mod progress;
pub mod rechunk;
pub mod sink;
pub mod source;
pub mod span;
pub mod spool;
pub mod tar;
pub mod toc;
pub mod unpack;
pub mod verify;
