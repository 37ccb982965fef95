//! Values on the command line. Their errors are usage errors, so the hint stands with them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use restrata::codec::Level;
use restrata::inventory::{XattrGlob, XattrGlobError};
use restrata::limits;
use restrata::merge::{Rule, RuleError, Unit};
use restrata::oci::{Platform, Reference, ReferenceError, Transport, Which};
use restrata::order::cost::{Client, RegistryProfile};
use restrata::order::layers::{Mtime, Prune, Share};
use restrata::owner::{Named, NamedError};
use restrata::rechunk::Effort;
use restrata::registry::names::{Name, is_tag};
use restrata::tar::{TarPath, Time};

use super::family::Member;
use super::hints;

pub fn reference(text: &str) -> Result<Reference, String> {
    text.parse().map_err(|error: ReferenceError| {
        let message = without_value(&error.to_string(), text);
        match error {
            ReferenceError::NoTransport { .. } | ReferenceError::Unsupported { .. } => {
                format!("{message}\nhint: {}", hints::source(text))
            }
            _ => message,
        }
    })
}

/// clap shows what it refuses. A reference can have a password, though none may: `docker://USER:PASSWORD@HOST/..`.
pub fn without_passwords(text: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut text = text.to_owned();
    for argument in arguments {
        let Some((_, behind)) = argument.split_once("//") else { continue };
        let authority = behind.split('/').next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@').filter(|(user, _)| user.contains(':')) {
            text = text.replace(&format!("{user}@"), "..@");
        }
    }
    text
}

/// A previous image or a base: its layers have to be those that clients pulled.
pub fn old(text: &str) -> Result<Reference, String> {
    let reference = reference(text)?;
    match reference.transport() {
        Transport::ContainersStorage | Transport::DockerDaemon => Err(
            "expected an image with the layers that clients pulled: a store holds them unpacked\nhint: name the published \
             image: docker://HOST/REPO:TAG"
                .to_owned(),
        ),
        _ => Ok(reference),
    }
}

/// An image in a registry.
pub fn registry_image(text: &str) -> Result<Name, String> {
    let name = reference(text)?.name().cloned();
    name.ok_or_else(|| "expected docker://HOST/REPOSITORY[:TAG|@DIGEST]".to_owned())
}

/// A reference that can be written.
pub fn destination(text: &str) -> Result<Reference, String> {
    const EXPECTED: &str = "expected docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG] or oci-archive:FILE[:TAG]";
    let hint = || hints::destination(text);
    match text.parse::<Reference>() {
        Ok(reference) => match (reference.transport(), reference.which()) {
            (Transport::Docker, Some(Which::Digest(_))) => {
                Err(format!("{EXPECTED}; a digest names an image that is there already"))
            }
            (Transport::Docker, _) => Ok(reference),
            (Transport::Oci | Transport::OciArchive, None | Some(Which::Tag(_))) => Ok(reference),
            (Transport::Oci | Transport::OciArchive, Some(_)) => Err(format!("{EXPECTED}; @ chooses what to read")),
            (only_read, _) => Err(format!("{EXPECTED}; {}: is only read\nhint: {}", only_read.name(), hint())),
        },
        Err(ReferenceError::NoTransport { .. }) => Err(format!("{EXPECTED}\nhint: {}", hint())),
        Err(ReferenceError::Unsupported { transport, .. }) => {
            Err(format!("{EXPECTED}; {transport}: is not written yet in this version\nhint: {}", hint()))
        }
        Err(error) => Err(without_value(&error.to_string(), text)),
    }
}

/// `NEW=DEST[=PREVIOUS..]`.
pub fn member(text: &str) -> Result<Member, String> {
    let mut parts = text.split('=');
    let (Some(new), Some(dest)) = (parts.next(), parts.next()) else {
        return Err("expected NEW=DEST or NEW=DEST=PREVIOUS, such as docker-archive:web.tar=oci:images:web".to_owned());
    };
    let named = |what: &str, error: String| format!("{what}: {error}");
    let previous = parts.map(|part| match part {
        "" => Err("PREVIOUS is empty behind the last =: leave the = out, or name an image".to_owned()),
        _ => old(part).map_err(|error| named("PREVIOUS", error)),
    });
    Ok(Member {
        new: reference(new).map_err(|error| named("NEW", error))?,
        dest: destination(dest).map_err(|error| named("DEST", error))?,
        previous: previous.collect::<Result<_, _>>()?,
    })
}

