//! `oci:DIR`: a new layout is renamed into place whole; an existing one gains blobs first and its index.json last.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::stage::Stage;
use super::{SinkError, stage};
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{self, Descriptor, Index, Reference};

/// What stands where the layout shall be.
pub(super) enum Found {
    Nothing,
    /// A valid layout, or an empty directory.
    Layout,
}

pub(super) fn look(path: &Path, reference: &Reference) -> Result<Found, SinkError> {
    let kind = |found: String| SinkError::Kind {
        path: path.to_owned(),
        expected: "an OCI layout, an empty directory or nothing",
        found,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_parent(path)?;
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(unseen(path, error)),
        Ok(meta) if !meta.is_dir() => return Err(kind("a file".to_owned())),
        Ok(_) => {}
    }
    let Some(first) = first_content(path)? else { return Ok(Found::Layout) };
    if !path.join("oci-layout").is_file() || !path.join("index.json").is_file() {
        return Err(kind(format!("a directory with other content ({:?})", first.to_string_lossy())));
    }
    let tags = read_index(path)?.tags();
    if reference.tag().is_none() && !tags.is_empty() {
        return Err(SinkError::TagNeeded { reference: reference.to_string(), tags });
    }
    Ok(Found::Layout)
}

/// Why nothing can be seen at a destination, nor made there.
pub(super) fn unseen(path: &Path, error: io::Error) -> SinkError {
    let file = path.ancestors().skip(1).find(|parent| fs::metadata(parent).is_ok_and(|meta| !meta.is_dir()));
    match file.filter(|_| error.kind() == io::ErrorKind::NotADirectory) {
        Some(parent) => SinkError::BelowFile { path: path.to_owned(), parent: parent.to_owned() },
        None => SinkError::io(path, "looking at the destination")(error),
    }
}

/// A name that tells what the directory is for. skopeo leaves empty directories for blobs when a copy fails.
fn first_content(path: &Path) -> Result<Option<OsString>, SinkError> {
    let list = |dir: &Path| -> Result<Vec<OsString>, SinkError> {
        let entries = fs::read_dir(dir).map_err(SinkError::io(dir, "listing the destination"))?;
        // Two tell whether there is another than the expected one.
        let names = entries.take(2).map(|entry| entry.map(|entry| entry.file_name()));
        names.collect::<Result<_, _>>().map_err(SinkError::io(dir, "listing the destination"))
    };
    let (names, blobs) = (list(path)?, path.join("blobs"));
    let is_left_over = names == ["blobs"]
        && blobs.is_dir()
        && match &list(&blobs)?[..] {
            [] => true,
            [only] => only == "sha256" && list(&blobs.join("sha256")).is_ok_and(|names| names.is_empty()),
            _ => false,
        };
    Ok(names.into_iter().next().filter(|_| !is_left_over))
}

pub(super) fn check_parent(path: &Path) -> Result<(), SinkError> {
    let parent = stage::parent(path);
    let meta = fs::metadata(parent).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SinkError::NoParent { path: path.to_owned(), parent: parent.to_owned() },
        _ => SinkError::io(parent, "looking for the destination's directory")(source),
    })?;
    if !meta.is_dir() {
        let found = "a file".to_owned();
        return Err(SinkError::Kind { path: parent.to_owned(), expected: "a directory", found });
    }
    Ok(())
}

/// The size of a blob that the layout has.
pub(super) fn blob_size(layout: &Path, digest: BlobDigest) -> Option<u64> {
    size(&blob_path(layout, digest))
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
}

/// Turns the stage into the layout.
pub(super) fn create(stage: Stage, entry: Descriptor, tag: Option<&str>, path: &Path) -> Result<(), SinkError> {
    let mut index = Index::default();
    index.replace_tag(entry.clone(), tag);
    stage.write("oci-layout", oci::LAYOUT_FILE)?;
    stage.write("index.json", &index.to_bytes())?;
    // The stage's own clean-up then finds nothing, which it does not mind.
    match fs::rename(stage.path(), path) {
        // Another job made the layout meanwhile: a matrix of builds that all write their tag.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => extend(&stage, entry, tag, path),
        renamed => renamed.map_err(SinkError::io(path, "renaming the new layout into place")),
    }
}

/// Adds the stage's blobs and the tag to a layout. On an error, what was added goes again.
pub(super) fn extend(stage: &Stage, entry: Descriptor, tag: Option<&str>, path: &Path) -> Result<(), SinkError> {
    // Two jobs that each add a tag would else lose one. Released when the file is closed.
    let lock = fs::File::open(path).map_err(SinkError::io(path, "opening the layout"))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| SinkError::io(path, "locking the layout")(e.into()))?;
    let mut added = Added::default();
    for dir in [path.join("blobs"), path.join("blobs/sha256")] {
        if !dir.is_dir() {
            fs::create_dir(&dir).map_err(SinkError::io(&dir, "making a directory"))?;
            added.0.push(dir);
        }
    }
    for digest in stage.blobs() {
        let (from, to) = (stage.blob_path(digest), blob_path(path, digest));
        let is_new = size(&to).is_none();
        // Over one that is there, too: nobody has looked whether that one is whole.
        fs::rename(&from, &to).map_err(SinkError::io(&to, "renaming a blob into place"))?;
        if is_new {
            added.0.push(to);
        }
    }
    let marker = path.join("oci-layout");
    let mut index = Index::default();
    if marker.is_file() {
        // Read now, not at the start: another tag may have come meanwhile.
        index = read_index(path)?;
    } else {
        fs::write(&marker, oci::LAYOUT_FILE).map_err(SinkError::io(&marker, "writing"))?;
        added.0.push(marker);
    }
    index.replace_tag(entry, tag);
    let from = stage.write("index.json", &index.to_bytes())?;
    let to = path.join("index.json");
    fs::rename(from, &to).map_err(SinkError::io(to, "replacing the index"))?;
    added.0.clear();
    Ok(())
}

/// Removed when dropped.
#[derive(Default)]
struct Added(Vec<PathBuf>);

impl Drop for Added {
    fn drop(&mut self) {
        // Directories come before what is in them.
        for path in self.0.iter().rev() {
            // There is nobody left to tell, and the error that led here says more.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}

fn read_index(layout: &Path) -> Result<Index, SinkError> {
    let oci = |path: &Path, source| SinkError::Oci { path: path.to_owned(), source };
    let marker = layout.join("oci-layout");
    oci::check_layout_file(&read_small(&marker)?, "oci-layout").map_err(|e| oci(&marker, e))?;
    let path = layout.join("index.json");
    Index::parse(&read_small(&path)?, "index.json").map_err(|e| oci(&path, e))
}

fn read_small(path: &Path) -> Result<Vec<u8>, SinkError> {
    let len = fs::metadata(path).map_err(SinkError::io(path, "reading"))?.len();
    if len > limits::MANIFEST_BYTES {
        let found = format!("{len} bytes");
        return Err(SinkError::Kind { path: path.to_owned(), expected: "a file of at most 4 MiB", found });
    }
    fs::read(path).map_err(SinkError::io(path, "reading"))
}

pub(super) fn blob_path(layout: &Path, digest: BlobDigest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}
