use serde::Serialize;

use crate::probe::{Answered, Mount, Probed, Question};
use crate::registry::{MountAnswer, Sampled};

use super::print;

#[derive(Serialize)]
struct Probe<'a> {
    reference: &'a str,
    /// HOST/REPOSITORY that was asked, a mirror's perhaps.
    place: &'a str,
    digest: String,
    layer: Layer,
    /// A name that `diff --registry` takes.
    profile: Option<&'static str>,
    answers: Vec<Answer<'a>>,
    /// null: not asked for.
    mount: Option<Mounting<'a>>,
    elsewhere: &'a [String],
    clients: Vec<Client<'a>>,
    hints: &'a [String],
    requests: u64,
    received_bytes: u64,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Layer {
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    /// null: HEAD.
    ranges: Option<usize>,
    again: bool,
    /// Of the question that is asked of a cold blob and of a warm one.
    cache: Option<&'static str>,
    answer: &'static str,
    status: Option<u16>,
    found: Option<&'a str>,
    elsewhere: Option<&'a str>,
}

#[derive(Serialize)]
struct Mounting<'a> {
    into: &'a str,
    answer: &'static str,
    status: Option<u16>,
    found: Option<&'a str>,
    already_there: bool,
}

#[derive(Serialize)]
struct Client<'a> {
    client: &'static str,
    pulls: &'static str,
    why: &'a str,
}

pub fn probe(probed: &Probed) -> String {
    let clients = probed.verdicts.iter().map(|verdict| Client {
        client: verdict.client.name(),
        pulls: verdict.pulls.name(),
        why: &verdict.why,
    });
    print(&Probe {
        reference: &probed.reference,
        place: &probed.place,
        digest: probed.digest.to_string(),
        layer: Layer { digest: probed.layer.to_string(), size: probed.layer_size },
        profile: probed.profile.map(|profile| profile.name()),
        answers: probed.answers.iter().map(answer).collect(),
        mount: probed.mount.as_ref().map(mount),
        elsewhere: &probed.elsewhere,
        clients: clients.collect(),
        hints: &probed.hints,
        requests: probed.traffic.requests,
        received_bytes: probed.traffic.received,
        notes: &probed.notes,
    })
}

fn answer(answered: &Answered) -> Answer<'_> {
    let (ranges, cache) = match answered.question {
        Question::Head => (None, None),
        Question::Ranges(2) => (Some(2), Some("cold")),
        Question::Ranges(count) => (Some(count), None),
        Question::TwoAgain => (Some(2), Some("warm")),
    };
    let again = answered.question == Question::TwoAgain;
    let (answer, status, found) = match &answered.sample.answer {
        Sampled::Parts => ("parts", Some(206), None),
        Sampled::Whole => ("whole", Some(200), None),
        Sampled::Refused(status) => ("refused", Some(*status), None),
        Sampled::Odd(found) => ("odd", None, Some(found.as_str())),
    };
    Answer { ranges, again, cache, answer, status, found, elsewhere: answered.sample.elsewhere.as_deref() }
}

fn mount(mount: &Mount) -> Mounting<'_> {
    let (answer, status, found) = match &mount.answer {
        Some(MountAnswer::Mounted) => ("mounted", Some(201), None),
        Some(MountAnswer::Upload) => ("upload", Some(202), None),
        Some(MountAnswer::Denied(status)) => ("denied", Some(*status), None),
        Some(MountAnswer::Refused(status)) => ("refused", Some(*status), None),
        Some(MountAnswer::Odd(found)) => ("odd", None, Some(found.as_str())),
        None => ("not-asked", None, None),
    };
    Mounting { into: &mount.into, answer, status, found, already_there: mount.was_there }
}
