//! What a family came to: bytes in the registry, and what hosts pay that have one member and pull another.

use std::collections::BTreeMap;

use crate::degraded::Degraded;
use crate::digest::BlobDigest;
use crate::oci::Reference;

use crate::rechunk::{ImageOutcome, Outcome, Planned, Request};

#[derive(Debug, Clone)]
pub struct FamilyOutcome {
    /// Where each member is.
    pub dests: Vec<Reference>,
    pub members: Vec<Outcome>,
    pub sums: Sums,
    /// What hosts pay that have one member and pull another.
    pub switches: Vec<Switch>,
    /// What is about several members.
    pub notes: Vec<String>,
    pub degraded: Vec<Degraded>,
}

#[derive(Debug)]
pub struct FamilyPlan {
    pub dests: Vec<Reference>,
    pub members: Vec<Planned>,
    pub notes: Vec<String>,
    pub degraded: Vec<Degraded>,
}

/// Bytes of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Of all members, each layer once: what this version takes in the registry.
    pub stored: u64,
    /// If no member shared a layer.
    pub apart: u64,
    /// In layers that several members have, each once.
    pub common: u64,
    /// Of layers that no previous image has: what a host with all members pulls.
    pub new: u64,
}

/// What a host that has `from` pulls for `to`, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    pub from: usize,
    pub to: usize,
    /// Of layers that it lacks.
    pub bytes: u64,
    /// Of all layers of `to`.
    pub of: u64,
}

impl FamilyOutcome {
    pub(super) fn new(
        requests: &[Request],
        members: Vec<Outcome>,
        notes: Vec<String>,
        degraded: Vec<Degraded>,
    ) -> Self {
        let dests = requests.iter().map(|request| request.dest.clone()).collect();
        let (sums, switches) = (sums(&members), switches(&members));
        Self { dests, members, sums, switches, notes, degraded }
    }
}

/// Layers with their bytes.
fn layers(outcome: &Outcome) -> BTreeMap<BlobDigest, u64> {
    outcome.images.iter().flat_map(|image| &image.layers).map(|layer| (layer.digest, layer.size)).collect()
}

fn sums(members: &[Outcome]) -> Sums {
    let mut sums = Sums::default();
    let mut seen: BTreeMap<BlobDigest, (u64, usize)> = BTreeMap::new();
    for member in members {
        for (digest, size) in layers(member) {
            sums.apart += size;
            seen.entry(digest).or_insert((size, 0)).1 += 1;
        }
    }
    sums.stored = seen.values().map(|(size, _)| size).sum();
    sums.common = seen.values().filter(|(_, count)| *count > 1).map(|(size, _)| size).sum();
    let new = members.iter().flat_map(|member| member.images.iter().flat_map(ImageOutcome::written_layers));
    sums.new = new.collect::<BTreeMap<BlobDigest, u64>>().values().sum();
    sums
}

fn switches(members: &[Outcome]) -> Vec<Switch> {
    let layers: Vec<BTreeMap<BlobDigest, u64>> = members.iter().map(layers).collect();
    let mut switches = Vec::new();
    for (from, has) in layers.iter().enumerate() {
        for (to, wants) in layers.iter().enumerate().filter(|(to, _)| *to != from) {
            let lacks = wants.iter().filter(|(digest, _)| !has.contains_key(*digest)).map(|(_, size)| size);
            switches.push(Switch { from, to, bytes: lacks.sum(), of: wants.values().sum() });
        }
    }
    switches
}
