use serde_json::Value;

use crate::compression::Compression;
use crate::inspect::InspectedLayer;

use super::names::columns;
use super::text::Listing::{All, Short};
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
    let text = plain(&text::rechunk(&samples::update(), Short));
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
        for text in
            [text::rechunk(&outcome, Short), text::plan(&samples::planned(outcome), Short)].map(|text| plain(&text))
        {
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
    let text = plain(&text::rechunk(&samples::large_update(), Short));
    println!("{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let table: Vec<&str> = text.split("\n\n").nth(1).unwrap().lines().skip(1).collect();
    // Kept layers share a row: those of the base, and the others. Rows of one layer have a line of owners, and below the sum
    // stands what the words mean.
    assert!(table[0].starts_with("2 layers      kept") && table[1].starts_with("56 layers     kept"), "{table:?}");
    assert!(table[1].contains("5.51 GB") && table[2].ends_with(" 2,979     12,345      1.00 GB"), "{table:?}");
    assert!(table[2 + 2 * 6].starts_with("total         64 layers"), "{table:?}");
    for legend in [
        "size: the compressed layer, with its index",
        "new content: what clients lack of it, compressed, each content once",
        "cleaned: a previous layer, rewritten without its dead entries",
        "dead entry: one that the new image does not have, or that a layer above hides",
    ] {
        assert!(text.contains(&format!("\n{legend}\n")), "{legend}: {text}");
    }
    assert!(text.contains("Layers kept: 58 of the 64 in the new image.\nLayers cleaned: 2 (too much waste).\n"));
    assert!(text.contains("Layers merged: 1 (too many layers).\nLayers dropped: 1, 1.50 MB in all"));
    let all = plain(&text::rechunk(&samples::large_update(), All));
    assert_eq!(all.matches("\n  dpkg:perl\n").count(), 64, "{all}");
}

/// The layers' names, and what stands below the rows of the table.
fn names(text: &str) -> (Vec<&str>, Vec<&str>) {
    let table = text.split("\n\n").nth(1).unwrap().lines().skip(1);
    let rows: Vec<&str> = table.take_while(|line| !line.starts_with("total")).collect();
    let (below, names): (Vec<&str>, Vec<&str>) = rows.into_iter().partition(|line| line.starts_with("  "));
    (names.iter().map(|line| line.split("  ").next().unwrap()).collect(), below)
}

#[test]
fn of_a_first_layout_the_largest_layers_are_listed_and_the_cost_comes_last() {
    for (layers, listed) in [(15, 15), (16, 12), (50, 12)] {
        let outcome = samples::first_layout(layers);
        let texts = [text::rechunk(&outcome, Short), text::plan(&samples::planned(outcome.clone()), Short)];
        for text in texts.map(|text| plain(&text)) {
            let (names, below) = names(&text);
            let rest = usize::from(layers > listed);
            assert_eq!(names.len(), listed + rest, "{text}");
            assert_eq!(below.contains(&"  --all lists them"), rest == 1, "{text}");
            if rest == 1 {
                assert_eq!(names.last(), Some(&format!("{} more layers", layers - listed).as_str()), "{text}");
            }
            let place = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("{what} in {text}"));
            assert!(place("\ntotal ") < place("plain client "), "{text}");
            assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        }
        let all = plain(&text::rechunk(&outcome, All));
        assert_eq!(names(&all).0.len(), layers, "{all}");
        assert_eq!(object(&json::rechunk(&outcome))["layers"].as_array().unwrap().len(), layers);
    }
    // The largest ones, in the order of the image. Each has a size of its own.
    let text = plain(&text::rechunk(&samples::first_layout(50), Short));
    let expected: Vec<String> = (38..50).map(|fill| samples::digest(fill).short()).collect();
    assert_eq!(names(&text).0[..12], expected, "{text}");
    assert!(text.contains("\n38 more layers  fresh "), "{text}");
}

