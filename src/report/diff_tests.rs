//! What an update costs, as each renderer has it.

use crate::diff::Outcome;
use crate::order::changes::Counts;
use crate::order::cost::{Client, Cost, Pull, PullOutcome, RegistryProfile, Why};
use crate::tar::TarPath;

use super::names::columns;
use super::tests::{object, plain};
use super::units::count;
use super::{html, json, markdown, samples, text};

#[test]
fn text_fits_in_80_columns_and_says_what_counts() {
    let text = plain(&text::diff(&samples::diff()));
    println!("{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    assert!(text.starts_with("oci:img:v2\nan update from oci:img:v1\nlinux/amd64\n\nNew to clients: 2 files, 27.1 MB"));
    assert!(text.contains("Avoidable: 90.5 MB of the 119 MB of layers that a plain client pulls (75.9 %).\n"));
    assert!(text.contains(" 119 MB  layers in all, without the config\n"));
    assert!(text.contains("Paths: 1,100 added, 4 removed, 88 changed, 30,000 same.\n"));
    assert!(text.contains("Paths of which only the time changed: 2,000.\n"));
    assert!(text.contains("plain    119 MB         3       -  any\n"));
    assert!(text.contains("podman  28.0 MB         3       1  all but refuse-400, refuse-501\n"));
    assert!(text.contains("podman    fails         -       -  refuse-501\n"));
    assert!(text.contains("27.0 MB    80.0 MB          2  dpkg:python3.13\n"));
    assert!(text.contains("added    /usr/share/a|b`c\\u{1b}[2J\n"));
    assert!(!text.contains("compressed again"), "a kind of which there is nothing");
    assert!(text.contains("  dead     /var/log/apt.log\n"), "{text}");
}

#[test]
fn stores_have_their_lines() {
    let mut outcome = samples::diff();
    let largest = "The largest layer to pull has 119 MB (layer 1). What is pulled unpacks to 410 MB.";
    let moved = "1 layer stays, but stands above the lowest changed one. docker with a graph driver pulls 30.4 MB for that; \
                 podman copies the files in its store, and containerd unpacks them again: 98.7 MB more on disk.";
    let told = |outcome: &Outcome| {
        let text = plain(&text::diff(outcome)).split_whitespace().collect::<Vec<_>>().join(" ");
        [text, markdown::diff(outcome), html::diff(outcome)].map(|it| (it.contains(largest), it.contains(moved)))
    };
    assert_eq!(told(&outcome), [(true, true); 3]);
    let stores = serde_json::json!({
        "largest_layer": 1, "largest_layer_bytes": 119_210_000, "new_disk_bytes": 410_000_000,
        "moved": [0], "moved_bytes": 30_400_000, "moved_disk_bytes": 98_700_000,
    });
    assert_eq!(object(&json::diff(&outcome))["stores"], stores);
    outcome.diffs[0].changes.stores.moved.clear();
    assert_eq!(told(&outcome), [(true, false); 3]);
    outcome.diffs[0].changes.stores.largest = None;
    assert_eq!(told(&outcome), [(false, false); 3]);
}

/// docker takes the gzip image of an index with two, so zstd layers do not say what it pulls for those that moved.
#[test]
fn what_docker_pulls_for_moved_layers_is_that_of_its_own_image() {
    let mut outcome = samples::diff();
    let pulls = &mut outcome.diffs[0].pulls;
    let docker = pulls[1].clone();
    let bytes = docker.cost.data_bytes - 33_300_000;
    pulls.push(Pull { client: Client::PlainGzip, cost: Cost { data_bytes: bytes, ..docker.cost }, ..docker });
    let start = "1 layer stays, but stands above the lowest changed one. ";
    let end = "podman copies the files in its store, and containerd unpacks them again: 98.7 MB more on disk.";
    let told = |outcome: &Outcome, docker: &str| {
        let text = plain(&text::diff(outcome)).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("{start}{docker}{end}")), "{text}");
    };
    told(&outcome, "docker with a graph driver pulls 33.3 MB for that; ");
    // Who goes from one image to another pulls all of it anyway.
    let pulls = &mut outcome.diffs[0].pulls;
    pulls.last_mut().unwrap().cost = pulls[1].cost;
    told(&outcome, "");
}

