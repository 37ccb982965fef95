//! Memory without a bound: each item keeps to its limit, and there is no end of items.

use std::path::Path;

use restrata::tar::Xattr;
use serde_json::json;

use super::harness::{Case, DEST, NEW, OLD, cases};
use super::make::*;

cases! {
    long_names_before_one_entry: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            (0..1000).for_each(|_| special(tar, b'L', &[b'a'; 1 << 20]));
            file(tar, "f", b"x");
        }),
        ..Case::fails(&["rechunk", NEW, DEST], "of extended headers before one entry: expected at most 4,194,304")
    },
    pax_headers_before_one_entry: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            let value = "x".repeat((1 << 20) - 20);
            let record = format!("{} path={value}\n", value.len() + 14);
            (0..1000).for_each(|_| special(tar, b'x', record.as_bytes()));
            file(tar, "f", b"x");
        }),
        code: 3,
        ..Case::fails(&["check", NEW], "of extended headers before one entry")
    },
    directories_that_are_only_implied: Case {
        make: implied,
        ..Case::fails(&["rechunk", NEW, DEST], "too many entries")
    },
    implied_directories_for_verify: Case { make: implied, ..Case::fails(&["verify", NEW, NEW], "too many entries") },
    implied_directories_for_check: Case { make: implied, ..Case::fails(&["check", NEW], "too many entries") },
    implied_directories_for_diff: Case { make: implied, ..Case::fails(&["diff", NEW, NEW], "too many entries") },
    implied_directories_for_history: Case { make: implied, ..Case::fails(&["history", NEW, NEW], "too many entries") },
    more_entries_than_fit: Case {
        make: |dir| image(&dir.join("new"), |tar| empty_files(tar, 250_000)),
        ..Case::fails(&["rechunk", NEW, DEST], "expected at most 805,306,368; split the image")
    },
    package_lists: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            (0..4).for_each(|at| large_file(tar, &format!("var/lib/dpkg/info/{at}.list"), b'\n', 200 << 20));
        }),
        ..Case::works(&["rechunk", NEW, DEST], "not read, as in 2 more files of package databases")
    },
    package_lists_for_diff: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            (0..3).for_each(|at| large_file(tar, &format!("var/lib/dpkg/info/{at}.list"), b'\n', 200 << 20));
        }),
        ..Case::works(&["diff", NEW, NEW], "not read, as in 1 more")
    },
    extended_attributes_and_hints: Case {
        make: |dir| image(&dir.join("new"), |tar| {
            let value = vec![b'x'; (1 << 20) - 100];
            for at in 0..400 {
                let xattr = Xattr { name: b"user.component".to_vec(), value: value.clone() };
                header(tar, &self::dir(&format!("{at}"), vec![xattr]));
            }
        }),
        ..Case::works(&["rechunk", NEW, DEST], "sha256:")
    },
    rows_of_one_toc: Case {
        make: |dir| chunked(&dir.join("new"), &[1_050_000], 1),
        ..Case::fails(&["inspect", NEW], "rows")
    },
    rows_of_all_tocs: Case {
        make: |dir| chunked(&dir.join("new"), &[130_000; 7], 1000),
        ..Case::fails(&["inspect", NEW], "too many entries")
    },
    rows_of_all_tocs_for_check: Case {
        make: |dir| chunked(&dir.join("new"), &[130_000; 7], 1000),
        ..Case::fails(&["check", NEW], "too many entries")
    },
    rows_of_a_previous_image: Case {
        make: |dir| {
            honest(&dir.join("new"));
            chunked(&dir.join("old"), &[130_000; 7], 1000);
        },
        ..Case::fails(&["rechunk", NEW, DEST, "--previous", OLD], "too many entries")
    },
    equal_entries_of_indexes_of_indexes: Case {
        make: |dir| {
            let new = dir.join("new");
            begin(&new);
            let layer = layer(&new, |tar| file(tar, "f", b"x"));
            let mut inner = manifest(&new, &[layer], json!({"pad": "x".repeat(100_000)}));
            for _ in 0..3 {
                let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![inner; 30]});
                inner = put(&new, INDEX, index.to_string().as_bytes());
            }
            tag(&new, inner);
        },
        ..Case::works(&["rechunk", NEW, DEST], "sha256:")
    },
    windows_of_frames: Case {
        make: |dir| {
            wide_windows(&dir.join("new"));
            wide_windows(&dir.join("old"));
        },
        // It is no image in the end, and what matters is that all layers were decoded at once.
        ..Case::fails(&["rechunk", NEW, DEST, "--previous", OLD, "-T", "2"], "DiffID: the config has")
    },
    tags_of_an_index: Case {
        make: |dir| {
            let new = dir.join("new");
            honest(&new);
            let text = std::fs::read_to_string(new.join("index.json")).unwrap();
            let entry = &serde_json::from_str::<serde_json::Value>(&text).unwrap()["manifests"][0];
            let tagged = |at| {
                let mut entry = entry.clone();
                entry["annotations"]["org.opencontainers.image.ref.name"] = format!("{at}{}", "x".repeat(3000)).into();
                entry
            };
            let entries: Vec<_> = (0..1000).map(tagged).collect();
            std::fs::write(new.join("index.json"), json!({"schemaVersion": 2, "manifests": entries}).to_string()).unwrap();
        },
        code: 2,
        ..Case::fails(&["inspect", NEW], "and 984 more")
    },
    differences: Case {
        make: |dir| {
            image(&dir.join("new"), |tar| empty_files(tar, 100_000));
            image(&dir.join("old"), |tar| {
                header(tar, &self::dir("x", Vec::new()));
            });
        },
        ..Case::fails(&["verify", OLD, NEW], "too many entries")
    },
    values_of_a_config: Case {
        make: |dir| config(&dir.join("new"), &[1_900_000]),
        ..Case::fails(&["inspect", NEW], "in all lists and objects together, found 1,9")
    },
    values_of_all_configs: Case {
        make: |dir| config(&dir.join("new"), &[900_000; 12]),
        ..Case::fails(&["inspect", NEW], "JSON values in all manifests and configs")
    },
}

