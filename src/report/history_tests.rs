//! What a sequence of versions cost, as each renderer has it.

use crate::history::OwnerHistory;

use super::names::columns;
use super::tests::{object, plain};
use super::{json, markdown, samples, text};

#[test]
fn text_fits_in_80_columns_for_any_number_of_versions() {
    for count in [2, 30] {
        let text = plain(&text::history(&samples::history(count)));
        println!("{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{count}");
        assert!(text.starts_with("linux/amd64\nversions of oci:images\n\n"));
        let behind = |number: usize| text.contains(&format!("{number} behind"));
        assert_eq!((behind(1), behind(2), behind(5)), (true, count > 2, count > 5), "{text}");
    }
}

#[test]
fn long_names_fit_in_80_columns() {
    let mut outcome = samples::history(7);
    let long = format!("npm:{}/語", "node_modules/x/".repeat(20));
    for version in &mut outcome.versions {
        version.reference = version.reference.replace("images", &long);
    }
    outcome.owners[0].owner = Some(long.clone());
    let text = plain(&text::history(&outcome));
    println!("{text}");
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    assert!(text.lines().any(|line| line.contains("npm:node") && line.contains('\u{2026}') && line.ends_with("/語")));
    assert_eq!(object(&json::history(&outcome))["owners"][0]["owner"], long);
}

#[test]
fn text_says_what_counts() {
    let text = plain(&text::history(&samples::history(8)));
    assert!(text.contains("7 updates changed 112 MB of compressed content.\n"));
    assert!(text.contains("A registry stores 160 MB of layers for all 8 versions.\n"));
    // As published, not as the other layouts would be.
    assert!(text.contains("versions.\nUpdates pull 1.25x what changed: plain client.\n\n"), "{text}");
    assert!(text.contains("plain client\n") && text.contains("podman, multi-range\n"));
    // The version before is one behind; six behind is in JSON alone.
    let row = "\u{2026}er-long-tag-1.2.6      139 MB   20.0 MB   40.0 MB   60.0 MB   80.0 MB    100 MB\n";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("\u{2026}er-long-tag-1.2.7       fails     fails"), "{text}");
    assert!(text.contains("restrata             64      139 MB       140 MB       1.25x       160 MB\n"), "{text}");
    // Nobody can pull the newest version with podman, and its first pull is what counts.
    assert!(text.contains("restrata             64       fails        fails           -       160 MB\n"), "{text}");
    assert!(
        text.contains("12.3 MB      1,234   2 of 7  dpkg:perl\n   41 B      1,234   1 of 7  no package\n"),
        "{text}"
    );
    assert!(text.ends_with("npm:a|`b\\u{1b}\n"), "{text}");
}

#[test]
fn json_has_every_pair_of_versions() {
    let report = object(&json::history(&samples::history(8)));
    let matrix = report["matrix"].as_array().unwrap();
    assert_eq!((report["versions"].as_array().unwrap().len(), matrix.len()), (8, 8 + 7 * 8 / 2));
    let pair = matrix.iter().find(|pair| pair["from"] == 0 && pair["to"] == 7).unwrap();
    assert_eq!((&pair["pulls"][0]["client"], &pair["pulls"][0]["blob_bytes"]), (&"plain".into(), &140_000_000.into()));
    assert_eq!(pair["pulls"][1]["outcome"], "failed");
    assert_eq!(matrix.iter().filter(|pair| pair["from"].is_null()).count(), 8);
    assert_eq!((&report["changed_bytes"], &report["versions"][0]["changed_bytes"]), (&112_000_000.into(), &().into()));
    let layouts: Vec<_> = report["layouts"].as_array().unwrap().iter().map(|layout| &layout["layout"]).collect();
    assert_eq!(layouts, ["as-published", "one-layer", "owners", "nixpkgs", "nix2container", "restrata"]);
    assert_eq!((&report["layouts"][0]["estimated"], &report["layouts"][5]["estimated"]), (&false.into(), &true.into()));
    assert_eq!((&report["owners"][0]["updates"], &report["owners"][1]["owner"]), (&2.into(), &().into()));
    assert_eq!(report["notes"][0], "a note");
}

#[test]
fn markdown_is_no_longer_than_a_comment() {
    let mut outcome = samples::history(400);
    for version in &mut outcome.versions {
        version.reference += &"`".repeat(300);
    }
    outcome.owners = vec![OwnerHistory { owner: Some("|".repeat(300)), ..outcome.owners[0].clone() }; 50];
    outcome.notes = vec!["`".repeat(1_000); 50];
    let text = markdown::history(&outcome);
    assert!(text.len() <= 60_000, "{}", text.len());
    assert!(text.contains("\n\nLeft out, for want of room: ") && text.contains("\n</details>\n"), "{text}");
    let newest = text.lines().position(|line| line.contains("1.2.399")).unwrap();
    assert!(text.lines().nth(newest - 1).unwrap().contains("1.2.398") && !text.contains("1.2.1`"), "{text}");
}

#[test]
fn markdown_has_a_row_for_each_version() {
    let text = markdown::history(&samples::history(3));
    println!("{text}");
    assert!(text.starts_with("### 2 updates changed 32.0 MB\n\n| plain client | layers |"));
    assert!(text.contains("| restrata | 64 | 139 MB | 40.0 MB | 1.25x | 60.0 MB |\n"));
    assert!(text.contains("| `a-rather-long-tag-1.2.1` | 64 | 139 MB | 20.0 MB | 16.0 MB | 20.0 MB | 17.0 MB |\n"));
    assert!(text.contains("| ``npm:a\\|`b\\u{1b}`` | 1 of 2 | 7 B | 1,234 |\n"));
    // A table ends at an empty line, and a part that is folded must end.
    let rows = |line: &&str| line.starts_with('|');
    assert_eq!(text.lines().filter(rows).count(), 2 * (2 + 6) + 2 + 3 + 2 + 3);
    assert!(text.ends_with("\n</details>\n\n**Notes**\n\n- `a note`\n"));
}
