//! Remarks of a source that is read.

use std::sync::{Arc, Mutex};

use super::Attached;
use crate::threads::lock;

/// Remarks that are no errors, gathered from wherever they arise.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    notes: Vec<String>,
    /// An image that needs these platforms is not whole.
    absent: Vec<String>,
    attached: Vec<Attached>,
}

impl Notes {
    pub fn add(&self, note: String) {
        lock(&self.0).notes.push(note);
    }

    pub fn add_absent(&self, note: String) {
        lock(&self.0).absent.push(note);
    }

    pub fn add_attached(&self, attached: Attached) {
        lock(&self.0).attached.push(attached);
    }

    pub fn all(&self) -> Vec<String> {
        let gathered = lock(&self.0);
        gathered.notes.iter().cloned().chain(gathered.attached.iter().map(Attached::note)).collect()
    }

    /// What was added since the last call.
    pub fn take(&self) -> Vec<String> {
        let Gathered { notes, absent, attached } = std::mem::take(&mut *lock(&self.0));
        notes.into_iter().chain(attached.iter().map(Attached::note)).chain(absent).collect()
    }

    pub fn take_attached(&self) -> Vec<Attached> {
        std::mem::take(&mut lock(&self.0).attached)
    }

    pub fn take_absent(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0).absent)
    }
}
