//! What stays behind with an image that is replaced.

use std::collections::BTreeMap;

use crate::digest::BlobDigest;
use crate::push::LeftBehind;

/// Kinds of artifacts that a note names.
const SHOWN: usize = 5;

/// One note for all images. `new` is what the tags point at now.
pub(super) fn note(left: &[LeftBehind], new: BlobDigest) -> Option<String> {
    let told: Vec<String> = left.iter().filter(|left| !left.artifacts.is_empty()).map(told).collect();
    if told.is_empty() {
        return None;
    }
    Some(format!("not carried over: {}; sign and attest the new digest, {new}", told.join("; ")))
}

fn told(left: &LeftBehind) -> String {
    let LeftBehind { reference, digest, artifacts } = left;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    artifacts.iter().for_each(|kind| *kinds.entry(kind).or_default() += 1);
    let number = |(kind, count): (&&str, &usize)| {
        if *count > 1 { format!("{kind} ({count} times)") } else { (*kind).to_owned() }
    };
    let mut names = kinds.iter().take(SHOWN).map(number).collect::<Vec<_>>().join(", ");
    if kinds.len() > SHOWN {
        names.push_str(&format!(" and {} more kinds", kinds.len() - SHOWN));
    }
    let (count, refer) = match artifacts.len() {
        1 => ("1 artifact".to_owned(), "refers"),
        count => (format!("{count} artifacts"), "refer"),
    };
    format!("{count} that {refer} to {digest}, the former {reference}: {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted() {
        let (old, new) = (BlobDigest::from_bytes([1; 32]), BlobDigest::from_bytes([2; 32]));
        let left = |artifacts: &[&str]| LeftBehind {
            reference: "docker://h/r:t".to_owned(),
            digest: old,
            artifacts: artifacts.iter().map(|&kind| kind.to_owned()).collect(),
        };
        assert_eq!(note(&[], new), None);
        assert_eq!(note(&[left(&[])], new), None);
        let told = note(&[left(&["a/b"]), left(&[]), left(&["b", "a", "b"])], new).unwrap();
        let wanted = format!(
            "not carried over: 1 artifact that refers to {old}, the former docker://h/r:t: a/b; 3 artifacts that refer to \
             {old}, the former docker://h/r:t: a, b (2 times); sign and attest the new digest, {new}"
        );
        assert_eq!(told, wanted);
        let many: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        let told = note(&[left(&many.iter().map(String::as_str).collect::<Vec<_>>())], new).unwrap();
        assert!(told.contains(": 0, 1, 2, 3, 4 and 2 more kinds;"), "{told}");
    }
}
