//! What the bytes of a layer are.

use std::collections::BTreeMap;

use foldhash::{HashSet, HashSetExt as _};

use super::files::{Difference, Shown, difference};
use super::{FileShare, FileState, OwnerShare, Side};
use crate::digest::{BlobDigest, DiffId, FileDigest};
use crate::order::{Content, Entry};
use crate::tar::TarPath;

/// The bytes of layers that a plain client pulls. Together they are all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Content that the older image has nowhere, each once.
    pub new: u64,
    /// Such content again.
    pub repeated: u64,
    /// Such content that no path of the new image shows: a layer above hides it.
    pub hidden: u64,
    /// Content that the older image has, under whatever path and layer.
    pub same: Same,
    /// Layers whose tar the older image has under another digest of the blob.
    pub recompressed: u64,
    /// TOC and tar-split.
    pub index: u64,
    /// Headers, padding, and what rounding leaves.
    pub rest: u64,
}

/// Content that clients have, by what is new about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Same {
    /// Nothing: it is there because something else in its layer changed.
    pub unchanged: u64,
    /// Its time alone.
    pub times: u64,
    /// Its path, or more of its metadata than the time.
    pub other: u64,
}

impl Same {
    pub const fn bytes(&self) -> u64 {
        self.unchanged + self.times + self.other
    }
}

impl Parts {
    /// What clients would not have to pull if the same files were in other layers.
    pub const fn avoidable(&self) -> u64 {
        self.repeated + self.hidden + self.same.bytes() + self.recompressed
    }

    pub const fn bytes(&self) -> u64 {
        self.new + self.avoidable() + self.index + self.rest
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.repeated += other.repeated;
        self.hidden += other.hidden;
        self.same.unchanged += other.same.unchanged;
        self.same.times += other.same.times;
        self.same.other += other.same.other;
        self.recompressed += other.recompressed;
        self.index += other.index;
        self.rest += other.rest;
    }
}

/// What clients have, and what was counted already.
pub(super) struct Ledger<'w, 'a> {
    was: &'w Shown<'a>,
    blobs: HashSet<BlobDigest>,
    tars: HashSet<DiffId>,
    contents: HashSet<&'a FileDigest>,
    counted: HashSet<&'a FileDigest>,
    owners: BTreeMap<Option<u32>, OwnerShare>,
    files: Vec<FileShare>,
}

impl<'w, 'a> Ledger<'w, 'a> {
    pub fn new(old: &[Side<'a>], was: &'w Shown<'a>) -> Self {
        let contents = old.iter().flat_map(|layer| layer.entries).filter_map(|entry| entry.content.as_ref());
        Self {
            was,
            blobs: old.iter().map(|layer| layer.digest).collect(),
            tars: old.iter().map(|layer| layer.diff_id).collect(),
            contents: contents.map(|content| &content.digest).collect(),
            counted: HashSet::new(),
            owners: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    /// `None` for a layer that clients have.
    pub fn layer(
        &mut self,
        number: usize,
        layer: &Side<'a>,
        is: &Shown<'_>,
        owner: &mut impl FnMut(&'a TarPath) -> Option<u32>,
    ) -> Option<Parts> {
        if self.blobs.contains(&layer.digest) {
            return None;
        }
        let is_recompressed = self.tars.contains(&layer.diff_id);
        let index = layer.index_bytes.min(layer.size);
        let mut parts = Parts { index, ..Parts::default() };
        // A TOC may promise more than the layer has.
        let mut left = layer.size - index;
        for (at, entry) in layer.entries.iter().enumerate() {
            let Some(content) = &entry.content else { continue };
            let bytes = content.stored.min(left);
            left -= bytes;
            let owner = owner(&entry.path);
            if is_recompressed {
                self.share(owner, bytes, false);
                continue;
            }
            let state = match self.was.at(&entry.path) {
                _ if !is.shows(number, at) => FileState::Hidden,
                Some(_) => FileState::Changed,
                None => FileState::Added,
            };
            let (part, is_lacked) = self.content((entry, state), content, &mut parts);
            *part += bytes;
            self.share(owner, bytes, is_lacked && state != FileState::Hidden);
            if is_lacked {
                let (path, size) = (entry.path.clone(), content.size);
                self.files.push(FileShare { path, layer: number, owner, state, size, changed_bytes: bytes });
            }
        }
        Some(match is_recompressed {
            true => Parts { recompressed: layer.size, ..Parts::default() },
            false => Parts { rest: left, ..parts },
        })
    }

    /// Which part a file's content belongs to, and whether clients lack it.
    fn content<'p>(
        &mut self,
        (entry, state): (&Entry, FileState),
        content: &'a Content,
        parts: &'p mut Parts,
    ) -> (&'p mut u64, bool) {
        if !self.contents.contains(&content.digest) {
            return match state {
                FileState::Hidden => (&mut parts.hidden, true),
                _ if self.counted.insert(&content.digest) => (&mut parts.new, true),
                _ => (&mut parts.repeated, false),
            };
        }
        let part = match self.was.at(&entry.path).map(|old| difference(old, entry)) {
            Some(Difference::None) => &mut parts.same.unchanged,
            Some(Difference::Times) => &mut parts.same.times,
            Some(Difference::Metadata | Difference::Content) | None => &mut parts.same.other,
        };
        (part, false)
    }

    fn share(&mut self, owner: Option<u32>, bytes: u64, is_new: bool) {
        let empty = OwnerShare { owner, changed_files: 0, changed_bytes: 0, avoidable_bytes: 0 };
        let share = self.owners.entry(owner).or_insert(empty);
        match is_new {
            true => {
                share.changed_files += 1;
                share.changed_bytes += bytes;
            }
            false => share.avoidable_bytes += bytes,
        }
    }

    /// Owners by number; files by bytes, the most first.
    pub fn finish(self) -> (Vec<OwnerShare>, Vec<FileShare>) {
        let mut files = self.files;
        files.sort_by(|a, b| {
            b.changed_bytes.cmp(&a.changed_bytes).then_with(|| (&a.path, a.layer).cmp(&(&b.path, b.layer)))
        });
        (self.owners.into_values().collect(), files)
    }
}
