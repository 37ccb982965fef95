//! `family`: its arguments and its job.

use anyhow::Context as _;
use clap::Args;
use restrata::error::Error;
use restrata::oci::Reference;
use restrata::rechunk::{FamilyOutcome, Request, family, plan_family};
use restrata::report::{json, text};

use super::args::Format;
use super::rechunk::{Writing, conflict};
use super::run::{beside, config, listing, note_degraded, note_replaced, print, refused, request};
use super::{exit, values};

#[derive(Debug, Args)]
#[command(mut_arg("previous", |arg| arg.hide(true)))]
#[command(mut_arg("tag", |arg| arg.hide(true)))]
#[command(mut_arg("digestfile", |arg| arg.hide(true)))]
pub struct Family {
    /// Read NEW and write it to DEST; PREVIOUS is what clients have, newest first
    ///
    /// NEW, DEST and PREVIOUS are references, as in restrata rechunk. None of them can have = in its name.
    #[arg(required = true, value_name = "NEW=DEST[=PREVIOUS..]", value_parser = values::member)]
    pub members: Vec<Member>,

    #[command(flatten)]
    pub writing: Writing,
}

/// One image of the family.
#[derive(Debug, Clone)]
pub struct Member {
    pub new: Reference,
    pub dest: Reference,
    pub previous: Vec<Reference>,
}

impl Family {
    /// Fails for options that make no sense.
    pub fn expect_possible(&self) -> Result<(), clap::Error> {
        let Writing { previous, tag, digestfile, .. } = &self.writing;
        let given = [
            ("--previous", !previous.is_empty(), "name each image's own: NEW=DEST=PREVIOUS"),
            ("--tag", !tag.is_empty(), "each image has the tag of its DEST"),
            ("--digestfile", digestfile.is_some(), "--format json prints all digests"),
        ];
        if let Some((option, _, hint)) = given.into_iter().find(|(_, is_given, _)| *is_given) {
            return Err(conflict("family", format!("{option} is for one image, but a family has several: {hint}")));
        }
        let news: Vec<Reference> = self.members.iter().map(|member| member.new.clone()).collect();
        self.members.iter().try_for_each(|member| self.writing.expect_possible("family", &news, &member.dest))
    }
}

/// Each destination with its digest.
fn digests(outcome: &FamilyOutcome) -> String {
    let digests = outcome.dests.iter().zip(&outcome.members);
    digests.map(|(dest, member)| format!("{dest} {}\n", member.digest)).collect()
}

pub fn run(arguments: Family, quiet: bool) -> anyhow::Result<u8> {
    let Family { members, writing } = arguments;
    let (format, dry_run, listing) = (writing.output.format, writing.dry_run, listing(writing.all));
    let progress = writing.resources.progress();
    let config = writing.edits.config.as_deref().map(config).transpose()?;
    let Some(Member { new, dest, .. }) = members.first().cloned() else {
        return Err(Error::Internal("a family without members").into());
    };
    let first = Request { config, ..request(writing, |resources| Request::new(new, dest, resources)) };
    let of_member = |Member { new, dest, previous }| Request { new, dest, previous, ..first.clone() };
    let requests: Vec<Request> = members.into_iter().map(of_member).collect();
    if dry_run {
        let planned = beside(progress, quiet, |progress| plan_family(&requests, progress))?;
        note_degraded(quiet, &planned.notes, &planned.degraded);
        let mut is_degraded = !planned.degraded.is_empty();
        for (request, member) in requests.iter().zip(&planned.members) {
            note_degraded(quiet, &member.notes, &member.degraded);
            note_replaced(&request.dest, &member.replaced, "would be gone");
            is_degraded |= !member.degraded.is_empty();
        }
        print(&match format {
            Format::Json => json::family_plan(&planned),
            Format::Text => text::family_plan(&planned, listing),
        })?;
        return Ok(if first.strict && is_degraded { exit::NO } else { exit::DONE });
    }
    let outcome = match beside(progress, quiet, |progress| family(&requests, progress)) {
        Err(error) => return Err(refused(error, format, &first.dest)),
        Ok(outcome) => outcome,
    };
    note_degraded(quiet, &outcome.notes, &outcome.degraded);
    for (request, member) in requests.iter().zip(&outcome.members) {
        note_degraded(quiet, &member.notes, &member.degraded);
        note_replaced(&request.dest, &member.replaced, "are gone");
    }
    print(&match format {
        Format::Json => json::family(&outcome),
        Format::Text if quiet => digests(&outcome),
        Format::Text => text::family(&outcome, listing),
    })
    .context("the images are written, but their report can't be printed")?;
    Ok(exit::DONE)
}
