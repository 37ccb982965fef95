//! What is wrong with old layers, and what is done about it: those of a previous image don't stay as they are, those of a
//! base must.

use std::collections::BTreeMap;

use crate::degraded::{Code, Notes};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::order::{BrokenEntry, Entry, broken_above, broken_alone};
use crate::progress::Progress;
use crate::units::size;
use crate::watch::Watched;

use super::old::{Old, OldLayer};

pub(super) enum Fault {
    /// It is not what its digest, its DiffID, its TOC or its tar-split says, and why.
    Lies(Flaw),
    /// Clients can't extract it.
    Broken(BrokenEntry),
}

/// Why a previous layer is of no use.
pub(super) struct Flaw {
    what: String,
    /// The blob is not the one that the image was made with.
    is_bad_copy: bool,
}

impl Flaw {
    /// Of a blob that is missing, or has another size than it should.
    pub fn of_copy(what: String) -> Self {
        Self { what, is_bad_copy: true }
    }

    /// What the image says of a blob can be wrong, too: then a copy is no better.
    pub fn of(what: String, blob: &Watched, digest: BlobDigest, progress: &Progress) -> Self {
        Self { what, is_bad_copy: !blob.prove(digest, progress).unwrap_or(true) }
    }
}

/// By the numbers of the layers.
pub(super) type Faults = BTreeMap<usize, Fault>;

impl Old {
    /// The first entry of a layer that clients can't extract. A base's layer stands on those that it stands on now.
    pub fn broken(&self, number: usize) -> Option<BrokenEntry> {
        let segment = &self.segments[number];
        if !segment.is_base {
            return broken_alone(&segment.entries);
        }
        let below: Vec<&[Entry]> = self.segments[..number].iter().map(|segment| segment.entries.as_slice()).collect();
        broken_above(&segment.entries, &below)
    }

    /// Has the layers written anew that clients can't extract.
    pub fn mark_broken(&mut self, faults: &Faults, notes: &mut Notes) -> Result<(), Error> {
        for (&number, fault) in faults {
            if let Fault::Broken(entry) = fault {
                let OldLayer { reference, index, descriptor, .. } = self.previous(number, &entry.to_string())?;
                let layer = descriptor.digest.short();
                let note = format!("{reference}: layer {index} ({layer}) does not stay as it is: {entry}");
                notes.degraded(Code::LayerBroken, note);
                self.segments[number].is_broken = true;
            }
        }
        Ok(())
    }

    /// Leaves out the layers whose content is not what their digests promise. True when there are such.
    pub fn refuse(&mut self, faults: &Faults, notes: &mut Notes) -> Result<bool, Error> {
        let lie = |number: usize| match faults.get(&number) {
            Some(Fault::Lies(fault)) => Some(fault),
            _ => None,
        };
        let liars: Vec<usize> = (0..self.layers.len()).filter(|&number| lie(number).is_some()).collect();
        for (number, flaw) in liars.iter().filter_map(|&number| Some((number, lie(number)?))) {
            let OldLayer { reference, index, descriptor, .. } = self.previous(number, &flaw.what)?;
            notes.degraded(Code::LayerDamaged, unused(reference, *index, descriptor, flaw, true));
        }
        // Their frames may lie as well.
        self.known.forget(&liars.iter().filter_map(|&number| self.layers[number].blob).collect());
        let mut at = 0..;
        self.segments.retain(|_| at.next().is_none_or(|number| lie(number).is_none()));
        let mut at = 0..;
        self.layers.retain(|_| at.next().is_none_or(|number| lie(number).is_none()));
        Ok(!liars.is_empty())
    }

    /// A layer that need not stay as it is; one of a base must.
    fn previous(&self, number: usize, reason: &str) -> Result<&OldLayer, Error> {
        let layer = &self.layers[number];
        match self.segments[number].is_base {
            true => Err(Error::Base {
                reference: layer.reference.clone(),
                reason: format!("layer {}: {reason}", layer.index),
            }),
            false => Ok(layer),
        }
    }
}

/// What is told of a previous layer that is damaged. Those of the newest image alone could have stayed.
pub(super) fn unused(reference: &str, index: usize, layer: &Descriptor, flaw: &Flaw, is_newest: bool) -> String {
    let cost = match is_newest {
        true => format!("; it is written anew, so clients pull its {} again", size(layer.size)),
        false => String::new(),
    };
    let advice = if flaw.is_bad_copy { "; copy the image again (--preserve-digests)" } else { "" };
    format!("{reference}: layer {index} ({}) is not used: {}{cost}{advice}", layer.digest.short(), flaw.what)
}
