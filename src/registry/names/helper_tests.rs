use std::time::Duration;

use super::helper::{self, PATIENCE, ask};
use super::world::{World, basic};
use crate::registry::endpoint::{Credentials, Secret};

fn answer(script: &str) -> Result<Option<Credentials>, String> {
    let world = World::new();
    world.helper("x", script);
    ask("x", "q.io", &world.environment, PATIENCE).map_err(|error| error.to_string())
}

#[test]
fn a_helper_is_asked_for_the_host() {
    let script = r#"[ "$*" = get ] && printf '{"ServerURL":"x","Username":"u","Secret":"at %s"}' "$(cat)""#;
    assert_eq!(answer(script), Ok(Some(basic("u", "at q.io"))));
    let token = Credentials::IdentityToken(Secret::new("t".to_owned()));
    assert_eq!(answer(r#"echo '{"Username":"<token>","Secret":"t"}'"#), Ok(Some(token)));
    assert_eq!(answer(r#"exec <&-; echo '{"Username":"","Secret":""}'"#), Ok(None));
    assert_eq!(answer("echo credentials not found in native keychain; exit 1"), Ok(None));
}

#[test]
fn failures_show_nothing_of_the_answer() {
    for (script, says) in [
        ("echo hunter2; echo hunter2 >&2; exit 3", "failed with exit status: 3; see what `echo q.io |"),
        ("kill -9 $$", "failed with signal: 9"),
        ("echo hunter2", "expected JSON with Username and Secret"),
        ("echo '{\"Username\":[\"hunter2\"]}'", "expected JSON with Username and Secret"),
        ("printf '\\377'", "expected JSON"),
        ("exit 0", "expected JSON"),
        ("exec cat /dev/zero", "expected at most 262144 bytes"),
    ] {
        let error = answer(script).unwrap_err();
        assert!(error.contains(says) && error.contains("docker-credential-x"), "{script}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_helper_that_hangs_is_left() {
    let world = World::new();
    // The second leaves a process behind that keeps the pipe open.
    for script in ["exec sleep 100", "sleep 3 & exit 0", "exec >&-; exec sleep 100"] {
        world.helper("x", script);
        let error = ask("x", "q.io", &world.environment, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, helper::HelperError::Slow { .. }), "{script}: {error}");
    }
}

#[test]
fn names_are_no_paths() {
    let world = World::new();
    for name in ["", "../x", "a/b", "a b", "a\n", "\u{fc}", &"a".repeat(101)] {
        let error = ask(name, "q.io", &world.environment, PATIENCE).unwrap_err().to_string();
        assert_eq!(
            error,
            "expected the name of a credential helper, of letters, digits, - _ and ., found something else"
        );
    }
    let error = ask("none", "q.io", &world.environment, PATIENCE).unwrap_err().to_string();
    assert!(error.contains("docker-credential-none: expected the credential helper in PATH"), "{error}");
}

#[test]
fn programs_of_the_working_directory_are_not_run() {
    let mut world = World::new();
    world.environment.programs = ":.:bin".into();
    assert!(matches!(ask("x", "q.io", &world.environment, PATIENCE), Err(helper::HelperError::Missing { .. })));
    world.environment.programs = world.path("bin").into();
    world.file("bin/docker-credential-x", "not executable");
    assert!(matches!(ask("x", "q.io", &world.environment, PATIENCE), Err(helper::HelperError::Missing { .. })));
}

#[test]
fn files_name_helpers() {
    let world = World::new();
    world.helper("one", "printf '{\"Username\":\"one\",\"Secret\":\"%s\"}' \"$(cat)\"");
    world.helper("all", "printf '{\"Username\":\"all\",\"Secret\":\"%s\"}' \"$(cat)\"");
    let config = "home/.docker/config.json";
    world.file(config, r#"{"credHelpers":{"q.io":"one"},"credsStore":"all"}"#);
    assert_eq!(world.user("q.io/a").as_deref(), Some("one:q.io"));
    assert_eq!(world.user("r.io/a").as_deref(), Some("all:r.io"));
    assert_eq!(world.user("alpine").as_deref(), Some("all:https://index.docker.io/v1/"));
    world.file("home/.dockercfg", r#"{"r.io":{"auth":"b2xkOnA="}}"#);
    assert_eq!(world.user("r.io/a").as_deref(), Some("old:p"), "a file that podman reads is before a helper for all");
    std::fs::remove_file(world.path("home/.dockercfg")).unwrap();
    world.file(config, r#"{"credHelpers":{"q.io":"none"},"credsStore":"desktop"}"#);
    assert!(
        world.error("q.io/a").contains("config.json\": docker-credential-none: expected"),
        "one that is named for q.io"
    );
    assert_eq!(world.user("r.io/a"), None, "one for all that is not installed");
    world.helper("desktop", "exit 1");
    assert!(world.error("r.io/a").contains("config.json\": docker-credential-desktop: the credential helper failed"));
}

#[test]
fn registries_conf_names_helpers() {
    let world = World::new();
    world.helper("global", "printf '{\"Username\":\"global\",\"Secret\":\"%s\"}' \"$(cat)\"");
    world.helper("fails", "exit 1");
    world.helper("empty", "echo credentials not found; exit 1");
    world.file("session/containers/auth.json", r#"{"auths":{"q.io":{"auth":"ZmlsZTpw"}}}"#);
    for (helpers, place, user) in [
        (r#"["global", "containers-auth.json"]"#, "q.io/ns/a", Some("global:q.io")),
        (r#"["containers-auth.json", "global"]"#, "q.io/a", Some("file:p")),
        (r#"["containers-auth.json", "global"]"#, "r.io/a", Some("global:r.io")),
        (r#"["fails", "empty", "containers-auth.json"]"#, "q.io/a", Some("file:p")),
        (r#"["empty"]"#, "q.io/a", None),
        ("[]", "q.io/a", Some("file:p")),
    ] {
        world.file("etc/containers/registries.conf", format!("credential-helpers = {helpers}"));
        assert_eq!(world.user(place).as_deref(), user, "{helpers} {place}");
    }
    world.file("etc/containers/registries.conf", "credential-helpers = [\"fails\", \"empty\"]");
    assert!(world.error("q.io/a").contains("credential-helpers of registries.conf: docker-credential-fails"));
}
