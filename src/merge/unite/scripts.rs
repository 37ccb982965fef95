//! apk's `scripts.tar`: the scripts of all packages, each a member with the package's name, version and checksum in it.

use std::collections::HashSet;

use super::{Clash, Version};
use crate::tar::{BLOCK, END_OF_ARCHIVE, Scanner, Step, padding};

/// Each member once.
pub(super) fn united(versions: &[Version<'_>]) -> Result<Vec<u8>, Vec<Clash>> {
    let (mut out, mut seen) = (Vec::new(), HashSet::new());
    for version in versions {
        let read = members(version.content, |name, member| {
            if seen.insert(name.to_vec()) {
                out.extend_from_slice(member);
            }
        });
        if read.is_none() {
            let what = "the second one has scripts of packages that are no tar: they can't be united".to_owned();
            return Err(vec![Clash { earlier: versions[0].input, later: version.input, what }]);
        }
    }
    out.extend_from_slice(&END_OF_ARCHIVE);
    Ok(out)
}

/// Gives name and bytes of each member, header and padding included.
fn members(tar: &[u8], mut take: impl FnMut(&[u8], &[u8])) -> Option<()> {
    let mut scanner = Scanner::new();
    let (mut start, mut at) = (0, 0);
    while let Some(block) = tar.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        at += BLOCK;
        match scanner.push(block).ok()? {
            Step::More => {}
            Step::End => return Some(()),
            Step::Entry(entry) => {
                at = at.checked_add(usize::try_from(entry.stored).ok()?)?.checked_add(padding(entry.stored))?;
                take(&entry.header.name, tar.get(start..at)?);
                start = at;
            }
        }
    }
    scanner.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{EntryKind, Header, encode};

    fn tar(members: &[(&str, &str)]) -> Vec<u8> {
        let member = |(name, content): &(&str, &str)| {
            let header = Header { size: content.len() as u64, ..Header::new(*name, EntryKind::Regular) };
            let mut bytes = encode(&header);
            bytes.extend_from_slice(content.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            bytes
        };
        members.iter().flat_map(member).chain(END_OF_ARCHIVE).collect()
    }

    #[test]
    fn each_script_once() {
        let (a, b) = (tar(&[("x.post", "1"), ("y.pre", "2")]), tar(&[("y.pre", "2"), ("z", "")]));
        let of = |content| Version { input: 0, content };
        assert_eq!(united(&[of(&a), of(&b)]).unwrap(), tar(&[("x.post", "1"), ("y.pre", "2"), ("z", "")]));
        assert!(united(&[of(&a), of(&[7; 512])]).is_err());
        assert!(united(&[of(&a), of(&a[..600])]).is_err());
    }
}
