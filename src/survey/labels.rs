//! Whose an entry is, and how often it will change.

use super::Roll;
use crate::order::Entry;
use crate::order::layers::{Change, Label};
use crate::owner::{Heat, Owner, Owners, System};
use crate::tar::TarPath;

/// An owner that changes as often as this has nothing that stays.
const HOT_DAYS: u32 = 1;

/// What the user gave to an owner stays with it, whatever it is. `often`: the path changed in most of the updates that are known.
pub fn label<'a>(owners: &'a Owners, roll: &mut Roll<'a>, path: &'a TarPath, often: bool) -> Label {
    let owner = owners.owner_of(path);
    let is_named = owner.as_ref().is_some_and(is_users);
    let is_hot = owner.as_ref().and_then(|owner| owners.interval(owner)).is_some_and(|days| days.get() <= HOT_DAYS);
    let owner = owner.map(|owner| roll.number(owner));
    let change = match owners.heat(path) {
        _ if is_named => Change::Seldom,
        Heat::Database | Heat::Cache => Change::Always,
        // What belongs together changes together: taken apart by history, a Python application's updates cost 3 % of
        // the changed bytes more instead of 2 % (docs/benchmarks.md).
        Heat::ByteCode | Heat::Data if is_hot || (often && owner.is_none()) => Change::Always,
        Heat::ByteCode | Heat::Data => Change::Seldom,
    };
    Label { owner, change, odd: false }
}

fn is_users(owner: &Owner<'_>) -> bool {
    owner.system == System::User
}

fn is_named(owners: &Owners, path: &TarPath) -> bool {
    owners.owner_of(path).as_ref().is_some_and(is_users)
}

/// Is most of a layer's content of files that change with every version? Judged by paths alone: of a layer that is there, nobody
/// knows what the planner knew of its files besides.
pub fn changes_always(owners: &Owners, entries: &[Entry]) -> bool {
    let (mut always, mut all) = (0_u64, 0_u64);
    for (entry, content) in entries.iter().filter_map(|entry| Some((entry, entry.content?))) {
        all = all.saturating_add(content.stored);
        if matches!(owners.heat(&entry.path), Heat::Database | Heat::Cache) && !is_named(owners, &entry.path) {
            always = always.saturating_add(content.stored);
        }
    }
    always > all / 2
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::digest::FileDigest;
    use crate::order::{Content, OverlayMark, Traits};
    use crate::owner::Named;
    use crate::tar::{EntryKind, Time};

    #[test]
    fn what_the_user_gave_to_an_owner_is_not_said_to_change_always() {
        let content = Content { digest: FileDigest::from_bytes([1; 32]), size: 9, stored: 9, compiled_from: None };
        let cache = Entry {
            path: TarPath::new(b"etc/ld.so.cache").unwrap(),
            kind: EntryKind::Regular,
            target: None,
            content: Some(content),
            traits: Traits::from_digest([0; 32]),
            mtime: Time::default(),
            overlay: OverlayMark::None,
            is_setgid: false,
            is_program: false,
        };
        let mut owners = Owners::default();
        assert!(changes_always(&owners, std::slice::from_ref(&cache)));
        owners.name(&Arc::new(Named::parse(b"etc/ld.so.* app\n").unwrap()));
        assert!(!changes_always(&owners, &[cache]));
    }
}
