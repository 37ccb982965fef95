//! Whose an entry is, and how often it will change.

use super::Roll;
use crate::order::layers::{Change, Label};
use crate::owner::{Heat, Owners};
use crate::tar::TarPath;

/// An owner that changes as often as this has nothing that stays.
const HOT_DAYS: u32 = 1;

/// `often`: the path changed in most of the updates that are known.
pub fn label<'a>(owners: &'a Owners, roll: &mut Roll<'a>, path: &'a TarPath, often: bool) -> Label {
    let owner = owners.owner_of(path);
    let is_hot = owner.as_ref().and_then(|owner| owners.interval(owner)).is_some_and(|days| days.get() <= HOT_DAYS);
    let owner = owner.map(|owner| roll.number(owner));
    let change = match owners.heat(path) {
        Heat::Database | Heat::Cache => Change::Always,
        // What belongs together changes together: taken apart by history, a Python application's updates cost 3 % of
        // the changed bytes more instead of 2 % (docs/benchmarks.md).
        Heat::ByteCode | Heat::Data if is_hot || (often && owner.is_none()) => Change::Always,
        Heat::ByteCode | Heat::Data => Change::Seldom,
    };
    Label { owner, change, odd: false }
}
