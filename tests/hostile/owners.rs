//! What says whose a file is: package databases, the maker's file map, and the file of `--owners`. None of them keeps an
//! image from being written.

use std::path::Path;

use super::harness::{Case, DEST, NEW, cases};
use super::make::*;

const FILEMAP: &str = "usr/lib/chunkah/filemap.json";
const CONDA: &str = "opt/conda/conda-meta/x-1-0.json";
const NDB: &str = "usr/lib/sysimage/rpm/Packages.db";

/// ESC, a line break, marks that turn text around; in JSON.
const NAME: &str = "a\\u001b[2J\\n\\u202egnp";

const REST: &[&str] = &["rechunk", NEW, DEST];
const NAMED: &[&str] = &["rechunk", NEW, DEST, "--owners", "owners"];

fn with(dir: &Path, name: &str, content: &[u8]) {
    image(&dir.join("new"), |tar| {
        file(tar, "usr/bin/x", b"x");
        file(tar, name, content);
    });
}

/// The start of a database with so many pages of slots, and one package: where its blob is, and how many blocks it has.
fn ndb(pages: u32, block: u32, blocks: u32) -> Vec<u8> {
    let mut bytes = vec![0; 2 * 4096];
    bytes[..4].copy_from_slice(b"RpmP");
    bytes[12..16].copy_from_slice(&pages.to_le_bytes());
    for slot in bytes[32..4096].chunks_exact_mut(16) {
        slot[..4].copy_from_slice(b"Slot");
    }
    for (at, number) in [(4, 1), (8, block), (12, blocks)] {
        bytes[32 + at..][..4].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn named(dir: &Path, owners: &[u8]) {
    honest(&dir.join("new"));
    std::fs::write(dir.join("owners"), owners).unwrap();
}

cases! {
    a_filemap_that_is_cut_short: Case {
        make: |dir| with(dir, FILEMAP, br#"{"a": {"files": ["/usr/bin/x"#),
        ..Case::works(REST, "/usr/lib/chunkah/filemap.json: ")
    },
    a_filemap_without_a_bottom: Case {
        make: |dir| with(dir, FILEMAP, &[br#"{"a": "#.to_vec(), b"[".repeat(5_000_000)].concat()),
        ..Case::works(REST, "/usr/lib/chunkah/filemap.json: ")
    },
    a_filemap_of_many_components: Case {
        make: |dir| {
            let components: Vec<String> = (0..500_000).map(|at| format!(r#""c{at}":{{"files":["/x{at}"]}}"#)).collect();
            with(dir, FILEMAP, format!("{{{}}}", components.join(",")).as_bytes());
        },
        ..Case::works(REST, "sha256:")
    },
    a_filemap_whose_names_drive_a_terminal: Case {
        make: |dir| {
            let map = format!(r#"{{"{NAME}": {{"interval": "{NAME}", "files": ["/usr/bin/x", "/../../etc/passwd", "{NAME}"]}}}}"#);
            with(dir, FILEMAP, map.as_bytes());
        },
        ..Case::works(REST, "sha256:")
    },
    a_conda_package_that_is_cut_short: Case {
        make: |dir| with(dir, CONDA, br#"{"name": "x", "files": ["bin"#),
        ..Case::works(REST, "/opt/conda/conda-meta/x-1-0.json: ")
    },
    a_conda_package_without_a_bottom: Case {
        make: |dir| with(dir, CONDA, &[br#"{"name": "x", "files": "#.to_vec(), br#"{"a":"#.repeat(2_000_000)].concat()),
        ..Case::works(REST, "/opt/conda/conda-meta/x-1-0.json: ")
    },
    a_conda_package_of_many_files: Case {
        make: |dir| {
            let files = r#""bin/x","#.repeat(4_000_000);
            with(dir, CONDA, format!(r#"{{"name": "x", "files": [{files}"y"]}}"#).as_bytes());
        },
        ..Case::works(REST, "sha256:")
    },
    a_conda_package_whose_name_drives_a_terminal: Case {
        make: |dir| {
            with(dir, CONDA, format!(r#"{{"name": "{NAME}", "files": ["../../../x", "{NAME}", "bin/x"]}}"#).as_bytes());
        },
        ..Case::works(REST, "sha256:")
    },
    an_ndb_database_that_is_cut_short: Case {
        make: |dir| with(dir, NDB, &ndb(1, 256, 1)[..1000]),
        ..Case::works(REST, "not an ndb database")
    },
    an_ndb_database_of_endless_pages: Case {
        make: |dir| with(dir, NDB, &ndb(u32::MAX, 256, 1)),
        ..Case::works(REST, "not an ndb database")
    },
    an_ndb_package_outside_of_the_file: Case {
        make: |dir| with(dir, NDB, &ndb(1, u32::MAX, u32::MAX)),
        ..Case::works(REST, "outside of the database")
    },
    owners_without_an_end: Case {
        make: |dir| named(dir, &b"/a b\n".repeat(5_000_000)),
        code: 64,
        ..Case::fails(NAMED, "owners")
    },
    owners_with_a_glob_of_stars: Case {
        make: |dir| {
            image(&dir.join("new"), |tar| (0..200).for_each(|at| file(tar, &format!("{}{at}", "a".repeat(200)), b"x")));
            let globs: String = (0..900).map(|at| format!("/{}b{at} x{at}\n", "*a".repeat(100))).collect();
            std::fs::write(dir.join("owners"), globs).unwrap();
        },
        ..Case::works(NAMED, "sha256:")
    },
    owners_that_drive_a_terminal: Case {
        make: |dir| named(dir, b"/x \x1b[2J\n"),
        code: 64,
        ..Case::fails(NAMED, "owners")
    },
}
