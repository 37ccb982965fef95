//! Time without a bound: work that grows with the square of what is there.

use std::path::Path;

use restrata::tar::Xattr;

use super::harness::{Case, DEST, NEW, OLD, cases};
use super::make::*;

cases! {
    a_pax_header_of_many_keys: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            let records: String = (0..80_000).map(|key| format!("12 k{key:05}=v\n")).collect();
            special(tar, b'x', records.as_bytes());
            file(tar, "f", b"x");
        }),
        ..Case::works(&["rechunk", NEW, DEST], "sha256:")
    },
    many_extended_attributes_that_differ: Case {
        make: |dir| {
            xattrs(&dir.join("old"), "a");
            xattrs(&dir.join("new"), "b");
        },
        code: 3,
        ..Case::fails(&["verify", "-q", OLD, NEW], "")
    },
    whiteouts_and_package_lists: Case {
        make: |dir| {
            let new = dir.join("new");
            begin(&new);
            let lists = layer(&new, |tar| numbered(tar, "var/lib/dpkg/info/", ".list"));
            let whiteouts = layer(&new, |tar| numbered(tar, "var/.wh.", ""));
            tag(&new, manifest(&new, &[lists, whiteouts], serde_json::json!({})));
        },
        ..Case::works(&["rechunk", NEW, DEST], "sha256:")
    },
}

fn numbered(tar: &mut dyn std::io::Write, before: &str, behind: &str) {
    (0..40_000).for_each(|at| file(tar, &format!("{before}{at}{behind}"), b""));
}

fn xattrs(dir: &Path, value: &str) {
    image(dir, |tar| {
        let xattr = |at| Xattr { name: format!("user.{value}{at}").into(), value: value.into() };
        header(tar, &self::dir("d", (0..30_000).map(xattr).collect()));
    });
}
