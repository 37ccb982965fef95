use crate::diff::{Mostly, Outcome};
use crate::order::changes::Changes;
use crate::order::cost::{Client, LayerPull, Pull, PullOutcome, RegistryProfile, Why};
use crate::report::samples;
use crate::span::Span;
use crate::tar::TarPath;

use super::diff;

const HOSTILE: &str =
    "</style></title><script>alert('1')</script><img src=x onerror=\"alert(2)\">\n\u{1b}[2J\u{202e}&amp;";

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "link"];

/// The page, when every element ends where it must and every attribute is quoted.
fn well_formed(outcome: &Outcome) -> String {
    let page = diff(outcome);
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>\n").unwrap();
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, behind) = end_of_tag(tag);
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "before {behind:.80}"),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
        rest = behind;
    }
    assert_eq!(open, Vec::<&str>::new());
    page
}

fn end_of_tag(tag: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = tag.find(|c| {
        quoted ^= c == '"';
        assert!(quoted || c != '<', "{tag:.80}");
        !quoted && c == '>'
    });
    (&tag[..end.unwrap()], &tag[end.unwrap() + 1..])
}

/// The sample, of which podman fetches a part of the second layer.
fn sample() -> Outcome {
    let mut outcome = samples::diff();
    let layer = |fill, outcome, fetched| LayerPull {
        digest: samples::digest(fill),
        outcome,
        why: None,
        cost: Default::default(),
        fetched,
    };
    for pull in outcome.diffs[0].pulls.iter_mut().filter(|pull| pull.registry == RegistryProfile::MultiRange) {
        let fetched = vec![Span::between(1_000_000, 28_000_000)];
        pull.layers = vec![layer(10, PullOutcome::Reused, Vec::new()), layer(11, PullOutcome::Partial, fetched)];
    }
    outcome
}

#[test]
fn the_answer_comes_first() {
    let page = well_formed(&sample());
    let key = |bytes: &str| format!("<b class=\"key\">{bytes}</b>");
    let answer = format!(
        "<h1>This update costs {} to podman with partial pulls and {} to clients that reuse whole layers.",
        key("28.0 MB"),
        key("119 MB")
    );
    assert!(page.contains(&answer), "{page}");
    assert!(page.contains("<b>27.1 MB</b> changed."));
    assert!(page.contains("<title>What an update to oci:img:v2 costs</title>"));
    assert_eq!(page.matches("with a graph driver: pulls every layer").count(), 1);
    for title in
        ["What each client pulls", "What a plain client pulls", "Whose bytes they are", "Where the bytes lie", "Notes"]
    {
        assert!(page.contains(&format!("<h2>{title}</h2>")), "{title}");
    }
}

#[test]
fn the_sentence_is_about_what_was_asked_for() {
    let mut outcome = sample();
    outcome.choice.clients = vec![Client::Podman];
    outcome.choice.registries = vec![RegistryProfile::Refuse501];
    let page = well_formed(&outcome);
    assert!(
        page.contains("<h1>This update <b class=\"key\">fails</b> for podman with partial pulls on refuse-501. "),
        "{page}"
    );
    outcome.choice.registries = vec![RegistryProfile::Refuse400];
    outcome.choice.clients.clear();
    let page = well_formed(&outcome);
    assert!(page.contains("<h1>This update costs <b class=\"key\">119 MB</b> to podman with partial pulls and to clients that reuse whole layers. "), "{page}");
}

#[test]
fn each_registry_says_why_it_fails() {
    let mut outcome = sample();
    let pulls = &mut outcome.diffs[0].pulls;
    let failed = pulls.iter().find(|pull| pull.outcome == PullOutcome::Failed).unwrap().clone();
    let other = pulls.iter_mut().find(|pull| pull.registry == RegistryProfile::Ranges16).unwrap();
    *other = Pull { registry: RegistryProfile::Ranges16, ..failed };
    other.layers[0].why = Some(Why::GivesUp { status: 416, ranges: 17 });
    let page = well_formed(&outcome);
    assert!(page.contains("<th scope=\"row\">ranges-16, refuse-501</th>"), "{page}");
    for why in [
        "ranges-16, layer 0: the registry answers 17 ranges with 416",
        "refuse-501, layer 0: the registry answers 2 ranges with 501",
    ] {
        assert!(page.contains(&format!("<small>{why}, at which the client gives up</small>")), "{why}");
    }
}

