//! dpkg's database (Debian's `dpkg(1)`, "FILES", and deb822(5)), and the `status.d` of distroless images.

use std::collections::{HashMap, HashSet};

use super::System;
use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::text::{field, lines};
use crate::limits;

pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft) {
    // Package, or stem in `status.d`, to source. A stem is nearly always the package's name.
    let mut sources: HashMap<&[u8], &[u8]> = HashMap::new();
    for file in evidence {
        match file.kind {
            Kind::DpkgStatus => sources.extend(stanzas(file.bytes).take(limits::PACKAGES)),
            Kind::DpkgStanza { stem } => {
                let stanza = stanzas(file.bytes).next();
                sources.extend(stanza.into_iter().flat_map(|(package, source)| [(stem, source), (package, source)]));
            }
            _ => {}
        }
    }
    // Without their ends: a list has all that the checksums beside it have.
    let lists: HashSet<&[u8]> =
        evidence.iter().filter_map(|file| file.path.as_bytes().strip_suffix(b".list")).collect();
    let is_listed = |file: &Evidence<'_>| {
        let stem = file.path.as_bytes().strip_suffix(b".md5sums");
        stem.is_some_and(|stem| lists.contains(stem))
    };
    for file in evidence {
        let (Kind::DpkgList { package } | Kind::DpkgSums { stem: package } | Kind::DpkgStanza { stem: package }) =
            file.kind
        else {
            continue;
        };
        let Some(owner) = draft.owner(System::Dpkg, sources.get(package).unwrap_or(&package)) else { continue };
        if is_listed(file) {
            continue;
        }
        draft.claim(owner, file.path.as_bytes());
        match file.kind {
            Kind::DpkgList { .. } => lines(file.bytes).for_each(|path| draft.claim(owner, path)),
            Kind::DpkgSums { .. } => lines(file.bytes).filter_map(summed).for_each(|path| draft.claim(owner, path)),
            _ => {}
        }
    }
}

/// The name in `NAME:ARCH`, as files in `info` are called.
pub(super) fn name(file_stem: &[u8]) -> &[u8] {
    file_stem.split(|&b| b == b':').next().unwrap_or(file_stem)
}

/// A package's checksums, scripts and triggers in `info` are listed nowhere; its list stands beside them. They
/// go with the package because they change with it alone: of the 2,309 in a large Debian image, a monthly
/// update changed 81, every one of them an upgraded package's.
pub(super) fn list_beside(path: &[u8]) -> Option<Vec<u8>> {
    let name = path.iter().rposition(|&b| b == b'/')? + 1;
    let is_info = path[..name].strip_suffix(b"info/").is_some_and(|home| matches!(home.last(), None | Some(b'/')));
    let dot = path[name..].iter().rposition(|&b| b == b'.').filter(|_| is_info)?;
    Some([&path[..name + dot], b".list"].concat())
}

/// The path in a line of md5sum(1).
fn summed(line: &[u8]) -> Option<&[u8]> {
    let blank = line.iter().position(|&b| b == b' ')?;
    Some(line[blank..].trim_ascii_start())
}

/// Package and source of each paragraph.
fn stanzas(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (mut package, mut source) = (None, None);
    // The last paragraph may end without a blank line.
    lines(bytes).chain([&b""[..]]).filter_map(move |line| {
        if line.is_empty() {
            let (package, source) = (package.take()?, source.take());
            return Some((package, source.unwrap_or(package)));
        }
        package = package.or_else(|| field(line, "Package"));
        // `Source: glibc (2.36-9)` where the versions differ.
        source = source.or_else(|| field(line, "Source")?.split(|&b| b == b' ').next());
        None
    })
}
