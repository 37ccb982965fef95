//! What to type instead of a reference that can't be taken. Every command and reference here works as it is printed.

use std::path::Path;

use restrata::oci::Transport;
use restrata::registry::names::Name;
use restrata::source::{Guess, guess};

/// For an image to read.
pub fn source(text: &str) -> String {
    let (path, tag) = split(text);
    match guess(Path::new(path)) {
        Some(Guess::Reads(Transport::Dir)) => return format!("perhaps dir:{path}"),
        Some(Guess::Reads(transport)) => return format!("perhaps {}:{path}{tag}", transport.name()),
        Some(other) => return other.advice(Path::new(path)),
        None => {}
    }
    if Path::new(path).exists() || looks_local(path) {
        let found = if Path::new(path).exists() { "holds no image that this version reads" } else { "is not there" };
        return format!("{path} {found}");
    }
    match text.parse::<Name>() {
        Ok(_) => format!("there is no file {path}; for an image in a registry: docker://{text}"),
        Err(_) => format!("there is no file {path}"),
    }
}

/// For a place to write to.
pub fn destination(text: &str) -> String {
    if let Some((transport, name)) = store(text) {
        let layout = layout(name);
        let preserved = preserved(transport);
        let command = format!("skopeo copy {preserved}{layout} {}", quoted(text));
        return format!("write to {layout}, and copy it from there:\n  {command}");
    }
    if let Some(path) = text.strip_prefix("docker-archive:") {
        let layout = layout(path);
        let lost = "a docker-archive holds restrata's layers uncompressed and without an index, so an update from it costs \
                    clients the whole image: publish from the layout";
        return format!("write to {layout}, and copy it from there ({lost}):\n  skopeo copy {layout} {}", quoted(text));
    }
    if names_host(text) {
        return format!("perhaps docker://{text}");
    }
    let text = text.strip_prefix("dir:").unwrap_or(text);
    let (path, tag) = split(text);
    let transport = if path.ends_with(".tar") || Path::new(path).is_file() { "oci-archive" } else { "oci" };
    format!("perhaps {transport}:{path}{tag}")
}

/// A store, to which restrata does not write, and what it names there.
fn store(text: &str) -> Option<(&str, &str)> {
    let (transport, name) = text.split_once(':')?;
    ["containers-storage", "docker-daemon"].contains(&transport).then_some((transport, name))
}

/// True for `registry.example/app:v1` and `localhost:5000/app`, as long as there is no directory of the host's name.
fn names_host(text: &str) -> bool {
    let Some((host, _)) = text.split_once('/') else { return false };
    let is_host = host.contains(['.', ':']) && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    is_host && !Path::new(host).exists() && text.parse::<Name>().is_ok()
}

/// docker's daemon takes and gives its own format alone.
fn preserved(transport: &str) -> &'static str {
    if transport == "docker-daemon" { "" } else { PRESERVED }
}

const PRESERVED: &str = "--all --preserve-digests ";

/// A path and what follows its first colon, the colon included.
fn split(text: &str) -> (&str, String) {
    match text.split_once(':') {
        Some((path, tag)) if !Path::new(text).exists() => (path, format!(":{tag}")),
        _ => (text, String::new()),
    }
}

fn looks_local(path: &str) -> bool {
    ["/", "./", "../", "~"].iter().any(|start| path.starts_with(start)) || path.contains(".tar")
}

/// A layout named after the image: `oci:app:v1` for `registry.example/team/app:v1`.
fn layout(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name).trim_end_matches('/');
    let last = name.rsplit(['/', ']']).next().unwrap_or(name);
    let (name, tag) = last.split_once(':').unwrap_or((last, "latest"));
    let name = name.strip_suffix(".tar").unwrap_or(name);
    let word = |text: &str, other: &str| {
        let kept: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        let kept = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
        if kept.is_empty() { other.to_owned() } else { kept }
    };
    let place = format!("oci:{}:{}", word(name, "image"), word(tag, "latest"));
    // A tag may not have two separators in a row.
    match place.parse::<restrata::oci::Reference>() {
        Ok(_) => place,
        Err(_) => format!("oci:{}:latest", word(name, "image")),
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=[]~".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_ready_to_paste() {
        let copy = "skopeo copy --all --preserve-digests";
        for (text, ends) in [
            ("containers-storage:localhost/app", format!("{copy} oci:app:latest containers-storage:localhost/app")),
            ("containers-storage:a/b:v1", format!("{copy} oci:b:v1 containers-storage:a/b:v1")),
            ("containers-storage:a@sha256:00", format!("{copy} oci:a:latest containers-storage:a@sha256:00")),
            ("containers-storage:x; rm y", format!("{copy} oci:xrmy:latest 'containers-storage:x; rm y'")),
            ("docker-daemon:app:v1", "skopeo copy oci:app:v1 docker-daemon:app:v1".to_owned()),
        ] {
            let hint = destination(text);
            assert!(hint.ends_with(&format!("\n  {ends}")), "{hint}");
        }
        assert!(source("alpine:3.19").ends_with("for an image in a registry: docker://alpine:3.19"));
        assert!(
            destination("docker-archive:/tmp/app.tar")
                .ends_with("\n  skopeo copy oci:app:latest docker-archive:/tmp/app.tar")
        );
    }

    #[test]
    fn only_what_can_be_written_is_named_for_a_destination() {
        assert_eq!(destination("images:v1"), "perhaps oci:images:v1");
        assert_eq!(destination("dir:images"), "perhaps oci:images");
        assert_eq!(destination("out/app.tar:v1"), "perhaps oci-archive:out/app.tar:v1");
        for text in ["registry.example/app:v1", "localhost:5000/a/app", "[::1]:5000/app"] {
            assert_eq!(destination(text), format!("perhaps docker://{text}"));
        }
        for text in ["./images", "../a/b", ".images/a", "a/b:c"] {
            assert_eq!(destination(text), format!("perhaps oci:{text}"));
        }
    }

    #[test]
    fn what_is_not_there_is_no_image_in_a_registry() {
        assert_eq!(source("./no/such"), "./no/such is not there");
        assert_eq!(source("no-such.tar.gz"), "no-such.tar.gz is not there");
    }
}
