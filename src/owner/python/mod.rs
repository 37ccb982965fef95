//! Installed Python distributions ("Recording installed projects", PyPA specifications; PEP 376 and 627).

pub(super) mod unrecorded;

use super::System;
use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::text::lines;
use crate::limits;
use crate::tar::TarPath;

pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft) {
    for file in evidence {
        let Kind::PythonRecord { site, name } = file.kind else { continue };
        let Some(owner) = draft.owner(System::Python, &normalised(name)) else { continue };
        draft.claim(owner, file.path.parent().unwrap_or_else(TarPath::root).as_bytes());
        for path in lines(file.bytes).filter_map(first_column).filter(|path| path.len() <= limits::LISTED_PATH_BYTES) {
            draft.claim(owner, &from_site(site, &path));
        }
    }
}

/// As PEP 503 compares names: `PyYAML-5.4` and `pyyaml-6.0` are versions of one project.
pub(super) fn normalised(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|b| b"-_.".contains(b)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(&b'-').to_ascii_lowercase()
}

/// A line of CSV. A path may be quoted, with doubled quotes inside.
fn first_column(line: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = line.strip_prefix(b"\"") else {
        return line.split(|&b| b == b',').next().filter(|path| !path.is_empty()).map(<[u8]>::to_vec);
    };
    let (mut path, mut bytes) = (Vec::new(), quoted.iter().peekable());
    while let Some(&byte) = bytes.next() {
        if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
            return Some(path);
        }
        path.push(byte);
    }
    None
}

/// Scripts are recorded as `../../../bin/x`.
fn from_site(site: &[u8], path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in site.split(|&b| b == b'/').chain(path.split(|&b| b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// The module of `DIR/__pycache__/NAME.cpython-313.opt-1.pyc` (PEP 3147), which Debian's packages and some
/// installers leave out of their lists: `DIR/NAME.py`.
pub(super) fn source_of(path: &[u8]) -> Option<Vec<u8>> {
    let stem = path.strip_suffix(b".pyc")?;
    let start = stem.iter().rposition(|&b| b == b'/')? + 1;
    let (dir, name) = (stem[..start].strip_suffix(b"__pycache__/")?, &stem[start..]);
    let name = name.split(|&b| b == b'.').next()?;
    Some([dir, name, b".py"].concat())
}
