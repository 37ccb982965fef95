//! Text from outside in an error.

/// In quotes, on one line, and never long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let start: String = text.chars().take(MOST).collect();
    let rest = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{rest}")
}

/// A place of a registry without what can be a password before an @.
pub(super) fn shown_place(place: &str) -> String {
    shown(place.rsplit_once('@').map_or(place, |(_, host)| host))
}
