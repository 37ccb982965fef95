//! A run of a blob's bytes, wherever it comes from.

use std::io::{self, Read};

use crate::registry::Run;
use crate::span::Span;

use super::record::{Key, Record, Writer};
use super::shelf::{Flight, Tally};

pub(in crate::bridge) enum Supply<'s, 'c, 'p> {
    Kept(Record, &'s Tally),
    Passing(Box<Passing<'s, 'c, 'p>>),
}

impl Supply<'_, '_, '_> {
    /// Of the blob.
    pub fn size(&self) -> u64 {
        match self {
            Self::Kept(record, _) => record.size(),
            Self::Passing(passing) => passing.run.size(),
        }
    }

    /// The registry began to send the whole blob.
    pub fn is_of_whole(&self) -> bool {
        match self {
            Self::Kept(..) => false,
            Self::Passing(passing) => passing.run.is_of_whole(),
        }
    }

    /// What is not read yet.
    pub fn rest(&self) -> Span {
        match self {
            Self::Kept(record, _) => record.rest(),
            Self::Passing(passing) => passing.run.rest(),
        }
    }
}

impl Read for Supply<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kept(record, tally) => {
                let got = record.read(buf)?;
                tally.read(got as u64);
                Ok(got)
            }
            Self::Passing(passing) => passing.read(buf),
        }
    }
}

/// A registry's run. What can't be kept passes all the same.
pub(in crate::bridge) struct Passing<'s, 'c, 'p> {
    run: Run<'c, 'p>,
    copy: Option<Copy<'s>>,
}

impl<'s, 'c, 'p> Passing<'s, 'c, 'p> {
    pub(super) fn new(run: Run<'c, 'p>, flight: Option<Flight<'s>>) -> Self {
        let copy = flight.and_then(|flight| Copy::begin(flight, run.rest(), run.size()));
        Self { run, copy }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.run.read(buf);
        let copied = match (&read, &mut self.copy) {
            (Ok(got), Some(copy)) => copy.write(&buf[..*got]),
            _ => read.is_ok(),
        };
        if !copied {
            self.copy = None;
        } else if self.run.rest().is_empty()
            && let Some(copy) = self.copy.take()
        {
            copy.finish();
        }
        read
    }
}

/// A record that grows. Dropped, it leaves nothing: the file goes before its room does, and then nobody waits for it.
struct Copy<'s> {
    writer: Writer,
    room: Room<'s>,
}

impl<'s> Copy<'s> {
    fn begin(flight: Flight<'s>, span: Span, size: u64) -> Option<Self> {
        let key = Key { blob: flight.blob, span, size };
        let room = Room::reserve(flight, key)?;
        match Writer::begin(&room.flight.kept.dir, &key, room.flight.kept.create) {
            Ok(writer) => Some(Self { writer, room }),
            Err(_) => {
                room.flight.tally.failed();
                None
            }
        }
    }

    /// False if it can't be kept.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let written = self.writer.write(bytes);
        if written.is_err() {
            self.room.flight.tally.failed();
        }
        written.is_ok()
    }

    fn finish(self) {
        let Self { writer, mut room } = self;
        let put = writer.finish().and_then(|path| room.flight.kept.put(&room.key, path));
        match put {
            Ok(()) => room.is_used = true,
            Err(_) => room.flight.tally.failed(),
        }
    }
}

struct Room<'s> {
    flight: Flight<'s>,
    key: Key,
    is_used: bool,
}

impl<'s> Room<'s> {
    fn reserve(flight: Flight<'s>, key: Key) -> Option<Self> {
        flight.kept.reserve(&key).then(|| Self { flight, key, is_used: false })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.flight.kept.release(&self.key);
        }
    }
}
