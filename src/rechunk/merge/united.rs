//! Files that hold what all inputs say. Their content is read again, united, and compressed like any new content.

use std::collections::BTreeMap;

use crate::codec::FrameDecoder;
use crate::error::Error;
use crate::inventory::{Known, Payload};
use crate::limits;
use crate::merge::unite::{Clash, Version, united};
use crate::merge::{Laid, Seat, Standing};
use crate::origin::fetch;
use crate::pack::{self, Stock};
use crate::rechunk::image::Job;
use crate::rechunk::layers::old_runs;
use crate::tar::{BLOCK, END_OF_ARCHIVE, EntryKind, Header, TarPath, encode};
use crate::units::count;
use crate::unpack::{self, LayerInput, UnpackedLayer, unpack};

use super::Merge;

/// Content that no input has. An empty file has none.
pub(super) type United = BTreeMap<TarPath, Option<Payload>>;

/// Clashes that an error names.
const NAMED: usize = 5;

impl Job<'_, '_> {
    /// Of the files that are to be united.
    pub(super) fn united(
        &self,
        merge: &Merge,
        laid: &Laid,
        names: &[String],
        read: &[UnpackedLayer],
    ) -> Result<United, Error> {
        let (mut contents, mut clashes): (Vec<(TarPath, Vec<u8>)>, Vec<String>) = Default::default();
        let mut left = limits::UNITED_BYTES;
        for (path, seats) in laid.versions.iter().filter(|(path, _)| merge.unite.takes(path)) {
            let mut versions = Vec::new();
            for seat in seats {
                let content = self.content(payload(*seat, read), &mut left, path)?;
                versions.push((seat.input as usize, content));
            }
            let versions: Vec<Version<'_>> =
                versions.iter().map(|(input, content)| Version { input: *input, content }).collect();
            match united(path, merge.unite, &versions) {
                Ok(content) => contents.push((path.clone(), content)),
                Err(found) => clashes.extend(found.iter().map(|clash| told(path, clash, names))),
            }
        }
        if !clashes.is_empty() {
            return Err(Error::Merge { reason: refusal(&clashes) });
        }
        self.in_spool(contents)
    }

    fn content(&self, payload: Option<&Payload>, left: &mut u64, path: &TarPath) -> Result<Vec<u8>, Error> {
        let Some(payload) = payload else { return Ok(Vec::new()) };
        *left = left.checked_sub(payload.size).ok_or_else(|| Error::Merge {
            reason: format!(
                "{path}: expected at most {} bytes in all files that are to be united, found more",
                count(limits::UNITED_BYTES)
            ),
        })?;
        fetch(self.old.blobs(), old_runs(&payload.frames), self.spool, self.progress)?;
        let (mut decoder, mut content) = (FrameDecoder::new()?, Vec::new());
        let stock = Stock { spool: self.spool, blobs: self.old.blobs() };
        let read = pack::content(stock, payload, &mut decoder, |piece| {
            content.extend_from_slice(piece);
            Ok(())
        });
        read.map_err(Error::reframe)?;
        Ok(content)
    }

    fn in_spool(&self, contents: Vec<(TarPath, Vec<u8>)>) -> Result<United, Error> {
        if contents.is_empty() {
            return Ok(United::new());
        }
        let mut tar = Vec::new();
        for (path, content) in &contents {
            let header = Header { size: content.len() as u64, ..Header::new(path.as_bytes(), EntryKind::Regular) };
            tar.extend_from_slice(&encode(&header));
            tar.extend_from_slice(content);
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        }
        tar.extend_from_slice(&END_OF_ARCHIVE);
        let open = Box::new(move || Ok(Box::new(std::io::Cursor::new(tar)) as Box<dyn std::io::Read + Send>));
        let options = unpack::Options {
            level: Some(self.first_level()),
            known: &Known::default(),
            expect_known: false,
            seen: None,
            threads: self.request.resources.threads,
            drop_xattrs: &[],
            size: &self.progress.size_limit(),
        };
        let input = LayerInput { open, verified: None, diff_id: None };
        let layers = unpack(vec![input], self.spool, options, self.progress)
            .map_err(|(_, source)| Error::unpack("united files".to_owned(), "0".to_owned(), source))?;
        let bodies = layers.into_iter().flat_map(|layer| {
            self.progress.give_back(layer.inventory.held);
            layer.inventory.bodies
        });
        Ok(contents.into_iter().map(|(path, _)| path).zip(bodies.map(|body| body.payload)).collect())
    }
}

fn payload(seat: Seat, read: &[UnpackedLayer]) -> Option<&Payload> {
    match seat.what {
        Standing::Entry { inode: (layer, at), .. } => {
            read[layer as usize].inventory.bodies[at as usize].payload.as_ref()
        }
        Standing::Implied(_) => None,
    }
}

fn told(path: &TarPath, clash: &Clash, names: &[String]) -> String {
    let name = |number: usize| names.get(number).map_or("?", String::as_str);
    format!("{path} ({}, then {}): {}", name(clash.earlier), name(clash.later), clash.what)
}

fn refusal(clashes: &[String]) -> String {
    let more = match clashes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {} more", count(more as u64)),
    };
    let shown = clashes.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    format!(
        "what is to be united contradicts itself: {shown}{more}; build the inputs on the same versions, or leave out --unite"
    )
}
