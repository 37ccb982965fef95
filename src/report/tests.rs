use serde_json::Value;

use super::names::columns;
use super::{json, samples, text};

/// What is left where styles are stripped.
pub fn plain(text: &str) -> String {
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m"]
        .iter()
        .fold(text.to_owned(), |text, style| text.replace(style, ""))
}

pub fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_summary_fits_in_80_columns_and_says_what_counts() {
    let text = plain(&text::rechunk(&samples::update()));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    assert!(text.contains("update from oci:img:v1\n"));
    assert!(text.contains("podman, multi-range    27.1 MB  3 requests, 1 data range\n"));
    assert!(text.contains("Layers kept: 1 of the 3 in the new image."));
    assert!(text.contains("fresh, no index"));
    assert!(text.ends_with(&format!("digest  {}\n", samples::digest(1))));
}

#[test]
fn long_names_fit_in_80_columns() {
    let long = format!("oci:{}:v1", "registry/語 ".repeat(30));
    for from in [long.clone(), format!("oci:{}", "x".repeat(50)), format!("oci:{}", "x".repeat(500))] {
        let mut outcome = samples::update();
        let image = &mut outcome.images[0];
        image.pulls.iter_mut().filter_map(|pull| pull.from.as_mut()).for_each(|old| old.clone_from(&from));
        image.layers.iter_mut().for_each(|layer| layer.planned.owners = vec![long.clone(), "dpkg:perl".to_owned()]);
        assert_eq!(object(&json::rechunk(&outcome))["pulls"][3]["from"], from);
        for text in [text::rechunk(&outcome), text::plan(&samples::planned(outcome))].map(|text| plain(&text)) {
            assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
            assert!(text.contains("update from oci:"), "{text}");
        }
    }
    let mut inspection = samples::inspection();
    inspection.images[0].reference.clone_from(&long);
    inspection.images[0].layers[0].media_type = "x".repeat(100);
    inspection.images[0].biggest[0].path.clone_from(&long);
    let text = plain(&text::inspect(&inspection));
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
}

#[test]
fn json_has_the_fixed_fields() {
    let report = object(&json::rechunk(&samples::update()));
    assert_eq!(report["digest"], samples::digest(1).to_string());
    assert!((report["waste"].as_f64().unwrap() - 3.0 / 172.0).abs() < 1e-9);
    for field in ["digest", "size", "state", "reason", "live_bytes", "dead_bytes"] {
        assert!(!report["layers"][0][field].is_null(), "{field}");
    }
    assert_eq!(report["layers"][1]["state"], "fresh");
    let pull = &report["pulls"][3];
    assert_eq!((&pull["client"], &pull["registry"]), (&"podman".into(), &"multi-range".into()));
    assert_eq!((&pull["outcome"], &pull["from"]), (&"partial".into(), &"oci:img:v1".into()));
    for field in ["requests", "ranges", "index_bytes", "data_bytes", "gap_bytes", "blob_bytes"] {
        assert!(pull[field].is_u64(), "{field}");
    }
    assert!(report.get("images").is_none());
}

