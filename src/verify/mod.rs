//! Are the merged file systems of two images the same?
//!
//! Both sides are unpacked without being compressed: contents are hashed, headers go to a spool and are read back
//! path by path. A directory without an entry is as clients make it, with mode 0755 and root as owner, and has no time of
//! its own: it is the same as one with an entry that says so, whatever the entry's time.

mod compare;

use std::collections::BTreeMap;

use crate::error::Error;
use crate::inventory::XattrGlob;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference, Transport};
use crate::order::layers::Prune;
use crate::order::tree::Shown;
use crate::progress::{Phase, Progress};
use crate::source::{Image, Source, stored_bytes};
use crate::survey::merged::{Merged, Side};
use crate::tar::TarPath;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Paths that were compared, those that only one side has included.
    pub entries: u64,
    /// In the order of the paths, platform by platform.
    pub differences: Vec<Difference>,
    /// What was left out of what the references name.
    pub notes: Vec<String>,
}

/// A [`Difference::what`].
const MTIME: &str = "mtime";

impl Verdict {
    /// True for images that differ in times alone.
    pub fn only_times_differ(&self) -> bool {
        !self.is_same() && self.differences.iter().all(Difference::is_time)
    }

    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

/// One thing that is not the same for one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Set when several platforms were compared.
    pub platform: Option<Platform>,
    pub path: String,
    /// Such as "mode", "content", "only in A".
    pub what: String,
    pub a: String,
    pub b: String,
}

impl Difference {
    pub fn is_time(&self) -> bool {
        self.what == MTIME
    }
}

/// What may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignore {
    Mtime,
    /// A part of the tree, which rechunk was told to leave out.
    Pruned(Prune),
    /// What builders left behind for their mounts.
    Debris,
    /// Xattrs of these names, as rechunk was told to drop them.
    Xattr(XattrGlob),
}

impl Ignore {
    fn xattr(&self) -> Option<&XattrGlob> {
        match self {
            Self::Xattr(glob) => Some(glob),
            Self::Mtime | Self::Pruned(_) | Self::Debris => None,
        }
    }
}

const ABSENT: &str = "absent";

/// Compares `b` with `a`, platform by platform.
pub fn verify(
    a: &Reference,
    b: &Reference,
    platform: Option<&Platform>,
    ignore: &[Ignore],
    options: JobOptions,
    progress: &Progress,
) -> Result<Verdict, Error> {
    let (source_a, source_b) = (options.open(a, progress)?, options.open(b, progress)?);
    let (images_a, images_b) = (source_a.images(platform)?, source_b.images(platform)?);
    let mut verdict = Verdict::default();
    let dropped: Vec<XattrGlob> = ignore.iter().filter_map(Ignore::xattr).cloned().collect();
    let is_pruned =
        |path: &TarPath| ignore.iter().any(|ignored| matches!(ignored, Ignore::Pruned(prune) if prune.takes(path)));
    let debris = |side: &Side| if ignore.contains(&Ignore::Debris) { side.debris(is_pruned) } else { Vec::new() };
    let pairs = pairs(&images_a, &images_b, [a, b]);
    let several = pairs.len() > 1;
    for pair in pairs {
        let (platform, image_a, image_b) = match pair {
            Pair::Both(platform, image_a, image_b) => (platform, image_a, image_b),
            Pair::One(difference) => {
                verdict.differences.push(difference);
                continue;
            }
        };
        for (image, name) in [(image_a, "A"), (image_b, "B")] {
            // Of such a pair, the zstd image alone is compared.
            verdict.differences.extend(image.twin_differences().into_iter().map(|problem| Difference {
                platform: platform.filter(|_| several).cloned(),
                path: "/".to_owned(),
                what: format!("gzip twin of {name}"),
                a: problem,
                b: "expected the same image as the zstd image".to_owned(),
            }));
        }
        progress.give_all_back();
        progress.begin(Phase::Reading, stored_bytes(image_a.layers.iter().chain(&image_b.layers)));
        let side_a = Side::load(&source_a, image_a, None, &dropped, &options, progress)?;
        let side_b = Side::load(&source_b, image_b, None, &dropped, &options, progress)?;
        progress.begin(Phase::Comparing, None);
        let (debris_a, debris_b) = (debris(&side_a), debris(&side_b));
        let mut side_a = side_a.merged(|path| is_pruned(path) || debris_a.contains(path));
        let mut side_b = side_b.merged(|path| is_pruned(path) || debris_b.contains(path));
        forget_root(a, &mut side_a, &mut side_b);
        forget_root(b, &mut side_b, &mut side_a);
        let first = verdict.differences.len();
        verdict.entries += compare::compare(&side_a, &side_b, ignore, &mut verdict.differences, progress)?;
        if several {
            verdict.differences[first..].iter_mut().for_each(|difference| difference.platform = platform.cloned());
        }
    }
    verdict.notes = [source_a, source_b].iter().flat_map(Source::take_notes).collect();
    Ok(verdict)
}

/// A tree on disk always has a root; many images say nothing of theirs, which is no difference.
fn forget_root(reference: &Reference, side: &mut Merged<'_>, other: &mut Merged<'_>) {
    // The root comes first.
    let is_implied = |(path, shown): &(TarPath, Shown)| path.is_root() && shown.entry().is_none();
    if reference.transport() == Transport::Dir && other.tree.first().is_some_and(is_implied) {
        side.tree.remove(0);
        other.tree.remove(0);
    }
}

enum Pair<'a> {
    Both(Option<&'a Platform>, &'a Image, &'a Image),
    One(Difference),
}

/// A root file system says nothing of its platform, so it is compared with whatever single image the other side has.
fn pairs<'a>(a: &'a [Image], b: &'a [Image], references: [&Reference; 2]) -> Vec<Pair<'a>> {
    if let ([a], [b]) = (a, b)
        && (references.iter().any(|reference| reference.transport() == Transport::Dir)
            || a.platform.is_none()
            || b.platform.is_none())
    {
        return vec![Pair::Both(a.platform.as_ref(), a, b)];
    }
    let mut found: BTreeMap<String, [Option<&Image>; 2]> = BTreeMap::new();
    for (side, image) in a.iter().map(|image| (0, image)).chain(b.iter().map(|image| (1, image))) {
        let name = image.platform.as_ref().map_or_else(|| "no platform".to_owned(), Platform::to_string);
        // 64-bit ARM with and without its only variant is one platform.
        let same =
            |key: &&String| key.parse().is_ok_and(|p: Platform| image.platform.as_ref().is_some_and(|q| p.is_same(q)));
        let name = found.keys().find(same).cloned().unwrap_or(name);
        found.entry(name).or_default()[side] = Some(image);
    }
    let pair = |(name, sides): (String, [Option<&'a Image>; 2])| match sides {
        [Some(a), Some(b)] => Pair::Both(a.platform.as_ref(), a, b),
        [a, _] => {
            let (what, a, b) = match a {
                Some(_) => ("platform only in A", name, ABSENT.to_owned()),
                None => ("platform only in B", ABSENT.to_owned(), name),
            };
            Pair::One(Difference { platform: None, path: "/".to_owned(), what: what.to_owned(), a, b })
        }
    };
    found.into_iter().map(pair).collect()
}
