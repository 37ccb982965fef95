//! rpm's database: package headers, in a table of SQLite (rpm's `lib/backend/sqlite.c`), in `ndb`, or in
//! a hash table of Berkeley DB.

mod bdb;
mod header;
mod log;
mod ndb;
mod sqlite;

pub use bdb::BdbError;
pub use header::RpmError;
pub use ndb::NdbError;
pub use sqlite::SqliteError;

use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::{Problem, System, Warning, needs};
use crate::limits;
use crate::tar::TarPath;
use header::Header;
use sqlite::Database;

pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft, warnings: &mut Vec<Warning>) {
    for file in evidence {
        let mut failed: Option<(usize, RpmError)> = None;
        let problem = blobs(file, evidence, &mut |blob| {
            if let Err(error) = claim_package(blob, draft) {
                failed.get_or_insert((0, error)).0 += 1;
            }
        });
        let failed = failed.map(|(count, first)| Problem::Rpm { count, first });
        let problems = problem.into_iter().chain(failed);
        warnings.extend(problems.map(|problem| Warning { path: file.path.clone(), problem }));
    }
}

/// What can't be read was told with the owners.
pub(super) fn needs(evidence: &[Evidence<'_>], draft: &mut needs::Draft) {
    for file in evidence {
        blobs(file, evidence, &mut |blob| {
            if let Ok(Some(package)) = needs_of(blob) {
                draft.push(package);
            }
        });
    }
}

/// The headers of all packages of a database.
fn blobs(file: &Evidence<'_>, evidence: &[Evidence<'_>], package: &mut impl FnMut(&[u8])) -> Option<Problem> {
    match file.kind {
        Kind::RpmSqlite => Database::open(file.bytes, log_of(file.path, evidence))
            .and_then(|database| database.blobs(b"Packages", package))
            .err()
            .map(Problem::from),
        Kind::RpmNdb => ndb::blobs(file.bytes, package).err().map(Problem::from),
        Kind::RpmBdb => bdb::blobs(file.bytes, package).err().map(Problem::from),
        _ => None,
    }
}

/// The write-ahead log beside a database, empty if there is none.
fn log_of<'a>(path: &TarPath, evidence: &[Evidence<'a>]) -> &'a [u8] {
    let is_beside = |file: &&Evidence<'_>| file.kind == Kind::RpmWal && file.path.parent() == path.parent();
    evidence.iter().find(is_beside).map_or(&[], |log| log.bytes)
}

const NAME: u32 = 1000;
const SOURCERPM: u32 = 1044;
const PROVIDENAME: u32 = 1047;
const REQUIRENAME: u32 = 1049;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
const DIRNAMES: u32 = 1118;

fn claim_package(blob: &[u8], draft: &mut Draft) -> Result<(), RpmError> {
    let header = Header::parse(blob)?;
    let Some(owner) = owner(&header)?.and_then(|name| draft.owner(System::Rpm, name)) else { return Ok(()) };
    let dirs: Vec<&[u8]> = header.strings(DIRNAMES)?.collect();
    for (base, dir) in header.strings(BASENAMES)?.zip(header.numbers(DIRINDEXES)?) {
        if let Some(dir) = dirs.get(dir as usize) {
            draft.claim_in(owner, dir.strip_suffix(b"/").unwrap_or(dir), base);
        }
    }
    Ok(())
}

/// Its source, or its own name.
fn owner<'a>(header: &Header<'a>) -> Result<Option<&'a [u8]>, RpmError> {
    let name = header.strings(NAME)?.next();
    let source = header.strings(SOURCERPM)?.next().and_then(source_name);
    Ok(source.or(name))
}

/// A need is a name, a path, or something that nothing provides: a condition, a feature of rpm.
fn needs_of(blob: &[u8]) -> Result<Option<needs::Package>, RpmError> {
    let header = Header::parse(blob)?;
    let name = header.strings(NAME)?.next().unwrap_or_default();
    let package = owner(&header)?.and_then(|owner| needs::Package::new(System::Rpm, owner, name));
    let Some(mut package) = package else { return Ok(None) };
    let names = |tag| Ok::<_, RpmError>(header.strings(tag)?.take(limits::DEPENDENCY_NAMES).map(Box::<[u8]>::from));
    package.provides.extend(names(PROVIDENAME)?);
    package.needs.extend(names(REQUIRENAME)?.map(|name| vec![name]));
    Ok(Some(package))
}

/// `glibc` of `glibc-2.39-5.fc40.src.rpm`.
fn source_name(file: &[u8]) -> Option<&[u8]> {
    let version = |b: &u8| *b == b'-';
    let name = &file[..file.iter().rposition(version)?];
    Some(&name[..name.iter().rposition(version)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of lists of strings.
    fn header(tags: &[(u32, &[&str])]) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, strings) in tags {
            let row = [*tag, 8, store.len() as u32, strings.len() as u32];
            index.extend(row.iter().flat_map(|number| number.to_be_bytes()));
            strings.iter().for_each(|text| store.extend([text.as_bytes(), b"\0"].concat()));
        }
        let counts = [tags.len() as u32, store.len() as u32].map(u32::to_be_bytes).concat();
        [counts, index, store].concat()
    }

    #[test]
    fn a_header_tells_what_its_package_needs() {
        let blob = header(&[
            (NAME, &["glibc-common"]),
            (SOURCERPM, &["glibc-2.39-5.fc40.src.rpm"]),
            (PROVIDENAME, &["glibc-common", "libx.so.1()(64bit)"]),
            (REQUIRENAME, &["glibc", "/usr/bin/sh", "(a if b)", "rpmlib(FileDigests)"]),
        ]);
        let package = needs_of(&blob).unwrap().unwrap();
        let text = |names: &[Box<[u8]>]| String::from_utf8(names.join(&b' ')).unwrap();
        assert_eq!((&*package.owner.1, text(&[package.name])), ("glibc", "glibc-common".to_owned()));
        assert_eq!(text(&package.provides), "glibc-common libx.so.1()(64bit)");
        assert_eq!(text(&package.needs.concat()), "glibc /usr/bin/sh (a if b) rpmlib(FileDigests)");
        assert!(needs_of(&blob[1..]).is_err() && needs_of(&header(&[])).unwrap().is_none());
    }
}
