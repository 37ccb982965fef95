//! The merged tree of an image as text, for composefs or mtree.
//!
//! | file | does |
//! | --- | --- |
//! | `contents` | what composefs wants of each file: its fs-verity digest, or the content of a small one |
//! | `composefs` | a line of composefs-dump(5) |
//! | `mtree` | a line of mtree(5) |
//! | `program` | `mkcomposefs`, which knows the digest of the whole |

mod composefs;
mod contents;
mod mtree;
mod program;

use std::collections::HashMap;
use std::io::Write;

use crate::codec::Level;
use crate::digest::DiffId;
use crate::error::{DumpError, Error};
use crate::inventory::XattrGlob;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference};
use crate::order::tree::Shown;
use crate::progress::{Phase, Progress};
use crate::source::{Image, Source, stored_bytes};
use crate::survey::merged::{Merged, Seen, Side};
use crate::tar::{TarPath, Time};

use contents::Contents;
use program::Program;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// composefs-dump(5), as `mkcomposefs` sees the tree when it is mounted: each hard link is a file of its own.
    Composefs,
    /// mtree(5) with SHA-256 digests; xattrs as go-mtree has them.
    Mtree,
}

/// Content is decoded right after it was compressed, and then it goes.
const LEVEL: i32 = 1;

/// Writes the tree of one image to `out`, a line a path, in the order of the paths.
pub fn dump(
    reference: &Reference,
    platform: Option<&Platform>,
    format: Format,
    options: &JobOptions,
    progress: &Progress,
    notes: &mut Vec<String>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    with_lines(reference, platform, format, options, progress, notes, |lines| lines(out))
}

/// The fs-verity digest of the EROFS image that `mkcomposefs` makes of the tree, in hex.
pub fn digest(
    reference: &Reference,
    platform: Option<&Platform>,
    options: &JobOptions,
    progress: &Progress,
    notes: &mut Vec<String>,
) -> Result<String, Error> {
    let program = Program::start("--digest", Some(PIPE))?;
    with_lines(reference, platform, Format::Composefs, options, progress, notes, |lines| program.digest_of(lines))
}

/// In what an image that is made of another one differs from it.
pub struct Edits<'a> {
    pub drop_xattrs: &'a [XattrGlob],
    /// Paths that it does not have.
    pub is_left_out: &'a dyn Fn(&TarPath) -> bool,
    /// The times that it has, in the order of the paths; of others it has those of its source.
    pub times: &'a [(TarPath, Time)],
    /// Of the source's layers, where they were read before: they must be the same now.
    pub diff_ids: Option<&'a [DiffId]>,
}

/// What [`digest`] will say of the image that is made of this one.
pub fn digest_of(
    source: &Source,
    image: &Image,
    edits: &Edits<'_>,
    options: &JobOptions,
    progress: &Progress,
) -> Result<String, Error> {
    let program = Program::start(LABEL_OPTION, None)?;
    let image = (source, image);
    edited_lines(image, Format::Composefs, edits, options, progress, |lines| program.digest_of(lines))
}

/// What [`digest_of`] needs is there.
pub fn expect_program() -> Result<(), Error> {
    Ok(Program::start(LABEL_OPTION, None).map(drop)?)
}

const PIPE: &str = "restrata dump REF | mkcomposefs --from-file --print-digest-only -";
const LABEL_OPTION: &str = "--composefs-digest-label";

/// Writes all lines.
type Lines<'a> = &'a dyn Fn(&mut dyn Write) -> Result<(), Error>;

fn with_lines<T>(
    reference: &Reference,
    platform: Option<&Platform>,
    format: Format,
    options: &JobOptions,
    progress: &Progress,
    notes: &mut Vec<String>,
    take: impl FnOnce(Lines<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let source = options.open(reference, progress)?;
    let image = one(&source, platform)?;
    let edits = Edits { drop_xattrs: &[], is_left_out: &|_| false, times: &[], diff_ids: None };
    let taken = edited_lines((&source, &image), format, &edits, options, progress, take);
    notes.extend(source.take_notes());
    taken
}

fn edited_lines<T>(
    (source, image): (&Source, &Image),
    format: Format,
    edits: &Edits<'_>,
    options: &JobOptions,
    progress: &Progress,
    take: impl FnOnce(Lines<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    progress.begin(Phase::Reading, stored_bytes(image.layers.iter()));
    let level = (format == Format::Composefs).then(|| Level::new(LEVEL)).flatten();
    let side = Side::load(source, image, level, edits.drop_xattrs, options, progress)?;
    if edits.diff_ids.is_some_and(|expected| !side.diff_ids().eq(expected.iter().copied())) {
        return Err(DumpError::Changed { reference: source.reference().to_string() }.into());
    }
    let merged = side.merged(edits.is_left_out);
    let contents = match format {
        Format::Composefs => Contents::of(&side, &merged, options.threads, progress)?,
        Format::Mtree => Contents::default(),
    };
    let links = links(&merged);
    take(&|out| {
        let mut text = Vec::new();
        if format == Format::Mtree {
            out.write_all(b"#mtree\n").map_err(DumpError::Write)?;
        }
        for (path, shown) in &merged.tree {
            progress.check()?;
            let mut seen = merged.seen(path, *shown)?;
            if let Ok(at) = edits.times.binary_search_by(|(timed, _)| timed.cmp(path)) {
                seen.header.mtime = edits.times[at].1;
            }
            text.clear();
            let line = Line { path, seen: &seen, links: links.of(path, *shown) };
            match format {
                Format::Composefs => composefs::line(&line, contents.get(*shown), &mut text),
                Format::Mtree => mtree::line(&line, &mut text),
            }
            out.write_all(&text).map_err(DumpError::Write)?;
        }
        out.flush().map_err(DumpError::Write)?;
        Ok(())
    })
}

/// A root file system has a tree, too.
fn one(source: &Source, platform: Option<&Platform>) -> Result<Image, Error> {
    let mut images = source.images(platform)?;
    match images.len() {
        1 => Ok(images.remove(0)),
        _ => {
            let platforms = images.iter().filter_map(|image| image.platform.as_ref()).map(ToString::to_string);
            Err(DumpError::Several { reference: source.reference().to_string(), platforms: platforms.collect() }.into())
        }
    }
}

/// What stands at a path.
struct Line<'a> {
    path: &'a TarPath,
    seen: &'a Seen<'a>,
    links: Links,
}

/// How many names an inode has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Links {
    /// As on a disk: of a directory, its own, `.`, and `..` of each directory in it.
    all: u64,
    is_dir: bool,
}

struct Counted {
    dirs: HashMap<TarPath, u64>,
    files: HashMap<crate::order::Place, u64>,
}

fn links(merged: &Merged<'_>) -> Counted {
    let mut counted = Counted { dirs: HashMap::new(), files: HashMap::new() };
    for (path, shown) in &merged.tree {
        match (shown.is_dir(), shown.entry()) {
            (true, _) => {
                if let Some(parent) = path.parent() {
                    *counted.dirs.entry(parent).or_default() += 1;
                }
            }
            (false, Some(node)) if merged.first_link(*shown).is_some() => {
                *counted.files.entry(node.inode).or_default() += 1;
            }
            _ => {}
        }
    }
    counted
}

impl Counted {
    fn of(&self, path: &TarPath, shown: Shown) -> Links {
        if shown.is_dir() {
            return Links { all: 2 + self.dirs.get(path).copied().unwrap_or_default(), is_dir: true };
        }
        let all = shown.entry().and_then(|node| self.files.get(&node.inode)).copied().unwrap_or(1);
        Links { all, is_dir: false }
    }
}
