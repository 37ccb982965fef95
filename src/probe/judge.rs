//! What follows from a registry's answers for each client.
//!
//! podman's rules are those of `order::cost` (container-libs `GetBlobAt`, `storage/pkg/chunked`). Those of 6.1 for
//! mirrors come from its source alone (c/image PR 845): after 429, a 5xx, 404 or no answer it asks the next place.

use crate::order::cost::RegistryProfile;
use crate::registry::{MountAnswer, Sample, Sampled};

use super::{Answered, Mount, ProbeClient, Pulls, Question, Verdict};

pub(super) struct Judged {
    pub profile: Option<RegistryProfile>,
    pub verdicts: Vec<Verdict>,
    pub hints: Vec<String>,
}

pub(super) fn judge(answers: &[Answered]) -> Judged {
    let answers = Answers(answers);
    let profile = profile(&answers);
    let podman = podman(&answers);
    let mirror = Verdict { client: ProbeClient::PodmanMirror, ..mirrored(&answers, &podman) };
    let hints = hints(&answers, profile, &podman);
    let why = "each layer that changed".to_owned();
    let plain = Verdict { client: ProbeClient::Plain, pulls: Pulls::Whole, why };
    Judged { profile, verdicts: vec![plain, podman, mirror], hints }
}

struct Answers<'a>(&'a [Answered]);

impl Answers<'_> {
    fn to(&self, question: Question) -> Option<&Sampled> {
        self.0.iter().find(|answered| answered.question == question).map(|answered| &answered.sample.answer)
    }

    fn ranges(&self, count: usize) -> Option<&Sampled> {
        self.to(Question::Ranges(count))
    }

    /// As all but the first client get it.
    fn two(&self) -> Option<&Sampled> {
        self.to(Question::TwoAgain).or(self.ranges(2))
    }

    /// The fewest ranges that are not answered with ranges, and how; and the most that are.
    fn limit(&self) -> Option<(usize, &Sampled)> {
        let several = self.0.iter().filter_map(|answered| match answered.question {
            Question::Ranges(count) if count > 2 => Some((count, &answered.sample.answer)),
            _ => None,
        });
        several.filter(|(_, answer)| **answer != Sampled::Parts).min_by_key(|(count, _)| *count)
    }

    /// The layer was too small for what would have been asked next.
    fn are_few(&self) -> bool {
        match self.two() {
            None => true,
            Some(Sampled::Parts) => match self.ranges(17) {
                Some(Sampled::Parts) => self.ranges(300).is_none(),
                answer => answer.is_none(),
            },
            Some(_) => false,
        }
    }
}

fn profile(answers: &Answers<'_>) -> Option<RegistryProfile> {
    if answers.ranges(1) != Some(&Sampled::Parts) {
        return None;
    }
    let ranges = |count| answers.ranges(count);
    match answers.two()? {
        Sampled::Whole => Some(RegistryProfile::Whole200),
        Sampled::Refused(400) => Some(RegistryProfile::Refuse400),
        Sampled::Refused(501) => Some(RegistryProfile::Refuse501),
        Sampled::Parts => match (ranges(17)?, ranges(300)?) {
            (Sampled::Parts, Sampled::Parts) => Some(RegistryProfile::MultiRange),
            (Sampled::Parts, Sampled::Whole) if ranges(299) == Some(&Sampled::Parts) => {
                Some(RegistryProfile::Ranges299)
            }
            (Sampled::Refused(416), Sampled::Refused(416)) if ranges(16) == Some(&Sampled::Parts) => {
                Some(RegistryProfile::Ranges16)
            }
            _ => None,
        },
        _ => None,
    }
}

