//! Python distributions without a RECORD: Bazel's and Debian's builds leave it out, and `setup.py install` never wrote
//! one. `top_level.txt` (setuptools, "Egg formats") names the packages and modules that a distribution has right in its
//! site; without one, they are called as the distribution is.

use std::collections::HashMap;

use super::{from_site, normalised};
use crate::limits;
use crate::owner::System;
use crate::owner::claims::{Claims, Draft};
use crate::owner::evidence::{Evidence, Kind};
use crate::owner::text::lines;

pub(in crate::owner) fn read(evidence: &[Evidence<'_>], listed: &Claims, draft: &mut Draft) {
    let (mut tops, mut installed) = (HashMap::new(), HashMap::new());
    for file in evidence {
        match file.kind {
            Kind::PythonTop { dist } => drop(tops.insert(dist, file.bytes)),
            Kind::PythonInstalled { dist } => drop(installed.insert(dist, file.bytes)),
            _ => {}
        }
    }
    for file in evidence {
        let Kind::PythonMeta { site, dist, name } = file.kind else { continue };
        // A distribution's package, or a RECORD, knows better.
        if listed.owner_of(file.path).is_some() {
            continue;
        }
        let Some(owner) = draft.owner(System::Python, &normalised(name)) else { continue };
        draft.claim(owner, dist);
        if dist.ends_with(b".egg") {
            continue;
        }
        let mut claim = |name: &[u8]| draft.claim(owner, &[site, name].concat());
        let [spelled, lower] = spellings(name);
        // What auditwheel brings along (`numpy.libs`).
        [&spelled, &lower].into_iter().for_each(|name| claim(&[name, &b".libs"[..]].concat()));
        match (installed.get(dist), tops.get(dist)) {
            (Some(paths), _) => {
                let home = [dist, b"/"].concat();
                lines(paths)
                    .filter(|path| (1..=limits::LISTED_PATH_BYTES).contains(&path.len()))
                    .for_each(|path| draft.claim(owner, &from_site(&home, path)));
            }
            (None, Some(names)) => lines(names).map(<[u8]>::trim_ascii).filter(|name| is_module(name)).for_each(claim),
            (None, None) => {
                [spelled, lower].iter().for_each(|name| claim(name));
                // A part of a namespace package.
                claim(&name.iter().map(|&b| if b == b'.' { b'/' } else { b }).collect::<Vec<u8>>());
            }
        }
    }
}

fn is_module(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// As an import would have it: as it is written, and in small letters.
fn spellings(name: &[u8]) -> [Vec<u8>; 2] {
    let spelled: Vec<u8> = name.iter().map(|&b| if b"-.".contains(&b) { b'_' } else { b }).collect();
    let lower = spelled.to_ascii_lowercase();
    [spelled, lower]
}

/// `SITE/NAME` of `SITE/NAME.py` and of `SITE/NAME.cpython-313-x86_64-linux-gnu.so`.
pub(in crate::owner) fn module(path: &[u8]) -> Option<&[u8]> {
    let is_module = [&b".py"[..], b".pyi", b".so"].iter().any(|end| path.ends_with(end));
    let start = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let dot = path[start..].iter().position(|&b| b == b'.').filter(|&dot| is_module && dot > 0)?;
    Some(&path[..start + dot])
}