/// What to do where merged images differ.
pub fn rule(text: &str) -> Result<Rule, String> {
    text.parse().map_err(|error: RuleError| error.to_string())
}

/// What of merged images is united.
pub fn unit(text: &str) -> Result<Unit, String> {
    text.parse().map_err(|error: &str| error.to_owned())
}

/// A file of `GLOB NAME` lines.
pub fn owners(file: OsString) -> Result<Arc<Named>, String> {
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(|error| error.to_string())?;
    file.take(limits::OWNERS_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let named = Named::parse(&bytes)
        .map_err(|error: NamedError| format!("{error}\nhint: a line such as opt/app/models/** weights"))?;
    Ok(Arc::new(named))
}

/// A tag of a registry.
pub fn tag(text: &str) -> Result<String, String> {
    match is_tag(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a tag alone, at most 128 letters, digits and ._-\nhint: such as latest or v2".to_owned())
        }
    }
}

/// All of a layout.
pub fn layout(text: &str) -> Result<Reference, String> {
    let reference = reference(text)?;
    match (reference.transport(), reference.which()) {
        (Transport::Oci, None) => Ok(reference),
        (Transport::Oci, Some(_)) => {
            Err("expected oci:DIR without a tag: blobs belong to all images of a layout".to_owned())
        }
        _ => Err("expected a layout in a directory, oci:DIR".to_owned()),
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

pub fn threads(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|threads| (1..=1024).contains(threads));
    number.ok_or_else(|| "expected a whole number from 1 to 1024".to_owned())
}

pub fn xattr(text: &str) -> Result<XattrGlob, String> {
    text.parse().map_err(|error: XattrGlobError| format!("{error}\nhint: such as security.selinux or 'user.*'"))
}

/// Percent with two digits behind the point at most.
pub fn share(text: &str) -> Result<Share, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most: usize| {
        let are_digits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        are_digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let hundredths = |part: &str| digits(part, 2).map(|value| if part.len() == 1 { value * 10 } else { value });
    let share = digits(whole, 3).zip(hundredths(part)).map(|(whole, part)| Share(whole * 100 + part));
    share
        .filter(|share| *share <= Share(10_000))
        .ok_or_else(|| "expected 0 to 100 percent, such as 10% or 2.5%".to_owned())
}

/// Bytes, with a decimal unit as reports print it or a binary one.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let unit = UNITS.into_iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, bytes)));
    let (number, unit) = unit.map_or((text, 1), |(number, bytes)| (number.trim_end(), bytes));
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| {
        let are_digits = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        are_digits.then(|| text.parse::<u128>().ok()).flatten()
    };
    let bytes = digits(whole).zip(digits(part)).and_then(|(whole, fraction)| {
        let scale = 10_u128.pow(part.len() as u32);
        u64::try_from(whole * u128::from(unit) + fraction * u128::from(unit) / scale).ok()
    });
    bytes.ok_or_else(|| "expected a number of bytes, such as 200MB, 1.5GiB or 4096".to_owned())
}

/// Less would keep next to nothing.
pub fn cache_size(text: &str) -> Result<u64, String> {
    size(text)
        .ok()
        .filter(|bytes| *bytes >= 1_000_000)
        .ok_or_else(|| "expected 1MB or more, such as 500MB or 10GB".to_owned())
}

/// Less would make a layer of nearly every file.
pub fn layer_size(text: &str) -> Result<u64, String> {
    size(text)
        .ok()
        .filter(|bytes| *bytes >= 1_000_000)
        .ok_or_else(|| "expected a size of 1MB or more, such as 200MB or 1GiB".to_owned())
}

