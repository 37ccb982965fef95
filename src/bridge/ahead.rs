//! Several runs of a blob, given on in their order while the next ones are read already.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::scope;

use crate::registry::RegistryError;
use crate::threads::start;

use super::kept::Supply;

/// Of what is read ahead: a piece, in bytes, and how many of them wait for the client.
const PIECE: usize = 32 << 10;
const PIECES: usize = 2;

/// How many runs all clients together read ahead. So memory is bounded, whatever they ask for.
pub(super) struct Permits(AtomicUsize);

impl Permits {
    pub const fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    fn take(&self) -> Option<Permit<'_>> {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(|_| Permit(self))
    }
}

struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) struct Ahead<'a> {
    /// At once, with the one that the client gets.
    pub parallel: usize,
    pub permits: &'a Permits,
    /// The client is told before the last reader ends.
    pub failed: &'a (dyn Fn() + Sync),
}

type Piece = io::Result<Vec<u8>>;

impl Ahead<'_> {
    /// Gives `take` a reader for each of `count` runs. `first` is the first of them; `open` gives the others.
    pub fn each<'s, 'c, 'p>(
        &self,
        first: Supply<'s, 'c, 'p>,
        count: usize,
        open: &(dyn Fn(usize) -> Result<Supply<'s, 'c, 'p>, RegistryError> + Sync),
        take: &mut dyn FnMut(usize, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        scope(|scope| {
            let mut first = Some(first);
            let (mut begun, mut next): (VecDeque<Receiver<Piece>>, usize) = (VecDeque::new(), 1);
            let mut given = || -> io::Result<()> {
                for at in 0..count {
                    let mut reader: Box<dyn Read> = match (first.take(), begun.pop_front()) {
                        (Some(first), _) => Box::new(first),
                        (None, Some(pieces)) => Box::new(Pieces { pieces, piece: Vec::new(), at: 0 }),
                        (None, None) => Box::new(open(at)?),
                    };
                    next = next.max(at + 1);
                    while next < count && next < at + self.parallel {
                        let Some(permit) = self.permits.take() else { break };
                        let (send, receive) = sync_channel(PIECES);
                        let number = next;
                        let work = move || {
                            let _permit = permit;
                            send_all(open(number), &send);
                        };
                        // Without a thread it is read when its turn comes.
                        if start(scope, work).is_err() {
                            break;
                        }
                        begun.push_back(receive);
                        next += 1;
                    }
                    take(at, &mut *reader)?;
                }
                Ok(())
            };
            let given = given();
            if given.is_err() {
                (self.failed)();
            }
            // Who still reads ahead finds nobody to give it to.
            begun.clear();
            given
        })
    }
}

fn send_all(run: Result<Supply, RegistryError>, to: &SyncSender<Piece>) {
    let mut run = match run {
        Ok(run) => run,
        Err(error) => return drop(to.send(Err(error.into()))),
    };
    loop {
        let mut piece = vec![0; PIECE.min(usize::try_from(run.rest().len()).unwrap_or(PIECE)).max(1)];
        let read = run.read(&mut piece);
        let is_end = !matches!(read, Ok(1..));
        let piece = read.map(|got| {
            piece.truncate(got);
            piece
        });
        if to.send(piece).is_err() || is_end {
            return;
        }
    }
}

/// An empty piece is the end; a sender that is gone without one has failed.
struct Pieces {
    pieces: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = self.pieces.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
            self.at = 0;
        }
        let got = buf.len().min(self.piece.len() - self.at);
        buf[..got].copy_from_slice(&self.piece[self.at..self.at + got]);
        self.at += got;
        Ok(got)
    }
}
