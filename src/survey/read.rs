//! A layer's entries.

use crate::compression::Compression;
use crate::error::Error;
use crate::inventory::{Inventory, Known, pull_files, pull_index};
use crate::job::JobOptions;
use crate::oci::Descriptor;
use crate::order::cost::PullLayer;
use crate::progress::{Progress, SizeLimit};
use crate::source::{IndexError, Layer, Source, SourceError};
use crate::spool::Spool;
use crate::toc::{ChunkedAnnotations, Toc};
use crate::unpack::{self, LayerInput, UnpackError, UnpackedLayer, unpack};

/// A layer's index, as far as it is of use.
pub type Index = (ChunkedAnnotations, Toc);

/// What a layer's index is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// To say what clients see: it is asked what they ask.
    Compare,
    /// To hand the layer on as it is: the result must have no layer that `restrata check` faults.
    HandOn,
}

/// A layer's index, `None` for a layer without one. The inner error is what is wrong with the index: a fault of another
/// tool's, which must not keep anybody from the next version.
pub(super) fn index(
    source: &Source,
    layer: &Layer,
    purpose: Use,
    progress: &Progress,
) -> Result<Result<Option<Index>, IndexError>, Error> {
    let read = match purpose {
        Use::Compare => source.toc(layer, progress),
        Use::HandOn => source.stated_toc(layer, progress),
    };
    match read {
        Err(IndexError::Source(error)) => Err(error.into()),
        Err(IndexError::TooMany(error)) => Err(error.into()),
        read => Ok(read),
    }
}

/// A layer as a client sees it before it pulls.
pub fn pull_layer(descriptor: &Descriptor, toc: Option<&Index>) -> PullLayer {
    let index = toc.map(|(annotations, toc)| pull_index(annotations, pull_files(toc)));
    PullLayer { digest: descriptor.digest, size: descriptor.size, index }
}

/// Layers' entries as their tars have them, and the spool that their package databases are in. `size` is that of the image.
pub fn tar_inventories(
    source: &Source,
    layers: &[&Layer],
    resources: &JobOptions,
    size: &SizeLimit,
    progress: &Progress,
) -> Result<(Vec<Inventory>, Spool), Error> {
    let spool = Spool::new(&resources.spool_dir)?;
    let inputs = layers.iter().map(|&layer| LayerInput {
        open: Box::new(move || source.open_layer(layer).map_err(SourceError::into_io)),
        verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
        diff_id: layer.diff_id,
    });
    let found = unpacked(inputs.collect(), &spool, resources.threads, size, progress).map_err(|(at, error)| {
        let name = |descriptor: &Descriptor| descriptor.digest.to_string();
        let layer = layers[at].descriptor.as_ref().map(name);
        let layer = layer.or_else(|| layers[at].diff_id.map(|diff_id| diff_id.to_string())).unwrap_or_default();
        Error::unpack(source.reference().to_string(), layer, error)
    })?;
    Ok((found.into_iter().map(|layer| layer.inventory).collect(), spool))
}

/// One layer's entries as its tar has them, and how it is compressed, whatever its media type says.
pub fn tar_inventory(
    input: LayerInput<'_>,
    spool: &Spool,
    threads: usize,
    size: &SizeLimit,
    progress: &Progress,
) -> Result<(Inventory, Compression), UnpackError> {
    let found = unpacked(vec![input], spool, threads, size, progress).map_err(|(_, error)| error)?;
    let found = found.into_iter().next().ok_or(UnpackError::Stopped)?;
    Ok((found.inventory, found.compression))
}

fn unpacked(
    inputs: Vec<LayerInput<'_>>,
    spool: &Spool,
    threads: usize,
    size: &SizeLimit,
    progress: &Progress,
) -> Result<Vec<UnpackedLayer>, (usize, UnpackError)> {
    let known = Known::default();
    let options = unpack::Options {
        level: None,
        known: &known,
        expect_known: false,
        seen: None,
        threads,
        drop_xattrs: &[],
        size,
    };
    unpack(inputs, spool, options, progress)
}

/// Shares out `size` bytes of a blob by the files' sizes: nothing tells which file compressed how well.
pub fn share_out(inventory: &mut Inventory, size: u64) {
    for content in inventory.entries.iter_mut().filter_map(|entry| entry.content.as_mut()) {
        let share = u128::from(content.size) * u128::from(size) / u128::from(inventory.content_bytes);
        content.stored = u64::try_from(share).unwrap_or(u64::MAX);
    }
}