fn podman(answers: &Answers<'_>) -> Verdict {
    let verdict = |pulls, why: String| Verdict { client: ProbeClient::Podman, pulls, why };
    let Some(two) = answers.two() else {
        return verdict(Pulls::Unknown, "the layer is too small for two ranges".to_owned());
    };
    match two {
        Sampled::Refused(400) => return verdict(Pulls::Whole, "two ranges get 400".to_owned()),
        Sampled::Refused(_) | Sampled::Odd(_) => {
            return verdict(Pulls::Fails, format!("two ranges get {}", said(two)));
        }
        Sampled::Parts | Sampled::Whole => {}
    }
    if let Some(one @ (Sampled::Refused(_) | Sampled::Odd(_))) = answers.ranges(1) {
        return verdict(Pulls::Fails, format!("one range gets {}", said(one)));
    }
    if *two == Sampled::Whole {
        return verdict(Pulls::Parts, "hangs up when it has enough; more is sent".to_owned());
    }
    let Some((count, answer)) = answers.limit() else {
        return verdict(Pulls::Parts, "content that is new, and the index".to_owned());
    };
    let below = count - 1;
    verdict(
        Pulls::Parts,
        match answer {
            Sampled::Whole => format!("for {count} ranges it gets all of the layer"),
            Sampled::Refused(400) => format!("is refused {count} ranges (400), asks for fewer"),
            answer if answers.ranges(below).is_some() => {
                format!("more than {below} ranges of a layer FAIL ({})", said(answer))
            }
            answer => format!("{count} ranges of a layer FAIL ({})", said(answer)),
        },
    )
}

/// Why podman fails on a layer that needs as many ranges as were asked for.
pub(super) fn failing(answers: &[Answered]) -> Option<String> {
    let answers = Answers(answers);
    match podman(&answers) {
        Verdict { pulls: Pulls::Fails, why, .. } => Some(why),
        _ => match answers.limit() {
            Some((_, Sampled::Whole | Sampled::Refused(400))) | None => None,
            Some((count, answer)) => Some(format!("{count} ranges get {}", said(answer))),
        },
    }
}

/// podman 6.1, for which this registry is a mirror of another.
fn mirrored(answers: &Answers<'_>, podman: &Verdict) -> Verdict {
    let failing = match podman.pulls {
        Pulls::Fails => {
            let one = answers.ranges(1).filter(|one| matches!(one, Sampled::Refused(_) | Sampled::Odd(_)));
            answers.two().filter(|two| !matches!(two, Sampled::Parts | Sampled::Whole)).or(one)
        }
        _ => None,
    };
    match failing {
        Some(answer) if goes_on(answer) => {
            let why = format!("asks the next mirror, or the registry ({})", said(answer));
            Verdict { pulls: Pulls::Elsewhere, why, ..podman.clone() }
        }
        _ => podman.clone(),
    }
}

/// An answer that is no HTTP counts as none; one with the wrong ranges does not.
fn goes_on(answer: &Sampled) -> bool {
    match answer {
        Sampled::Refused(status) => matches!(status, 404 | 429 | 500..),
        Sampled::Parts | Sampled::Whole | Sampled::Odd(_) => false,
    }
}

fn hints(answers: &Answers<'_>, profile: Option<RegistryProfile>, podman: &Verdict) -> Vec<String> {
    let mut hints = Vec::new();
    match podman.pulls {
        Pulls::Fails => hints.push(
            "podman with partial pulls fails here, with zstd:chunked layers of any tool: switch partial pulls off \
             (enable_partial_images = \"false\" in storage.conf), or publish layers without annotations of the index \
             (rechunk --annotations never)"
                .to_owned(),
        ),
        Pulls::Whole => hints.push(
            "partial pulls gain nothing here: podman asks for the index, is refused, and pulls the layer whole. Layers \
             that stay are not pulled at all"
                .to_owned(),
        ),
        Pulls::Parts | Pulls::Elsewhere | Pulls::Unknown => {}
    }
    if podman.pulls == Pulls::Parts && answers.two() == Some(&Sampled::Whole) {
        hints.push(
            "podman reads each layer up to the last byte that it needs: keep the index first (rechunk --index first, \
             the default)"
                .to_owned(),
        );
    }
    if gains_by_a_bridge(answers, podman.pulls) {
        hints.push(
            "restrata bridge on the client's machine gives podman just the bytes that it lacks: it asks for one range at a \
             time, which this registry serves (docs/bridge.md; restrata diff --registry bridge shows the cost)"
                .to_owned(),
        );
    }
    if podman.pulls == Pulls::Parts && profile == Some(RegistryProfile::Ranges16) {
        hints.push(
            "keep rechunk --max-ranges at 16, the default, or below; layers of other tools can need more ranges"
                .to_owned(),
        );
    }
    hints.extend(warmed(answers));
    match profile {
        Some(profile) => hints.push(format!(
            "restrata diff OLD NEW --registry {} shows what an update costs each client here",
            profile.name()
        )),
        None if answers.are_few() => hints
            .push("the layer is too small for all questions: name an image with a layer of 40 kB or more".to_owned()),
        None => hints.push("no profile of restrata diff --registry fits these answers".to_owned()),
    }
    hints
}

