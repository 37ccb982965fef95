//! Writes planned members, and offers their layers to the others.

use std::sync::Arc;

use crate::compression::Compression;
use crate::degraded::Notes;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::order::layers::Segment;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::rechunk::inputs::expect_strict;
use crate::rechunk::layers::{Written, note_written};
use crate::rechunk::output::Output;
use crate::rechunk::{Finished, ImageOutcome, attached, partial};
use crate::survey::old::{ProvenLayer, WrittenLayer};
use crate::unpack::UnpackedLayer;

use super::Told;
use super::dests::Outlet;
use super::inputs::FamilyInputs;
use super::platform::{Offer, Turn};

/// A member's image of one platform.
struct Image {
    outcome: ImageOutcome,
    manifests: Vec<Descriptor>,
    proofs: Vec<super::super::Proof>,
}

/// Writes all members; nothing points at them yet.
pub(super) fn write<'s>(
    inputs: &'s FamilyInputs<'s>,
    outlets: &[Outlet<'_, 's>],
    progress: &Progress,
    notes: &mut Told,
) -> Result<Vec<Finished>, Error> {
    let empty = || Finished { images: Vec::new(), manifests: Vec::new(), proofs: Vec::new() };
    let mut finished: Vec<Finished> = outlets.iter().map(|_| empty()).collect();
    let attached: Vec<_> = inputs.sources.iter().map(|source| source.take_attached()).collect();
    for (source, notes) in inputs.sources.iter().zip(&mut notes.members) {
        super::super::inputs::note_absent(source, notes);
    }
    for (platform, chosen) in inputs.by_platform() {
        let images = inputs.each(platform, &chosen, progress, notes, &mut |turn, unpacked, notes| {
            let outlet = outlets[turn.member];
            write_member(turn, outlet, unpacked, notes)
        })?;
        for (chosen, Image { outcome, manifests, proofs }) in chosen.iter().zip(images) {
            let member = &mut finished[chosen.member];
            member.images.push(outcome);
            member.manifests.extend(manifests);
            member.proofs.extend(proofs);
        }
    }
    for (number, (attached, source)) in attached.iter().zip(&inputs.sources).enumerate() {
        let (finished, notes) = (&mut finished[number], &mut notes.members[number]);
        let artifacts = attached::hand_on(attached, source, outlets[number].output, &finished.manifests, notes)?;
        finished.manifests.extend(artifacts);
        notes.extend(source.take_notes());
    }
    Ok(finished)
}

fn write_member<'s>(
    turn: Turn<'_, 's>,
    outlet: Outlet<'_, 's>,
    unpacked: &mut [UnpackedLayer],
    notes: &mut Notes,
) -> Result<(Image, Vec<Offer<'s>>), Error> {
    let (job, output) = (turn.job, outlet.output);
    expect_strict(job.request, notes)?;
    let labels = job.labels(&turn.layout, &unpacked.iter().collect::<Vec<_>>(), notes)?;
    let Turn { mut layout, offered, .. } = turn;
    let level = job.reframe(unpacked, &mut layout)?;
    let written = job.write(output, unpacked, &layout.plan, level)?;
    note_written(&written, notes);
    expect_strict(job.request, notes)?;
    let proofs = written.iter().flat_map(Written::proofs).collect();
    let hides = partial::hides_indexes(job.request, output, &written, notes)?;
    let from = job.request.dest.to_string();
    let offers = offered.into_iter().map(|(number, segment)| offer(&from, number, &written[number], segment, outlet));
    let offers = offers.collect::<Result<_, _>>()?;
    let (outcome, manifests) = job.publish(output, &layout, written, &labels, hides)?;
    Ok((Image { outcome, manifests, proofs }, offers))
}

/// A layer as it was written, for the others.
fn offer<'s>(
    from: &str,
    index: usize,
    written: &Written,
    segment: Segment,
    outlet: Outlet<'_, 's>,
) -> Result<Offer<'s>, Error> {
    let layer = |descriptor: &Descriptor, compression| {
        let place = place(descriptor.digest, descriptor.size, outlet)?;
        let (from, descriptor, diff_id) = (from.to_owned(), descriptor.clone(), written.diff_id);
        Ok::<_, Error>(WrittenLayer { from, index, descriptor, compression, diff_id, place })
    };
    let gzip = written.gzip.as_ref().map(|gzip| layer(&gzip.descriptor, Compression::Gzip)).transpose()?;
    let is_gzip = written.descriptor.media_type.ends_with("gzip");
    let own = layer(&written.descriptor, if is_gzip { Compression::Gzip } else { Compression::Zstd })?;
    let segment = Segment { pull: Arc::clone(&written.pull), ..segment };
    Ok(Offer { segment, layer: Some(ProvenLayer::written(own, gzip)) })
}

/// Where a blob is that went this way. Its member is not published yet.
fn place<'s>(digest: BlobDigest, size: u64, outlet: Outlet<'_, 's>) -> Result<Origin<'s>, Error> {
    match (outlet.output, outlet.dest.push()) {
        (Output::Files(sink), _) => Ok(Origin::File(sink.written(digest)?)),
        (Output::Registry(uploads), Some(push)) => {
            uploads.arrived(digest)?;
            Ok(Origin::Registry(push.stored(digest, size)?))
        }
        (Output::Registry(_), None) => Err(Error::Internal("uploads without a registry")),
    }
}
