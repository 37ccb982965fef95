//! Layers that were read and wait for their turn. Those of several images are packed: what they have in common is in
//! memory once.

use crate::compression::Compression;
use crate::digest::DiffId;
use crate::inventory::{Body, Frames, Inventory, Payload};
use crate::order::{Entry, OverlayMark, Traits};
use crate::progress::Progress;
use crate::span::Span;
use crate::tar::{EntryKind, Time};

use super::seen::SeenContent;
use super::{Seen, UnpackError, UnpackedLayer};

/// All layers of a run, by their numbers.
pub struct Shelf {
    seen: Option<Seen>,
    layers: Vec<Shelved>,
}

/// A layer on a shelf.
pub enum Shelved {
    Open(Box<UnpackedLayer>),
    Packed(Box<Packed>),
}

/// A layer whose paths and contents are numbers.
pub struct Packed {
    rows: Box<[Row]>,
    /// Everything but entries and bodies.
    rest: Inventory,
    diff_id: DiffId,
    compression: Compression,
}

/// An entry, and what it is written from.
struct Row {
    header: Span,
    path: u32,
    behind: Behind,
    mtime: Time,
    traits: Traits,
    kind: EntryKind,
    overlay: OverlayMark,
    is_setgid: bool,
    is_program: bool,
}

/// What an entry has beside its header.
#[derive(Clone, Copy)]
enum Behind {
    Nothing,
    /// A hard link's target.
    Target(u32),
    Content(u32),
}

impl Behind {
    fn content(self) -> Option<u32> {
        if let Self::Content(number) = self { Some(number) } else { None }
    }
}

impl Shelved {
    /// Packs a layer that was read with `seen`, and gives back the memory that it needs no more.
    pub fn packed(layer: UnpackedLayer, seen: &Seen, progress: &Progress) -> Result<Self, UnpackError> {
        let UnpackedLayer { inventory, diff_id, compression } = layer;
        let Inventory { entries, bodies, .. } = inventory;
        let rows: Box<[Row]> =
            entries.into_iter().zip(bodies).map(|(entry, body)| Row::new(entry, body, seen)).collect();
        let rest = Inventory { entries: Vec::new(), bodies: Vec::new(), ..inventory };
        progress.give_back(rest.held);
        progress.hold(size_of_val(&*rows) as u64)?;
        Ok(Self::Packed(Box::new(Packed { rows, rest, diff_id, compression })))
    }

    fn lacks_frames(&self, seen: Option<&Seen>) -> bool {
        match (self, seen) {
            (Self::Open(layer), _) => layer.inventory.without_frames().next().is_some(),
            (Self::Packed(packed), Some(seen)) => {
                packed.rows.iter().filter_map(|row| row.behind.content()).any(|content| !seen.has_frames(content))
            }
            (Self::Packed(_), None) => false,
        }
    }

    fn give_back(&self, progress: &Progress) {
        progress.give_back(match self {
            Self::Open(layer) => layer.inventory.held,
            Self::Packed(packed) => size_of_val(&*packed.rows) as u64,
        });
    }
}

impl Row {
    fn new(mut entry: Entry, body: Body, seen: &Seen) -> Self {
        let compiled_from = entry.content.and_then(|content| content.compiled_from);
        let behind = match (body.payload, entry.target) {
            (Some(payload), _) => Behind::Content(seen.content(SeenContent { payload, compiled_from }).0),
            (None, Some(mut target)) => Behind::Target(seen.path(&mut target).0),
            (None, None) => Behind::Nothing,
        };
        Self {
            header: body.header,
            path: seen.path(&mut entry.path).0,
            behind,
            mtime: entry.mtime,
            traits: entry.traits,
            kind: entry.kind,
            overlay: entry.overlay,
            is_setgid: entry.is_setgid,
            is_program: entry.is_program,
        }
    }
}

impl Packed {
    fn open(&self, seen: &Seen) -> UnpackedLayer {
        let mut inventory = self.rest.clone();
        (inventory.entries, inventory.bodies) = seen.with_all(|path, content| {
            let open = |row: &Row| {
                let content = row.behind.content().map(content);
                let entry = Entry {
                    path: path(row.path),
                    kind: row.kind,
                    target: if let Behind::Target(number) = row.behind { Some(path(number)) } else { None },
                    content: content.as_ref().map(|it| it.payload.content(it.compiled_from)),
                    traits: row.traits,
                    mtime: row.mtime,
                    overlay: row.overlay,
                    is_setgid: row.is_setgid,
                    is_program: row.is_program,
                };
                (entry, Body { header: row.header, payload: content.map(|it| it.payload) })
            };
            self.rows.iter().map(open).unzip()
        });
        UnpackedLayer { inventory, diff_id: self.diff_id, compression: self.compression }
    }
}

