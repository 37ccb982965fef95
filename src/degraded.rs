//! What a job tells its user beside the result: notes, and which of them mean that the image is not as it should be.

use std::ops::{Deref, DerefMut};

/// Why an image costs clients more than it should, or is not what an option asks for. `--strict` refuses such an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// A previous image can't be read.
    PreviousDamaged,
    /// Previous images were given, but none of them has anything for this platform.
    NoPrevious,
    /// A layer of the previous image is not what its digests or its index say. It is written anew.
    LayerDamaged,
    /// Clients can't extract a layer of the previous image. It is written anew.
    LayerBroken,
    /// Layers of the previous image have no table of contents. They are written anew.
    LayerWithoutToc,
    /// No layer of the previous image stays, and the image's own changes do not explain it.
    NoLayerKept,
    /// Most files are new to clients because of their times alone.
    TimesChanged,
    /// The image shows less than half of its base, but every client pulls all of it.
    BaseHidden,
    /// A package database can't be read, so that its files have no owner.
    OwnersUnread,
    /// The image has many files and no package database, so that no file has an owner.
    OwnersNotFound,
    /// A new layer has no index, so that every client pulls it whole.
    LayerWithoutIndex,
    /// `--max-layers` leaves too little room for `--max-layer-size`.
    LayerTooLarge,
    /// The published image has a gzip image for clients that cannot read zstd, and the new one has none.
    TwinLost,
    /// An option names a path that is not there.
    PathUnmatched,
    /// The new image's index names a platform whose blobs are not there. The result lacks it.
    PlatformAbsent,
}

impl Code {
    pub const ALL: [Self; 15] = [
        Self::PreviousDamaged,
        Self::NoPrevious,
        Self::LayerDamaged,
        Self::LayerBroken,
        Self::LayerWithoutToc,
        Self::NoLayerKept,
        Self::TimesChanged,
        Self::BaseHidden,
        Self::OwnersUnread,
        Self::OwnersNotFound,
        Self::LayerWithoutIndex,
        Self::LayerTooLarge,
        Self::TwinLost,
        Self::PathUnmatched,
        Self::PlatformAbsent,
    ];

    /// As reports have it. Scripts compare it, so it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreviousDamaged => "previous-damaged",
            Self::NoPrevious => "no-previous",
            Self::LayerDamaged => "layer-damaged",
            Self::LayerBroken => "layer-broken",
            Self::LayerWithoutToc => "layer-without-toc",
            Self::NoLayerKept => "no-layer-kept",
            Self::TimesChanged => "times-changed",
            Self::BaseHidden => "base-hidden",
            Self::OwnersUnread => "owners-unread",
            Self::OwnersNotFound => "owners-not-found",
            Self::LayerWithoutIndex => "layer-without-index",
            Self::LayerTooLarge => "layer-too-large",
            Self::TwinLost => "twin-lost",
            Self::PathUnmatched => "path-unmatched",
            Self::PlatformAbsent => "platform-absent",
        }
    }
}

/// One way in which the image is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    pub code: Code,
    pub message: String,
}

/// In one line: the first message, and the codes of the others. Empty for an empty list.
pub fn summary(degraded: &[Degraded]) -> String {
    let Some((first, others)) = degraded.split_first() else { return String::new() };
    let mut codes: Vec<&str> = others.iter().map(|other| other.code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    let more = match others.len() {
        0 => String::new(),
        count => format!("; and {count} more ({})", codes.join(", ")),
    };
    format!("{}: {}{more}", first.code.name(), first.message)
}

/// The notes of a run, in the order in which they came up. It is a list of sentences; those that have a code stand in a
/// second list, too.
#[derive(Debug, Default)]
pub struct Notes {
    all: Vec<String>,
    degraded: Vec<Degraded>,
}

impl Notes {
    /// Notes that the image is not as it should be.
    pub fn degraded(&mut self, code: Code, message: String) {
        self.all.push(message.clone());
        self.degraded.push(Degraded { code, message });
    }

    pub fn degradations(&self) -> &[Degraded] {
        &self.degraded
    }

    /// All notes, and those that have a code.
    pub fn into_lists(self) -> (Vec<String>, Vec<Degraded>) {
        (self.all, self.degraded)
    }
}

/// Most rooms only add a sentence.
impl Deref for Notes {
    type Target = Vec<String>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Notes {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_kebab_case_and_differ() {
        let names: BTreeSet<&str> = Code::ALL.into_iter().map(Code::name).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')), "{names:?}");
    }

    #[test]
    fn several_are_one_line() {
        let of = |code, message: &str| Degraded { code, message: message.to_owned() };
        let mut list = vec![of(Code::LayerDamaged, "layer 1 is damaged")];
        assert_eq!((summary(&[]), summary(&list)), (String::new(), "layer-damaged: layer 1 is damaged".to_owned()));
        list.extend([of(Code::NoLayerKept, "none stays"), of(Code::LayerDamaged, "layer 2 is damaged")]);
        let line = "layer-damaged: layer 1 is damaged; and 2 more (layer-damaged, no-layer-kept)";
        assert_eq!(summary(&list), line);
    }

    #[test]
    fn what_has_a_code_is_a_note_too() {
        let mut notes = Notes::default();
        notes.push("plain".to_owned());
        notes.degraded(Code::NoPrevious, "none".to_owned());
        notes.extend(["more".to_owned()]);
        let (all, degraded) = notes.into_lists();
        assert_eq!(all, ["plain", "none", "more"]);
        assert_eq!(degraded, [Degraded { code: Code::NoPrevious, message: "none".to_owned() }]);
    }
}
