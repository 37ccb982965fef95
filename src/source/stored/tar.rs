//! A layer's tar, put together as it is read.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::StoredLayer;
use crate::codec::decompress;
use crate::progress::Progress;
use crate::toc::{TarSplitItem, TarSplitReader};

pub struct Tar {
    files: Arc<OwnedFd>,
    /// JSON lines.
    tar_split: Box<dyn Read + Send>,
    /// `None` at their end.
    reader: Option<TarSplitReader>,
    items: VecDeque<TarSplitItem>,
    now: Now,
}

/// What is handed out.
enum Now {
    Raw { bytes: Vec<u8>, at: usize },
    Content { file: File, name: Vec<u8>, left: u64 },
}

impl Tar {
    pub fn open(layer: &StoredLayer) -> io::Result<Self> {
        let (tar_split, _) = decompress(File::open(&layer.tar_split)?)?;
        Ok(Self {
            files: Arc::clone(&layer.files),
            tar_split,
            reader: Some(TarSplitReader::new()),
            items: VecDeque::new(),
            now: Now::Raw { bytes: Vec::new(), at: 0 },
        })
    }

    /// How long it is. Fails where one of its files can't be read.
    pub fn measure(mut self, progress: &Progress) -> io::Result<u64> {
        let mut size = 0_u64;
        while let Some(item) = self.item()? {
            progress.check().map_err(io::Error::other)?;
            let more = match item {
                TarSplitItem::Segment(raw) => raw.len() as u64,
                TarSplitItem::File { name, size, .. } => {
                    if size > 0 {
                        self.content(name, size)?;
                    }
                    size
                }
            };
            size = size.checked_add(more).ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(size)
    }

    fn item(&mut self) -> io::Result<Option<TarSplitItem>> {
        let mut piece = vec![0; if self.items.is_empty() { PIECE } else { 0 }];
        while self.items.is_empty() {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            let got = self.tar_split.read(&mut piece)?;
            let mut items = Vec::new();
            match got {
                0 => self.reader.take().map_or(Ok(()), |reader| reader.finish(&mut items)),
                got => reader.push(&piece[..got], &mut items),
            }
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.items.extend(items);
        }
        Ok(self.items.pop_front())
    }

    /// A file of the layer, wherever links of the layer lead.
    fn content(&self, name: Vec<u8>, size: u64) -> io::Result<Now> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat2(&self.files, name.as_slice(), flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = File::from(opened.map_err(|error| named(&name, &io::Error::from(error)))?);
        let meta = file.metadata().map_err(|error| named(&name, &error))?;
        match meta.is_file() && meta.len() == size {
            true => Ok(Now::Content { file, name, left: size }),
            false => Err(named(&name, &format!("expected a file of {size} bytes, found something else"))),
        }
    }
}

const PIECE: usize = 1 << 16;

fn named(name: &[u8], what: &dyn fmt::Display) -> io::Error {
    io::Error::other(format!("{} in podman's store: {what}", String::from_utf8_lossy(name)))
}

impl Read for Tar {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.now {
                Now::Raw { bytes, at } if *at < bytes.len() => {
                    let got = buf.len().min(bytes.len() - *at);
                    buf[..got].copy_from_slice(&bytes[*at..*at + got]);
                    *at += got;
                    return Ok(got);
                }
                Now::Content { file, name, left } if *left > 0 => {
                    let want = buf.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let got = match file.read(&mut buf[..want]) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        read => read.map_err(|error| named(name, &error))?,
                    };
                    if got == 0 {
                        return Err(named(name, &format!("the file ends {left} bytes early")));
                    }
                    *left -= got as u64;
                    return Ok(got);
                }
                Now::Raw { .. } | Now::Content { .. } => {}
            }
            self.now = match self.item()? {
                None => return Ok(0),
                Some(TarSplitItem::Segment(bytes)) => Now::Raw { bytes, at: 0 },
                Some(TarSplitItem::File { size: 0, .. }) => continue,
                Some(TarSplitItem::File { name, size, .. }) => self.content(name, size)?,
            };
        }
    }
}
