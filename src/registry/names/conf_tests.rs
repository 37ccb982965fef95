use super::conf::Conf;
use super::world::World;
use super::{Access, Purpose};

fn fault(text: &str) -> String {
    Conf::parse(text.as_bytes(), false).expect_err(text).to_string()
}

/// Places to read from, `!` behind those without verification.
fn places(world: &World, name: &str) -> Vec<String> {
    let place = |target: super::Target| {
        let insecure = if target.endpoint.may_be_plain_http { "!" } else { "" };
        assert_eq!(target.endpoint.tls.verify, !target.endpoint.may_be_plain_http);
        format!("{}/{}{insecure}", target.endpoint.host, target.repository)
    };
    world.read(name).into_iter().map(place).collect()
}

fn with(conf: &str) -> World {
    let world = World::new();
    world.file("etc/containers/registries.conf", conf);
    world
}

#[test]
fn the_longest_prefix_counts() {
    let world = with(
        r#"
        unqualified-search-registries = ["docker.io"]
        short-name-mode = "enforcing"
        unknown = { a = 1 }
        [aliases]
        x = "y.io/x"
        [[registry]]
        location = "q.io"
        insecure = true
        [[registry]]
        prefix = "q.io/ns"
        location = "r.io/moved/"
        [[registry]]
        prefix = "*.example.com"
        location = "e.io/all"
        [[registry]]
        prefix = "*.b.example.com"
        insecure = true
        "#,
    );
    for (name, place) in [
        ("q.io/a", "q.io/a!"),
        ("q.io/nsx/a", "q.io/nsx/a!"),
        ("q.io/ns", "r.io/moved"),
        ("q.io/ns/a/b", "r.io/moved/a/b"),
        ("q.io:5000/a", "q.io:5000/a!"),
        ("sub.q.io/a", "sub.q.io/a"),
        ("q.iox/a", "q.iox/a"),
        ("a.example.com/x", "e.io/all/x"),
        ("c.a.example.com/x", "e.io/all/x"),
        ("a.b.example.com/x", "a.b.example.com/x!"),
        ("example.com/x", "example.com/x"),
        ("a.example.community/x", "a.example.community/x"),
        ("f.io/a.example.com/x", "f.io/a.example.com/x"),
        ("alpine", "registry-1.docker.io/library/alpine"),
    ] {
        assert_eq!(places(&world, name), [place], "{name}");
    }
}

