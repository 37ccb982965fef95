use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::auth_file::{AuthFile, Format, Found};
use super::world::{World, basic};
use super::{Access, Purpose};
use crate::registry::endpoint::{Credentials, Secret};

fn auths(entries: &[(&str, &str)]) -> String {
    let entry = |(key, user): &(&str, &str)| format!("\"{key}\":{{\"auth\":\"{}\"}}", STANDARD.encode(user));
    let entries: Vec<_> = entries.iter().map(entry).collect();
    format!("{{\"auths\":{{{}}}}}", entries.join(","))
}

fn find(text: &str, place: &str) -> Result<Found, String> {
    let file = AuthFile::parse(text.as_bytes(), Format::Current).map_err(|fault| fault.to_string())?;
    file.find(place).map_err(|fault| fault.to_string())
}

fn found(user: &str, password: &str) -> Result<Found, String> {
    Ok(Found::Credentials(basic(user, password)))
}

#[test]
fn the_longest_key_counts() {
    let text = auths(&[("q.io", "host:1"), ("q.io/a", "a:2"), ("q.io/a/b", "ab:3"), ("q.io:5000", "port:4")]);
    for (place, user, password) in [
        ("q.io/a/b", "ab", "3"),
        ("q.io/a/b/c", "ab", "3"),
        ("q.io/a/bc", "a", "2"),
        ("q.io/x", "host", "1"),
        ("q.io:5000/a/b", "port", "4"),
    ] {
        assert_eq!(find(&text, place), found(user, password), "{place}");
    }
    assert_eq!(find(&text, "quay.q.io/a"), Ok(Found::Nothing));
}

#[test]
fn keys_as_docker_writes_them() {
    for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "http://registry-1.docker.io/v2"] {
        assert_eq!(find(&auths(&[(key, "u:p")]), "docker.io/library/alpine"), found("u", "p"), "{key}");
        assert_eq!(find(&auths(&[(key, "u:p")]), "q.io/alpine"), Ok(Found::Nothing));
    }
    let both = auths(&[("https://index.docker.io/v1/", "hub:1"), ("docker.io/library", "longer:2")]);
    assert_eq!(find(&both, "docker.io/library/alpine"), found("longer", "2"));
    assert_eq!(find(&both, "docker.io/user/app"), found("hub", "1"));
    assert_eq!(find(&auths(&[("https://q.io/v1/", "u:p")]), "q.io/a"), found("u", "p"));
    // Without https:// it is a repository.
    assert_eq!(find(&auths(&[("q.io/v1", "u:p")]), "q.io/a"), Ok(Found::Nothing));
}

#[test]
fn entries_of_every_kind() {
    let entry = |entry: &str| find(&format!("{{\"auths\":{{\"q.io\":{entry}}}}}"), "q.io/a");
    let auth = |text: &str| entry(&format!("{{\"auth\":\"{}\"}}", STANDARD.encode(text)));
    assert_eq!(auth("u:"), found("u", ""));
    assert_eq!(auth("u:a:b"), found("u", "a:b"));
    assert_eq!(auth("u:p\0\0"), found("u", "p"));
    assert_eq!(auth(":"), Ok(Found::Nothing));
    for empty in ["{}", "null", "{\"auth\":\"\"}", "{\"auth\":null}", "{\"email\":\"a@b\"}"] {
        assert_eq!(entry(empty), Ok(Found::Nothing), "{empty}");
    }
    let token = Ok(Found::Credentials(Credentials::IdentityToken(Secret::new("t".to_owned()))));
    assert_eq!(entry("{\"identitytoken\":\"t\"}"), token);
    let user = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
    assert_eq!(entry(&format!("{{\"auth\":\"{user}\",\"identitytoken\":\"t\"}}")), token);
    for damaged in ["{\"auth\":\"%\"}", "{\"auth\":\"YQ==\"}", "{\"auth\":\"YTr/\"}", "{\"auth\":\"YTpi\\u0000\"}"] {
        assert!(entry(damaged).unwrap_err().contains("log in again"), "{damaged}");
    }
    // What does not count is not read.
    assert_eq!(find("{\"auths\":{\"q.io\":{\"auth\":\"%\"}}}", "r.io/a"), Ok(Found::Nothing));
}

