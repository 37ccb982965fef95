//! Whether the manifest says where layers' indexes are. podman with partial pulls goes by that, and some registries make it
//! fail.

use super::Request;
use super::layers::Written;
use super::output::Output;
use crate::error::Error;
use crate::probe::failing_pull;

/// When layers have the annotations that podman finds their index by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TocAnnotations {
    /// Always, but for a registry where podman with partial pulls fails on such a layer.
    #[default]
    Auto,
    Always,
    Never,
}

/// A layer that is smaller can't be asked for ranges that a registry keeps apart.
const SMALLEST: u64 = 4096;

/// Bytes of a layer for each range that is asked for.
const APART: u64 = 128;

/// True if this image's layers, which are on their way, are not to say where their indexes are.
///
/// A registry is asked for two ranges of one layer, as soon as it has it. It is told in any case where podman fails there.
pub(super) fn hides_indexes(
    request: &Request,
    output: Output<'_, '_>,
    written: &[Written],
    notes: &mut Vec<String>,
) -> Result<bool, Error> {
    let Output::Registry(uploads) = output else { return Ok(request.toc_annotations == TocAnnotations::Never) };
    if request.toc_annotations == TocAnnotations::Never {
        return Ok(true);
    }
    let Some(asked) = asked(written, request.max_ranges as u64) else { return Ok(false) };
    let (digest, size) = (asked.descriptor.digest, asked.descriptor.size);
    let repository = uploads.arrived(digest)?;
    // What a registry does not say is no reason to do anything else.
    let Ok(Some(why)) = failing_pull(&repository.asking_once(), digest, size, request.max_ranges) else {
        return Ok(false);
    };
    let dest = &request.dest;
    let hides = request.toc_annotations == TocAnnotations::Auto;
    notes.push(match hides {
        true => format!(
            "{dest}: {why} there, so podman with partial pulls would fail on layers with an index: the annotations of \
             the index are left out, and podman pulls layers whole. With --annotations always, clients with a bridge pull in \
             part, and other clients with partial pulls fail (docs/bridge.md)"
        ),
        false => format!(
            "{dest}: {why} there, so podman with partial pulls fails: switch partial pulls off on clients \
             (enable_partial_images = \"false\" in storage.conf), or leave the annotations of the index out \
             (--annotations never)"
        ),
    });
    Ok(hides)
}

/// The smallest that will do: of a registry that sends all of it, some arrives. One that was there before needs no wait.
fn asked(written: &[Written], ranges: u64) -> Option<&Written> {
    let least = SMALLEST.max(ranges.saturating_mul(APART));
    let with_index = || written.iter().filter(|layer| layer.pull.index.is_some());
    let of = |least: u64| with_index().filter(move |layer| layer.descriptor.size >= least);
    let first = |least| of(least).min_by_key(|layer| (layer.live.is_some(), layer.descriptor.size));
    first(least).or_else(|| first(SMALLEST))
}