#[test]
fn paths_that_differ_in_time_alone_are_counted() {
    let mut outcome = samples::diff();
    outcome.diffs[0].changes.counts = Counts { times: 2_000, ..Counts::default() };
    let text = plain(&text::diff(&outcome));
    let paths = "\nPaths: none added, removed, changed or the same.\nPaths of which only the time changed: 2,000.\n";
    assert!(text.contains(paths), "{text}");
}

#[test]
fn long_names_fit_in_80_columns() {
    let mut outcome = samples::diff();
    let long = format!("/opt/{}/bin/the-end", "語/x".repeat(400));
    outcome.new = format!("oci:{long}:v2");
    outcome.diffs[0].old = format!("oci:{long}:v1");
    outcome.diffs[0].owner_names.fill(format!("npm:{long}"));
    outcome.diffs[0].changes.files[0].path = TarPath::new(long.as_bytes()).unwrap();
    outcome.diffs[0].changes.counts.removed = 123_456_789_012;
    outcome.choice.clients = vec![Client::Podman];
    outcome.choice.registries = RegistryProfile::ALL[..5].to_vec();
    let text = plain(&text::diff(&outcome));
    println!("{text}");
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    let ends = |end: &str| text.lines().filter(|line| line.contains('\u{2026}') && line.ends_with(end)).count();
    assert_eq!((ends("/bin/the-end"), ends(":v1"), ends(":v2")), (3, 1, 1), "{text}");
    assert!(text.contains("all chosen but refuse-400\n"), "{text}");
    let report = object(&json::diff(&outcome));
    assert_eq!((&report["files"][0]["path"], &report["new"]), (&long.into(), &outcome.new.into()));
}

#[test]
fn a_choice_hides_the_others() {
    let mut outcome = samples::diff();
    outcome.choice.clients.push(Client::Podman);
    outcome.choice.registries = vec![RegistryProfile::Whole200, RegistryProfile::Refuse501];
    let rows =
        |outcome: &Outcome| plain(&text::diff(outcome)).lines().filter(|line| line.starts_with("podman  ")).count();
    assert_eq!(rows(&outcome), 2);
    assert!(!plain(&text::diff(&outcome)).contains("\nplain "));
    let report = object(&json::diff(&outcome));
    assert_eq!(report["pulls"].as_array().unwrap().len(), 2);
}

#[test]
fn each_pull_that_fails_says_why() {
    let mut outcome = samples::diff();
    let pulls = &mut outcome.diffs[0].pulls;
    let failed = pulls.iter().find(|pull| pull.outcome == PullOutcome::Failed).unwrap().clone();
    let of = |client, registry, why| {
        let mut pull = Pull { client, registry, ..failed.clone() };
        pull.layers[0].why = Some(why);
        pull
    };
    let other = Why::GivesUp { status: 416, ranges: 17 };
    *pulls.iter_mut().find(|pull| pull.registry == RegistryProfile::Ranges16).unwrap() =
        of(Client::Podman, RegistryProfile::Ranges16, other);
    pulls.push(of(Client::Composefs, RegistryProfile::Whole200, Why::IndexOrder));
    pulls.push(of(Client::Composefs, RegistryProfile::Refuse501, Why::GivesUp { status: 501, ranges: 2 }));
    let text = plain(&text::diff(&outcome));
    println!("{text}");
    assert!(text.contains("podman       fails         -       -  ranges-16, refuse-501\n"));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let markdown = markdown::diff(&outcome);
    assert!(markdown.contains("| podman | ranges-16, refuse-501 | fails | - | - |\n"), "{markdown}");
    for why in [
        "podman on ranges-16, layer 0: the registry answers 17 ranges with 416, at which the client gives up",
        "podman, composefs on refuse-501, layer 0: the registry answers 2 ranges with 501, at which the client gives up",
        &format!("composefs on whole-200, layer 0: {}", Why::IndexOrder),
    ] {
        assert!(words.contains(why) && markdown.contains(&format!("\n- {why}\n")), "{why}");
    }
}

