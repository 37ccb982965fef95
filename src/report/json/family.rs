//! A family: each member as `rechunk` prints it, and what they come to together.

use serde::Serialize;

use crate::oci::Reference;
use crate::rechunk::{FamilyOutcome, FamilyPlan};

use super::print;
use super::rechunk::{DegradedFields, Plan, Rechunk, degraded, fields, plan_of};

#[derive(Serialize)]
struct Family<'a, M> {
    members: Vec<Member<M>>,
    /// Of what is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<SumFields>,
    switches: Vec<SwitchFields>,
    notes: &'a [String],
    degraded: Vec<DegradedFields<'a>>,
}

#[derive(Serialize)]
struct Member<M> {
    dest: String,
    #[serde(flatten)]
    fields: M,
}

/// Bytes of layers.
#[derive(Serialize)]
struct SumFields {
    /// Each layer once.
    stored_bytes: u64,
    /// If no member shared a layer.
    apart_bytes: u64,
    /// In layers of several members, each once.
    common_bytes: u64,
    /// In new layers: what a host with all members pulls.
    new_bytes: u64,
}

/// What a host that has one member pulls for another one.
#[derive(Serialize)]
struct SwitchFields {
    from: String,
    to: String,
    pull_bytes: u64,
    of_bytes: u64,
}

pub fn family(outcome: &FamilyOutcome) -> String {
    let member = |(dest, outcome)| member(dest, fields(outcome));
    let members: Vec<Member<Rechunk<'_>>> = outcome.dests.iter().zip(&outcome.members).map(member).collect();
    let sums = outcome.sums;
    let name = |member: usize| outcome.dests[member].to_string();
    let switches = outcome.switches.iter().map(|switch| SwitchFields {
        from: name(switch.from),
        to: name(switch.to),
        pull_bytes: switch.bytes,
        of_bytes: switch.of,
    });
    print(&Family {
        members,
        family: Some(SumFields {
            stored_bytes: sums.stored,
            apart_bytes: sums.apart,
            common_bytes: sums.common,
            new_bytes: sums.new,
        }),
        switches: switches.collect(),
        notes: &outcome.notes,
        degraded: degraded(&outcome.degraded),
    })
}

pub fn family_plan(plan: &FamilyPlan) -> String {
    let member = |(dest, planned)| member(dest, plan_of(planned));
    let members: Vec<Member<Plan<'_>>> = plan.dests.iter().zip(&plan.members).map(member).collect();
    let (family, switches) = (None, Vec::new());
    print(&Family { members, family, switches, notes: &plan.notes, degraded: degraded(&plan.degraded) })
}

fn member<M>(dest: &Reference, fields: M) -> Member<M> {
    Member { dest: dest.to_string(), fields }
}