#[test]
fn helpers_of_a_file() {
    let helper = |name: &str, server: &str| Ok(Found::Helper { name: name.to_owned(), server: server.to_owned() });
    let store = |name: &str, server: &str| Ok(Found::Store { name: name.to_owned(), server: server.to_owned() });
    let text = auths(&[("q.io", "u:p"), ("r.io", "u:p")]);
    let text = text.trim_end_matches('}').to_owned()
        + "},\"s.io\":{}},\"credHelpers\":{\"q.io\":\"h\",\"q.io/ns\":\"no\",\"docker.io\":\"hub\"},\"credsStore\":\"all\"}";
    assert_eq!(find(&text, "q.io/ns/a"), helper("h", "q.io"));
    assert_eq!(find(&text, "docker.io/library/a"), helper("hub", "docker.io"));
    assert_eq!(find(&text, "r.io/a"), found("u", "p"));
    assert_eq!(find(&text, "s.io/a"), store("all", "s.io"));
    assert_eq!(find(&text, "t.io:5/a"), store("all", "t.io:5"));
    let only = "{\"credsStore\":\"all\",\"credHelpers\":null,\"auths\":null}";
    assert_eq!(find(only, "docker.io/a/b"), store("all", "https://index.docker.io/v1/"));
    assert_eq!(find("{\"credsStore\":\"\"}", "q.io/a"), Ok(Found::Nothing));
    for key in ["https://index.docker.io/v1/", "index.docker.io"] {
        let text = format!("{{\"credHelpers\":{{\"{key}\":\"h\"}}}}");
        assert_eq!(find(&text, "docker.io/library/a"), helper("h", key));
    }
}

#[test]
fn the_old_file_has_hosts_only() {
    let text = auths(&[("https://q.io/v1/", "u:p"), ("r.io/a", "longer:p"), ("s.io", "s:p")]);
    let text = text.strip_prefix("{\"auths\":").unwrap().strip_suffix('}').unwrap();
    let file = AuthFile::parse(text.as_bytes(), Format::Old).unwrap();
    assert_eq!(file.find("q.io/a").unwrap(), Found::Credentials(basic("u", "p")));
    assert_eq!(file.find("r.io/b").unwrap(), Found::Credentials(basic("longer", "p")));
    assert_eq!(file.find("s.io/a").unwrap(), Found::Credentials(basic("s", "p")));
    assert_eq!(file.find("t.io/a").unwrap(), Found::Nothing);
}

#[test]
fn damaged_files() {
    for (text, says) in [
        ("", "expected JSON, found something else at line 1"),
        ("{\n\"auths\":{\"q.io\":", "at line 2, column"),
        ("{} x", "expected JSON"),
        ("[]", "expected an object for the document"),
        ("{\"auths\":[]}", "expected an object for auths"),
        ("{\"auths\":{\"q.io\":\"x\"}}", "expected an object for an entry of auths"),
        ("{\"auths\":{\"q.io\":{\"auth\":1}}}", "expected a text for auth"),
        ("{\"auths\":{\"q.io\":{\"identitytoken\":[]}}}", "expected a text for identitytoken"),
        ("{\"credHelpers\":{\"q.io\":{}}}", "expected a text for an entry of credHelpers"),
        ("{\"credsStore\":1}", "expected a text for credsStore"),
        ("{\"auths\":{},\"auths\":{}}", "expected each key once"),
        ("{\"auths\":{\"q.io\":{},\"q.io\":{}}}", "expected each key once"),
        ("{\"Auths\":{}}", "in its known case"),
        ("{\"auths\":{\"q.io\":{\"AUTH\":\"\"}}}", "in its known case"),
        (&"[".repeat(100_000), "expected JSON"),
        (&"{\"auths\":".repeat(100_000), "expected JSON"),
    ] {
        let error = find(text, "q.io/a").expect_err(text);
        assert!(error.contains(says), "{text:.100}: {error}");
    }
}

