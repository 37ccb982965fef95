use std::fs;

use super::*;
use crate::registry::names::{Access, Environment, Purpose, resolve};

fn config(listen: &str, hosts: &[&str], upstream: Option<&str>) -> Result<ClientConfig, ConfigError> {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    ClientConfig::new(&listen.parse().unwrap(), &hosts, upstream)
}

/// The places that restrata's own reader of registries.conf finds: HOST/REPOSITORY, and whether HTTP may be spoken there.
fn places(config: &ClientConfig, name: &str) -> Vec<(String, bool)> {
    let dir = tempfile::tempdir().unwrap();
    let drop_ins = dir.path().join("etc/containers/registries.conf.d");
    fs::create_dir_all(&drop_ins).unwrap();
    fs::write(drop_ins.join("60-restrata-bridge.conf"), config.registries()).unwrap();
    let environment = Environment::below(dir.path());
    let targets = resolve(&name.parse().unwrap(), &Access::default(), &environment, Purpose::Read).unwrap();
    let place = |host: &str, repository: &str| format!("{host}/{repository}");
    targets.iter().map(|t| (place(&t.endpoint.host, &t.repository), t.endpoint.may_be_plain_http)).collect()
}

#[test]
fn the_bridge_is_asked_first_and_the_registry_next() {
    let digest = format!("@sha256:{}", "a".repeat(64));
    for (listen, hosts, upstream, name, mirror, own) in [
        ("127.0.0.1:7080", &[][..], None, "ghcr.io/o/app", "127.0.0.1:7080/ghcr.io/o/app", "ghcr.io/o/app"),
        ("127.0.0.1:7080", &[], None, "gcr.io/p/app", "127.0.0.1:7080/gcr.io/p/app", "gcr.io/p/app"),
        (
            "127.0.0.1:7080",
            &["docker.io"],
            None,
            "alpine",
            "127.0.0.1:7080/docker.io/library/alpine",
            "registry-1.docker.io/library/alpine",
        ),
        ("[::1]:80", &["quay.io"], None, "quay.io/app", "localhost:80/quay.io/app", "quay.io/app"),
        ("0.0.0.0:7080", &["q.io"], None, "q.io/app", "127.0.0.1:7080/q.io/app", "q.io/app"),
        ("[::]:7080", &["q.io"], None, "q.io/app", "localhost:7080/q.io/app", "q.io/app"),
        ("[::ffff:10.0.0.5]:7080", &["q.io"], None, "q.io/app", "10.0.0.5:7080/q.io/app", "q.io/app"),
        ("10.0.0.5:7080", &["q.io"], None, "q.io/app", "10.0.0.5:7080/q.io/app", "q.io/app"),
        ("127.0.0.1:7080", &[], Some("h.lan:5000"), "h.lan:5000/app", "127.0.0.1:7080/app", "h.lan:5000/app"),
        ("127.0.0.1:7080", &["q.io"], Some("q.io"), "q.io/app", "127.0.0.1:7080/app", "q.io/app"),
    ] {
        let config = config(listen, hosts, upstream).unwrap();
        for name in [name.to_owned(), format!("{name}:v1"), format!("{name}{digest}")] {
            assert_eq!(places(&config, &name), [(mirror.to_owned(), true), (own.to_owned(), false)], "{name}");
        }
    }
}

#[test]
fn other_registries_stay_as_they_are() {
    let config = config("127.0.0.1:7080", &[], None).unwrap();
    for (name, place) in [("quay.io/app", "quay.io/app"), ("eu.gcr.io/p/app", "eu.gcr.io/p/app")] {
        assert_eq!(places(&config, name), [(place.to_owned(), false)]);
    }
}

#[test]
fn what_is_printed() {
    let text = config("127.0.0.1:7080", &["ghcr.io", "quay.io", "ghcr.io"], None).unwrap().registries();
    assert!(text.starts_with(MARK));
    assert!(text.contains("restrata bridge --listen 127.0.0.1:7080 --allow ghcr.io --allow quay.io\n"), "{text}");
    assert_eq!(text.matches("\n[[registry]]\n").count(), 2, "{text}");
    assert!(
        text.ends_with(
            "
[[registry]]
location = \"quay.io\"

[[registry.mirror]]
location = \"127.0.0.1:7080/quay.io\"
insecure = true
"
        ),
        "{text}"
    );
    let text = config("0.0.0.0:7080", &[], Some("q.io")).unwrap().registries();
    assert!(text.contains("restrata bridge --listen 0.0.0.0:7080 --upstream q.io\n"), "{text}");
}

#[test]
fn plain_http_is_said_to_be_readable_where_others_can_read_it() {
    for (listen, says) in [("127.0.0.1:7080", "only on this machine"), ("10.0.0.5:7080", "passwords and tokens")] {
        let text = config(listen, &[], None).unwrap().registries();
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn the_options_of_the_store_are_toml() {
    let table: toml::Table = ClientConfig::storage().parse().unwrap();
    let options = table["storage"]["options"]["pull_options"].as_table().unwrap();
    assert_eq!(options["enable_partial_images"].as_str(), Some("true"));
    assert!(ClientConfig::storage().starts_with(MARK));
}

#[test]
fn what_clients_could_not_ask_for_is_refused() {
    for (listen, hosts, upstream, says) in [
        ("unix:/run/b.sock", &[][..], None, "expected such an address in --listen"),
        ("[2001:db8::1]:7080", &[], None, "expected an IPv4 address"),
        ("127.0.0.1:7080", &["h.lan:5000"], None, "--upstream h.lan:5000"),
        ("127.0.0.1:7080", &["Ghcr.io"], None, "--upstream Ghcr.io"),
        ("127.0.0.1:7080", &["[::1]:5000"], None, "--upstream [::1]:5000"),
        ("127.0.0.1:7080", &["a.io", "b.io"], Some("a.io"), "leave out b.io"),
        ("127.0.0.1:7080", &["a.io"], Some("h.lan:5000"), "for h.lan:5000 alone; leave out a.io"),
        ("127.0.0.1:7080", &[], Some("host"), "\"host\": expected a registry's host"),
    ] {
        let error = config(listen, hosts, upstream).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    for host in [
        "",
        "ghcr",
        "ghcr.io/o",
        "*.pkg.dev",
        "a.io\"\ninsecure = true",
        "https://a.io",
        "a.io\n",
        "index.docker.io",
        "u:p@a.io",
    ] {
        let error = config("127.0.0.1:7080", &[host], None).unwrap_err();
        assert_eq!(error, ConfigError::Host { host: host.to_owned() });
        assert!(!error.to_string().contains('\n'));
    }
}