/// Its names stand in the help and in completions.
pub fn client() -> impl TypedValueParser<Value = Client> {
    PossibleValuesParser::new(Client::WITH_GZIP.map(Client::name)).try_map(|name| {
        Client::WITH_GZIP.into_iter().find(|client| client.name() == name).ok_or_else(|| "expected a client".to_owned())
    })
}

pub fn registry() -> impl TypedValueParser<Value = RegistryProfile> {
    let all = RegistryProfile::WITH_BRIDGE;
    PossibleValuesParser::new(all.map(RegistryProfile::name)).try_map(move |name| {
        all.into_iter().find(|kind| kind.name() == name).ok_or_else(|| "expected a kind of registry".to_owned())
    })
}

pub fn layers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=limits::LAYERS).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", limits::LAYERS))
}

pub fn mtime(text: &str) -> Result<Mtime, String> {
    match (text, text.strip_prefix("clamp=").and_then(seconds)) {
        ("previous", _) => Ok(Mtime::Previous),
        ("keep", _) => Ok(Mtime::Keep),
        (_, Some(secs)) => Ok(Mtime::Clamp(Time { secs, nanos: 0 })),
        _ => Err(format!("expected previous, keep or clamp=SECONDS ({SECONDS})")),
    }
}

/// What [`seconds`] takes.
pub const SECONDS: &str = "whole seconds since 1970, not milliseconds, up to the year 9999";

pub fn seconds(text: &str) -> Option<i64> {
    const BEHIND_LAST: i64 = 253_402_300_800;
    let seconds = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    seconds.filter(|seconds| *seconds < BEHIND_LAST)
}

pub fn label(text: &str) -> Result<(String, Option<String>), String> {
    if let Ok((key, value)) = annotation(text) {
        return Ok((key, Some(value)));
    }
    let key = text.strip_suffix('-').map(label_key).and_then(Result::ok);
    key.map(|key| (key, None)).ok_or_else(|| "expected KEY=VALUE, or KEY- to remove a label".to_owned())
}

pub fn label_key(text: &str) -> Result<String, String> {
    let is_odd = |key: &str| {
        key.contains('=') || key.ends_with('-') || key.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    let key = Some(text).filter(|key| !key.is_empty() && !is_odd(key));
    key.map(ToOwned::to_owned)
        .ok_or_else(|| "expected the key of a label, without spaces, = or a - at the end".to_owned())
}

pub fn annotation(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "expected KEY=VALUE".to_owned())
}

/// clap names the value already.
fn without_value(message: &str, value: &str) -> String {
    message.trim_start_matches(&format!("{value:?}: ")).to_owned()
}

/// An empty shell variable must not stand for all of the image.
pub fn path(path: OsString) -> Result<TarPath, String> {
    if path.is_empty() {
        return Err("expected a path, found an empty word".to_owned());
    }
    let path = TarPath::new(path.as_bytes()).map_err(|error| error.to_string())?;
    match path.is_root() {
        true => Err("expected a path below the root, which is all of the image".to_owned()),
        false => Ok(path),
    }
}

