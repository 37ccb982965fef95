//! `oci:DIR`: a new layout is renamed into place whole; an existing one gains blobs first and its index.json last.
//!
//! Each step is on the disk before the next one that needs it: the blobs' content, their names, and then the index that
//! leads to them.

use std::ffi::OsString;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::Disk;
use super::stage::Stage;
use super::{SinkError, stage};
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{self, Descriptor, Index, Reference};
use crate::progress::Progress;

/// What stands where the layout shall be.
pub(super) enum Found {
    Nothing,
    /// A valid layout, or an empty directory.
    Layout,
}

pub(super) fn look(path: &Path, reference: &Reference) -> Result<Found, SinkError> {
    check_link(path)?;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_parent(path)?;
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(unseen(path, error)),
        Ok(meta) if !meta.is_dir() => return Err(kind(path, "a file".to_owned())),
        Ok(_) => {}
    }
    if path.join("oci-layout").is_file() && path.join("index.json").is_file() {
        let index = read_index(path)?;
        let tags = index.tags();
        if reference.tag().is_none() && !tags.is_empty() {
            return Err(SinkError::TagNeeded { reference: reference.to_string(), tags });
        }
        with_tag(index, placeholder(), reference.tag(), path)?;
    } else if let Some(other) = other_content(path)? {
        return Err(other_kind(path, &other));
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

fn kind(path: &Path, found: String) -> SinkError {
    SinkError::Kind { path: path.to_owned(), expected: "an OCI layout, an empty directory or nothing", found }
}

fn other_kind(path: &Path, other: &str) -> SinkError {
    kind(path, format!("a directory with other content ({other:?})"))
}

/// Something that a run into an empty directory does not leave when it is killed.
fn other_content(path: &Path) -> Result<Option<String>, SinkError> {
    let io = |error| SinkError::io(path, "listing the destination")(error);
    for entry in fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let is_own = name == "oci-layout" || stage::is_own_name(&name) || name == "blobs" && has_blobs_alone(path);
        if !is_own {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// True for an empty directory as well: skopeo leaves such for blobs when a copy fails.
fn has_blobs_alone(layout: &Path) -> bool {
    let names = |dir: &Path| fs::read_dir(dir).map(|entries| entries.flatten().map(|entry| entry.file_name()));
    let blobs = layout.join("blobs");
    let is_blob = |name: OsString| name.len() == 64 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
    let are_blobs = |dir: &Path| names(dir).is_ok_and(|mut names| names.all(is_blob));
    names(&blobs).is_ok_and(|mut names| names.all(|name| name == "sha256" && are_blobs(&blobs.join(name))))
}

/// A link that leads nowhere would fail after all the work.
pub(super) fn check_link(path: &Path) -> Result<(), SinkError> {
    match fs::read_link(path) {
        Ok(target) if !path.exists() => Err(SinkError::Dangling { path: path.to_owned(), target }),
        _ => Ok(()),
    }
}

/// The index with the image under its tag, if restrata could read it again.
fn with_tag(mut index: Index, entry: Descriptor, tag: Option<&str>, path: &Path) -> Result<Index, SinkError> {
    index.replace_tag(entry, tag);
    let path = path.join("index.json");
    let too_much = |what, limit: u64, found: u64| SinkError::Limit { path, what, limit, found };
    let (images, bytes) = (index.manifests().count(), index.to_bytes().len() as u64);
    if images > limits::INDEX_MANIFESTS {
        return Err(too_much("images", limits::INDEX_MANIFESTS as u64, images as u64));
    }
    if bytes > limits::MANIFEST_BYTES {
        return Err(too_much("bytes", limits::MANIFEST_BYTES, bytes));
    }
    Ok(index)
}

/// As long as the shortest entry that a run could add.
fn placeholder() -> Descriptor {
    Descriptor::new("application/vnd.oci.image.index.v1+json", BlobDigest::from_bytes([0; 32]), 100)
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
pub(super) fn create(
    stage: Stage,
    entry: Descriptor,
    tag: Option<&str>,
    path: &Path,
    progress: &Progress,
) -> Result<(), SinkError> {
    let disk = stage.disk();
    let index = with_tag(Index::default(), entry.clone(), tag, path)?;
    stage.write("oci-layout", oci::LAYOUT_FILE)?;
    stage.write("index.json", &index.to_bytes())?;
    for dir in [stage.path().join("blobs/sha256"), stage.path().join("blobs"), stage.path().to_owned()] {
        sync_dir(disk, &dir)?;
    }
    match disk.rename(stage.path(), path) {
        // Another job made the layout meanwhile: a matrix of builds that all write their tag.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            return extend(&stage, &[], entry, tag, path, progress);
        }
        renamed => renamed.map_err(SinkError::io(path, "renaming the new layout into place"))?,
    }
    stage.is_placed();
    sync_dir(disk, stage::parent(path))
}

/// Adds the stage's blobs and the tag to a layout that has the blobs `own` already. On an error, what was added goes
/// again.
pub(super) fn extend(
    stage: &Stage,
    own: &[(BlobDigest, u64)],
    entry: Descriptor,
    tag: Option<&str>,
    path: &Path,
    progress: &Progress,
) -> Result<(), SinkError> {
    let disk = stage.disk();
    // Two jobs that each add a tag would else lose one.
    let _lock = lock(path, progress)?;
    if let Some((digest, _)) = own.iter().find(|(digest, size)| blob_size(path, *digest) != Some(*size)) {
        return Err(SinkError::Vanished { path: path.to_owned(), digest: *digest });
    }
    let marker = path.join("oci-layout");
    let is_layout = marker.is_file() && path.join("index.json").is_file();
    // Read now, not at the start: another tag may have come meanwhile.
    let index = if is_layout { read_index(path)? } else { Index::default() };
    if let Some(other) = other_content(path)?.filter(|_| !is_layout) {
        return Err(other_kind(path, &other));
    }
    let index = with_tag(index, entry, tag, path)?;
    let mut added = Added { disk, paths: Vec::new() };
    for dir in [path.join("blobs"), path.join("blobs/sha256")] {
        if !dir.is_dir() {
            disk.make_dir(&dir).map_err(SinkError::io(&dir, "making a directory"))?;
            added.paths.push(dir);
        }
    }
    for digest in stage.blobs() {
        let (from, to) = (stage.blob_path(digest), blob_path(path, digest));
        let is_new = size(&to).is_none();
        // Over one that is there, too: nobody has looked whether that one is whole.
        disk.rename(&from, &to).map_err(SinkError::io(&to, "renaming a blob into place"))?;
        if is_new {
            added.paths.push(to);
        }
    }
    if !marker.is_file() {
        let from = stage.write("oci-layout", oci::LAYOUT_FILE)?;
        disk.rename(&from, &marker).map_err(SinkError::io(&marker, "renaming into place"))?;
        added.paths.push(marker);
    }
    let from = stage.write("index.json", &index.to_bytes())?;
    // The tag must not outlive a power cut that its blobs don't.
    for dir in [path.join("blobs/sha256"), path.join("blobs"), path.to_owned()] {
        sync_dir(disk, &dir)?;
    }
    let to = path.join("index.json");
    disk.rename(&from, &to).map_err(SinkError::io(to, "replacing the index"))?;
    added.paths.clear();
    sync_dir(disk, path)
}

fn sync_dir(disk: &Disk, path: &Path) -> Result<(), SinkError> {
    disk.sync_dir(path).map_err(SinkError::io(path, "syncing the directory"))
}

/// Waits until no other process changes the layout, or Ctrl-C. Released when the file is closed.
pub(super) fn lock(layout: &Path, progress: &Progress) -> Result<fs::File, SinkError> {
    let file = fs::File::open(layout).map_err(SinkError::io(layout, "opening the layout"))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress.check()?,
            Err(TryLockError::Error(error)) => return Err(SinkError::io(layout, "locking the layout")(error)),
        }
        std::thread::sleep(RETRY);
    }
}

/// How often a lock is asked for that another process has. It has it for some renames.
const RETRY: Duration = Duration::from_millis(10);

/// Removed when dropped.
struct Added<'a> {
    disk: &'a Disk,
    paths: Vec<PathBuf>,
}

impl Drop for Added<'_> {
    fn drop(&mut self) {
        // Directories come before what is in them.
        for path in self.paths.iter().rev() {
            // There is nobody left to tell, and the error that led here says more.
            let _ = self.disk.remove_file(path).or_else(|_| self.disk.remove_dir(path));
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
