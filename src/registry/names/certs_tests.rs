use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::world::World;
use super::{Access, Purpose};

fn roots(world: &World, name: &str) -> Vec<String> {
    let tls = world.read(name).remove(0).endpoint.tls;
    tls.roots.into_iter().map(|root| String::from_utf8(root).unwrap()).collect()
}

#[test]
fn the_first_directory_counts() {
    let world = World::new();
    for (dir, root) in [
        ("etc/docker/certs.d", "docker"),
        ("etc/containers/certs.d", "containers"),
        ("home/.config/containers/certs.d", "home"),
    ] {
        world.file(&format!("{dir}/q.io:5000/ca.crt"), root);
        world.file(&format!("{dir}/docker.io/ca.crt"), root);
        assert_eq!(roots(&world, "q.io:5000/a"), [root]);
        assert_eq!(roots(&world, "alpine"), [root], "by the host's name for users");
    }
    for name in ["q.io/a", "q.io:443/a", "registry-1.docker.io/a"] {
        assert!(roots(&world, name).is_empty(), "{name}");
    }
}

#[test]
fn files_by_their_ends() {
    let world = World::new();
    for name in ["b.crt", "a.crt", "b.cert", "b.key", "a.cert", "a.key", "readme", "x.pem"] {
        world.file(&format!("etc/containers/certs.d/q.io/{name}"), name);
    }
    let tls = world.read("q.io/a").remove(0).endpoint.tls;
    assert_eq!(tls.roots, [b"a.crt", b"b.crt"]);
    let client = tls.client.unwrap();
    assert_eq!((client.certificate.as_slice(), client.key.expose()), (&b"a.cert"[..], "a.key"));
}

#[test]
fn one_without_the_other_is_an_error() {
    for (name, says) in [
        ("c.cert", "c.cert\": expected a key \"c.key\""),
        ("c.key", "c.key\": expected a client certificate \"c.cert\""),
    ] {
        let world = World::new();
        world.file(&format!("etc/containers/certs.d/q.io/{name}"), "hunter2");
        let error = world.error("q.io/a");
        assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
    }
    let world = World::new();
    world.file("etc/containers/certs.d/q.io/c.cert", "");
    world.file("etc/containers/certs.d/q.io/c.key", b"\xff");
    assert!(world.error("q.io/a").contains("c.key\": expected a key in PEM"));
}

#[test]
fn the_option_names_the_directory_itself() {
    let world = World::new();
    world.file("etc/containers/certs.d/q.io/ca.crt", "system");
    world.file("certs/ca.crt", "option");
    let tls = |dir: PathBuf| {
        let access = Access { cert_dir: Some(dir), ..Access::default() };
        world.try_resolve("q.io/a", &access, Purpose::Write).map(|mut targets| targets.remove(0).endpoint.tls)
    };
    assert_eq!(tls(world.path("certs")).unwrap().roots, [b"option"]);
    assert!(tls(world.path("none")).unwrap_err().contains("none\": expected the directory with certificates"));
}

#[test]
fn hostile_files_are_named() {
    let world = World::new();
    let path = world.file("etc/containers/certs.d/q.io/ca.crt", vec![b'-'; 3 << 20]);
    assert!(world.error("q.io/a").contains("ca.crt\": expected at most"));
    std::fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(world.error("q.io/a").contains("ca.crt\": expected a regular file"));
}