#[test]
fn clients_that_cost_the_same_share_a_row() {
    let mut outcome = samples::diff();
    let pulls = &mut outcome.diffs[0].pulls;
    // As much as docker's three times: one client that is no podman shares a row, too.
    pulls[1].cost = pulls[0].cost;
    let podman: Vec<Pull> = pulls.iter().filter(|pull| pull.client == Client::Podman).cloned().collect();
    for client in [Client::PodmanReflink, Client::Composefs] {
        pulls.extend(podman.iter().map(|pull| Pull { client, ..pull.clone() }));
    }
    let text = plain(&text::diff(&outcome));
    println!("{text}");
    assert!(text.contains("\nplain, docker       119 MB         3       -  any\n"), "{text}");
    assert!(
        text.contains("\npodman, any store  28.0 MB         3       1  all but refuse-400, refuse-501\n"),
        "{text}"
    );
    let legend = "podman, any store: podman, podman-reflink and composefs, with partial pulls.\n";
    assert!(text.contains(&format!("refuse-501\n{legend}podman, any store on refuse-501, layer 0: ")));
    assert_eq!(text.matches("28.0 MB").count(), 1, "{text}");
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    assert_eq!(object(&json::diff(&outcome))["pulls"].as_array().unwrap().len(), 2 + 3 * podman.len());
    let markdown = markdown::diff(&outcome);
    assert!(
        markdown.contains("\n| podman, any store | all but refuse-400, refuse-501 | 28.0 MB | 3 | 1 |\n"),
        "{markdown}"
    );
    assert!(markdown.contains("\npodman, any store: podman, podman-reflink and composefs, with partial pulls.\n"));
    // One of them costs more on one registry.
    let pulls = &mut outcome.diffs[0].pulls;
    let is_it = |pull: &&mut Pull| (pull.client, pull.registry) == (Client::Composefs, RegistryProfile::Whole200);
    pulls.iter_mut().find(is_it).unwrap().cost.requests = 7;
    let text = plain(&text::diff(&outcome));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let split = |row: &str| -> Vec<String> { row.split_whitespace().map(str::to_owned).collect() };
    let at = |row: &str| rows.iter().position(|other| *other == split(row)).unwrap_or_else(|| panic!("{row}: {text}"));
    assert!(at("podman, 28.0 MB 3 1 all but refuse-400, refuse-501") < at("podman, any store 119 MB 3 1 refuse-400"));
    assert_eq!(at("podman-reflink"), at("podman, 28.0 MB 3 1 all but refuse-400, refuse-501") + 1);
    at("composefs 28.0 MB 7 1 whole-200");
}

#[test]
fn the_headline_says_equal_numbers_once() {
    for (changed, plain, podman, headline) in [
        (27, 119, 28, "changes 27.0 MB and costs 119 MB, podman with partial pulls 28.0 MB"),
        (27, 28, 28, "changes 27.0 MB and costs 28.0 MB, with or without partial pulls"),
        (27, 27, 27, "changes 27.0 MB and costs as much, with or without partial pulls"),
        (27, 27, 26, "changes 27.0 MB and costs as much, podman with partial pulls 26.0 MB"),
    ] {
        let mut outcome = samples::diff();
        let diff = &mut outcome.diffs[0];
        diff.changes.changed_bytes = changed * 1_000_000;
        for pull in &mut diff.pulls {
            let bytes = if pull.client == Client::Podman { podman } else { plain };
            pull.cost = Cost { data_bytes: bytes * 1_000_000, ..Cost::default() };
        }
        let text = markdown::diff(&outcome);
        assert!(text.starts_with(&format!("### This update {headline}\n")), "{text}");
    }
}

