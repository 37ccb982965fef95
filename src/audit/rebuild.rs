//! TOC and tar-split together, as podman goes through them: the same entries, and the tar that they make.

use std::collections::HashMap;

use super::blob::Blob;
use super::compare::{differences, refused};
use super::findings::Findings;
use super::frames::Frames;
use super::index::Index;
use super::payloads::Payloads;
use super::split::{Segment, Split, scan};
use crate::codec::Sha256Stream;
use crate::digest::DiffId;
use crate::error::Error;
use crate::progress::Progress;
use crate::remark::Remark;
use crate::tar::{Header, RawEntry, padding};
use crate::toc::{Crc64, Payload, TarSplitItem, Toc, TocEntry};
use crate::units;

/// Every payload is checked, whether tar-split names it or not.
pub(super) fn rebuild(
    blob: &Blob,
    frames: &Frames,
    (index, toc): (&Index, &Toc),
    diff_id: Option<DiffId>,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<(), Error> {
    let mut split = Split::open(blob, index.positions.tar_split, progress)?;
    let pairing = Pairing::new(toc, findings);
    let payloads = Payloads::new(blob, frames, progress)?;
    let mut rebuild = Rebuild { pairing, tar: Some(Sha256Stream::new()), payloads };
    let is_whole = loop {
        progress.check()?;
        match split.next() {
            Ok(None) => break true,
            Ok(Some(TarSplitItem::Segment(bytes))) => {
                rebuild.push(&bytes);
                rebuild.pairing.segment(&bytes);
            }
            Ok(Some(TarSplitItem::File { name, size, crc64 })) => rebuild.file(&name, size, crc64)?,
            Err(fault) => {
                rebuild.tar = None;
                rebuild.pairing.findings.problem(fault);
                break false;
            }
        }
    };
    rebuild.finish(is_whole, diff_id)?;
    split.finish(is_whole, index.positions.tar_split_uncompressed, toc.tar_split_digest, findings)
}

/// The TOC's entries and those of the tar-split, one beside the other.
pub(super) struct Pairing<'a> {
    toc: &'a Toc,
    by_name: HashMap<&'a [u8], usize>,
    /// The entries that tar-split named.
    seen: Vec<bool>,
    /// The entry that should come next.
    next: usize,
    out_of_order: u64,
    /// The header whose file line should come next, and its entry.
    current: Option<(Header, Option<usize>)>,
    /// Bytes of padding at the next segment's start.
    padding: usize,
    /// A header could not be read: what follows can't be told apart, as podman can't.
    is_lost: bool,
    pub findings: &'a mut Findings,
}

struct Rebuild<'a> {
    pairing: Pairing<'a>,
    /// `None` when the tar can't be made.
    tar: Option<Sha256Stream>,
    payloads: Payloads<'a>,
}

/// What a file line says: the entry that it stands for.
pub(super) enum Told<'a> {
    /// No content follows.
    Nothing,
    Content(&'a TocEntry, &'a Payload),
    /// Content follows that the TOC does not have.
    Unknown,
}

impl<'a> Pairing<'a> {
    pub fn new(toc: &'a Toc, findings: &'a mut Findings) -> Self {
        Self {
            toc,
            by_name: toc.entries.iter().enumerate().map(|(at, entry)| (entry.header.name.as_slice(), at)).collect(),
            seen: vec![false; toc.entries.len()],
            next: 0,
            out_of_order: 0,
            current: None,
            padding: 0,
            is_lost: false,
            findings,
        }
    }

