use std::fmt::Write as _;

use crate::probe::{Answered, Mount, ProbeClient, Probed, Pulls, Question, Verdict, said};
use crate::registry::{MountAnswer, Sampled};
use crate::report::names::printable;
use crate::report::units::{count, plural, size};

use super::{WIDTH, bold, fill, green, name, red};

/// What is asked of whom, the answers, then what they mean.
pub fn probe(probed: &Probed) -> String {
    let mut out = format!("{}\n", bold(&name(&probed.reference, WIDTH)));
    // The name says the place already, unless a mirror has the image.
    if format!("docker://{}", probed.place) != without_which(&probed.reference) {
        out += &fill(&printable(&format!("place    {}", probed.place)));
    }
    out += &fill(&format!("layer    {}, {} (the largest)", probed.layer.short(), size(probed.layer_size)));
    for host in &probed.elsewhere {
        out += &fill(&printable(&format!("blobs    the registry sends clients to {host}")));
    }
    let profile = probed.profile.map_or("none that restrata knows", |profile| profile.name());
    let _ = writeln!(out, "profile  {}", bold(profile));

    let _ = writeln!(out, "\n{}", bold(&format!("{:<26}answer", "request")));
    for answered in &probed.answers {
        out += &fill(&printable(&format!("{:<26}{}", asked(answered.question), answer(answered))));
    }
    out += &fill(&printable(&format!("{:<26}{}", "mount", mount(probed.mount.as_ref()))));

    let _ = writeln!(out, "\n{}", bold(&format!("{:<26}pulls", "client")));
    probed.verdicts.iter().for_each(|verdict| out += &client(verdict));

    out.push('\n');
    probed.hints.iter().for_each(|hint| out += &fill(&printable(&format!("- {hint}"))));
    let requests = plural(probed.traffic.requests, "request", "requests");
    let _ = writeln!(out, "\n{requests}, {} of bodies read", size(probed.traffic.received));
    out
}

/// The reference without tag and digest.
fn without_which(reference: &str) -> &str {
    let reference = reference.split_once('@').map_or(reference, |(reference, _)| reference);
    match reference.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => reference,
    }
}

fn asked(question: Question) -> String {
    match question {
        Question::Head => "HEAD".to_owned(),
        Question::Ranges(2) => "2 ranges, cold".to_owned(),
        Question::TwoAgain => "2 ranges, warm".to_owned(),
        Question::Ranges(1) => "1 range".to_owned(),
        Question::Ranges(ranges) => format!("{} ranges", count(ranges as u64)),
    }
}

fn answer(answered: &Answered) -> String {
    match (answered.question, &answered.sample.answer) {
        (Question::Head, Sampled::Whole) => "200".to_owned(),
        (_, Sampled::Parts) => "206, as asked for".to_owned(),
        (_, Sampled::Whole) => "200, the whole blob".to_owned(),
        (_, answer) => said(answer),
    }
}

fn mount(mount: Option<&Mount>) -> String {
    let Some(Mount { into, was_there, answer }) = mount else {
        return "not asked; --mount REPO asks, and writes into REPO".to_owned();
    };
    match answer {
        Some(MountAnswer::Mounted) if *was_there => format!("201, but {into} had the layer before"),
        Some(MountAnswer::Mounted) => format!("201, mounted into {into}"),
        Some(MountAnswer::Upload) => format!("202, not mounted: {into} wants an upload"),
        Some(MountAnswer::Denied(status)) => format!("{status}, no permission to push to {into}"),
        Some(MountAnswer::Refused(status)) => format!("{status}, refused for {into}"),
        Some(MountAnswer::Odd(found)) => found.clone(),
        None => "not asked: a mirror has the image, and nobody pushes there".to_owned(),
    }
}

fn client(verdict: &Verdict) -> String {
    let client = match verdict.client {
        ProbeClient::Plain => "docker, containerd",
        ProbeClient::Podman => "podman, partial pulls",
        ProbeClient::PodmanMirror => "podman 6.1, as a mirror",
    };
    let pulls = match verdict.pulls {
        Pulls::Parts => green("in parts"),
        Pulls::Whole => "whole".to_owned(),
        Pulls::Fails => red("FAILS"),
        Pulls::Elsewhere => "elsewhere".to_owned(),
        Pulls::Unknown => "not known".to_owned(),
    };
    // Styles have no width, so they come last.
    let line = fill(&format!("{client:<26}{PULLS}: {}", printable(&verdict.why)));
    line.replacen(PULLS, &pulls, 1)
}

/// As wide as the longest word that takes its place.
const PULLS: &str = "{{pulls}}";