/// Several ranges get podman nothing, or more than it wants, and one range gets what was asked for.
fn gains_by_a_bridge(answers: &Answers<'_>, pulls: Pulls) -> bool {
    let is_ill_served = matches!(pulls, Pulls::Fails | Pulls::Whole) || answers.two() == Some(&Sampled::Whole);
    is_ill_served && answers.ranges(1) == Some(&Sampled::Parts)
}

/// What the first request changed.
fn warmed(answers: &Answers<'_>) -> Option<String> {
    let sample = |question| answers.0.iter().find(|answered| answered.question == question).map(|it| &it.sample);
    let (cold, warm) = (sample(Question::Ranges(2))?, sample(Question::TwoAgain)?);
    let host = |sample: &Sample| sample.elsewhere.clone().unwrap_or_else(|| "the registry itself".to_owned());
    if cold.answer != warm.answer {
        return Some(format!(
            "a cold blob is answered in another way ({}) than a warm one ({}): a cache is between. What is said above \
             holds for warm blobs",
            said(&cold.answer),
            said(&warm.answer)
        ));
    }
    let is_moved = cold.elsewhere != warm.elsewhere;
    is_moved
        .then(|| format!("a cold blob comes from {}, a warm one from {}: a cache is between", host(cold), host(warm)))
}

/// As tables and sentences have it.
pub(crate) fn said(answer: &Sampled) -> String {
    match answer {
        Sampled::Parts => "206".to_owned(),
        Sampled::Whole => "200".to_owned(),
        Sampled::Refused(status) => status.to_string(),
        Sampled::Odd(found) => found.clone(),
    }
}

/// What a mount's answer is good for.
pub(super) fn mounted(mount: &Mount) -> String {
    let into = &mount.into;
    const UPLOADED: &str =
        "rechunk uploads layers that stay, when it publishes into another repository than the previous image's";
    match &mount.answer {
        Some(MountAnswer::Mounted) if mount.was_there => format!(
            "{into} had the layer before, so that its answer to a mount says little: name a repository without the layer"
        ),
        Some(MountAnswer::Mounted) => format!(
            "rechunk mounts layers that stay, when it publishes into another repository here than the previous image's: \
             none of their bytes are sent. {into} has the layer now; no tag leads to it"
        ),
        Some(MountAnswer::Upload) => format!(
            "{UPLOADED}: the registry does not mount blobs, or this user may not pull from the other repository"
        ),
        Some(MountAnswer::Denied(_)) => {
            format!("mounts are not known: log in as a user who may push to {into}")
        }
        // 501 is what a registry can't do; the others may pass.
        Some(MountAnswer::Refused(408 | 429 | 500 | 502..) | MountAnswer::Odd(_)) => {
            "mounts are not known: the registry gave no answer to that. Ask again later".to_owned()
        }
        Some(MountAnswer::Refused(_)) => format!("{UPLOADED}: the registry refuses mounts"),
        None => {
            "mounts are not known: a mirror has the image. rechunk mounts layers only where it read them".to_owned()
        }
    }
}
