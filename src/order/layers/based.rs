//! What the base image shows as well. It stays whatever happens, so that a copy above it is worth nothing, and less what hides it:
//! such as the layers of the base before it, which the previous image has.

use super::Mtime;
use super::claims::{Claims, Old, Times};
use super::log::Log;
use super::new::NewTree;

/// Segments that are better dropped: what the base shows of theirs, and what of the base's they hide, is more than what the new
/// image would lack.
pub(super) fn superseded(new: &NewTree<'_>, log: &Log<'_>, mtime: Mtime) -> Vec<bool> {
    let is_base: Vec<bool> = log.segments.iter().map(|segment| segment.is_base).collect();
    let mut goes = vec![false; is_base.len()];
    if !is_base.contains(&true) || !is_base.contains(&false) {
        return goes;
    }
    let base = Old::new(log, |segment| is_base[segment]);
    let times = Old::new(log, |segment| !log.segments[segment].is_shared).mtimes(new, mtime, Some(&base), None);
    let base = Claims::of(new, &base, times.clone());
    // What one that goes hid may be hidden by another one as well.
    loop {
        let stays: Vec<bool> = goes.iter().map(|goes| !goes).collect();
        let more = worse_than_none(new, log, &times, &base, &stays);
        if !more.contains(&true) {
            return goes;
        }
        goes.iter_mut().zip(more).for_each(|(goes, more)| *goes |= more);
    }
}

/// Of the segments of `in_use`.
fn worse_than_none(new: &NewTree<'_>, log: &Log<'_>, times: &Times, base: &Claims, in_use: &[bool]) -> Vec<bool> {
    let top = Old::new(log, |segment| in_use[segment]);
    let all = Claims::of(new, &top, times.clone());
    let mut bytes = vec![(0, 0); in_use.len()];
    for first in new.firsts() {
        let hides =
            || new.paths(first).filter_map(|id| top.segment(id)).find(|&segment| !log.segments[segment].is_base);
        let Some(segment) = all.segment(first).or_else(hides) else { continue };
        let (lacked, spared) = &mut bytes[segment];
        match base.segment(first) {
            Some(_) => *spared += new.stored(first),
            None if all.segment(first).is_some() => *lacked += new.stored(first),
            None => {}
        }
    }
    let is_worse = |(number, (lacked, spared)): (usize, (u64, u64))| {
        in_use[number] && !log.segments[number].is_base && spared > lacked
    };
    bytes.into_iter().enumerate().map(is_worse).collect()
}
