//! What is wrong with old layers, and what is done about it: those of a previous image don't stay as they are, those of a
//! base must.

use std::collections::BTreeMap;

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::order::{BrokenEntry, Entry, broken_above, broken_alone};

use super::old::Old;

pub(super) enum Fault {
    /// Its content is not what its digests promise.
    Lies,
    /// Clients can't extract it.
    Broken(BrokenEntry),
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
                self.tell(number, Code::LayerBroken, &entry.to_string(), notes)?;
                self.segments[number].is_broken = true;
            }
        }
        Ok(())
    }

    /// Leaves out the layers whose content is not what their digests promise. True when there are such.
    pub fn refuse(&mut self, faults: &Faults, notes: &mut Notes) -> Result<bool, Error> {
        let lies = |number: usize| matches!(faults.get(&number), Some(Fault::Lies));
        let liars: Vec<usize> = (0..self.layers.len()).filter(|&number| lies(number)).collect();
        for &number in &liars {
            self.tell(
                number,
                Code::LayerDamaged,
                "its content is not what its digest, its DiffID, its TOC or its tar-split says",
                notes,
            )?;
        }
        // Their frames may lie as well.
        self.known.forget(&liars.iter().filter_map(|&number| self.layers[number].blob).collect());
        let mut at = 0..;
        self.segments.retain(|_| at.next().is_none_or(|number| !lies(number)));
        let mut at = 0..;
        self.layers.retain(|_| at.next().is_none_or(|number| !lies(number)));
        Ok(!liars.is_empty())
    }

    fn tell(&self, number: usize, code: Code, reason: &str, notes: &mut Notes) -> Result<(), Error> {
        let (reference, index) = (&self.layers[number].reference, self.layers[number].index);
        if self.segments[number].is_base {
            let reason = format!("layer {index}: {reason}");
            return Err(Error::Base { reference: reference.clone(), reason });
        }
        let what = if code == Code::LayerBroken { "does not stay as it is" } else { "is not used" };
        notes.degraded(code, format!("{reference}: layer {index} {what}: {reason}"));
        Ok(())
    }
}