impl Shelf {
    pub fn new(seen: Option<Seen>, mut layers: Vec<Shelved>) -> Self {
        if let Some(seen) = &seen {
            for layer in &mut layers {
                if let Shelved::Open(layer) = layer {
                    seen.fill(layer);
                }
            }
        }
        Self { seen, layers }
    }

    pub fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// The numbers of layers with content that was only hashed, and is compressed nowhere.
    pub fn without_frames(&self) -> Vec<usize> {
        let lacks = |&number: &usize| self.layers[number].lacks_frames(self.seen());
        (0..self.layers.len()).filter(lacks).collect()
    }

    pub fn replace(&mut self, number: usize, layer: Shelved, progress: &Progress) {
        self.layers[number].give_back(progress);
        self.layers[number] = layer;
    }

    /// Payloads whose frames are such.
    pub fn payloads(&self, is_it: impl Fn(&Frames) -> bool) -> Vec<Payload> {
        let mut found: Vec<Payload> = Vec::new();
        for layer in &self.layers {
            if let Shelved::Open(layer) = layer {
                let payloads = layer.inventory.bodies.iter().filter_map(|body| body.payload.as_ref());
                found.extend(payloads.filter(|payload| is_it(&payload.frames)).cloned());
            }
        }
        if self.layers.iter().any(|layer| matches!(layer, Shelved::Packed(_))) {
            found.extend(self.seen.iter().flat_map(|seen| seen.payloads(&is_it)));
        }
        found
    }

    /// These layers, as long as `work` takes. What it does to them lasts if it says so.
    pub fn with<T, E>(
        &mut self,
        numbers: &[usize],
        progress: &Progress,
        failed: &dyn Fn(usize, UnpackError) -> E,
        work: impl FnOnce(&mut Vec<UnpackedLayer>) -> Result<(T, bool), E>,
    ) -> Result<T, E> {
        let mut out = Vec::with_capacity(numbers.len());
        for &number in numbers {
            out.push(self.take(number, progress).map_err(|error| failed(number, error))?);
        }
        let done = work(&mut out);
        let lasts = matches!(done, Ok((_, true)));
        for (layer, &number) in out.into_iter().zip(numbers) {
            self.put(number, layer, lasts, progress).map_err(|error| failed(number, error))?;
        }
        done.map(|(value, _)| value)
    }

    fn take(&mut self, number: usize, progress: &Progress) -> Result<UnpackedLayer, UnpackError> {
        match (&mut self.layers[number], &self.seen) {
            (Shelved::Packed(packed), Some(seen)) => {
                progress.hold(packed.rest.held)?;
                Ok(packed.open(seen))
            }
            (Shelved::Open(layer), _) => {
                let inventory = std::mem::take(&mut layer.inventory);
                Ok(UnpackedLayer { inventory, diff_id: layer.diff_id, compression: layer.compression })
            }
            (Shelved::Packed(_), None) => Err(UnpackError::Internal("a packed layer without what it shares")),
        }
    }

    fn put(
        &mut self,
        number: usize,
        layer: UnpackedLayer,
        lasts: bool,
        progress: &Progress,
    ) -> Result<(), UnpackError> {
        match (&mut self.layers[number], &self.seen) {
            (place @ Shelved::Packed(_), Some(seen)) if lasts => {
                place.give_back(progress);
                *place = Shelved::packed(layer, seen, progress)?;
            }
            (Shelved::Packed(packed), _) => progress.give_back(packed.rest.held),
            (Shelved::Open(place), _) => **place = layer,
        }
        Ok(())
    }

    /// Nobody asks for this layer any more.
    pub fn forget(&mut self, number: usize, progress: &Progress) {
        self.layers[number].give_back(progress);
        match &mut self.layers[number] {
            Shelved::Packed(packed) => packed.rows = Box::default(),
            Shelved::Open(layer) => layer.inventory = Inventory::default(),
        }
    }

    pub fn give_all_back(&self, progress: &Progress) {
        self.layers.iter().for_each(|layer| layer.give_back(progress));
    }

    /// Of an image alone.
    pub fn into_layers(self) -> Vec<UnpackedLayer> {
        let Self { seen, layers } = self;
        let open = |layer| match (layer, &seen) {
            (Shelved::Open(layer), _) => Some(*layer),
            (Shelved::Packed(packed), Some(seen)) => Some(packed.open(seen)),
            (Shelved::Packed(_), None) => None,
        };
        layers.into_iter().filter_map(open).collect()
    }
}