#[test]
fn json_has_the_fixed_fields() {
    let report = object(&json::diff(&samples::diff()));
    assert_eq!((&report["old"], &report["new"]), (&"oci:img:v1".into(), &"oci:img:v2".into()));
    assert_eq!((&report["changed_bytes"], report["pulls"].as_array().unwrap().len()), (&27_100_000.into(), 8));
    let pull = &report["pulls"][1];
    for field in ["client", "registry", "outcome"] {
        assert!(pull[field].is_string(), "{field}");
    }
    for field in ["requests", "ranges", "index_bytes", "data_bytes", "gap_bytes", "blob_bytes"] {
        assert!(pull[field].is_u64(), "{field}");
    }
    let parts = &report["plain"];
    let part = |field: &str| parts[field].as_u64().unwrap();
    let sum: u64 = ["new_bytes", "avoidable_bytes", "index_bytes", "rest_bytes"].map(part).iter().sum();
    assert_eq!(sum, part("bytes"));
    let avoidable = ["recompressed_bytes", "repeated_bytes", "hidden_bytes", "same_content_bytes"].map(part);
    assert_eq!(avoidable.iter().sum::<u64>(), part("avoidable_bytes"));
    assert!(report["layers"][0]["plain"].is_null() && report["layers"][1]["plain"]["times_only_bytes"] == 20_000_000);
    assert_eq!((&report["owners"][0]["owner"], &report["owners"][1]["owner"]), (&"dpkg:python3.13".into(), &().into()));
    assert_eq!((&report["changed_files"], &report["files"][2]["state"]), (&2.into(), &"hidden".into()));
    assert!(report.get("diffs").is_none());
    let mut two = samples::diff();
    two.diffs.push(two.diffs[0].clone());
    two.diffs[1].old = "oci:img:v0".to_owned();
    let report = object(&json::diff(&two));
    assert_eq!((&report["old"], &report["diffs"][1]["old"]), (&"oci:img:v1".into(), &"oci:img:v0".into()));
    let texts = (text::diff(&two), markdown::diff(&two));
    assert!(texts.0.contains("an update from oci:img:v0") && texts.1.contains("`oci:img:v0`"));
}

#[test]
fn markdown_holds_whatever_names_say() {
    let text = markdown::diff(&samples::diff());
    println!("{text}");
    assert!(text.starts_with(
        "### This update changes 27.1 MB and costs 119 MB, podman with partial pulls 28.0 MB\n\n\
         `oci:img:v2` from `oci:img:v1`, `linux/amd64`\n\n| client |"
    ));
    assert!(text.contains("| podman | all but refuse-400, refuse-501 | 28.0 MB | 3 | 1 |\n"));
    // The list is of all bytes.
    assert!(text.contains(
        "Of the 119 MB of layers that a plain client pulls, **90.5 MB (75.9 %) could be avoided**. What they are made of:\n\n\
         - 27.1 MB: content that clients lack\n- 70.0 MB: avoidable: "
    ));
    assert!(text.contains("| `dpkg:python3.13` | 27.0 MB | 80.0 MB | 2 |\n| *no package* | 100 kB | 0 B | 1 |\n"));
    assert!(text.contains("| ``/usr/share/a\\|b`c\\u{1b}[2J`` | added | 1.00 MB | `dpkg:python3.13` |\n"));
    assert!(text.contains("<summary>3 new files</summary>\n\n| file |") && text.contains("\n\n</details>\n"));
    // A table has as many cells in each row as in its head.
    for table in text.split("\n\n").filter(|block| block.starts_with("| ")) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        assert!(table.lines().all(|line| cells(line) == cells(table.lines().next().unwrap())), "{table}");
    }
    let mut outcome = samples::diff();
    outcome.diffs[0].changes = Default::default();
    assert!(markdown::diff(&outcome).contains("### This update costs nothing: clients have every layer\n"));
}

#[test]
fn markdown_ends_with_the_notes() {
    let mut outcome = samples::diff();
    outcome.notes = vec!["expected an image for linux/s390x".to_owned(), "@team <b>`x`\n# y".to_owned()];
    let notes = "\n\n**Notes**\n\n- `expected an image for linux/s390x`\n- ``@team <b>`x`\\n# y``\n";
    assert!(markdown::diff(&outcome).ends_with(&format!("` rewrites them.{notes}")), "{}", markdown::diff(&outcome));
    outcome.diffs.push(outcome.diffs[0].clone());
    assert_eq!(markdown::diff(&outcome).matches("**Notes**").count(), 1);
    outcome.notes.clear();
    assert!(!markdown::diff(&outcome).contains("Notes"));
}