    /// The entries that tar-split did not name.
    pub fn unseen(&self) -> impl Iterator<Item = &'a TocEntry> {
        let toc = self.toc;
        toc.entries.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(entry, _)| entry)
    }

    pub fn segment(&mut self, bytes: &[u8]) {
        if self.is_lost {
            return;
        }
        let padding = std::mem::take(&mut self.padding);
        let Some(header) = bytes.get(padding..) else {
            let found = bytes.len();
            self.findings.problem(format!(
                "{}: a segment of {found} bytes, expected {padding} or more of padding",
                self.place()
            ));
            return;
        };
        match scan(header) {
            Ok(Segment::NoEntry) => {}
            Ok(Segment::Entry { entry, global_headers, bytes_behind }) => {
                if global_headers > 0 {
                    self.findings.problem(format!("{}: a global pax header, which podman refuses", self.place()));
                }
                self.entry(&entry);
                if bytes_behind > 0 {
                    self.findings.problem(format!(
                        "{}: {bytes_behind} bytes stand in one segment with its header, expected a segment for each",
                        self.place()
                    ));
                }
            }
            Err(fault) => {
                self.findings
                    .problem(format!("{}: {fault} (of the segment); what follows can't be told", self.place()));
                self.is_lost = true;
            }
        }
    }

    fn entry(&mut self, entry: &RawEntry) {
        let header = &entry.header;
        self.padding = padding(header.size);
        let name = String::from_utf8_lossy(&header.name);
        let found = self.find(&header.name);
        self.current = Some((header.clone(), found));
        if let Some(fault) = refused(entry.rewrite) {
            self.findings.problem(format!("entry {name:?}: {fault}"));
        }
        let Some(at) = found else {
            self.findings.problem(format!("entry {name:?} is in the tar-split and not in the TOC"));
            return;
        };
        if std::mem::replace(&mut self.seen[at], true) {
            self.findings.problem(format!("entry {name:?} is in the tar-split twice"));
        }
        self.out_of_order += u64::from(at != self.next);
        self.next = at + 1;
        let differences = differences(&self.toc.entries[at].header, header);
        self.findings_for(&name, differences);
    }

    fn findings_for(&mut self, name: &str, differences: Vec<String>) {
        differences.into_iter().for_each(|fault| self.findings.problem(format!("entry {name:?}: {fault}")));
    }

    /// In tar order there is no need for the map.
    fn find(&self, name: &[u8]) -> Option<usize> {
        match self.toc.entries.get(self.next) {
            Some(entry) if entry.header.name == name => Some(self.next),
            _ => self.by_name.get(name).copied(),
        }
    }

    pub fn file(&mut self, name: &[u8], size: u64) -> Told<'a> {
        if self.is_lost {
            return Told::Unknown;
        }
        let shown = String::from_utf8_lossy(name);
        let Some((header, at)) = self.current.take() else {
            self.findings.problem(format!("tar-split: a file line for {shown:?} without a header before it"));
            return Told::Unknown;
        };
        if header.name != name || header.size != size {
            self.findings.problem(format!(
                "tar-split: the file line for {shown:?} of {size} bytes follows the header of {:?} of {} bytes",
                String::from_utf8_lossy(&header.name),
                units::count(header.size),
                size = units::count(size)
            ));
        }
        if size == 0 {
            return Told::Nothing;
        }
        let toc = self.toc;
        let entry = at.and_then(|at| toc.entries.get(at));
        match entry.and_then(|entry| Some((entry, entry.payload.as_ref()?))) {
            Some((entry, payload)) => Told::Content(entry, payload),
            None => Told::Unknown,
        }
    }

    /// Where in the tar-split a fault is: at or behind the entry read last.
    fn place(&self) -> String {
        match &self.current {
            Some((header, _)) => format!("tar-split, entry {:?}", String::from_utf8_lossy(&header.name)),
            None => format!(
                "tar-split, behind {} entries",
                units::count(self.seen.iter().filter(|seen| **seen).count() as u64)
            ),
        }
    }
}

impl Rebuild<'_> {
    fn push(&mut self, bytes: &[u8]) {
        if let Some(tar) = &mut self.tar {
            tar.update(bytes);
        }
    }

    fn file(&mut self, name: &[u8], size: u64, crc64: Option<u64>) -> Result<(), Error> {
        let (entry, payload) = match self.pairing.file(name, size) {
            Told::Nothing => return Ok(()),
            Told::Content(entry, payload) => (entry, payload),
            Told::Unknown => {
                self.tar = None;
                return Ok(());
            }
        };
        let mut crc = Crc64::new();
        let tar = &mut self.tar;
        let is_good = self.payloads.check(entry, payload, self.pairing.findings, |piece| {
            crc.update(piece);
            if let Some(tar) = tar {
                tar.update(piece);
            }
        })?;
        if !is_good {
            // The rebuilt tar is wrong for a reason that is told already.
            self.tar = None;
        } else if crc64.is_some_and(|expected| expected != crc.finish()) {
            let shown = String::from_utf8_lossy(name);
            let fault = format!("entry {shown:?}: its content has another CRC-64 than the tar-split says");
            self.pairing.findings.problem(fault);
        }
        Ok(())
    }

    fn finish(mut self, is_whole: bool, diff_id: Option<DiffId>) -> Result<(), Error> {
        let pairing = &mut self.pairing;
        for entry in pairing.unseen().collect::<Vec<_>>() {
            if is_whole && !pairing.is_lost {
                let name = String::from_utf8_lossy(&entry.header.name);
                pairing.findings.problem(format!("entry {name:?} is in the TOC and not in the tar-split"));
            }
            if let Some(payload) = &entry.payload {
                self.payloads.check(entry, payload, pairing.findings, |_| {})?;
            }
        }
        if pairing.out_of_order > 0 {
            pairing.findings.remark(Remark::counted(
                pairing.out_of_order,
                "entry stands at another place in the TOC than in the tar",
                "entries stand in another order in the TOC than in the tar",
                None,
            ));
        }
        if pairing.is_lost {
            self.tar = None;
        }
        let found = self.tar.take().map(|tar| DiffId::from_bytes(tar.finish()));
        match (diff_id, found) {
            (Some(expected), Some(found)) if expected != found => pairing.findings.problem(format!(
                "the tar rebuilt from tar-split and TOC has the digest {found}: the config's DiffID is {expected}"
            )),
            _ => {}
        }
        Ok(())
    }
}