/// With a slash at the end the directory itself stays.
pub fn prune(path: OsString) -> Result<Prune, String> {
    let keep_dir = path.as_bytes().ends_with(b"/");
    Ok(Prune { path: self::path(path)?, keep_dir })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_stands_on_its_own_line() {
        let error = reference("alpine").unwrap_err();
        let (cause, hint) = error.split_once("\nhint: ").unwrap();
        assert!(
            cause.starts_with("expected TRANSPORT:PATH[:TAG]") && cause.ends_with("or docker-daemon:NAME:TAG"),
            "{cause}"
        );
        assert!(hint.contains("docker://alpine"), "{hint}");
        assert!(reference("ostree:x").unwrap_err().contains("supported yet in this version"));
        for stored in ["containers-storage:x", "docker-daemon:x:y"] {
            assert!(reference(stored).is_ok());
            assert!(old(stored).unwrap_err().contains("a store holds them unpacked\nhint: name the published image"));
            assert!(destination(stored).unwrap_err().contains(": is only read\nhint: write to oci:x:"));
        }
        assert!(reference("docker://x").is_ok());
        assert!(destination("dir:x").is_err() && destination("oci:x:y").is_ok() && destination("oci:x:@0").is_err());
        assert!(destination("docker://x").is_ok());
        let registry = destination(&format!("docker://x@sha256:{}", "0".repeat(64))).unwrap_err();
        assert!(registry.ends_with("a digest names an image that is there already"), "{registry}");
        assert!(reference("oci:").unwrap_err().starts_with("expected a path"));
    }

    #[test]
    fn shares_are_percent() {
        for (text, hundredths) in [("10%", 1000), ("10", 1000), ("0", 0), ("2.5%", 250), ("0.05", 5), ("100%", 10_000)]
        {
            assert_eq!(share(text), Ok(Share(hundredths)), "{text}");
        }
        for text in ["", "%", "-1", "100.01", "101", "1.", ".5", "1.234", "1,5", "+1", "10%%", "9999"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("200MB", 200_000_000),
            ("200 MB", 200_000_000),
            ("1.5GiB", 3 << 29),
            ("0.25kB", 250),
            ("1.9999B", 1),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "1.", ".5MB", "-1", "+1", "1,5MB", "1e3", "1mb", "1 M", "99999999999TB", "1.2.3"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(mtime("clamp=86400"), Ok(Mtime::Clamp(Time { secs: 86_400, nanos: 0 })));
        assert_eq!((mtime("previous"), mtime("keep")), (Ok(Mtime::Previous), Ok(Mtime::Keep)));
        for text in [
            "",
            "clamp",
            "clamp=",
            "clamp=-1",
            "clamp=+1",
            "clamp=1.5",
            "clamp=1600000000000",
            "clamp=99999999999999999999",
            "new",
        ] {
            assert!(mtime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_are_set_or_removed() {
        let pair = |key: &str, value: Option<&str>| Ok((key.to_owned(), value.map(str::to_owned)));
        assert_eq!(label("a=b=c-"), pair("a", Some("b=c-")));
        assert_eq!(label("a="), pair("a", Some("")));
        assert_eq!(label("a.b-"), pair("a.b", None));
        assert_eq!(label_key("a.b-c"), Ok("a.b-c".to_owned()));
        for key in ["", "a=", "a.b-", "a b", "a\n"] {
            assert!(label_key(key).is_err(), "{key:?}");
        }
        assert!(label("a").is_err() && label("=b").is_err() && label("-").is_err() && label("=b-").is_err());
        assert!(annotation("a-").is_err() && annotation("=").is_err());
    }

    #[test]
    fn paths_are_below_the_root() {
        assert!(path("/".into()).unwrap_err().contains("all of the image"));
        for empty in [path("".into()).map(drop), prune("".into()).map(drop)] {
            assert_eq!(empty, Err("expected a path, found an empty word".to_owned()));
        }
        assert_eq!(prune("a/".into()).map(|prune| prune.keep_dir), Ok(true));
    }

    #[test]
    fn the_default_level_is_the_librarys() {
        assert_eq!(effort("3"), Ok(Effort::Fixed(Level::DEFAULT)));
        assert_eq!(effort("auto"), Ok(Effort::Auto));
        assert!(["0", "23", "x"].iter().all(|text| effort(text).is_err()));
        assert!(ranges("16") == Ok(16) && ["0", "1025", "x"].iter().all(|text| ranges(text).is_err()));
    }

    #[test]
    fn layer_sizes() {
        assert_eq!((layer_size("1MB"), layer_size("1GiB")), (Ok(1_000_000), Ok(1 << 30)));
        for bad in ["0", "-1", "999999", "1M", "x", ""] {
            assert!(layer_size(bad).unwrap_err().contains("expected a size of 1MB or more"), "{bad}");
        }
    }

    #[test]
    fn cache_sizes() {
        assert_eq!((cache_size("1MB"), cache_size("2GiB")), (Ok(1_000_000), Ok(2 << 30)));
        for bad in ["0", "999999", "1M", "x"] {
            assert!(cache_size(bad).unwrap_err().contains("expected 1MB or more"), "{bad}");
        }
    }
}