#[test]
fn mirrors_come_first() {
    let digest = format!("q.io/a@sha256:{}", "ab".repeat(32));
    let world = with(
        r#"
        [[registry]]
        location = "q.io"
        [[registry.mirror]]
        location = "all.io/q"
        [[registry.mirror]]
        location = "explicit.io"
        pull-from-mirror = "all"
        insecure = true
        [[registry.mirror]]
        location = "digests.io"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "tags.io"
        pull-from-mirror = "tag-only"
        "#,
    );
    assert_eq!(places(&world, "q.io/a:1"), ["all.io/q/a", "explicit.io/a!", "tags.io/a", "q.io/a"]);
    assert_eq!(places(&world, &digest), ["all.io/q/a", "explicit.io/a!", "digests.io/a", "q.io/a"]);

    let world =
        with(r#"registry = [{ location = "q.io", mirror-by-digest-only = true, mirror = [{ location = "m.io" }] }]"#);
    assert_eq!(places(&world, "q.io/a"), ["q.io/a"]);
    assert_eq!(places(&world, &digest), ["m.io/a", "q.io/a"]);
}

#[test]
fn mirrors_and_other_places_are_for_reading() {
    let world = with(
        r#"registry = [{ prefix = "q.io", location = "r.io/q", insecure = true, mirror = [{ location = "m.io" }] }]"#,
    );
    assert_eq!(places(&world, "q.io/a"), ["m.io/a", "r.io/q/a!"]);
    let written = world.try_resolve("q.io/a", &Access::default(), Purpose::Write).unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!((written[0].endpoint.host.as_str(), written[0].repository.as_str()), ("q.io", "a"));
    assert!(!written[0].endpoint.tls.verify);
}

#[test]
fn blocked_places_are_not_asked() {
    let world = with(
        r#"
        registry = [
            { location = "q.io", blocked = true },
            { prefix = "q.io/open", location = "r.io" },
            { location = "m.io", blocked = true },
            { location = "s.io", mirror = [{ location = "m.io" }] },
            { location = "t.io", blocked = true, mirror = [{ location = "n.io" }] },
        ]
        "#,
    );
    assert!(world.error("q.io/a:1").contains("q.io/a:1: registries.conf blocks \"q.io\""));
    assert_eq!(places(&world, "q.io/open/a"), ["r.io/a"]);
    assert_eq!(places(&world, "s.io/a"), ["s.io/a"]);
    assert_eq!(places(&world, "t.io/a"), ["n.io/a"]);
    let write = |name| world.try_resolve(name, &Access::default(), Purpose::Write);
    assert!(write("t.io/a").unwrap_err().contains("blocks"));
    assert!(write("q.io/open/a").is_ok());
}

#[test]
fn a_place_must_be_a_name() {
    for location in ["mirror", "docker.io", "Q.io/A", "q..io", "q.io/a b", "user:hunter2@q.io"] {
        let world = with(&format!("registry = [{{ prefix = \"x.io\", location = \"{location}\" }}]"));
        let error = world.error("x.io/a");
        assert!(error.contains("expected HOST[:PORT]/REPOSITORY from registries.conf"), "{error}");
        assert!(error.contains("by the prefix \"x.io\"") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn files_in_their_order() {
    let mut world = World::new();
    let conf = |location: &str| format!("registry = [{{ prefix = \"q.io\", location = \"{location}\" }}]");
    assert_eq!(places(&world, "q.io/a"), ["q.io/a"]);
    for (path, location) in [
        ("etc/containers/registries.conf", "main.io"),
        ("etc/containers/registries.conf.d/10.conf", "ten.io"),
        ("etc/containers/registries.conf.d/20.conf", "twenty.io"),
        ("home/.config/containers/registries.conf.d/00.conf", "user.io"),
    ] {
        world.file(path, conf(location));
        assert_eq!(places(&world, "q.io/a"), [format!("{location}/a")], "{path}");
    }
    world.file("etc/containers/registries.conf.d/99.conf.bak", "[");
    std::fs::create_dir(world.path("etc/containers/registries.conf.d/99.conf")).unwrap();
    world.file("etc/containers/registries.conf.d/30.conf", "[[registry]]\nlocation = \"other.io\"\ninsecure = true");
    assert_eq!(places(&world, "q.io/a"), ["user.io/a"], "others keep what they said");
    assert_eq!(places(&world, "other.io/a"), ["other.io/a!"]);

    world.file("home/.config/containers/registries.conf", "");
    std::fs::remove_file(world.path("home/.config/containers/registries.conf.d/00.conf")).unwrap();
    assert_eq!(places(&world, "q.io/a"), ["q.io/a"], "the user's file is instead of the system's");
    assert_eq!(places(&world, "other.io/a"), ["other.io/a"]);

    world.environment.registries_conf = Some(world.file("named.conf", conf("named.io")));
    assert_eq!(places(&world, "other.io/a"), ["other.io/a!"]);
    assert_eq!(places(&world, "q.io/a"), ["twenty.io/a"]);
    world.environment.registries_conf = Some(world.path("none.conf"));
    assert!(world.error("q.io/a").contains("none.conf\": expected the registries.conf that the environment names"));
}

#[test]
fn the_old_form() {
    let old = "[registries.search]\nregistries = [\"s.io\"]\n[registries.insecure]\nregistries = [\"q.io\"]\n\
               [registries.block]\nregistries = [\"b.io\", \"q.io/b/\"]";
    let world = with(old);
    assert_eq!(places(&world, "q.io/a"), ["q.io/a!"]);
    assert_eq!(places(&world, "s.io/a"), ["s.io/a"]);
    assert!(world.error("b.io/a").contains("blocks") && world.error("q.io/b/a").contains("blocks"));
    assert!(fault(&format!("unqualified-search-registries = []\n{old}")).contains("found both"));
    assert!(Conf::parse(old.as_bytes(), true).unwrap_err().to_string().contains("only the main file"));
    assert_eq!(Conf::parse(b"[registries]", true).unwrap(), Conf::default());
}

#[test]
fn damaged_files() {
    for (text, says) in [
        ("a = 1\nregistry = [", "line 2: expected TOML"),
        ("registry = 1", "line 1: expected TOML"),
        ("[[registry]]\nlocation = \"q.io\"\ninsecure = \"yes\"", "line 3: expected TOML"),
        ("a = 1\na = 2", "expected TOML"),
        ("[[registry]]\ninsecure = true", "one without both"),
        ("[[registry]]\nprefix = \"q.io\"", "\"q.io\": expected a location"),
        ("[[registry]]\nlocation = \"https://u:hunter2@q.io\"", "\"q.io\": expected a location without http"),
        ("[[registry]]\nprefix = \"http://q.io\"\nlocation = \"q.io\"", "without http://"),
        ("[[registry]]\nprefix = \"*.q.io/a\"", "expected *.DOMAIN"),
        ("[[registry]]\nprefix = \"*.q.io:1\"\nlocation = \"r.io\"", "expected *.DOMAIN"),
        ("[[registry]]\nlocation = \"q.io\"\npull-from-mirror = \"all\"", "pull-from-mirror in mirrors only"),
        ("[[registry]]\nlocation = \"q.io\"\n[[registry.mirror]]", "a location in each mirror"),
        (
            "registry = [{location = \"q.io\", mirror = [{location = \"m.io\", pull-from-mirror = \"x\"}]}]",
            "found \"x\"",
        ),
        (
            "registry = [{location = \"q.io\", mirror-by-digest-only = true, mirror = [{location = \"m.io\", \
             pull-from-mirror = \"all\"}]}]",
            "found both",
        ),
        (
            "registry = [{location = \"q.io\"}, {prefix = \"a.io\", location = \"q.io\", insecure = true}]",
            "\"insecure\"",
        ),
        ("registry = [{location = \"q.io\"}, {prefix = \"a.io\", location = \"q.io\", blocked = true}]", "\"blocked\""),
    ] {
        let fault = fault(text);
        assert!(fault.contains(says) && !fault.contains("hunter2"), "{text}: {fault}");
    }
    assert_eq!(Conf::parse(b"\xff", false).unwrap_err().to_string(), "expected UTF-8, found something else");
    // Of two with one prefix the first counts.
    let twice = with("registry = [{prefix = \"q.io\", location = \"a.io\"}, {prefix = \"q.io\", location = \"b.io\"}]");
    assert_eq!(places(&twice, "q.io/a"), ["a.io/a"]);
}

#[test]
fn hostile_files() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("[[{}a]]", "a.".repeat(100_000)),
        format!("a = \"{}", "\u{7}".repeat(100_000)),
    ] {
        let fault = fault(&text);
        assert!(fault.len() < 1000 && fault.contains("expected TOML") && !fault.contains('\u{7}'), "{fault}");
    }
    let world = with(&" ".repeat(3 << 20));
    assert!(world.error("q.io/a").contains("registries.conf\": expected at most 2,097,152 bytes"));
    let world = World::new();
    for n in 0..1025 {
        world.file(&format!("etc/containers/registries.conf.d/{n}"), "");
    }
    assert!(world.error("q.io/a").contains("registries.conf.d\": expected at most 1024 entries"));
}
