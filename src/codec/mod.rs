//! Compression and hashing of streams: the only room that calls zlib, libzstd and SHA-256.

mod frame;
mod gzip;
mod hash;
mod input;
mod verity;

pub use frame::{FrameDecoder, FrameEncoder, FrameError, Level, WHOLE_FRAME_INPUT, library_version};
pub use gzip::{GZIP_BLOCK, GZIP_LEVEL, Gzip, GzipError, gzip};
pub use hash::{HashingReader, Sha256Stream};
pub use input::decompress;
pub use verity::Verity;
