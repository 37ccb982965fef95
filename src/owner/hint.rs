//! The image maker's own word, in the xattrs that chunkah reads (coreos/chunkah, README, "Customizing the layers",
//! and `src/components/xattr.rs`).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{Owner, System};
use crate::limits::PACKAGE_NAME_BYTES;
use crate::tar::{TarPath, Xattr};

const COMPONENT: &[u8] = b"user.component";
const INTERVAL: &[u8] = b"user.update-interval";

/// Days between two changes, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(NonZeroU32);

impl Days {
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// What an entry's xattrs say of it, and of everything below it that has no hint of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    component: Box<str>,
    interval: Option<Days>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    #[error("the xattr user.component is {found:?}: expected a name in UTF-8 of at most {PACKAGE_NAME_BYTES} bytes")]
    Component { found: String },
    #[error("the xattr user.update-interval is {found:?}: expected a number of days, or daily to yearly")]
    Interval { found: String },
}

impl Hint {
    /// `None` without `user.component`; an interval says how often that component changes. A component whose
    /// interval nobody gives has none here; chunkah takes a week.
    pub fn parse(xattrs: &[Xattr]) -> Result<Option<Self>, HintError> {
        let value = |name| xattrs.iter().find(|xattr| xattr.name == name).map(|xattr| xattr.value.as_slice());
        let Some(component) = value(COMPONENT) else { return Ok(None) };
        let found = |value| String::from_utf8_lossy(value).chars().take(100).collect();
        let Some(name) =
            str::from_utf8(component).ok().filter(|name| !name.is_empty() && name.len() <= PACKAGE_NAME_BYTES)
        else {
            return Err(HintError::Component { found: found(component) });
        };
        let days = |value| days(value).ok_or_else(|| HintError::Interval { found: found(value) });
        Ok(Some(Self { component: name.into(), interval: value(INTERVAL).map(days).transpose()? }))
    }
}

pub(super) fn days(value: &[u8]) -> Option<Days> {
    let days = match value {
        b"daily" => 1,
        b"weekly" => 7,
        b"biweekly" => 14,
        b"monthly" => 30,
        b"quarterly" => 90,
        b"yearly" => 365,
        _ => str::from_utf8(value).ok()?.parse().ok()?,
    };
    NonZeroU32::new(days).map(Days)
}

#[derive(Debug, Default)]
pub(super) struct Hints {
    components: BTreeMap<TarPath, Box<str>>,
    intervals: BTreeMap<Box<str>, Days>,
}

impl Hints {
    pub fn insert(&mut self, path: &TarPath, hint: Hint) {
        if let Some(days) = hint.interval {
            self.changes_every(&hint.component, days);
        }
        self.components.insert(path.clone(), hint.component);
    }

    /// Of several answers the most careful one counts, so that their order makes no difference.
    pub fn changes_every(&mut self, component: &str, days: Days) {
        let known = self.intervals.entry(component.into()).or_insert(days);
        *known = days.min(*known);
    }

    pub fn owner_of(&self, path: &TarPath) -> Option<Owner<'_>> {
        if self.components.is_empty() {
            return None;
        }
        let mut places = std::iter::successors(Some(path.clone()), TarPath::parent);
        let name = places.find_map(|place| self.components.get(&place))?;
        Some(Owner { system: System::Component, name: name.as_ref().into() })
    }

    pub fn interval(&self, owner: &Owner<'_>) -> Option<Days> {
        self.intervals.get(owner.name.as_ref()).copied().filter(|_| owner.system == System::Component)
    }
}
