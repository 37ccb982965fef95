//! What the base image shows as well. It stays whatever happens, so that a copy above it is worth nothing: such as the layers of the
//! base before it, which the previous image has.

use super::Mtime;
use super::claims::Claims;
use super::log::Log;
use super::new::NewTree;

/// Segments of which the base shows more than half by itself, as far as the new image shows them.
pub(super) fn superseded(new: &NewTree<'_>, log: &Log<'_>, mtime: Mtime) -> Vec<bool> {
    let is_base: Vec<bool> = log.segments.iter().map(|segment| segment.is_base).collect();
    if !is_base.contains(&true) || !is_base.contains(&false) {
        return vec![false; is_base.len()];
    }
    let all = Claims::new(new, log, &vec![true; is_base.len()], mtime);
    let base = Claims::new(new, log, &is_base, mtime);
    let mut bytes = vec![(0, 0); is_base.len()];
    for (first, segment, _) in all.shown(new) {
        let (shown, in_base) = &mut bytes[segment];
        *shown += new.stored(first);
        *in_base += if base.segment(first).is_some() { new.stored(first) } else { 0 };
    }
    bytes.iter().zip(is_base).map(|((shown, in_base), is_base)| !is_base && in_base * 2 > *shown).collect()
}