#[test]
fn many_layers_stay_readable() {
    let text = plain(&text::rechunk(&samples::large_update()));
    println!("{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let table: Vec<&str> = text.split("\n\n").nth(1).unwrap().lines().skip(1).collect();
    // Rows of one layer have a line of owners, and below the sum stands what the words mean.
    assert_eq!(table.len(), 2 * (2 + 6) + 1 + 1 + 2, "{table:?}");
    assert!(table[4].starts_with("56 layers     kept") && table[4].contains("5.51 GB"), "{table:?}");
    assert!(text.contains("Layers kept: 58 of the 64 in the new image.\nLayers cleaned: 2 (too much is hidden).\n"));
    assert!(text.contains("Layers merged: 1 (too many layers).\nLayers dropped: 1, 1.50 MB in all"));
}

#[test]
fn a_plan_says_why() {
    let planned = samples::planned(samples::large_update());
    let text = plain(&text::plan(&planned));
    println!("{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let short = samples::digest(60).short();
    assert!(text.contains(&format!("{short}  cleaned  holds purged content")), "{text}");
    assert!(text.contains("new           fresh    in no kept layer") && text.contains("\n  dpkg:perl\n"));
    assert!(text.contains("To write: 6 layers, ") && text.ends_with("A dry run: nothing is written.\n"));
    let report = object(&json::plan(&planned));
    assert_eq!((&report["dry_run"], &report["digest"]), (&true.into(), &Value::Null));
    let layers = report["layers"].as_array().unwrap();
    assert_eq!((&layers[0]["size"], &layers[0]["replaces"]), (&900_000_000.into(), &Value::Array(Vec::new())));
    assert_eq!((&layers[58]["digest"], &layers[58]["reason"]), (&Value::Null, &"waste".into()));
    assert_eq!(layers[58]["replaces"][0]["digest"], samples::digest(58).to_string());
    let real = object(&json::rechunk(&samples::large_update()));
    for (planned, real) in layers.iter().zip(real["layers"].as_array().unwrap()) {
        for (field, value) in planned.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
            assert_eq!(*value, real[field], "{field}");
        }
    }
    assert_eq!(report["dropped"], real["dropped"]);
}

#[test]
fn what_the_base_hides_is_told_apart() {
    let mut outcome = samples::large_update();
    let line = |text: String| text.lines().find(|line| line.starts_with("Hidden by")).map(str::to_owned);
    outcome.images[0].layers.truncate(4);
    for (layer, dead) in outcome.images[0].layers.iter_mut().zip([90_000_000, 0, 9_000_000, 0]) {
        (layer.size, layer.planned.dead_bytes) = (250_000_000, dead);
        layer.planned.old.iter_mut().for_each(|blob| blob.size = 250_000_000);
    }
    let both = Some("Hidden by layers above: 0.9 % of the image, and 9.0 % in layers of the base.".to_owned());
    assert_eq!(line(text::rechunk(&outcome)), both);
    let report = object(&json::rechunk(&outcome));
    assert_eq!((report["waste"].as_f64(), report["base_waste"].as_f64()), (Some(0.099), Some(0.09)));
    outcome.images[0].layers[0].planned.dead_bytes = 0;
    assert_eq!(line(text::rechunk(&outcome)).unwrap(), "Hidden by layers above: 0.9 % of the image.");
    outcome.images[0].layers[0].planned.dead_bytes = 90_000_000;
    assert_eq!(line(text::plan(&samples::planned(outcome))), both);
}

#[test]
fn owners_fill_a_line() {
    let planned = |owners: usize| {
        let mut planned = samples::planned(samples::update());
        planned.images[0].layers.truncate(1);
        planned.images[0].layers[0].owners = (0..owners).map(|n| format!("dpkg:a-package-{n}")).collect();
        plain(&text::plan(&planned)).lines().find(|line| line.contains("dpkg")).map(str::to_owned)
    };
    assert_eq!(planned(0), None);
    assert_eq!(planned(2).as_deref(), Some("  dpkg:a-package-0, dpkg:a-package-1"));
    let many = planned(100).unwrap();
    assert!(many.len() <= 80 && many.ends_with("dpkg:a-package-2 and 97 more"), "{many}");
}

#[test]
fn several_platforms_stand_beside_the_first() {
    let mut outcome = samples::update();
    let mut second = samples::update().images.remove(0);
    second.platform = Some("linux/arm64".parse().unwrap());
    second.digest = samples::digest(2);
    outcome.images.push(second);
    outcome.digest = samples::digest(3);
    let report = object(&json::rechunk(&outcome));
    assert_eq!(report["digest"], samples::digest(3).to_string());
    assert_eq!(report["images"].as_array().unwrap().len(), 2);
    assert_eq!(report["images"][1]["platform"], "linux/arm64");
    assert_eq!(report["images"][0]["layers"], report["layers"]);
}

#[test]
fn verify_lists_differences_and_says_so_when_only_times_differ() {
    use text::Listing::{All, Short};
    let mut verdict = samples::verdict();
    let text = plain(&text::verify(&verdict, Short));
    assert_eq!(
        text,
        "/etc/x: mode 0644 != 0600\n/etc/y\\u{1b}[2J: only in A: file\n/etc/z: xattr user.x absent != x\n\
         not the same: 3 differences in 36,462 entries\n"
    );
    assert_eq!(object(&json::verify(&verdict))["differences"][0]["b"], "0600");
    assert!(!text.contains("--ignore"));
    let mut times = verdict.clone();
    times.differences.retain(|found| found.path == "/etc/x");
    times.differences[0].what = "mtime".to_owned();
    assert_eq!(
        plain(&text::verify(&times, Short)),
        "not the same: 1 difference in 36,462 entries\n\
         Only times differ. rechunk gives unchanged entries the times of the previous image.\n\
         --ignore mtime ignores them; --all lists them.\n"
    );
    assert!(plain(&text::verify(&times, All)).starts_with("/etc/x: mtime 0644 != 0600\nnot the same: "));
    let mut many = verdict.clone();
    many.differences = vec![verdict.differences[0].clone(); 1_030];
    many.differences.extend(vec![times.differences[0].clone(); 2_000]);
    let text = plain(&text::verify(&many, Short));
    assert_eq!(text.lines().count(), 20 + 2);
    assert!(text.contains("\nand 3,010 more, 2,000 of them times (--all lists them)\n"), "{text}");
    assert_eq!(plain(&text::verify(&many, All)).lines().count(), 3_030 + 1);
    verdict.differences.clear();
    assert_eq!(plain(&text::verify(&verdict, Short)), "the same: 36,462 entries\n");
    assert_eq!(object(&json::verify(&verdict))["same"], true);
}

#[test]
fn check_says_what_is_wrong_with_which_layer() {
    let text = plain(&text::check(&samples::checked(&["frame 7: the checksum is wrong"])));
    assert!(text.contains("bad  zstd:chunked, index first\n"));
    assert!(text.contains("  problem: frame 7: the checksum is wrong\n"));
    assert!(text.ends_with("1 problem in 2 layers\n"));
    assert!(plain(&text::check(&samples::checked(&[]))).ends_with("no problems: 2 layers\n"));
    assert_eq!(object(&json::check(&samples::checked(&[])))["ok"], true);
    let mut unseen = samples::checked(&[]);
    unseen.images.clear();
    unseen.problems.push("index.json: expected JSON".to_owned());
    assert_eq!(
        plain(&text::check(&unseen)),
        "problem: index.json: expected JSON\n1 problem, no layer could be reached\n"
    );
    let report = object(&json::check(&unseen));
    assert_eq!((&report["ok"], &report["problems"][0]), (&false.into(), &"index.json: expected JSON".into()));
}

#[test]
fn inspect_shows_layers_and_files() {
    let text = plain(&text::inspect(&samples::inspection()));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let short = |byte| samples::digest(byte).short();
    assert!(rows.contains(&vec![
        "0",
        &short(10),
        "27.1",
        "MB",
        "tar+zstd",
        "first",
        "610",
        "kB",
        "8,979",
        "9,079",
        "89.8",
        "MB"
    ]));
    assert!(rows.contains(&vec!["1", &short(11), "27.1", "MB", "tar+zstd", "none", "-", "-", "-", "-"]));
    assert!(text.contains("1.30 MB  3.90 MB  0  /usr/bin/perl"));
    assert_eq!(object(&json::inspect(&samples::inspection()))["images"][0]["layers"][1]["entries"], Value::Null);
    assert_eq!(object(&json::inspect(&samples::inspection()))["images"][0]["layers"][1]["compression"], "zstd");
}
