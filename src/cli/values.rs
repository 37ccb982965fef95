//! Values on the command line. Their errors are usage errors, so the hint stands with them.

use restrata::codec::Level;
use restrata::oci::{Platform, Reference, ReferenceError, Transport};
use restrata::rechunk::Effort;

pub fn reference(text: &str) -> Result<Reference, String> {
    text.parse().map_err(|error: ReferenceError| {
        let hint = match &error {
            ReferenceError::NoTransport { hint, .. } | ReferenceError::Unsupported { hint, .. } => Some(hint.clone()),
            _ => None,
        };
        let message = without_value(&error.to_string(), text);
        match hint {
            Some(hint) => format!("{}\nhint: {hint}", message.trim_end_matches(&hint).trim_end_matches("; ")),
            None => message,
        }
    })
}

/// A reference that can be written.
pub fn destination(text: &str) -> Result<Reference, String> {
    let reference = reference(text)?;
    match reference.transport() {
        Transport::Oci | Transport::OciArchive => Ok(reference),
        Transport::DockerArchive | Transport::Dir => Err(format!(
            "{} is only read; expected oci:DIR[:TAG] or oci-archive:FILE[:TAG]\nhint: skopeo copy converts the result",
            reference.transport().name()
        )),
    }
}

pub fn platform(text: &str) -> Result<Platform, String> {
    text.parse()
        .map_err(|_| "expected OS/ARCH or OS/ARCH/VARIANT\nhint: such as linux/amd64 or linux/arm64/v8".to_owned())
}

pub fn effort(text: &str) -> Result<Effort, String> {
    match text {
        "auto" => Ok(Effort::Auto),
        number => {
            let level = number.parse().ok().and_then(Level::new);
            level.map(Effort::Fixed).ok_or_else(|| "expected auto or a whole number from 1 to 22".to_owned())
        }
    }
}

pub fn ranges(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|ranges| (1..=1024).contains(ranges));
    number.ok_or_else(|| "expected a whole number from 1 to 1024, the most that podman asks for".to_owned())
}

/// clap names the value already.
fn without_value(message: &str, value: &str) -> String {
    message.trim_start_matches(&format!("{value:?}: ")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_stands_on_its_own_line() {
        let error = reference("alpine").unwrap_err();
        let (cause, hint) = error.split_once("\nhint: ").unwrap();
        assert!(cause.starts_with("expected TRANSPORT:PATH[:TAG]") && cause.ends_with("or dir"), "{cause}");
        assert!(hint.contains("docker://alpine"), "{hint}");
        assert!(reference("docker://x").unwrap_err().contains("supported yet in this version\nhint: copy"));
        assert!(destination("dir:x").is_err() && destination("oci:x:y").is_ok());
        assert!(reference("oci:").unwrap_err().starts_with("expected a path"));
    }

    #[test]
    fn the_default_level_is_the_librarys() {
        assert_eq!(effort("3"), Ok(Effort::Fixed(Level::DEFAULT)));
        assert_eq!(effort("auto"), Ok(Effort::Auto));
        assert!(["0", "23", "x"].iter().all(|text| effort(text).is_err()));
        assert!(ranges("16") == Ok(16) && ["0", "1025", "x"].iter().all(|text| ranges(text).is_err()));
    }
}
