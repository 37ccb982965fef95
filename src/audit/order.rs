//! The order of a TOC's entries: gaps between contents, parents, hard links. That offsets ascend and no path stands
//! there twice, [`crate::toc::Toc::parse`] has seen; what no client can extract, [`crate::order::broken_entry`] sees.

use std::collections::HashMap;

use super::findings::Findings;
use crate::remark::Remark;
use crate::tar::{EntryKind, TarPath};
use crate::toc::Toc;
use crate::units::{count, plural};

/// Bytes between two wanted contents that podman downloads rather than ask for one more range.
const BRIDGED: u64 = 1024;

/// Returns the largest gap.
pub(super) fn check(toc: &Toc, findings: &mut Findings) -> u64 {
    paths(toc, findings);
    gaps(toc, findings)
}

fn gaps(toc: &Toc, findings: &mut Findings) -> u64 {
    let (mut largest, mut wide, mut end) = (0, 0_u64, None);
    for payload in toc.entries.iter().filter_map(|entry| entry.payload.as_ref()) {
        let gap = end.map_or(0, |end| payload.offset.saturating_sub(end));
        largest = largest.max(gap);
        wide += u64::from(gap > BRIDGED);
        end = Some(payload.end_offset);
    }
    if wide > 0 {
        let over = format!("over {} bytes", count(BRIDGED));
        findings.remark(Remark::counted(
            wide,
            &format!("gap between neighbouring files' contents is {over}: it costs podman one more range"),
            &format!("gaps between neighbouring files' contents are {over}: each costs podman one more range"),
            Some(format!("largest {}", plural(largest, "byte", "bytes"))),
        ));
    }
    largest
}

fn paths(toc: &Toc, findings: &mut Findings) {
    let paths: Vec<Option<TarPath>> = toc.entries.iter().map(|entry| entry.header.path().ok()).collect();
    let places: HashMap<&TarPath, usize> =
        paths.iter().enumerate().filter_map(|(at, path)| Some((path.as_ref()?, at))).collect();
    let (mut orphans, mut elsewhere) = (Vec::new(), Vec::new());
    for (at, entry) in toc.entries.iter().enumerate() {
        let name = String::from_utf8_lossy(&entry.header.name);
        let parent = paths[at].as_ref().and_then(TarPath::parent).filter(|parent| !parent.is_root());
        if parent.is_some_and(|parent| places.get(&parent).is_none_or(|&place| place > at)) {
            orphans.push(name.clone());
        }
        if entry.header.kind != EntryKind::HardLink {
            continue;
        }
        match entry.header.link_path().ok().and_then(|target| places.get(&target)) {
            Some(&target) if target > at => findings.problem(format!(
                "entry {name:?}: the hard link stands before its target {:?}",
                String::from_utf8_lossy(&entry.header.link)
            )),
            Some(_) => {}
            None => elsewhere.push(name),
        }
    }
    for (names, one, many) in [
        (
            orphans,
            "entry has no entry for its directory before it",
            "entries have no entry for their directory before them",
        ),
        (elsewhere, "hard link has its target in another layer", "hard links have their target in another layer"),
    ] {
        if let Some(first) = names.first() {
            findings.remark(Remark::counted(names.len() as u64, one, many, Some(format!("the first is {first:?}"))));
        }
    }
}
