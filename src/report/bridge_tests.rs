//! What a pull through a bridge costs, as each renderer has it.

use crate::order::cost::{Client, Cost, Pull, RegistryProfile, Upstream};

use super::names::columns;
use super::tests::{object, plain};
use super::{html, json, markdown, samples, text};

#[test]
fn what_a_bridge_asks_for_is_told() {
    let mut outcome = samples::diff();
    outcome.choice.registries = vec![RegistryProfile::MultiRange, RegistryProfile::Bridge];
    let pulls = &mut outcome.diffs[0].pulls;
    let direct = pulls.iter().find(|pull| pull.client == Client::Podman).unwrap().clone();
    for (client, bytes) in [(Client::Podman, 28_200_000), (Client::PodmanReflink, 28_200_000), (Client::Composefs, 5)] {
        let cost = Cost { upstream: Upstream { requests: 1_233, bytes }, ..direct.cost };
        pulls.push(Pull { client, cost, registry: RegistryProfile::Bridge, ..direct.clone() });
    }
    let text = plain(&text::diff(&outcome));
    assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (markdown, page) = (markdown::diff(&outcome), html::diff(&outcome));
    let sends = "on bridge: the bridge sends the registry 1,234 requests and reads";
    for line in [format!("podman, podman-reflink {sends} 28.2 MB"), format!("composefs {sends} 5 B")] {
        assert!(words.contains(&format!("{line}.")), "{text}");
        assert!(markdown.contains(&format!("\n- {line}\n")), "{markdown}");
        assert!(page.contains(&format!("<p class=\"lead\">{line}.</p>")), "{page}");
    }
    // What podman itself pulls is the same as without it.
    assert!(markdown.contains("| podman | multi-range, bridge | 28.0 MB | 3 | 1 |\n"), "{markdown}");
    assert_eq!(page.matches("<dt>bridge</dt>").count(), 1);
    let json = object(&json::diff(&outcome));
    let pull =
        |registry: &str| json["pulls"].as_array().unwrap().iter().find(|pull| pull["registry"] == registry).unwrap();
    let bridge = pull("bridge");
    assert_eq!((&bridge["upstream_requests"], &bridge["upstream_bytes"]), (&1_234.into(), &28_200_000.into()));
    assert!(pull("multi-range").get("upstream_requests").is_none());
    // Without the direct row, the headline is about the bridge.
    outcome.choice.registries = vec![RegistryProfile::Bridge];
    let markdown = markdown::diff(&outcome);
    assert!(
        markdown.starts_with("### This update changes 27.1 MB and costs 119 MB, podman with partial pulls 28.0 MB\n"),
        "{markdown}"
    );
}

/// Six that were chosen are not all that there are.
#[test]
fn a_bridge_does_not_stand_for_a_registry() {
    let mut outcome = samples::diff();
    let diff = &mut outcome.diffs[0];
    let podman = diff.pull(Client::Podman, RegistryProfile::MultiRange).unwrap().clone();
    diff.pulls = RegistryProfile::WITH_BRIDGE.map(|registry| Pull { registry, ..podman.clone() }).to_vec();
    for (registries, told) in
        [(&RegistryProfile::WITH_BRIDGE[1..], "all that were chosen"), (&RegistryProfile::WITH_BRIDGE, "any")]
    {
        outcome.choice.registries = registries.to_vec();
        let markdown = markdown::diff(&outcome);
        assert!(markdown.contains(&format!("| podman | {told} | 28.0 MB | 3 | 1 |\n")), "{markdown}");
    }
}
