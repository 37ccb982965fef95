//! References with `-` for a file: standard input, and standard output.

use std::io::{IsTerminal as _, stdin, stdout};

use restrata::oci::Reference;

use super::args::Command;

/// Says what is wrong with them.
pub fn expect(command: &Command) -> Result<(), String> {
    let read: Vec<&Reference> = sources(command).into_iter().filter(|reference| reference.is_stdio()).collect();
    match read[..] {
        [] => {}
        [reference] if stdin().is_terminal() => {
            return Err(format!(
                "{reference} is read from standard input, which is a terminal; send the archive by a pipe, as in: podman \
                 save NAME | restrata .. docker-archive:-"
            ));
        }
        [_] => {}
        [one, other, ..] => {
            return Err(format!("expected one image at most from standard input, found {one} and {other}"));
        }
    }
    let (dest, writing) = match command {
        Command::Rechunk(it) => (&it.dest, &it.writing),
        Command::Merge(it) => (&it.dest, &it.writing),
        _ => return Ok(()),
    };
    match dest.is_stdio() && !writing.dry_run && stdout().is_terminal() {
        true => Err(format!(
            "{dest} is written to standard output, which is a terminal; send it to a file or to a pipe, or name a file: \
             oci-archive:FILE"
        )),
        false => Ok(()),
    }
}

fn sources(command: &Command) -> Vec<&Reference> {
    match command {
        Command::Rechunk(it) => {
            [&it.new].into_iter().chain(&it.writing.previous).chain(&it.writing.layers.base).collect()
        }
        Command::Merge(it) => it.images.iter().chain(&it.writing.previous).chain(&it.writing.layers.base).collect(),
        Command::Verify(it) => vec![&it.a, &it.b],
        Command::Dump(it) => vec![&it.reference],
        Command::Diff(it) => it.old.iter().chain([&it.new]).collect(),
        Command::History(it) => it.references.iter().collect(),
        Command::Check(it) => vec![&it.reference],
        Command::Inspect(it) => vec![&it.reference],
        _ => Vec::new(),
    }
}
