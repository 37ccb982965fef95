//! One layer: from inventory and plan to a blob in the sink.

use crate::codec::library_version;
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::inventory::{Inventory, Item};
use crate::oci::Descriptor;
use crate::order::cost::{PullIndex, PullLayer};
use crate::order::{Entry, Live, Role};
use crate::pack::{self, PackError, PackedLayer, Placed};
use crate::progress::Progress;
use crate::sink::Sink;
use crate::spool::Spool;
use crate::tar::encode;
use crate::toc;

use super::Request;

/// What the blob was made with: frames repeat byte for byte only with the same libzstd and level.
const PROFILE: &str = "io.github.restrata.profile";

/// A layer of the output.
pub(super) struct Written {
    pub descriptor: Descriptor,
    pub diff_id: DiffId,
    pub pull: PullLayer,
    pub no_index: Option<String>,
}

pub(super) enum Made {
    New(Box<Written>),
    /// The previous image has this tar.
    Known,
}

pub(super) struct LayerJob<'a> {
    pub request: &'a Request,
    pub inventory: &'a Inventory,
    pub sequence: &'a [Live],
    pub spool: &'a Spool,
    pub sink: &'a Sink,
    pub progress: &'a Progress,
}

impl LayerJob<'_> {
    /// Writes the blob; `source` lends its annotations and unknown fields. Nothing of it is left when `is_known` says that the
    /// previous image has this tar.
    pub fn write(
        &self,
        index: usize,
        source: Option<&Descriptor>,
        is_known: impl Fn(DiffId) -> bool,
    ) -> Result<Made, Error> {
        let failed = |source: PackError| Error::Pack { layer: index, source };
        let placed = self.placed().map_err(failed)?;
        let options =
            pack::Options { level: self.request.level, index: self.request.index, threads: self.request.threads };
        let mut blob = self.sink.blob()?;
        let packed = pack::pack(&placed, self.spool, options, self.progress, &mut blob).map_err(failed)?;
        if is_known(packed.diff_id) {
            return Ok(Made::Known);
        }
        let (digest, size) = blob.finish()?;
        Ok(Made::New(Box::new(Written {
            descriptor: descriptor(source, &packed, self.request, digest, size),
            diff_id: packed.diff_id,
            no_index: packed.no_index.map(|cause| cause.to_string()),
            pull: PullLayer {
                digest,
                size,
                index: packed.chunked.map(|_| PullIndex { bytes: packed.index_bytes, files: packed.files }),
            },
        })))
    }

    fn placed(&self) -> Result<Vec<Placed<'_>>, PackError> {
        let items = &self.inventory.items;
        self.sequence
            .iter()
            .map(|live| {
                let item = &items[live.index];
                Ok(match live.role {
                    Role::Itself => Placed::of(item),
                    Role::Heir(inode) => {
                        let name = pack::read_header(self.spool, item.header)?.name;
                        let mut header = pack::read_header(self.spool, items[inode].header)?;
                        header.name = name;
                        Placed {
                            path: &item.path,
                            header: self.spool.append(&encode(&header))?,
                            ..Placed::of(&items[inode])
                        }
                    }
                    Role::LinkTo(holder) => {
                        let mut header = pack::read_header(self.spool, item.header)?;
                        header.link = pack::read_header(self.spool, items[holder].header)?.name;
                        Placed { header: self.spool.append(&encode(&header))?, ..Placed::of(item) }
                    }
                })
            })
            .collect()
    }
}

/// The entries as decisions see them.
pub(super) fn entries(items: &[Item]) -> Vec<Entry<'_>> {
    fn entry(item: &Item) -> Entry<'_> {
        let Item { path, kind, target, payload, .. } = item;
        let content = payload.as_ref().map(|payload| (payload.digest, payload.size));
        Entry { path, kind: *kind, target: target.as_ref(), content }
    }
    items.iter().map(entry).collect()
}

fn descriptor(
    source: Option<&Descriptor>,
    packed: &PackedLayer,
    request: &Request,
    digest: BlobDigest,
    size: u64,
) -> Descriptor {
    let media_type = Compression::Zstd.media_type();
    let mut descriptor = match source {
        Some(source) => source.pointing_at(media_type, digest, size),
        None => Descriptor::new(media_type, digest, size),
    };
    // They describe the blob that was read. Two kinds of TOC on one layer make podman refuse it.
    for stale in [
        toc::TOC_DIGEST,
        toc::TOC_POSITION,
        toc::TAR_SPLIT_POSITION,
        toc::TAR_SPLIT_DIGEST,
        toc::ESTARGZ_TOC_DIGEST,
        "io.containers.estargz.uncompressed-size",
        PROFILE,
    ] {
        descriptor.remove_annotation(stale);
    }
    if let Some(chunked) = &packed.chunked {
        for (key, value) in chunked.to_pairs() {
            descriptor.set_annotation(key, &value);
        }
    }
    descriptor.set_annotation(PROFILE, &format!("1 zstd={} level={}", library_version(), request.level.get()));
    descriptor
}
