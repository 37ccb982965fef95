//! pacman's local database (`libalpm`'s `be_local.c`): a directory for each package, `%NAME%` lines before values.

use std::collections::HashMap;

use super::System;
use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::text::lines;

pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft) {
    let mut names: HashMap<&[u8], &[u8]> = HashMap::new();
    for file in evidence {
        let Kind::AlpmDesc { dir } = file.kind else { continue };
        let name = section(file.bytes, b"%BASE%").next().or_else(|| section(file.bytes, b"%NAME%").next());
        names.extend(name.map(|name| (dir, name)));
    }
    for (dir, name) in &names {
        let Some(owner) = draft.owner(System::Alpm, name) else { continue };
        // These change with the package alone.
        for file in [&b""[..], b"/desc", b"/files", b"/mtree", b"/install", b"/changelog"] {
            draft.claim(owner, &[*dir, file].concat());
        }
    }
    for file in evidence {
        let Kind::AlpmFiles { dir } = file.kind else { continue };
        let Some(owner) = names.get(dir).and_then(|name| draft.owner(System::Alpm, name)) else { continue };
        section(file.bytes, b"%FILES%").for_each(|path| draft.claim(owner, path));
    }
}

/// The lines up to a blank one.
pub(super) fn section<'a>(bytes: &'a [u8], title: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    lines(bytes).skip_while(move |line| *line != title).skip(1).take_while(|line| !line.is_empty())
}