#[test]
fn markdown_is_no_longer_than_a_comment() {
    // Each takes as many characters as it can: escaped, fenced, or as bytes.
    for name in ["x".repeat(1_400), "|".repeat(1_400), "`".repeat(1_400), "\u{10000}".repeat(1_000)] {
        let mut outcome = samples::diff();
        outcome.new = name.clone();
        outcome.notes = vec![name.clone(); 1_000];
        let diff = &mut outcome.diffs[0];
        diff.old.clone_from(&name);
        diff.owner_names.fill(name.clone());
        diff.changes.owners = vec![diff.changes.owners[0].clone(); 60];
        diff.changes.files[0].path = TarPath::new(name.as_bytes()).unwrap();
        diff.changes.files = vec![diff.changes.files[0].clone(); 60];
        diff.changes.removed[0].path = diff.changes.files[0].path.clone();
        diff.changes.removed = vec![diff.changes.removed[0].clone(); 100];
        for olds in [1, 2, 16, 600] {
            outcome.diffs = vec![outcome.diffs[0].clone(); olds];
            let text = markdown::diff(&outcome);
            assert!(text.len() <= 60_000, "{olds}: {}", text.len());
            assert!(text.contains("\n</details>\n") && text.ends_with("- 990 more notes in JSON\n"), "{text}");
            assert_eq!(text.contains("of this update alone"), olds > 1);
            let left_out = text.contains("\n---\n\nLeft out, for want of room: ");
            assert!(left_out == (olds == 600) || olds == 16, "{olds}");
            assert_eq!((text.matches("| file |").count(), text.matches("\n| package |").count()), (1, 1));
        }
    }
}

#[test]
fn markdown_counts_the_packages_that_have_no_row() {
    let mut outcome = samples::diff();
    let owners = &mut outcome.diffs[0].changes.owners;
    let package = owners[0].clone();
    owners.splice(0..0, vec![package; 10]);
    assert!(markdown::diff(&outcome).contains("\n\nand 2 other packages, and files of no package.\n"));
}

#[test]
fn what_is_over_a_limit_is_told_in_a_line() {
    let outcome = samples::diff();
    let diff = &outcome.diffs[0];
    let over = |at: usize| text::over(diff, &diff.pulls[at], 100_000_000);
    assert_eq!(over(0), "expected at most 100 MB for a plain client that has oci:img:v1, found 119 MB");
    let (bytes, near) = (diff.pulls[0].blob_bytes(), diff.pulls[0].blob_bytes() - 1);
    assert_eq!(
        text::over(diff, &diff.pulls[0], near),
        format!(
            "expected at most {} bytes for a plain client that has oci:img:v1, found {} bytes",
            count(near),
            count(bytes)
        )
    );
    let failed = over(7);
    assert!(
        failed.contains("for podman on refuse-501 that has oci:img:v1, found a pull that fails at layer 0: "),
        "{failed}"
    );
}

/// What restrata has just written is no failure.
#[test]
fn a_first_update_is_paid_once() {
    let mut outcome = samples::diff();
    outcome.diffs[0].is_first = true;
    let (text, markdown) = (plain(&text::diff(&outcome)), markdown::diff(&outcome));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let once = "(75.9 %), once: layers of another tool are rewritten. Paths: ";
    let again = format!("Pulled again, 90.5 MB of the 119 MB of layers that a plain client pulls {once}");
    assert!(words.contains(&again), "{text}");
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    assert!(text.contains("  once: files of which only the time changed\n"), "{text}");
    assert!(
        markdown.contains(
            "pulls, clients pull 90.5 MB (75.9 %) again, once: layers of another tool are rewritten. What they are made of:"
        ),
        "{markdown}"
    );
    let page = html::diff(&outcome);
    assert!(page.contains("once: layers of another tool are rewritten: 75.9 % of what a plain client pulls"), "{page}");
    assert!([&text, &markdown].iter().all(|report| !report.contains("could be avoided")));
    assert!([&text, &markdown, &page].iter().all(|report| !report.contains("avoidable: ")));
    assert_eq!(object(&json::diff(&outcome))["is_first"], true);
}

