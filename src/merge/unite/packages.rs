//! Databases of paragraphs, one for each package: dpkg's `status` (deb822(5)) and apk's `installed`. A package counts by
//! name and architecture. Two versions of one can't be installed at once: their files would be mixed.

use std::collections::HashMap;

use super::{Clash, Text, Version, too_many};
use crate::limits;

/// What the fields of a paragraph are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    package: &'static str,
    version: &'static str,
    architecture: &'static str,
    /// Says whether the package is installed. Without it, all are.
    status: Option<&'static str>,
}

pub(super) const DPKG: Fields =
    Fields { package: "Package", version: "Version", architecture: "Architecture", status: Some("Status") };
pub(super) const APK: Fields = Fields { package: "P", version: "V", architecture: "A", status: None };

struct Paragraph<'a> {
    /// Name and architecture.
    key: (&'a [u8], &'a [u8]),
    version: &'a [u8],
    is_installed: bool,
    text: &'a [u8],
    input: usize,
}

/// In the order of the first input that has them.
pub(super) fn united(fields: Fields, versions: &[Version<'_>]) -> Result<Vec<u8>, Vec<Clash>> {
    let (mut all, mut clashes): (Vec<Paragraph<'_>>, _) = (Vec::new(), Vec::new());
    let mut numbers: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
    for version in versions {
        for text in paragraphs(version.content) {
            let new = paragraph(fields, text, version.input);
            match numbers.get(&new.key) {
                None if all.len() == limits::PACKAGES => return Err(too_many(version)),
                None => {
                    numbers.insert(new.key, all.len());
                    all.push(new);
                }
                Some(&number) => {
                    let old = &mut all[number];
                    if old.is_installed && new.is_installed && old.version != new.version {
                        clashes.extend((clashes.len() < limits::CLASHES).then(|| clash(old, &new)));
                    } else if new.is_installed || !old.is_installed {
                        *old = new;
                    }
                }
            }
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    Ok(all.iter().flat_map(|paragraph| [paragraph.text, b"\n\n"].concat()).collect())
}

fn clash(old: &Paragraph<'_>, new: &Paragraph<'_>) -> Clash {
    let what = format!(
        "package {} has version {} in the first one and {} in the second one: files of both would be mixed, and the \
         database can name one version only",
        Text(old.key.0),
        Text(old.version),
        Text(new.version)
    );
    Clash { earlier: old.input, later: new.input, what }
}

fn paragraphs(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        while let Some(behind) = rest.strip_prefix(b"\n") {
            rest = behind;
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest.windows(2).position(|pair| pair == b"\n\n").unwrap_or(rest.len());
        let (text, behind) = rest.split_at(end);
        rest = behind;
        Some(text.strip_suffix(b"\n").unwrap_or(text))
    })
}

fn paragraph<'a>(fields: Fields, text: &'a [u8], input: usize) -> Paragraph<'a> {
    let field = |name: &str| text.split(|&b| b == b'\n').find_map(|line| value(line, name)).unwrap_or_default();
    let is_installed = fields.status.is_none_or(|status| field(status).ends_with(b" installed"));
    let key = (field(fields.package), field(fields.architecture));
    Paragraph { key, version: field(fields.version), is_installed, text, input }
}

/// The value of `Name: value`, without blanks around it.
fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Some(line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?.trim_ascii())
}

/// apk's `world`: of each package the last line, which may ask for a version.
pub(super) fn world(versions: &[Version<'_>]) -> Result<Vec<u8>, Vec<Clash>> {
    let name = |line: &[u8]| line.iter().position(|b| b"=<>~@".contains(b)).unwrap_or(line.len());
    let mut all: Vec<&[u8]> = Vec::new();
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    for version in versions {
        for line in version.content.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let own = &line[..name(line)];
            match numbers.get(own) {
                Some(&at) => all[at] = line,
                None if all.len() == limits::PACKAGES => return Err(too_many(version)),
                None => {
                    numbers.insert(own, all.len());
                    all.push(line);
                }
            }
        }
    }
    Ok(all.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(contents: &[&'a str]) -> Vec<Version<'a>> {
        contents.iter().enumerate().map(|(input, text)| Version { input, content: text.as_bytes() }).collect()
    }

    fn stanza(name: &str, arch: &str, version: &str, status: &str) -> String {
        format!(
            "Package: {name}\nStatus: {status}\nArchitecture: {arch}\nVersion: {version}\nDescription: x\n .\n y\n\n"
        )
    }

    const INSTALLED: &str = "install ok installed";
    const REMOVED: &str = "deinstall ok config-files";

    #[test]
    fn packages_of_all_inputs_stand_in_one_list() {
        let base = stanza("libc6", "amd64", "2.41", INSTALLED);
        let (a, b) = (stanza("nginx", "amd64", "1", INSTALLED), stanza("libc6", "i386", "2.40", INSTALLED));
        let first = format!("{base}{a}");
        // Without an end, and with more blank lines than needed.
        let second = format!("{b}\n\n{}", base.trim_end());
        let united = united(DPKG, &of(&[&first, &second])).unwrap();
        assert_eq!(String::from_utf8(united).unwrap(), format!("{base}{a}{b}"));
    }

    #[test]
    fn two_versions_of_a_package_are_a_clash() {
        let (old, new) =
            (stanza("openssl", "amd64", "3.5.1", INSTALLED), stanza("openssl", "amd64", "3.5.4", INSTALLED));
        let clashes = united(DPKG, &of(&[&old, &new])).unwrap_err();
        assert_eq!((clashes.len(), clashes[0].earlier, clashes[0].later), (1, 0, 1));
        assert!(
            clashes[0].what.starts_with("package openssl has version 3.5.1 in the first one and 3.5.4"),
            "{clashes:?}"
        );
        // One that was removed left its configuration alone.
        let removed = stanza("openssl", "amd64", "3.5.1", REMOVED);
        assert_eq!(united(DPKG, &of(&[&removed, &new])).unwrap(), new.as_bytes());
        assert_eq!(united(DPKG, &of(&[&new, &removed])).unwrap(), new.as_bytes());
    }

    #[test]
    fn apk_has_short_names() {
        let (a, b) = ("C:Q1=\nP:musl\nV:1.2\nA:x86_64\nF:lib\n\n", "P:zlib\nV:1\nA:x86_64\n\n");
        assert_eq!(united(APK, &of(&[a, &format!("{b}{a}")])).unwrap(), format!("{a}{b}").as_bytes());
        assert_eq!(world(&of(&["a\nb=1\n", "b\nc>2\na@edge\n"])).unwrap(), b"a@edge\nb\nc>2\n");
    }
}