/// A thousand paths of 2,045 components, whose directories nobody names.
fn implied(dir: &Path) {
    image(&dir.join("new"), |tar| {
        for at in 0..1000 {
            let name = format!("{at:04}{}", "/a".repeat(2044));
            special(tar, b'L', name.as_bytes());
            file(tar, "f", b"");
        }
    });
}

/// Numbered, with long names: what an entry takes is what counts, and there is less to unpack so.
fn empty_files(tar: &mut dyn std::io::Write, count: u32) {
    let mut block = Vec::new();
    special(&mut block, b'L', &[b'a'; 3700]);
    (0..15).for_each(|part| block[512 + 250 * part] = b'/');
    file(&mut block, "f", b"");
    for at in 0..count {
        block[4202..4210].copy_from_slice(format!("{at:08}").as_bytes());
        tar.write_all(&block).unwrap();
    }
}

/// Layers of the kind that is read in several places at once, whose frames ask for the largest window there is.
fn wide_windows(dir: &Path) {
    begin(dir);
    let mut frame = zeros_frame(2000);
    frame[5] = 17 << 3;
    let layers: Vec<Layer> = (0..4).map(|at| chunked_layer(dir, &frame, &toc_of_dirs(1 + at, 1))).collect();
    tag(dir, manifest(dir, &layers, json!({})));
}

/// A layer for each TOC, with so many rows, and names of so many bytes.
fn chunked(dir: &Path, rows: &[usize], name: usize) {
    begin(dir);
    let tar = zstd::bulk::compress(&[0; 1024], 1).unwrap();
    let layers: Vec<Layer> =
        rows.iter().enumerate().map(|(at, rows)| chunked_layer(dir, &tar, &toc_of_dirs(rows + at, name))).collect();
    tag(dir, manifest(dir, &layers, json!({})));
}

/// An image for each number, with so many values in its config.
fn config(dir: &Path, values: &[usize]) {
    begin(dir);
    let of = |(at, &values): (usize, &usize)| {
        let layer = layer(dir, |tar| file(tar, "f", b"x"));
        let config = json!({"variant": format!("v{at}"), "x": vec![0; values]});
        let mut entry = manifest(dir, &[layer], config);
        entry["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": format!("v{at}")});
        entry
    };
    let manifests: Vec<_> = values.iter().enumerate().map(of).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    tag(dir, put(dir, INDEX, index.to_string().as_bytes()));
}
