//! A password that stands in every place where one can stand is in no output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::auth_file::{AuthFile, Format};
use super::world::World;
use super::{Access, Name, Purpose, resolve};
use crate::registry::endpoint::Credentials;

const SECRET: &str = "hunter2";

fn hides(shown: &str, what: &str) {
    let encoded = STANDARD.encode(format!("user:{SECRET}"));
    assert!(!shown.is_empty() && !shown.contains(SECRET) && !shown.contains(&encoded), "{what}: {shown}");
}

/// The result of a look-up as programs can show it.
fn shown(world: &World, access: &Access) -> String {
    let name: Name = "q.io/a".parse().unwrap();
    let mut text = format!("{access:?} {:?}", world.environment);
    for purpose in [Purpose::Read, Purpose::Write] {
        text += &match resolve(&name, access, &world.environment, purpose) {
            Ok(targets) => format!("{targets:?} {targets:#?}"),
            Err(error) => {
                let source = std::error::Error::source(&error).map(|source| format!("{source} {source:?}"));
                format!("{error} {error:?} {error:#?} {source:?}")
            }
        };
    }
    text
}

#[test]
fn options() {
    let credentials: Credentials = format!("user:{SECRET}").parse().unwrap();
    let access = Access { credentials: Some(credentials.clone()), ..Access::default() };
    let text = shown(&World::new(), &access);
    hides(&text, "options");
    assert!(text.contains("(secret)"));
    let error = format!(":{SECRET}").parse::<Credentials>().unwrap_err();
    hides(&format!("{error} {error:?}"), "no user");
    for wrong in [format!("user:{SECRET}@q.io/a"), format!("https://user:{SECRET}@q.io/a"), format!("{SECRET}@q.io")] {
        let error = wrong.parse::<Name>().unwrap_err();
        hides(&format!("{error} {error:?}"), &wrong);
    }
}

/// Whole, cut at each byte, and with each byte damaged: what is read and what is refused.
#[test]
fn password_files() {
    let auth = STANDARD.encode(format!("user:{SECRET}"));
    let files = [
        format!(r#"{{"auths":{{"q.io":{{"auth":"{auth}"}}}}}}"#),
        format!(r#"{{"auths":{{"q.io":{{"identitytoken":"{SECRET}"}}}}}}"#),
        format!(r#"{{"auths":{{"q.io":{{"auth":"{SECRET}"}}}}}}"#),
        format!(r#"{{"auths":{{"q.io":"{SECRET}"}}}}"#),
        format!(r#"{{"auths":{{"{SECRET}":{{}},"{SECRET}":{{}}}}}}"#),
        format!(r#"{{"{SECRET}":{SECRET}}}"#),
        format!(r#"{{"auths":{{"q.io":{{"auth":"{}"}}}}}}"#, STANDARD.encode(SECRET)),
    ];
    for file in &files {
        let mut variants: Vec<Vec<u8>> = (0..=file.len()).map(|len| file.as_bytes()[..len].to_vec()).collect();
        for at in 0..file.len() {
            for byte in *b"\"{}x\\\xff" {
                let mut damaged = file.clone().into_bytes();
                damaged[at] = byte;
                variants.push(damaged);
            }
        }
        for bytes in variants {
            let text = match AuthFile::parse(&bytes, Format::Current) {
                Ok(file) => format!("{file:?} {:?}", file.find("q.io/a")),
                Err(fault) => format!("{fault} {fault:?}"),
            };
            hides(&text, "a file");
        }
        let world = World::new();
        world.file("session/containers/auth.json", file);
        hides(&shown(&world, &Access::default()), file);
        let named = Access { authfile: Some(world.file("named", file)), ..Access::default() };
        hides(&shown(&world, &named), file);
    }
}

#[test]
fn helpers() {
    for script in [
        format!("echo '{{\"Username\":\"user\",\"Secret\":\"{SECRET}\"}}'"),
        format!("echo '{{\"Username\":\"<token>\",\"Secret\":\"{SECRET}\"}}'"),
        format!("echo '{{\"Username\":\"user\",\"Secret\":[\"{SECRET}\"]}}'"),
        format!("echo {SECRET}; echo {SECRET} >&2; exit 1"),
    ] {
        let world = World::new();
        world.helper("x", &script);
        world.file("session/containers/auth.json", r#"{"credHelpers":{"q.io":"x"}}"#);
        hides(&shown(&world, &Access::default()), &script);
    }
}

#[test]
fn keys() {
    let world = World::new();
    world.file("etc/containers/certs.d/q.io/c.key", SECRET);
    hides(&shown(&world, &Access::default()), "a key alone");
    world.file("etc/containers/certs.d/q.io/c.cert", "certificate");
    let text = shown(&world, &Access::default());
    hides(&text, "a pair");
    assert!(text.contains("key: (secret)"));
    // As bytes, in which Debug shows a certificate.
    assert!(!text.contains(&format!("{:?}", SECRET.as_bytes())));
}

#[test]
fn settings() {
    for conf in [
        format!("registry = [{{ prefix = \"q.io\", location = \"user:{SECRET}@r.io\" }}]"),
        format!("registry = [{{ location = \"https://user:{SECRET}@r.io\" }}]"),
    ] {
        let world = World::new();
        world.file("etc/containers/registries.conf", &conf);
        let name: Name = "q.io/a".parse().unwrap();
        let error = resolve(&name, &Access::default(), &world.environment, Purpose::Read).unwrap_err();
        hides(&format!("{error} {error:?}"), &conf);
    }
}
