//! conda's packages (conda's `conda/models/records.py`): `PREFIX/conda-meta/NAME-VERSION-BUILD.json` has a list "files" of
//! paths below PREFIX.

use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::listing::{self, Package};
use super::{Problem, System, Warning};
use crate::limits;

/// What can't be read is one warning, however many there are.
pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft, warnings: &mut Vec<Warning>) {
    let mut failed: Option<(&Evidence<'_>, usize)> = None;
    for file in evidence.iter().filter(|file| !file.is_garbled()) {
        let Kind::CondaMeta { prefix, name } = file.kind else { continue };
        if listing::read(file.bytes, Package { path: &mut |_| {} }).is_err() {
            failed.get_or_insert((file, 0)).1 += 1;
            continue;
        }
        let Some(owner) = draft.owner(System::Conda, name) else { continue };
        draft.claim(owner, file.path.as_bytes());
        let mut claim = |path: &[u8]| {
            if path.len() <= limits::LISTED_PATH_BYTES {
                draft.claim(owner, &[prefix, path].concat());
            }
        };
        // It was read just now.
        let _ = listing::read(file.bytes, Package { path: &mut claim });
    }
    warnings.extend(failed.map(|(file, count)| Warning { path: file.path.clone(), problem: Problem::Conda { count } }));
}
