//! Bytes from file to file inside the kernel, which shares extents where it can.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::copy_file_range;
use rustix::io::Errno;

use crate::span::Span;

/// Copies `span` to byte `at` of `to` and returns how many bytes there were: fewer when `from` ends early.
pub(super) fn copy_span(from: &File, span: Span, to: &File, at: u64) -> io::Result<u64> {
    let mut done = 0;
    while done < span.len() {
        let (mut start, mut end) = (span.start() + done, at + done);
        let want = usize::try_from(span.len() - done).unwrap_or(usize::MAX).min(1 << 30);
        match copy_file_range(from, Some(&mut start), to, Some(&mut end), want) {
            // Some file systems say 0 where there is more to read (procfs, old FUSE): ask them the slow way.
            Ok(0) => return by_hand(from, span, to, at, done),
            Ok(got) => done += got as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return by_hand(from, span, to, at, done);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

fn by_hand(from: &File, span: Span, to: &File, at: u64, mut done: u64) -> io::Result<u64> {
    let mut buf = vec![0; 1 << 18];
    while done < span.len() {
        let want = buf.len().min(usize::try_from(span.len() - done).unwrap_or(usize::MAX));
        match from.read_at(&mut buf[..want], span.start() + done) {
            Ok(0) => break,
            Ok(got) => {
                to.write_all_at(&buf[..got], at + done)?;
                done += got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn copies_spans_both_ways() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(b"0123456789").unwrap();
        let span = Span::new(3, 5).unwrap();
        for copy in [copy_span, |from: &File, span: Span, to: &File, at: u64| by_hand(from, span, to, at, 0)] {
            let to = tempfile::tempfile().unwrap();
            assert_eq!(copy(&from, span, &to, 2).unwrap(), 5);
            let mut got = [0; 7];
            to.read_exact_at(&mut got, 0).unwrap();
            assert_eq!(&got, b"\0\x0034567");
            assert_eq!(copy(&from, Span::new(8, 100).unwrap(), &to, 0).unwrap(), 2);
        }
    }
}
