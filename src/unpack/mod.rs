//! Layer blobs -> inventories: one pass that verifies, hashes and compresses.
//!
//! A reader thread for each layer inflates it, checks its DiffID and cuts it into entries; a pool of workers hashes
//! and compresses the payloads and puts the frames into the spool. Neither order nor layers change a payload's
//! frame, so nothing is compressed twice. Who only compares has payloads hashed and headers spooled. Memory is bounded by [`budget`], whatever the files' sizes.

mod budget;
mod extracted;
mod layer;
mod notes;
mod seen;
mod shelf;
#[cfg(test)]
mod tests;
mod work;

use std::io::{self, Read};
use std::sync::Mutex;

use crate::codec::{FrameError, Level};
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::inventory::{Inventory, Known, XattrGlob};
use crate::progress::{Interrupted, Progress, SizeLimit, TooLarge, TooMany};
use crate::registry::RegistryError;
use crate::spool::{Spool, SpoolError};
use crate::tar::{PathError, ScanError};
use crate::threads::{self, ThreadError, lock};

#[cfg(test)]
pub(crate) use tests::PANIC;

pub use extracted::{is_settled_across, settle_across};

pub use seen::Seen;
pub use shelf::{Packed, Shelf, Shelved};

use budget::{Budgets, ByteBudget};
use work::Pool;

/// Whole files on their way from readers to workers, in bytes over all layers.
const WHOLE_IN_FLIGHT: u64 = 32 << 20;
/// Pieces of streamed files on their way. A worker compresses a large file more slowly than its reader inflates it:
/// with room to run ahead, the reader keeps the other workers busy meanwhile. Twice as much is no faster.
///
/// The two are apart so that they can't starve each other: a streamed file that a worker waits for
/// never waits for room that queued jobs hold.
const STREAMED_IN_FLIGHT: u64 = 64 << 20;

/// What is wrong with a layer. The caller adds which one.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("{0}")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Tar(#[from] ScanError),
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("entry {name:?}: the archive ends inside its content")]
    ContentTruncated { name: String },
    #[error("DiffID: the config has {expected}, the layer's tar is {found}")]
    DiffId { expected: DiffId, found: DiffId },
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Threads(#[from] ThreadError),
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    #[error("{0}")]
    TooMany(#[from] TooMany),
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// Another layer failed first; its error is the one to show.
    #[error("stopped")]
    Stopped,
}

impl UnpackError {
    /// True when the layer is at fault; false for a full disk, a failing one, a limit of this run, or Ctrl-C.
    pub fn is_damage(&self) -> bool {
        match self {
            // Decoders and the blob's own check make errors that are none of the system's, nor the network's.
            Self::Read(error) => {
                error.raw_os_error().is_none() && RegistryError::of(error).is_none_or(RegistryError::is_damage)
            }
            Self::Tar(_) | Self::Path(_) | Self::ContentTruncated { .. } | Self::DiffId { .. } => true,
            Self::Spool(_)
            | Self::Frame(_)
            | Self::Threads(_)
            | Self::Interrupted(_)
            | Self::Internal(_)
            | Self::Stopped => false,
            Self::TooLarge(_) | Self::TooMany(_) => false,
        }
    }
}

/// One layer of the new image.
pub struct LayerInput<'a> {
    /// The blob's bytes, verified against the descriptor as they are read.
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send + 'a>> + Send + 'a>,
    /// The digest that the reader checks at the blob's end, if it does. For a plain tar it is the DiffID as well.
    pub verified: Option<BlobDigest>,
    /// What the config promises; `None` when there is no config yet.
    pub diff_id: Option<DiffId>,
}

/// A layer as read: its entries, and the DiffID of the tar that it was.
pub struct UnpackedLayer {
    pub inventory: Inventory,
    pub diff_id: DiffId,
    /// As its first bytes tell.
    pub compression: Compression,
}

#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// `None`: payloads are hashed only, and have no frames.
    pub level: Option<Level>,
    /// Content that needs no frames of its own.
    pub known: &'a Known,
    /// Large files that have the size of known content are hashed only, and come without frames if they are new.
    pub expect_known: bool,
    /// What other layers of the run have, too.
    pub seen: Option<&'a Seen>,
    pub threads: usize,
    /// Xattrs that are taken for not there.
    pub drop_xattrs: &'a [XattrGlob],
    /// Of the image that the layers are of.
    pub size: &'a SizeLimit,
}

/// Reads all layers. On an error, the index of the layer that it is about.
pub fn unpack(
    layers: Vec<LayerInput<'_>>,
    spool: &Spool,
    options: Options<'_>,
    progress: &Progress,
) -> Result<Vec<UnpackedLayer>, (usize, UnpackError)> {
    unpack_each(layers, spool, options, progress, Ok)
}

/// The same, with what `done` makes of each layer as soon as that is read.
pub fn unpack_each<T: Send>(
    layers: Vec<LayerInput<'_>>,
    spool: &Spool,
    options: Options<'_>,
    progress: &Progress,
    done: impl Fn(UnpackedLayer) -> Result<T, UnpackError> + Sync,
) -> Result<Vec<T>, (usize, UnpackError)> {
    let count = layers.len();
    let inputs: Vec<Mutex<Option<LayerInput<'_>>>> = layers.into_iter().map(|l| Mutex::new(Some(l))).collect();
    let budgets = Budgets { whole: ByteBudget::new(WHOLE_IN_FLIGHT), streamed: ByteBudget::new(STREAMED_IN_FLIGHT) };
    let results = std::thread::scope(|scope| -> Result<_, ThreadError> {
        let (pool, workers) = Pool::start(scope, options, spool, &budgets, progress)?;
        let results = threads::each(options.threads, count, |index| -> Result<_, ThreadError> {
            let _guard = pool.stop_on_panic();
            let Some(input) = lock(&inputs[index]).take() else { return Ok(Err(UnpackError::Stopped)) };
            let result = layer::read(input, options, &pool, spool, progress).and_then(&done);
            if result.is_err() {
                pool.stop();
            }
            Ok(result)
        });
        drop(pool);
        // A reader that stopped because a worker panicked has nothing to say.
        workers.into_iter().try_for_each(threads::Worker::join)?;
        results
    });
    collect(results.map_err(|error| (0, error.into()))?)
}

/// The layers, or the first error that is a cause and not a consequence.
fn collect<T>(results: Vec<Result<T, UnpackError>>) -> Result<Vec<T>, (usize, UnpackError)> {
    let mut layers = Vec::with_capacity(results.len());
    let mut stopped = None;
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Ok(layer) => layers.push(layer),
            Err(UnpackError::Stopped) => stopped = stopped.or(Some((index, UnpackError::Stopped))),
            Err(error) => return Err((index, error)),
        }
    }
    stopped.map_or(Ok(layers), Err)
}
