//! A reader that ends when the job is to end: no input is so long, or so slow to give its next byte, that Ctrl-C waits for it.

use std::io::{self, Read};

use super::{Interrupted, Progress, SizeLimit, TooLarge};

pub struct Watched<'a, R> {
    inner: R,
    progress: &'a Progress,
    size: Option<&'a SizeLimit>,
    /// Its bytes are those of the phase.
    counts: bool,
}

impl Progress {
    /// Both the compressed and the unpacked side of a decoder have to be watched: either can be endless where the other
    /// has a few bytes.
    pub fn watch<R: Read>(&self, inner: R) -> Watched<'_, R> {
        Watched { inner, progress: self, size: None, counts: false }
    }

    /// The same for a blob as it is stored, by which people see how far the job is.
    pub fn watch_blob<R: Read>(&self, inner: R) -> Watched<'_, R> {
        Watched { inner, progress: self, size: None, counts: true }
    }

    /// The same for what an image unpacks to.
    pub fn watch_size<'a, R: Read>(&'a self, inner: R, size: &'a SizeLimit) -> Watched<'a, R> {
        Watched { inner, progress: self, size: Some(size), counts: false }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.progress.check().map_err(io::Error::other)?;
        let got = self.inner.read(buf)?;
        if self.counts {
            self.progress.advance(got as u64);
        }
        if let Some(size) = self.size {
            size.take(got as u64).map_err(io::Error::other)?;
        }
        Ok(got)
    }
}

/// Why a watched reader stopped, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Interrupted(Interrupted),
    TooLarge(TooLarge),
}

impl Stop {
    pub fn of(error: &io::Error) -> Option<Self> {
        let cause = error.get_ref()?;
        let interrupted = cause.downcast_ref().copied().map(Self::Interrupted);
        interrupted.or_else(|| cause.downcast_ref().copied().map(Self::TooLarge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_reader_ends() {
        let (progress, size) = (Progress::new(), SizeLimit::new(1 << 20));
        let error = io::copy(&mut progress.watch_size(io::repeat(0), &size), &mut io::sink()).unwrap_err();
        assert!(matches!(Stop::of(&error), Some(Stop::TooLarge(_))), "{error}");
        progress.cancel();
        let error = io::copy(&mut progress.watch(io::repeat(0)), &mut io::sink()).unwrap_err();
        assert_eq!(Stop::of(&error), Some(Stop::Interrupted(Interrupted)));
        assert_eq!(Stop::of(&io::Error::other("else")), None);
    }
}