/// A table of what clients read is no table of what registries send.
#[test]
fn what_a_registry_sends_in_vain_is_told() {
    let mut outcome = samples::diff();
    let whole = "whole-200: the registry sends up to ";
    let reports = |outcome: &Outcome| [plain(&text::diff(outcome)), markdown::diff(outcome), html::diff(outcome)];
    assert!(reports(&outcome).iter().all(|report| !report.contains(whole)));
    for (podman, composefs, told) in
        [(2_000_000, 0, Some("30.0 MB")), (1_000, 0, None), (2_000_000, 9_000_000, Some("37.0 MB"))]
    {
        let pulls = &mut outcome.diffs[0].pulls;
        pulls.retain(|pull| pull.client != Client::Composefs);
        let pull = pulls.iter_mut().find(|pull| pull.registry == RegistryProfile::Whole200).unwrap();
        pull.cost.hang_up_bytes = podman;
        let mut other = Pull { client: Client::Composefs, ..pull.clone() };
        other.cost.hang_up_bytes = composefs;
        pulls.push(other);
        let [text, markdown, page] = reports(&outcome);
        let line = told.map(|bytes| format!("{whole}{bytes} before podman hangs up"));
        assert_eq!(
            text.lines().find(|line| line.starts_with(whole)),
            line.as_ref().map(|line| format!("{line}.")).as_deref()
        );
        for (report, line) in [(&markdown, line.as_ref().map(|line| format!("\n- {line}\n"))), (&page, line.clone())] {
            assert_eq!(report.matches(whole).count(), usize::from(line.is_some()), "{report}");
            assert!(line.is_none_or(|line| report.contains(&line)), "{report}");
        }
    }
}

#[test]
fn removed_paths_are_named_with_the_layer_that_still_has_them() {
    let mut outcome = samples::diff();
    let layer = samples::digest(10).short();
    let text = plain(&text::diff(&outcome));
    let rows = format!("{layer}       /opt/app/key|\\u{{1b}}[2J.pem\n                   /usr/lib/old\n");
    assert!(text.contains(&format!("\nstill readable in  removed paths\n{rows}")), "{text}");
    let hint =
        "Whoever pulls this image can read a removed file in layers that it keeps. rechunk --purge PATH rewrites them.";
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(hint), "{text}");
    let markdown = markdown::diff(&outcome);
    let list = format!(
        "\n4 removed paths:\n\n- `/opt/app/key|\\u{{1b}}[2J.pem`, still readable in layer `{layer}`\n- `/usr/lib/old`\n\nWhoever "
    );
    assert!(markdown.contains(&list) && markdown.contains(" `rechunk --purge PATH` rewrites them.\n"), "{markdown}");
    let report = object(&json::diff(&outcome));
    assert_eq!((&report["removed"][0]["layer"], &report["removed"][1]["layer"]), (&0.into(), &().into()));
    assert_eq!((&report["removed"][1]["path"], &report["removed_readable"]), (&"/usr/lib/old".into(), &1.into()));
    let changes = &mut outcome.diffs[0].changes;
    changes.removed = vec![changes.removed[1].clone(); 100];
    (changes.counts.removed, changes.readable) = (1_234, 0);
    let (text, markdown) = (plain(&text::diff(&outcome)), markdown::diff(&outcome));
    assert!(text.contains(&format!("\nremoved paths\n{}and 1,229 more\n", "/usr/lib/old\n".repeat(5))), "{text}");
    assert!(markdown.contains(&format!("\n{}- and 1,229 more\n", "- `/usr/lib/old`\n".repeat(5))), "{markdown}");
    assert!(!text.contains("Whoever") && !markdown.contains("Whoever"));
    outcome.diffs[0].changes.removed.clear();
    assert!(
        !plain(&text::diff(&outcome)).contains("removed paths") && !markdown::diff(&outcome).contains("removed path")
    );
}
