//! Databases of distributions that are text.

use super::{Draft, Package};
use crate::owner::System;
use crate::owner::alpm::section;
use crate::owner::evidence::{Evidence, Kind};
use crate::owner::text::{field, lines};

/// `Depends` and `Pre-Depends`, in `status` or in a stanza of distroless.
pub(super) fn dpkg(evidence: &[Evidence<'_>], draft: &mut Draft) {
    let files = evidence.iter().filter(|file| matches!(file.kind, Kind::DpkgStatus | Kind::DpkgStanza { .. }));
    for stanza in files.flat_map(|file| paragraphs(file.bytes)) {
        let value = |name| stanza.iter().find_map(|line| field(line, name));
        let Some(name) = value("Package") else { continue };
        // What was removed still has a stanza.
        if value("Status").is_some_and(|status| !status.ends_with(b" installed")) {
            continue;
        }
        let source = value("Source").and_then(|source| source.split(|&b| b == b' ').next());
        let Some(mut package) = Package::new(System::Dpkg, source.unwrap_or(name), name) else { continue };
        let clauses = |name| value(name).into_iter().flat_map(|value| value.split(|&b| b == b','));
        package.provides.extend(clauses("Provides").map(|clause| bare(clause, b" (:").into()));
        for clause in clauses("Pre-Depends").chain(clauses("Depends")) {
            package.needs.push(clause.split(|&b| b == b'|').map(|name| bare(name, b" (:").into()).collect());
        }
        draft.push(package);
    }
}

/// `D:` and `p:`: names with or without a version, a blank between them.
pub(super) fn apk(evidence: &[Evidence<'_>], draft: &mut Draft) {
    let files = evidence.iter().filter(|file| file.kind == Kind::ApkInstalled);
    for stanza in files.flat_map(|file| paragraphs(file.bytes)) {
        let value = |name| stanza.iter().find_map(|line| field(line, name));
        let Some(name) = value("P") else { continue };
        let Some(mut package) = Package::new(System::Apk, value("o").unwrap_or(name), name) else { continue };
        let names = |name| {
            let all = value(name).into_iter().flat_map(|value| value.split(|&b| b == b' '));
            // A conflict.
            all.filter(|name| !name.starts_with(b"!")).map(|name| Box::from(bare(name, b"<>=~")))
        };
        package.provides.extend(names("p"));
        package.needs.extend(names("D").map(|name| vec![name]));
        draft.push(package);
    }
}

/// `%DEPENDS%` and `%PROVIDES%`: a name on each line.
pub(super) fn alpm(evidence: &[Evidence<'_>], draft: &mut Draft) {
    for file in evidence.iter().filter(|file| matches!(file.kind, Kind::AlpmDesc { .. })) {
        let Some(name) = section(file.bytes, b"%NAME%").next() else { continue };
        let base = section(file.bytes, b"%BASE%").next();
        let Some(mut package) = Package::new(System::Alpm, base.unwrap_or(name), name) else { continue };
        let names = |title| section(file.bytes, title).map(|name| Box::from(bare(name, b"<>=")));
        package.provides.extend(names(b"%PROVIDES%"));
        package.needs.extend(names(b"%DEPENDS%").map(|name| vec![name]));
        draft.push(package);
    }
}

/// The name alone: what stands before the first of `ends`.
fn bare<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let text = text.trim_ascii();
    text.split(|b| ends.contains(b)).next().unwrap_or(text)
}

/// Lines up to a blank one. Lists of files are left out: they are most of a database.
fn paragraphs(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut paragraph = Vec::new();
    lines(bytes).chain([&b""[..]]).filter_map(move |line| {
        if line.is_empty() {
            return Some(std::mem::take(&mut paragraph)).filter(|paragraph| !paragraph.is_empty());
        }
        if FIELDS.iter().any(|name| field(line, name).is_some()) {
            paragraph.push(line);
        }
        None
    })
}

const FIELDS: [&str; 10] = ["Package", "Status", "Source", "Provides", "Pre-Depends", "Depends", "P", "o", "p", "D"];