#[test]
fn in_an_update_every_layer_that_changes_is_listed() {
    let mut outcome = samples::first_layout(50);
    outcome.images[0].layers.extend(samples::update().images.remove(0).layers);
    let text = plain(&text::rechunk(&outcome, Short));
    assert_eq!(names(&text).0.len(), 1 + 52, "{text}");
}

#[test]
fn what_changes_with_every_version_is_no_packages_layer() {
    let mut outcome = samples::update();
    outcome.images[0].layers[2].planned.changes_always = true;
    let lines = ["  dpkg:perl", "  dpkg:perl", "  expected to change with every version"];
    assert_eq!(names(&plain(&text::rechunk(&outcome, Short))).1, lines);
    assert_eq!(object(&json::rechunk(&outcome))["layers"][2]["changes_always"], true);
    assert_eq!(names(&plain(&text::plan(&samples::planned(outcome), Short))).1, lines);
    let mut inspection = samples::inspection();
    inspection.images[0].layers[0].changes_always = true;
    let text = plain(&text::inspect(&inspection));
    assert!(text.contains("\n    expected to change with every version\n") && !text.contains("dpkg:perl"), "{text}");
    assert_eq!(object(&json::inspect(&inspection))["images"][0]["layers"][0]["changes_always"], true);
}

#[test]
fn a_plan_says_why() {
    let planned = samples::planned(samples::large_update());
    let text = plain(&text::plan(&planned, Short));
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
    let line = |text: String| text.lines().find(|line| line.starts_with("Waste (")).map(str::to_owned);
    outcome.images[0].layers.truncate(4);
    for (layer, dead) in outcome.images[0].layers.iter_mut().zip([90_000_000, 0, 9_000_000, 0]) {
        (layer.size, layer.planned.dead_bytes) = (250_000_000, dead);
        layer.planned.old.iter_mut().for_each(|blob| blob.size = 250_000_000);
    }
    let both = Some("Waste (dead entries): 0.9 % of the image, and 9.0 % in layers of the base.".to_owned());
    assert_eq!(line(text::rechunk(&outcome, Short)), both);
    let report = object(&json::rechunk(&outcome));
    assert_eq!((report["waste"].as_f64(), report["base_waste"].as_f64()), (Some(0.099), Some(0.09)));
    outcome.images[0].layers[0].planned.dead_bytes = 0;
    assert_eq!(line(text::rechunk(&outcome, Short)).unwrap(), "Waste (dead entries): 0.9 % of the image.");
    outcome.images[0].layers[0].planned.dead_bytes = 90_000_000;
    assert_eq!(line(text::plan(&samples::planned(outcome), Short)), both);
}

