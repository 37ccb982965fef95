//! restrata re-lays container images so that the next update costs as little as possible to pull.
//!
//! A new image and the one that is published today go in; an OCI image with the same files comes out, whose
//! layers are zstd:chunked with their index first and laid out against the published one.
//!
//! ```no_run
//! use restrata::job::JobOptions;
//! use restrata::progress::Progress;
//! use restrata::rechunk::{Request, rechunk};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resources = JobOptions::new(2, restrata::spool::default_dir());
//! let request = Request {
//!     previous: vec!["oci:images:v1".parse()?],
//!     ..Request::new("docker-archive:new.tar".parse()?, "oci:images:v2".parse()?, resources)
//! };
//! let outcome = rechunk(&request, &Progress::new())?;
//! println!("{}", outcome.digest);
//! # Ok(())
//! # }
//! ```
//!
//! `ARCHITECTURE.md` says which room may import which.

mod audit;
pub mod bridge;
pub mod bytes;
pub mod cache;
pub mod check;
pub mod codec;
pub mod compression;
pub mod degraded;
pub mod diff;
pub mod digest;
pub mod dump;
pub mod error;
pub mod history;
pub mod inspect;
pub mod inventory;
pub mod job;
pub mod json;
pub mod limits;
pub mod merge;
pub mod oci;
pub mod order;
pub mod origin;
pub mod owner;
pub mod pack;
pub mod probe;
pub mod progress;
pub mod prune;
pub mod push;
pub mod rechunk;
pub mod registry;
pub mod remark;
pub mod report;
pub mod sink;
pub mod source;
pub mod span;
pub mod spool;
pub mod survey;
pub mod tar;
pub mod threads;
pub mod toc;
pub mod units;
pub mod unpack;
pub mod verify;
pub mod watch;

#[doc(hidden)]
pub use audit::fuzz::fuzz_frames;
