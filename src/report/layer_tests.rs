//! What the main job's tables say of layers.

use crate::order::Unowned;
use crate::tar::TarPath;

use super::names::columns;
use super::tests::{object, plain};
use super::text::Listing::Short;
use super::{json, samples, text};

#[test]
fn layers_that_were_not_read_are_not_compared() {
    let mut outcome = samples::update();
    outcome.images[0].unread = 3;
    outcome.images[0].layers[0].toc = None;
    let text = plain(&text::rechunk(&outcome, Short));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let new = "New, or in layers of oci:img:v1 that have no index: 1,180 files, 49.5 MB compressed. restrata diff compares \
               those layers, too.";
    assert!(words.contains(new) && !text.contains("New to clients"), "{text}");
    assert!(text.contains("\nkept, no index: podman can take the layer whole, and no single file from it\n"), "{text}");
    assert_eq!(object(&json::rechunk(&outcome))["unread_layers"], 3);
    let plan = plain(&text::plan(&samples::planned(outcome), Short));
    for text in [text, plan] {
        assert!(text.contains("\nnew content: what no index of the previous image names, compressed, each once\n"));
        assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    }
}

#[test]
fn files_of_no_package_stand_among_the_owners() {
    let line = |owners: &[&str], unowned: Option<(&str, usize)>| {
        let mut outcome = samples::update();
        outcome.images[0].layers.truncate(1);
        let layer = &mut outcome.images[0].layers[0].planned;
        layer.owners = owners.iter().map(|&owner| owner.to_owned()).collect();
        layer.unowned =
            unowned.map(|(dir, rank)| Unowned { bytes: 7, dir: TarPath::new(dir.as_bytes()).unwrap(), rank });
        assert_eq!(object(&json::rechunk(&outcome))["layers"][0]["unowned_bytes"], unowned.map_or(0, |_| 7));
        let texts = [text::rechunk(&outcome, Short), text::plan(&samples::planned(outcome), Short)];
        let row = samples::digest(10).short();
        let below =
            |text: String| plain(&text).lines().skip_while(|line| !line.starts_with(&row)).nth(1).map(str::to_owned);
        let lines = texts.map(|text| below(text).unwrap());
        assert_eq!(lines[0], lines[1]);
        lines[0].clone()
    };
    assert_eq!(line(&["dpkg:jq", "dpkg:tree"], Some(("opt/app", 0))), "  no package: /opt/app, dpkg:jq, dpkg:tree");
    assert_eq!(line(&["dpkg:jq", "dpkg:tree"], Some(("", 1))), "  dpkg:jq, no package, dpkg:tree");
    assert_eq!(line(&[], Some(("opt/app", 0))), "  no package: /opt/app");
    assert_eq!(line(&["dpkg:jq"], Some(("opt/\u{1b}[2J", 9))), "  dpkg:jq, no package: /opt/\\u{1b}[2J");
}
