//! Notes for images that clients show differently.

use crate::error::Error;
use crate::oci::Transport;
use crate::order::{Entry, OverlayMark, Place, Readings, readings};
use crate::pack::read_header;
use crate::source::Source;
use crate::tar::TarPath;
use crate::unpack::UnpackedLayer;

use super::image::Job;

/// Paths that a note names.
const NAMED: usize = 3;

impl Job<'_, '_> {
    pub fn note_readings(&self, unpacked: &[&UnpackedLayer], notes: &mut Vec<String>) -> Result<(), Error> {
        self.note_readings_of(self.source, unpacked, notes)
    }

    /// The same of an image that a new one is laid over.
    pub fn note_readings_of(
        &self,
        source: &Source<'_>,
        unpacked: &[&UnpackedLayer],
        notes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let layers: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        let Readings { implied, setgid, seen_through, opaque_root, marked } = readings(&layers);
        if !implied.is_empty() {
            let shown = implied.iter().take(NAMED).map(|(path, place)| self.below(path, *place, unpacked));
            notes.push(format!(
                "{}: an upper layer has something there and no entry for the directory itself. podman and docker then show \
                 it with mode 0755 and root as owner, and so does the result; containerd shows what a lower layer says",
                list("directory", "directories", implied.len(), shown.collect::<Result<_, _>>()?)
            ));
        }
        let names = |paths: &[TarPath]| paths.iter().take(NAMED).map(TarPath::to_string).collect();
        if !setgid.is_empty() {
            notes.push(format!(
                "{}: no entry names it, and the directory above has the setgid bit. podman and docker then show it with mode \
                 2755 and root as owner, and so does the result; containerd shows it without the bit",
                list("directory", "directories", setgid.len(), names(&setgid))
            ));
        }
        if !seen_through.is_empty() {
            notes.push(format!(
                "{}: a layer has a whiteout for the directory and then the directory itself. podman, docker and containerd \
                 still show there what lower layers have, and so does the result; the OCI specification hides it",
                list("directory", "directories", seen_through.len(), names(&seen_through))
            ));
        }
        if opaque_root {
            notes.push(
                "/: a layer makes the root opaque. podman, docker and containerd still show what lower layers have, and so \
                 does the result; the OCI specification hides it"
                    .to_owned(),
            );
        }
        if !marked.is_empty() {
            notes.push(format!(
                "{}: what lower layers have there is hidden by an attribute or a device that overlayfs takes for its own, \
                 and is not in the result. podman as root obeys trusted.overlay.* and devices 0:0, without root \
                 user.overlay.*; other clients may show it",
                list("path", "paths", marked.len(), names(&marked))
            ));
        }
        if source.reference().transport() == Transport::Dir {
            notes.extend(embedded(&layers));
        }
        Ok(())
    }

    /// "/tmp (1777, owner 0:0)"
    fn below(&self, path: &TarPath, (layer, entry): Place, unpacked: &[&UnpackedLayer]) -> Result<String, Error> {
        let body = &unpacked[layer as usize].inventory.bodies[entry as usize];
        let header =
            read_header(self.spool, body.header).map_err(|source| Error::Pack { layer: layer as usize, source })?;
        Ok(format!("{path} ({:04o}, owner {}:{})", header.mode & 0o7777, header.uid, header.gid))
    }

    /// A base stays as it is, whatever it has.
    pub fn note_marked_base(&self, notes: &mut Vec<String>) {
        let base = self.old.layers().filter(|(_, segment)| segment.is_base);
        let marked = base.filter_map(|(layer, segment)| {
            let entry = segment.entries.iter().find(|entry| entry.overlay != OverlayMark::None)?;
            Some(format!(
                "{}: layer {} stays as it is, though {} has something that overlayfs takes for its own (trusted.overlay.*, \
                 user.overlay.*, a device 0:0): clients differ in what they show there",
                layer.reference, layer.index, entry.path
            ))
        });
        notes.extend(marked);
    }
}

/// A root file system can have a storage of images, whose upper layers say with such things what they hide.
fn embedded(layers: &[&[Entry]]) -> Option<String> {
    let hides = |entry: &&Entry| matches!(entry.overlay, OverlayMark::Opaque | OverlayMark::Whiteout);
    let first = layers.iter().flat_map(|layer| layer.iter()).find(hides)?;
    Some(format!(
        "{}: if this is a layer in a storage of images, these images will show again what the layer hides: no image can \
         carry whiteouts and opaque directories of overlayfs as content",
        first.path
    ))
}

/// "3 directories (/a, /b, ..)"
fn list(one: &str, many: &str, count: usize, mut named: Vec<String>) -> String {
    if count > named.len() {
        named.push("..".to_owned());
    }
    format!("{count} {} ({})", if count == 1 { one } else { many }, named.join(", "))
}
