//! The layer that shows all that was laid over each other, and nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::compression::Compression;
use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::{Body, Inventory, Known, Stored, implied_dir};
use crate::limits;
use crate::merge::{Seat, Standing};
use crate::order::{Entry, OverlayMark, Place};
use crate::owner::Hint;
use crate::pack::read_header;
use crate::progress::Progress;
use crate::spool::Spool;
use crate::tar::{EntryKind, Header, TarPath, encode};
use crate::unpack::UnpackedLayer;

use super::united::United;

/// A file of an input: paths of one input with one inode are one file.
type File = (u32, Place);

pub(super) fn assembled(
    tree: &[(TarPath, Seat)],
    versions: &BTreeMap<TarPath, Vec<Seat>>,
    united: &United,
    read: &[UnpackedLayer],
    spool: &Spool,
    progress: &Progress,
) -> Result<UnpackedLayer, Error> {
    let mut assembly = Assembly::new(tree, read, spool);
    for (path, seat) in tree {
        progress.check()?;
        assembly.add(path, *seat, united)?;
        let last = assembly.out.entries.len();
        assembly.tell_owner(last, *seat, versions.get(path));
    }
    let mut out = assembly.out;
    let paths = |entry: &Entry| entry.path.as_bytes().len() as u64;
    out.held = out.entries.iter().map(|entry| limits::HELD_WRITTEN + paths(entry)).sum();
    progress.hold(out.held)?;
    out.dropped = read.iter().flat_map(|layer| layer.inventory.dropped.iter().copied()).collect();
    out.finish();
    // It has no tar of its own.
    Ok(UnpackedLayer { inventory: out, diff_id: DiffId::from_bytes([0; 32]), compression: Compression::None })
}

struct Assembly<'a> {
    read: &'a [UnpackedLayer],
    spool: &'a Spool,
    out: Inventory,
    /// Files that may have several names, and the first one.
    shared: HashSet<File>,
    firsts: HashMap<File, TarPath>,
    odd: Vec<HashSet<usize>>,
    evidence: HashMap<Place, &'a Stored>,
    hints: HashMap<Place, &'a Hint>,
}

impl<'a> Assembly<'a> {
    fn new(tree: &[(TarPath, Seat)], read: &'a [UnpackedLayer], spool: &'a Spool) -> Self {
        let place = |layer: usize, at: usize| (layer as u32, at as u32);
        let layers = || read.iter().enumerate().map(|(number, layer)| (number, &layer.inventory));
        let evidence = layers().flat_map(|(n, it)| it.evidence.iter().map(move |(at, stored)| (place(n, *at), stored)));
        let hints = layers().flat_map(|(n, it)| it.hints.iter().map(move |(at, hint)| (place(n, *at), hint)));
        Self {
            read,
            spool,
            out: Inventory::default(),
            shared: tree.iter().filter_map(|(_, seat)| shared(*seat)).collect(),
            firsts: HashMap::new(),
            odd: read.iter().map(|layer| layer.inventory.odd.iter().copied().collect()).collect(),
            evidence: evidence.collect(),
            hints: hints.collect(),
        }
    }

    fn entry(&self, (layer, at): Place) -> &'a Entry {
        &self.read[layer as usize].inventory.entries[at as usize]
    }

    fn body(&self, (layer, at): Place) -> &'a Body {
        &self.read[layer as usize].inventory.bodies[at as usize]
    }

    fn header(&self, place: Place) -> Result<Header, Error> {
        read_header(self.spool, self.body(place).header).map_err(Error::reframe)
    }

    fn add(&mut self, path: &TarPath, seat: Seat, united: &United) -> Result<(), Error> {
        let (at, inode) = match seat.what {
            // Clients make the root in their own way.
            Standing::Implied(_) if path.is_root() => return Ok(()),
            Standing::Implied(made) => return self.push(&implied_dir(path, made)),
            Standing::Entry { at, inode, .. } => (at, inode),
        };
        if let Some(payload) = united.get(path) {
            let size = payload.as_ref().map_or(0, |payload| payload.size);
            self.push(&Header { name: path.as_bytes().to_vec(), size, ..self.header(inode)? })?;
            let last = self.out.entries.len() - 1;
            payload.iter().for_each(|payload| self.out.set_payload(last, payload.clone(), None));
            return Ok(());
        }
        let file = (seat.input, inode);
        if let Some(first) = self.firsts.get(&file) {
            let (name, link) = (path.as_bytes().to_vec(), first.as_bytes().to_vec());
            return self.push(&Header { name, link, kind: EntryKind::HardLink, size: 0, ..self.header(inode)? });
        }
        if self.shared.contains(&file) {
            self.firsts.insert(file, path.clone());
        }
        match at == inode {
            true => self.copy(at),
            false => {
                self.push(&Header { name: path.as_bytes().to_vec(), ..self.header(inode)? })?;
                self.give_content(inode);
            }
        }
        Ok(())
    }

    /// An entry as it was read.
    fn copy(&mut self, place: Place) {
        let number = self.out.entries.len();
        self.out.odd.extend(self.odd[place.0 as usize].contains(&(place.1 as usize)).then_some(number));
        // What it hid in its own input is hidden by now.
        let entry = Entry { overlay: OverlayMark::None, content: None, ..self.entry(place).clone() };
        self.out.entries.push(entry);
        self.out.bodies.push(Body { payload: None, ..self.body(place).clone() });
        self.give_content(place);
    }

    fn give_content(&mut self, place: Place) {
        let last = self.out.entries.len() - 1;
        if let Some(payload) = &self.body(place).payload {
            let compiled_from = self.entry(place).content.and_then(|content| content.compiled_from);
            self.out.set_payload(last, payload.clone(), compiled_from);
        }
    }

    fn push(&mut self, header: &Header) -> Result<(), Error> {
        let blocks = self.spool.append(&encode(header))?;
        let pushed = self.out.push(header, blocks, &Known::default());
        pushed.map(drop).map_err(|_| Error::Internal("a path that was read before is none"))
    }

    /// What the entry before `end` says of its own owner, and what package databases say there. Those of all inputs
    /// count, though one is seen.
    fn tell_owner(&mut self, end: usize, seat: Seat, versions: Option<&Vec<Seat>>) {
        let (Some(last), Standing::Entry { at, inode, .. }) = (end.checked_sub(1), seat.what) else { return };
        self.out.hints.extend(self.hints.get(&at).map(|&hint| (last, hint.clone())));
        let carrier = |seat: &Seat| match seat.what {
            Standing::Entry { inode, .. } => Some(inode),
            Standing::Implied(_) => None,
        };
        let places: Vec<Place> = match versions {
            Some(versions) => versions.iter().filter_map(carrier).collect(),
            None => vec![inode],
        };
        let stored = places.iter().filter_map(|place| self.evidence.get(place));
        self.out.evidence.extend(stored.map(|&stored| (last, stored.clone())));
    }
}

/// A path that is not its own inode can be one of several.
fn shared(seat: Seat) -> Option<File> {
    match seat.what {
        Standing::Entry { at, inode, is_dir: false } if at != inode => Some((seat.input, inode)),
        _ => None,
    }
}
