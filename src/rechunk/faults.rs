//! What is wrong with old layers, and what is done about it: those of a previous image don't stay as they are, those of a
//! base must.

use std::collections::BTreeMap;

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::oci::Descriptor;
use crate::order::{BrokenEntry, Entry, broken_above, broken_alone};

use super::old::{Old, OldLayer};

pub(super) enum Fault {
    /// It is not what its digest, its DiffID, its TOC or its tar-split says, and why.
    Lies(String),
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
        let lie = |number: usize| match faults.get(&number) {
            Some(Fault::Lies(fault)) => Some(fault),
            _ => None,
        };
        let liars: Vec<usize> = (0..self.layers.len()).filter(|&number| lie(number).is_some()).collect();
        for &number in &liars {
            self.tell(number, Code::LayerDamaged, lie(number).map_or("", String::as_str), notes)?;
        }
        // Their frames may lie as well.
        self.known.forget(&liars.iter().filter_map(|&number| self.layers[number].blob).collect());
        let mut at = 0..;
        self.segments.retain(|_| at.next().is_none_or(|number| lie(number).is_none()));
        let mut at = 0..;
        self.layers.retain(|_| at.next().is_none_or(|number| lie(number).is_none()));
        Ok(!liars.is_empty())
    }

    fn tell(&self, number: usize, code: Code, reason: &str, notes: &mut Notes) -> Result<(), Error> {
        let OldLayer { reference, index, descriptor, .. } = &self.layers[number];
        if self.segments[number].is_base {
            let reason = format!("layer {index}: {reason}");
            return Err(Error::Base { reference: reference.clone(), reason });
        }
        let note = match code {
            Code::LayerBroken => {
                let layer = descriptor.digest.short();
                format!("{reference}: layer {index} ({layer}) does not stay as it is: {reason}")
            }
            _ => unused(reference, *index, descriptor, reason, true),
        };
        notes.degraded(code, note);
        Ok(())
    }
}

/// What is told of a previous layer that is damaged. Those of the newest image alone could have stayed.
pub(super) fn unused(reference: &str, index: usize, layer: &Descriptor, fault: &str, is_newest: bool) -> String {
    let cost = match is_newest {
        true => format!("; it is written anew, so clients pull its {} bytes again", layer.size),
        false => String::new(),
    };
    let digest = layer.digest.short();
    format!(
        "{reference}: layer {index} ({digest}) is not used: {fault}{cost}; copy the image again (--preserve-digests)"
    )
}
