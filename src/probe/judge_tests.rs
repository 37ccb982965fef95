//! What follows from answers, without a registry.

use super::judge::{judge, mounted};
use super::*;
use crate::registry::Sampled::{self, Odd, Parts, Refused, Whole};

fn answered(answers: &[(usize, Sampled)]) -> Vec<Answered> {
    let question = |count: usize| match count {
        0 => Question::Head,
        22 => Question::TwoAgain,
        count => Question::Ranges(count),
    };
    let sample = |answer: &Sampled| Sample { answer: answer.clone(), elsewhere: None };
    answers.iter().map(|(count, answer)| Answered { question: question(*count), sample: sample(answer) }).collect()
}

/// For two ranges, one, 17 and 300, and further ones: the profile, podman, and podman with this as a mirror.
fn judged(answers: &[(usize, Sampled)]) -> (Option<&'static str>, String, &'static str) {
    let judged = judge(&answered(answers));
    let [plain, podman, mirror] = &judged.verdicts[..] else { panic!("three clients") };
    assert_eq!((plain.client, plain.pulls), (ProbeClient::Plain, Pulls::Whole));
    assert_eq!((podman.client, mirror.client), (ProbeClient::Podman, ProbeClient::PodmanMirror));
    let profile = judged.profile.map(|profile| profile.name());
    (profile, format!("{}: {}", podman.pulls.name(), podman.why), mirror.pulls.name())
}

#[test]
fn every_profile_and_what_is_none() {
    let odd = || Odd("206 with 1 of 2 ranges".to_owned());
    for (answers, profile, podman, mirror) in [
        (
            vec![(2, Parts), (1, Parts), (17, Parts), (300, Parts)],
            Some("multi-range"),
            "partial: content that is new, and the index",
            "partial",
        ),
        (
            vec![(2, Parts), (1, Parts), (17, Parts), (299, Parts), (300, Whole)],
            Some("ranges-299"),
            "partial: for 300 ranges it gets all of the layer",
            "partial",
        ),
        (
            vec![(2, Parts), (1, Parts), (16, Parts), (17, Refused(416)), (300, Refused(416))],
            Some("ranges-16"),
            "partial: more than 16 ranges of a layer FAIL (416)",
            "partial",
        ),
        (
            vec![(2, Whole), (1, Parts)],
            Some("whole-200"),
            "partial: hangs up when it has enough; more is sent",
            "partial",
        ),
        (vec![(2, Refused(400)), (1, Parts)], Some("refuse-400"), "whole: two ranges get 400", "whole"),
        (vec![(2, Refused(501)), (1, Parts)], Some("refuse-501"), "failed: two ranges get 501", "elsewhere"),
        // Other statuses, limits and answers.
        (vec![(2, Refused(416)), (1, Parts)], None, "failed: two ranges get 416", "failed"),
        (vec![(2, Refused(403)), (1, Parts)], None, "failed: two ranges get 403", "failed"),
        (vec![(2, Refused(503)), (1, Parts)], None, "failed: two ranges get 503", "elsewhere"),
        (vec![(2, odd()), (1, Parts)], None, "failed: two ranges get 206 with 1 of 2 ranges", "failed"),
        (vec![(2, Whole), (1, Whole)], None, "partial: hangs up when it has enough; more is sent", "partial"),
        (vec![(2, Parts), (1, Refused(416))], None, "failed: one range gets 416", "failed"),
        (vec![(2, Parts), (1, Refused(500))], None, "failed: one range gets 500", "elsewhere"),
        (
            vec![(2, Parts), (1, Parts), (16, Refused(416)), (17, Refused(416)), (300, Refused(416))],
            None,
            "partial: 16 ranges of a layer FAIL (416)",
            "partial",
        ),
        (
            vec![(2, Parts), (1, Parts), (17, Parts), (299, Refused(431)), (300, Refused(431))],
            None,
            "partial: 299 ranges of a layer FAIL (431)",
            "partial",
        ),
        (
            vec![(2, Parts), (1, Parts), (17, Parts), (299, Parts), (300, Refused(400))],
            None,
            "partial: is refused 300 ranges (400), asks for fewer",
            "partial",
        ),
        // A cache that has the blob only the second time.
        (
            vec![(2, Whole), (1, Parts), (22, Parts), (17, Parts), (300, Parts)],
            Some("multi-range"),
            "partial: content that is new, and the index",
            "partial",
        ),
        (vec![(1, Parts)], None, "unknown: the layer is too small for two ranges", "unknown"),
    ] {
        assert_eq!(judged(&answers), (profile, podman.to_owned(), mirror), "{answers:?}");
    }
}