#[test]
fn files_in_their_order() {
    let mut world = World::new();
    let old = "{\"q.io\":{\"auth\":\"b2xkOnA=\"}}";
    assert_eq!(world.user("q.io/a"), None);
    // Each is before those that are there already.
    for (path, text, user) in [
        ("home/.dockercfg", old.to_owned(), "old:p"),
        ("home/.docker/config.json", auths(&[("q.io", "docker:p")]), "docker:p"),
        ("home/.config/containers/auth.json", auths(&[("q.io", "config:p")]), "config:p"),
        ("session/containers/auth.json", auths(&[("q.io", "session:p")]), "session:p"),
    ] {
        world.file(path, text);
        assert_eq!(world.user("q.io/a").as_deref(), Some(user), "{path}");
    }
    assert_eq!(world.user("r.io/a"), None);
    world.file("home/.docker/config.json", auths(&[("r.io", "docker:p")]));
    assert_eq!(
        world.user("r.io/a").as_deref(),
        Some("docker:p"),
        "the search goes on behind files that do not know it"
    );
    world.file("session/containers/auth.json", "{\"auths\":{\"r.io\":{}}}");
    assert_eq!(world.user("r.io/a").as_deref(), Some("docker:p"), "an empty entry says nothing");

    world.environment.docker_config = Some(world.path("elsewhere"));
    assert_eq!(world.user("r.io/a"), None);
    world.file("elsewhere/config.json", auths(&[("r.io", "moved:p")]));
    assert_eq!(world.user("r.io/a").as_deref(), Some("moved:p"));

    world.environment.config_home = Some(world.path("configs"));
    world.environment.runtime_dir = None;
    world.file("configs/containers/auth.json", auths(&[("q.io", "moved config:p")]));
    assert_eq!(world.user("q.io/a").as_deref(), Some("moved config:p"));
    world.file("run/containers/1000/auth.json", auths(&[("q.io", "run:p")]));
    assert_eq!(world.user("q.io/a").as_deref(), Some("run:p"));

    world.environment.auth_file = Some(world.file("named", auths(&[("q.io", "variable:p")])));
    assert_eq!(world.user("q.io/a").as_deref(), Some("variable:p"));
    assert_eq!(world.user("r.io/a"), None, "a file that is named counts alone");
}

#[test]
fn options_come_first() {
    let mut world = World::new();
    world.environment.auth_file = Some(world.file("variable", auths(&[("q.io", "variable:p")])));
    let user = |access: &Access| {
        let targets = world.try_resolve("q.io/a", access, Purpose::Write).unwrap();
        targets.into_iter().next().and_then(super::world::user)
    };
    let file = Access { authfile: Some(world.file("option", auths(&[("q.io", "option:p")]))), ..Access::default() };
    assert_eq!(user(&file).as_deref(), Some("option:p"));
    assert_eq!(user(&Access { credentials: Some(basic("creds", "")), ..file }).as_deref(), Some("creds:"));
    let missing = Access { authfile: Some(PathBuf::from("/none/auth.json")), ..Access::default() };
    let error = world.try_resolve("q.io/a", &missing, Purpose::Read).unwrap_err();
    assert!(error.contains("\"/none/auth.json\": expected the file with credentials that was named"), "{error}");
}

#[test]
fn creds_as_users_give_them() {
    for (text, user, password) in [("u", "u", ""), ("u:", "u", ""), ("u:p", "u", "p"), ("u:a:b", "u", "a:b")] {
        assert_eq!(text.parse::<Credentials>().unwrap(), basic(user, password));
    }
    assert_eq!("".parse::<Credentials>().unwrap_err().to_string(), "expected USER[:PASSWORD], found nothing");
    let no_user = ":hunter2".parse::<Credentials>().unwrap_err().to_string();
    assert_eq!(no_user, "expected USER[:PASSWORD], found no user before the colon");
}

#[test]
fn hostile_files_are_named() {
    let world = World::new();
    let path = "home/.docker/config.json";
    world.file(path, "{\"auths\":");
    assert!(world.error("q.io/a").contains("home/.docker/config.json\": expected JSON"));
    world.file(path, vec![b' '; 3 << 20]);
    assert!(world.error("q.io/a").contains("config.json\": expected at most 2,097,152 bytes"));
    std::fs::remove_file(world.path(path)).unwrap();
    mknodat(CWD, world.path(path), FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(world.error("q.io/a").contains("config.json\": expected a regular file"));
}
