//! A tar that is there already -> gzip data.

use std::io::{self, Read, Write};

use super::PackError;
use crate::codec::{Sha256Stream, gzip};
use crate::digest::DiffId;
use crate::progress::Progress;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Writes the tar to `out` as gzip data: the bytes are those that a new layer with this tar gets. Fails for another tar
/// than that with the DiffID.
pub fn regzip(
    tar: &mut (dyn Read + Send),
    expected: DiffId,
    threads: usize,
    progress: &Progress,
    out: &mut (dyn Write + Send),
) -> Result<(), PackError> {
    let found = gzip(threads, out, |gzip| {
        let (mut hash, mut piece) = (Sha256Stream::new(), vec![0; PIECE]);
        loop {
            progress.check()?;
            match tar.read(&mut piece) {
                Ok(0) => return Ok(DiffId::from_bytes(hash.finish())),
                Ok(read) => {
                    hash.update(&piece[..read]);
                    gzip.push(&piece[..read])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PackError::Previous(error)),
            }
        }
    })?;
    if found == expected { Ok(()) } else { Err(PackError::OtherTar { expected, found }) }
}