/// It asks for one range at a time.
#[test]
fn a_bridge_is_named_where_it_helps() {
    for (answers, is_named) in [
        (vec![(2, Refused(501)), (1, Parts)], true),
        (vec![(2, Refused(416)), (1, Parts)], true),
        (vec![(2, Odd("206 with 1 of 2 ranges".to_owned())), (1, Parts)], true),
        (vec![(2, Refused(400)), (1, Parts)], true),
        (vec![(2, Whole), (1, Parts)], true),
        // What one range gets helps nobody.
        (vec![(2, Refused(501)), (1, Refused(501))], false),
        (vec![(2, Parts), (1, Refused(416))], false),
        (vec![(2, Refused(400)), (1, Whole)], false),
        (vec![(2, Whole), (1, Whole)], false),
        // All is well, or not known.
        (vec![(2, Parts), (1, Parts), (17, Parts), (300, Parts)], false),
        (vec![(2, Whole), (1, Parts), (22, Parts), (17, Parts), (300, Parts)], false),
        (vec![(1, Parts)], false),
    ] {
        let hints = judge(&answered(&answers)).hints;
        let named = hints.iter().filter(|hint| hint.starts_with("restrata bridge on the client's machine ")).count();
        assert_eq!(named, usize::from(is_named), "{answers:?}: {hints:?}");
    }
}

#[test]
fn hints_say_what_to_do() {
    for (answers, says) in [
        (vec![(2, Refused(501)), (1, Parts)], "switch partial pulls off"),
        (vec![(2, Refused(501)), (1, Parts)], "--registry refuse-501 shows"),
        (vec![(2, Refused(416)), (1, Parts)], "no profile of restrata diff"),
        (vec![(2, Refused(400)), (1, Parts)], "partial pulls gain nothing here"),
        (vec![(2, Whole), (1, Parts)], "rechunk --index first"),
        (
            vec![(2, Parts), (1, Parts), (16, Parts), (17, Refused(416)), (300, Refused(416))],
            "keep rechunk --max-ranges at 16",
        ),
        (
            vec![(2, Whole), (1, Parts), (22, Parts), (17, Parts), (300, Parts)],
            "answered in another way (200) than a warm one (206)",
        ),
        (vec![(1, Parts)], "too small for all questions"),
        (vec![(2, Parts), (1, Parts), (17, Parts)], "too small for all questions"),
    ] {
        let hints = judge(&answered(&answers)).hints.join("\n");
        assert!(hints.contains(says), "{answers:?}: {hints}");
    }
    let same = [(2, Parts), (1, Parts), (22, Parts), (17, Parts), (300, Parts)];
    let mut moved = answered(&same);
    moved[0].sample.elsewhere = Some("storage.example".to_owned());
    let hint = "a cold blob comes from storage.example, a warm one from the registry itself: a cache is between";
    assert_eq!(judge(&moved).hints[0], hint);
    let good = judge(&answered(&same)).hints;
    assert_eq!(good.len(), 1);
    assert_eq!(good, judge(&answered(&[(2, Parts), (1, Parts), (17, Parts), (300, Parts)])).hints);
    assert_eq!(good, ["restrata diff OLD NEW --registry multi-range shows what an update costs each client here"]);
}

#[test]
fn what_a_mount_is_good_for() {
    let mount = |answer: Option<MountAnswer>, was_there| Mount { into: "q.io/b".to_owned(), was_there, answer };
    for (answer, was_there, says) in [
        (Some(MountAnswer::Mounted), false, "none of their bytes are sent. q.io/b has the layer now"),
        (Some(MountAnswer::Mounted), true, "q.io/b had the layer before"),
        (Some(MountAnswer::Upload), false, "may not pull from the other repository"),
        (Some(MountAnswer::Denied(403)), false, "a user who may push to q.io/b"),
        (Some(MountAnswer::Refused(404)), false, "the registry refuses mounts"),
        (Some(MountAnswer::Refused(501)), false, "the registry refuses mounts"),
        (Some(MountAnswer::Refused(503)), false, "Ask again later"),
        (Some(MountAnswer::Odd("no answer".to_owned())), false, "Ask again later"),
        (None, false, "a mirror has the image"),
    ] {
        let hint = mounted(&mount(answer.clone(), was_there));
        assert!(hint.contains(says), "{answer:?}: {hint}");
    }
}
