//! What composefs wants of each file.

use std::collections::HashMap;

use crate::codec::{FrameDecoder, Verity};
use crate::error::Error;
use crate::order::Place;
use crate::order::tree::Shown;
use crate::pack;
use crate::progress::{Phase, Progress};
use crate::survey::merged::{Merged, Side};
use crate::threads;

/// Bytes of content up to which composefs has a file in the image itself (`LCFS_BUILD_INLINE_FILE_SIZE_LIMIT`).
const INLINE: u64 = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Inline(Vec<u8>),
    /// The fs-verity digest.
    Verity([u8; 32]),
}

/// By inode. An empty file has none.
#[derive(Default)]
pub(super) struct Contents(HashMap<Place, Content>);

impl Contents {
    pub fn of(side: &Side, merged: &Merged<'_>, threads: usize, progress: &Progress) -> Result<Self, Error> {
        let mut files = HashMap::new();
        for (path, shown) in &merged.tree {
            let Some(node) = shown.entry().filter(|node| !node.is_dir && !files.contains_key(&node.inode)) else {
                continue;
            };
            if let Some(payload) = merged.seen(path, *shown)?.payload {
                files.insert(node.inode, payload);
            }
        }
        progress.hold(files.len() as u64 * size_of::<(Place, Content)>() as u64)?;
        let files: Vec<_> = files.into_iter().collect();
        progress.begin(Phase::Comparing, None);
        let begin = || FrameDecoder::new().map_err(Error::from);
        let found = threads::each_with(threads, files.len(), begin, |decoder, at| {
            let (inode, payload) = files[at];
            let mut verity = Verity::new();
            let mut inline = Vec::new();
            let read = pack::content(side.stock(), payload, decoder, |content| {
                progress.check()?;
                match payload.size {
                    ..=INLINE => inline.extend_from_slice(content),
                    _ => verity.update(content),
                }
                Ok(())
            });
            read.map_err(|source| Error::Pack { layer: inode.0 as usize, source })?;
            let content =
                if payload.size > INLINE { Content::Verity(verity.finish()) } else { Content::Inline(inline) };
            Ok::<_, Error>((inode, content))
        })?;
        Ok(Self(found.into_iter().collect()))
    }

    pub fn get(&self, shown: Shown) -> Option<&Content> {
        self.0.get(&shown.entry()?.inode)
    }
}
