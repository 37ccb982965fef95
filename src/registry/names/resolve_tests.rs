use super::world::{World, basic, user};
use super::{Access, Purpose};

#[test]
fn nothing_configured() {
    let world = World::new();
    for purpose in [Purpose::Read, Purpose::Write] {
        let targets = world.try_resolve("alpine", &Access::default(), purpose).unwrap();
        assert_eq!(targets.len(), 1);
        let endpoint = &targets[0].endpoint;
        assert_eq!(
            (endpoint.host.as_str(), targets[0].repository.as_str()),
            ("registry-1.docker.io", "library/alpine")
        );
        assert_eq!((endpoint.may_be_plain_http, endpoint.tls.verify), (false, true));
        assert!(endpoint.credentials.is_none() && endpoint.tls.roots.is_empty() && endpoint.tls.client.is_none());
    }
}

#[test]
fn the_option_says_more_than_the_file() {
    let world = World::new();
    world.file(
        "etc/containers/registries.conf",
        r#"registry = [{ location = "q.io", insecure = true, mirror = [{ location = "m.io" }] }]"#,
    );
    for (option, verified) in [(None, [true, false]), (Some(true), [true, true]), (Some(false), [false, false])] {
        let access = Access { tls_verify: option, ..Access::default() };
        let targets = world.try_resolve("q.io/a", &access, Purpose::Read).unwrap();
        let found: Vec<_> = targets.iter().map(|target| target.endpoint.tls.verify).collect();
        assert_eq!(found, verified, "{option:?}");
        assert!(targets.iter().all(|target| target.endpoint.may_be_plain_http != target.endpoint.tls.verify));
    }
}

#[test]
fn a_mirror_has_its_own_credentials() {
    let world = World::new();
    world.file(
        "etc/containers/registries.conf",
        r#"registry = [{ location = "q.io", mirror = [{ location = "m.io/q" }, { location = "n.io" }] }]"#,
    );
    world
        .file("session/containers/auth.json", r#"{"auths":{"m.io/q":{"auth":"bWlycm9yOnA="},"q.io":{"auth":"cTpw"}}}"#);
    let users = |access: &Access| {
        let targets = world.try_resolve("q.io/a", access, Purpose::Read).unwrap();
        targets.into_iter().map(user).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(users(&Access::default()), [text("mirror:p"), None, text("q:p")]);
    let access = Access { credentials: Some(basic("given", "g")), ..Access::default() };
    assert_eq!(users(&access), [text("mirror:p"), None, text("given:g")]);
}

#[test]
fn certificates_are_those_of_each_place() {
    let world = World::new();
    world.file(
        "etc/containers/registries.conf",
        r#"registry = [{ location = "q.io", mirror = [{ location = "m.io" }] }]"#,
    );
    world.file("etc/containers/certs.d/m.io/ca.crt", "m");
    let roots: Vec<_> = world.read("q.io/a").into_iter().map(|target| target.endpoint.tls.roots.len()).collect();
    assert_eq!(roots, [1, 0]);
}