#[test]
fn owners_fill_a_line() {
    let planned = |owners: usize| {
        let mut planned = samples::planned(samples::update());
        planned.images[0].layers.truncate(1);
        planned.images[0].layers[0].owners = (0..owners).map(|n| format!("dpkg:a-package-{n}")).collect();
        plain(&text::plan(&planned, Short)).lines().find(|line| line.contains("dpkg")).map(str::to_owned)
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
fn verify_shortens_digests() {
    let mut verdict = samples::verdict();
    let content = |fill| format!("6 bytes, {}", samples::digest(fill));
    verdict.differences.truncate(1);
    let found = &mut verdict.differences[0];
    (found.what, found.a, found.b) = ("content".to_owned(), content(0xab), "0 bytes".to_owned());
    let text = plain(&text::verify(&verdict, All));
    assert!(text.starts_with("/etc/x: content 6 bytes, sha256:abababababab != 0 bytes\n"), "{text}");
    assert_eq!(object(&json::verify(&verdict))["differences"][0]["a"], content(0xab));
}

#[test]
fn check_says_what_is_wrong_with_which_layer() {
    for listing in [Short, All] {
        let text = plain(&text::check(&samples::checked(&["frame 7: the checksum is wrong"]), listing));
        assert!(text.contains("bad  zstd:chunked, index first, 8,979 entries\n"), "{text}");
        assert!(text.contains("  problem: frame 7: the checksum is wrong\n"), "{text}");
        assert!(text.ends_with("1 problem in 2 layers\n"), "{text}");
        assert!(plain(&text::check(&samples::checked(&[]), listing)).ends_with("no problems: 2 layers\n"));
    }
    assert_eq!(object(&json::check(&samples::checked(&[])))["ok"], true);
    let mut unseen = samples::checked(&[]);
    unseen.images.clear();
    unseen.problems.push("index.json: expected JSON".to_owned());
    assert_eq!(
        plain(&text::check(&unseen, Short)),
        "problem: index.json: expected JSON\n1 problem, no layer could be reached\n"
    );
    let report = object(&json::check(&unseen));
    assert_eq!((&report["ok"], &report["problems"][0]), (&false.into(), &"index.json: expected JSON".into()));
}

#[test]
fn check_says_the_same_remark_of_many_layers_once() {
    let mut report = samples::checked(&["a problem"]);
    let layers = &mut report.images[0].layers;
    let good = layers[0].clone();
    layers.splice(0..0, vec![good; 48]);
    layers[3].remarks.push("the blob has no footer".into());
    let (short, all) = (plain(&text::check(&report, Short)), plain(&text::check(&report, All)));
    // The bad layer is the last one of all.
    let rows = |text: &str| (text.matches("  ok   zstd").count(), text.matches("  bad  zstd").count());
    assert_eq!((rows(&short), rows(&all)), ((19, 1), (49, 1)), "{short}");
    let digest = samples::digest(10).short();
    assert!(
        short.ends_with(&format!(
            "\nand 30 more layers, 0 of them bad (--all lists them)\n\
             remark: in 50 layers: 600 entries stand apart (layer {digest}: the first is\n  \"x\")\n\
             remark: layer {digest}: the blob has no footer\n\
             1 problem in 50 layers\n"
        )),
        "{short}"
    );
    assert_eq!(all.matches("  remark: 12 entries stand apart (the first is \"x\")\n").count(), 50);
    assert!(all.contains("\n  9,001 frames, gaps up to 512 B\n") && !all.contains("--all"), "{all}");
    assert_eq!(object(&json::check(&report))["images"][0]["layers"][3]["remarks"].as_array().unwrap().len(), 2);
    let problems: Vec<String> = (0..30).map(|n| format!("problem {n}")).collect();
    report.images[0].layers.truncate(2);
    report.images[0].layers.iter_mut().for_each(|layer| layer.problems.clone_from(&problems));
    let short = plain(&text::check(&report, Short));
    assert_eq!(short.matches("  problem: ").count(), 20, "{short}");
    assert!(
        short.contains("\nand 40 more problems (--all lists them)\n") && short.ends_with("\n60 problems in 2 layers\n")
    );
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
        "zstd:chunked",
        "610",
        "kB",
        "first",
        "8,979",
        "9,079",
        "89.8",
        "MB"
    ]));
    assert!(rows.contains(&vec!["1", &short(11), "27.1", "MB", "zstd", "-", "-", "-", "-"]));
    assert!(text.contains("1.30 MB  3.90 MB  0  /usr/bin/perl"));
    assert!(text.contains("\n    packages: dpkg:perl, dpkg:libc6\n"), "{text}");
    assert!(text.contains("\npackages: the 5 largest at most, as rechunk noted them; "), "{text}");
    assert_eq!(object(&json::inspect(&samples::inspection()))["images"][0]["layers"][1]["entries"], Value::Null);
    assert_eq!(object(&json::inspect(&samples::inspection()))["images"][0]["layers"][1]["compression"], "zstd");
    let of = |compression, is_estargz| {
        let layer = samples::inspection().images.remove(0).layers.remove(1);
        InspectedLayer { compression, is_estargz, ..layer }.form()
    };
    assert_eq!(of(Compression::Gzip, false), "gzip");
    assert_eq!(of(Compression::Gzip, true), "eStargz");
    assert_eq!(of(Compression::None, false), "tar");
    assert_eq!(object(&json::inspect(&samples::inspection()))["images"][0]["layers"][0]["type"], "zstd:chunked");
}