#[test]
fn clients_that_cost_the_same_share_a_group() {
    let mut outcome = sample();
    let pulls = &mut outcome.diffs[0].pulls;
    let podman: Vec<Pull> = pulls.iter().filter(|pull| pull.client == Client::Podman).cloned().collect();
    pulls.extend(podman.iter().map(|pull| Pull { client: Client::PodmanReflink, ..pull.clone() }));
    let group = |page: &str, names: &str| page.matches(&format!("colspan=\"5\"><div>{names}</div></th>")).count();
    let page = well_formed(&outcome);
    let both = "podman <small>with partial pulls</small></div><div>podman-reflink <small>with partial pulls, on a store with reflinks</small>";
    assert_eq!(group(&page, both), 1, "{page}");
    assert_eq!(page.matches("<small>refuse-501, layer 0: ").count(), 1, "{page}");
    let pulls = &mut outcome.diffs[0].pulls;
    pulls.extend(podman.iter().map(|pull| Pull { client: Client::Composefs, ..pull.clone() }));
    let page = well_formed(&outcome);
    let all = "podman, any store <small>with partial pulls: podman, podman-reflink and composefs cost the same</small>";
    assert_eq!(group(&page, all), 1, "{page}");
    // A reason that one of them has alone names it.
    let of_one = |pull: &&mut Pull| (pull.client, pull.registry) == (Client::Composefs, RegistryProfile::Refuse501);
    outcome.diffs[0].pulls.iter_mut().find(of_one).unwrap().layers[0].why = Some(Why::IndexOrder);
    let page = well_formed(&outcome);
    assert!(page.contains("<small>composefs on refuse-501, layer 0: "), "{page}");
    assert!(page.contains("<small>podman, podman-reflink on refuse-501, layer 0: "), "{page}");
}

#[test]
fn what_changes_with_every_version_is_no_packages_layer() {
    let mut outcome = sample();
    assert!(well_formed(&outcome).contains("<small>mostly <bdi>dpkg:python3.13</bdi></small>"));
    outcome.layers[1].mostly = Some(Mostly::NoPackage(TarPath::new(b"opt/<app>").unwrap()));
    assert!(well_formed(&outcome).contains("<small>mostly <bdi>no package: /opt/&lt;app&gt;</bdi></small>"));
    outcome.layers[1].mostly = None;
    assert!(!well_formed(&outcome).contains("mostly"));
    outcome.layers[1].mostly = Some(Mostly::NoPackage(TarPath::root()));
    assert!(well_formed(&outcome).contains("<small>mostly <bdi>no package</bdi></small>"));
    outcome.layers[1].changes_always = true;
    let page = well_formed(&outcome);
    assert!(
        page.contains("<small>expected to change with every version</small>") && !page.contains("mostly"),
        "{page}"
    );
}

#[test]
fn the_page_says_that_it_is_a_prediction() {
    let page = well_formed(&sample());
    assert!(page.contains(concat!("Predicted by restrata ", env!("CARGO_PKG_VERSION"))), "{page}");
}

#[test]
fn names_are_no_markup() {
    let mut outcome = sample();
    outcome.new = HOSTILE.to_owned();
    outcome.notes = vec![HOSTILE.to_owned()];
    let diff = &mut outcome.diffs[0];
    diff.old = HOSTILE.to_owned();
    diff.owner_names.fill(format!("dpkg:{HOSTILE}"));
    for file in &mut diff.changes.files {
        file.path = crate::tar::TarPath::new(HOSTILE.as_bytes()).unwrap();
    }
    let page = well_formed(&outcome);
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}') && !page.contains('\u{1b}')
    );
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)"));
}

#[test]
fn the_page_asks_for_nothing_and_runs_nothing() {
    let page = well_formed(&sample());
    for outside in ["http:", "https:", "url(", "@import", " src=", "<script", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:;"));
}

#[test]
fn blobs_are_drawn_to_scale() {
    let page = well_formed(&sample());
    // 4,000 units are 119.21 MB: fetched is from 1 to 28 MB, the index up to 610,144.
    assert!(page.contains("<path class=\"new\" d=\"M33 0h906v10h-906z\"><title>fetched</title></path>"), "{page}");
    assert!(page.contains("<path class=\"index\" d=\"M0 0h20v10h-20z\"><title>index</title></path>"), "{page}");
    assert!(page.contains("Clients have 1 of them as a whole, 30.4 MB;"));
}

#[test]
fn several_updates_have_an_article_each() {
    let mut outcome = sample();
    outcome.diffs.push(outcome.diffs[0].clone());
    let page = well_formed(&outcome);
    assert!(page.contains("<h1>2 updates to <bdi>oci:img:v2</bdi></h1>"));
    assert_eq!((page.matches("<article").count(), page.matches("<h1").count()), (2, 1));
    assert_eq!(page.matches("<h3>Where the bytes lie</h3>").count(), 2);
    assert!(page.contains("href=\"#update-1\"") && page.contains("id=\"update-1\""));
}

#[test]
fn an_update_of_nothing_is_said_to_be_one() {
    let mut outcome = sample();
    outcome.diffs[0].changes = Changes::default();
    outcome.layers.clear();
    outcome.diffs[0].pulls.iter_mut().for_each(|pull| pull.layers.clear());
    let page = well_formed(&outcome);
    assert!(page.contains("<h1>This update costs nothing: clients have every layer.</h1>"));
    assert!(!page.contains("NaN") && !page.contains("treemap wide"), "{page}");
    for pull in &mut outcome.diffs[0].pulls {
        (pull.config_bytes, pull.cost) = (2_540, Default::default());
    }
    let page = well_formed(&outcome);
    assert!(page.contains("<h1>This update costs the config alone, 2.54 kB: clients have every layer.</h1>"), "{page}");
    assert!(page.contains("2.54 kB</td>") && !page.contains("width:100.000%"), "{page}");
    assert!(crate::report::markdown::diff(&outcome).starts_with("### This update costs the config alone, 2.54 kB: "));
}
