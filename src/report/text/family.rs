//! A family: each member's report, and what they come to together.

use std::fmt::Write as _;

use crate::rechunk::{FamilyOutcome, FamilyPlan};
use crate::report::names::end_of;
use crate::report::table::{Align, Table};
use crate::report::units::size;

use super::{Listing, bold, fill, plan, rechunk};

pub fn family(outcome: &FamilyOutcome, listing: Listing) -> String {
    let mut out = String::new();
    for (dest, member) in outcome.dests.iter().zip(&outcome.members) {
        let _ = writeln!(out, "{}  {dest}\n", bold("image"));
        out.push_str(&rechunk(member, listing));
        out.push('\n');
    }
    out.push_str(&sums(outcome));
    out.push_str(&switches(outcome));
    out
}

pub fn family_plan(planned: &FamilyPlan, listing: Listing) -> String {
    let mut out = String::new();
    for (dest, member) in planned.dests.iter().zip(&planned.members) {
        let _ = writeln!(out, "{}  {dest}\n", bold("image"));
        out.push_str(&plan(member, listing));
        out.push('\n');
    }
    out
}

/// Columns of a name.
const NAME: usize = 30;

fn sums(outcome: &FamilyOutcome) -> String {
    let sums = outcome.sums;
    let mut table = Table::new([("the family's layers", Align::Left), ("bytes", Align::Right)]);
    for (what, bytes) in [
        ("each layer once: what a registry stores", sums.stored),
        ("of that, in layers that several images share", sums.common),
        ("of that, new: what the update of a host with all images pulls", sums.new),
        ("the sum of the images", sums.apart),
    ] {
        table.row([what.to_owned(), size(bytes)]);
    }
    format!("{}\n", table.render())
}

fn switches(outcome: &FamilyOutcome) -> String {
    if outcome.switches.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        ("a host that has", Align::Left),
        ("pulls for", Align::Left),
        ("bytes", Align::Right),
        ("of", Align::Right),
    ]);
    for switch in &outcome.switches {
        let name = |member: usize| end_of(&outcome.dests[member].to_string(), NAME);
        table.row([name(switch.from), name(switch.to), size(switch.bytes), size(switch.of)]);
    }
    let told = "Bytes of layers, for clients that reuse whole layers.";
    format!("{}{}", table.render(), fill(told))
}
