//! What is wrong with old layers, and what is done about it: those of a previous image don't stay as they are, those of a
//! base must.

use std::fmt;

use crate::digest::BlobDigest;
use crate::oci::Descriptor;
use crate::order::BrokenEntry;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::units::size;

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
    pub fn of(what: String, blob: &Origin<'_>, digest: BlobDigest, progress: &Progress) -> Self {
        let is_bad_copy = match blob {
            Origin::File(file) => !file.prove(digest, progress).unwrap_or(true),
            Origin::Registry(_) => false,
        };
        Self { what, is_bad_copy }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
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
