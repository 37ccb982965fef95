//! What a plan demands of the old image.

use super::*;
use crate::digest::BlobDigest;

fn made(segments: &[Segment], newest: &[&Segment]) -> Result<usize, OldError> {
    let newest: Vec<Arc<PullLayer>> = newest.iter().map(|segment| Arc::clone(&segment.pull)).collect();
    Old::new(segments, vec![&newest]).map(|old| old.segments().len())
}

#[test]
fn what_a_plan_demands_is_checked() {
    let entries = [file("a", 1, 10)];
    assert_eq!(made(&[], &[]), Ok(0));
    let all = [base(&entries), segment(&entries)];
    assert_eq!(made(&all, &[&all[1]]), Ok(2));
    assert_eq!(made(&all[..1], &[]), Ok(1));
    assert_eq!(made(&all, &[&all[0]]), Err(OldError::NotHeld(1)));
    assert_eq!(Old::new(&all, Vec::new()).map(|_| ()), Err(OldError::NotHeld(1)));
    let mixed = [base(&entries), segment(&entries), base(&entries)];
    assert_eq!(made(&mixed, &[&mixed[1]]), Err(OldError::BaseAbove(2)));
}

/// Clients find content through TOCs alone.
#[test]
fn content_without_an_index_is_not_found() {
    let has = |index: Option<PullIndex>| {
        let pull = PullLayer { digest: BlobDigest::from_bytes([1; 32]), size: 10, index };
        let segment = Segment { pull: Arc::new(pull), ..base(&[file("a", 1, 10)]) };
        Old::new(&[segment], Vec::new()).unwrap().previous().has(&FileDigest::from_bytes([1; 32]))
    };
    assert!(has(segment(&[]).pull.index.clone()) && !has(None));
}
