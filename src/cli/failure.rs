//! Errors as text, with a hint where one helps, and their exit codes.

use std::io::ErrorKind;

use restrata::error::Error;
use restrata::report::printable;
use restrata::sink::SinkError;
use restrata::source::{BlobError, SourceError};
use restrata::spool::is_full;
use restrata::unpack::UnpackError;

use super::exit;
use super::run::say;

/// Says what failed; the answer is the exit code.
pub fn report(error: &anyhow::Error) -> u8 {
    say(format_args!("restrata: \u{1b}[1m\u{1b}[31merror:\u{1b}[0m {}", printable(&message(error))));
    let job = error.downcast_ref::<Error>();
    if let Some(hint) = job.and_then(hint) {
        say(format_args!("hint: {}", printable(&hint)));
    }
    job.map_or(exit::FAILED, Error::exit_code)
}

/// The error with those of its causes that say more: most errors of the library quote their cause already.
fn message(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Source(source) => source_hint(source),
        Error::Old { source, .. } => source_hint(source),
        Error::Sink(SinkError::TagNeeded { reference, tags }) => {
            let free = ["latest", "new", "next"].into_iter().find(|free| tags.iter().all(|tag| tag != free));
            free.map(|tag| format!("such as {reference}:{tag}"))
        }
        Error::Ostree { .. } => Some(
            "--prune /sysroot/ --label ostree.commit- --label ostree.final-diffid- makes it a plain image".to_owned(),
        ),
        Error::Unpack { source: UnpackError::Read(error), .. } if BlobError::of(error).is_some() => {
            Some(COPY_AGAIN.to_owned())
        }
        Error::Spool(_) | Error::Sink(SinkError::Spool(_)) => Some(TEMPORARY_FILES.to_owned()),
        Error::Sink(error) => sink_hint(error).map(str::to_owned),
        _ => None,
    }
}

/// Whatever the image is needed for: `check` reads all of it.
const COPY_AGAIN: &str =
    "copy the image again (skopeo copy --all --preserve-digests); restrata check lists all that is damaged or missing";

const TEMPORARY_FILES: &str =
    "temporary files go to --tmpdir DIR, else to $TMPDIR, else to /var/tmp; they need about twice the compressed image";

/// A compressed archive, or one that comes through a pipe.
const UNPACKED: &str = "temporary files go to --tmpdir DIR, else to $TMPDIR, else to /var/tmp; the archive is unpacked there \
                        first, which needs room for all of it unpacked: several times its size";

fn sink_hint(error: &SinkError) -> Option<&'static str> {
    match error {
        SinkError::Unwritable { cause: source, .. } | SinkError::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound if matches!(error, SinkError::Unwritable { .. }) => {
                Some("name a DEST on a file system for files of one's own")
            }
            ErrorKind::PermissionDenied => Some("name a DEST in a directory where this user may make files"),
            ErrorKind::ReadOnlyFilesystem => Some("name a DEST on a file system that is not read-only"),
            _ if is_full(source) => Some(NO_ROOM),
            _ => None,
        },
        SinkError::Full { .. } => Some(NO_ROOM),
        _ => None,
    }
}

/// Blobs wait beside DEST, since a rename can't lead to another file system.
const NO_ROOM: &str = "make room there, or name a DEST on another file system; --tmpdir is for temporary files and for \
                       oci-archive:- alone";

fn source_hint(error: &SourceError) -> Option<String> {
    match error {
        SourceError::SeveralImages { examples, .. } => {
            examples.iter().find(|example| !is_typed(example)).map(|example| format!("such as {example}"))
        }
        SourceError::NoTag { hint, .. } => {
            hint.as_ref().filter(|hint| !is_typed(hint)).map(|hint| format!("perhaps {hint}"))
        }
        SourceError::Blob { .. } => Some(COPY_AGAIN.to_owned()),
        SourceError::Spool { .. } => Some(UNPACKED.to_owned()),
        SourceError::Program { reference, source } if source.is_not_found() => {
            short_name(reference).map(|meant| format!("perhaps {meant}"))
        }
        _ => None,
    }
}

/// skopeo takes a name without a host for one of docker.io. podman build gives it another host.
fn short_name(reference: &str) -> Option<String> {
    let name = reference.strip_prefix("containers-storage:")?;
    let is_short = !name.contains(['/', '[', '@']) && !name.is_empty();
    is_short.then(|| format!("containers-storage:localhost/{name}"))
}

/// An image that the command names already can't be the one that is missing.
fn is_typed(reference: &str) -> bool {
    let is_it = |word: &str| word == reference || word.split_once('=').is_some_and(|(_, value)| value == reference);
    std::env::args_os().skip(1).any(|word| word.to_str().is_some_and(is_it))
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let quoted = anyhow!("no space left").context("spool file: no space left");
        assert_eq!(message(&quoted), "spool file: no space left");
        let told: anyhow::Result<()> = Err(anyhow!("no space left")).context("writing the digest");
        assert_eq!(message(&told.unwrap_err()), "writing the digest: no space left");
    }

    #[test]
    fn a_layout_with_several_images_is_answered_with_a_reference() {
        let available = vec!["v1".to_owned(), "v2".to_owned()];
        let (reference, examples) = ("oci:img".to_owned(), vec!["oci:img:v1".to_owned(), "oci:img:v2".to_owned()]);
        let source = SourceError::SeveralImages { reference, available, examples };
        let error = Error::Old { option: "--previous", source: Box::new(source) };
        assert_eq!(hint(&error).as_deref(), Some("such as oci:img:v1"));
    }
}
