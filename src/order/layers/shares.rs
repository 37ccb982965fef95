//! Which layers of other images are of use: those that the new image shows nearly all of, and lacks.

use foldhash::{HashMap, HashMapExt as _};

use super::Options;
use super::claims::{Claims, is_same};
use super::log::Log;
use super::new::NewTree;
use crate::order::paths::PathId;
use crate::order::tree::whiteout;
use crate::tar::EntryKind;

/// For each segment: is it one of another image that is of no use?
pub(super) fn useless(new: &NewTree<'_>, log: &Log<'_>, idle: &[bool], options: &Options) -> Vec<bool> {
    let is_shared: Vec<bool> = log.segments.iter().map(|segment| segment.is_shared).collect();
    let mut useless = is_shared.clone();
    if !is_shared.contains(&true) {
        return useless;
    }
    let own: Vec<bool> = is_shared.iter().zip(idle).map(|(is_shared, idle)| !is_shared && !idle).collect();
    let claims = Claims::new(new, log, &own, options.mtime);
    let mut offers: Vec<Offer> = (0..is_shared.len())
        .filter(|&number| is_shared[number] && !idle[number])
        .map(|number| Offer::of(number, new, log, &claims))
        .filter(|offer| offer.lacked > 0)
        .collect();
    // The largest first: what is in two layers is in the larger one.
    offers.sort_by(|a, b| b.lacked.cmp(&a.lacked).then(a.number.cmp(&b.number)));
    let mut taken: HashMap<PathId, ()> = HashMap::new();
    for Offer { number, files, size, has_other, .. } in offers {
        let lacked = files.iter().filter(|(first, _)| !taken.contains_key(first));
        let lacked: u64 = lacked.map(|(_, stored)| stored).sum();
        let for_nothing = size.saturating_sub(lacked);
        let is_strict = options.max_waste.0 == 0;
        if lacked == 0
            || is_strict && has_other
            || u128::from(for_nothing) * 10_000 > u128::from(size) * u128::from(options.max_waste.0)
        {
            continue;
        }
        useless[number] = false;
        taken.extend(files.into_iter().map(|(first, _)| (first, ())));
    }
    useless
}

/// What a layer of another image has for the new one.
struct Offer {
    number: usize,
    /// By their first paths, with compressed bytes.
    files: Vec<(PathId, u64)>,
    /// Compressed bytes of those.
    lacked: u64,
    /// Compressed bytes of all content of the layer.
    size: u64,
    /// It has something without content, and no directory, that the new image shows otherwise or not at all.
    has_other: bool,
}

impl Offer {
    fn of(number: usize, new: &NewTree<'_>, log: &Log<'_>, claims: &Claims) -> Self {
        let (entries, ids) = (&log.segments[number].entries, &log.ids[number]);
        let mut offer = Self { number, files: Vec::new(), lacked: 0, size: 0, has_other: false };
        for (entry, &id) in entries.iter().zip(ids) {
            let first = new.shows(id).then(|| new.first(id)).filter(|&first| is_same(new.carrier(first), entry));
            let Some(content) = entry.content else {
                offer.has_other |= first.is_none() && entry.kind != EntryKind::Dir && whiteout(&entry.path).is_none();
                continue;
            };
            offer.size += content.stored;
            if let Some(first) = first.filter(|&first| claims.segment(first).is_none()) {
                offer.files.push((first, content.stored));
                offer.lacked += content.stored;
            }
        }
        offer
    }
}
