//! As whom the bridge asks, for whom, and where a registry may lead it.

use super::*;

const PASSWORD: &str = "the-users-password";

fn with_login(registry: &Registry) -> Request {
    let mut request = request(registry);
    request.reach.access.credentials = basic("user", PASSWORD);
    request
}

fn private(auth: Auth) -> (Registry, Vec<u8>, String) {
    let (registry, bytes, path) = with_blob(200_000);
    registry.put_manifest("a/b", "v1", b"{}");
    registry.state().auth = auth;
    (registry, bytes, path)
}

fn shown(registry: &Registry) -> Vec<String> {
    registry.state().asked.iter().filter_map(|asked| asked.header("authorization").map(str::to_owned)).collect()
}

#[test]
fn on_this_machine_it_is_the_users_login() {
    for auth in [Auth::Basic("user", PASSWORD), Auth::Token(Some(("user", PASSWORD)))] {
        let (registry, _, path) = private(auth);
        let told = bridged(&with_login(&registry), true, |address| {
            let mut browser = Browser::new(address);
            assert_eq!(browser.ask("GET", "/v2/", &[]).status, 200);
            assert_eq!(browser.ask("GET", "/v2/a/b/manifests/v1", &[]).status, 200);
            assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-9,90000-90009")]).status, 206);
            // A token that ends in the middle.
            registry.state().tokens.clear();
            assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-9,90000-90009")]).status, 206);
            let said =
                [browser.ask("GET", "/metrics", &[]).text(), browser.ask("GET", "/v2/a/b/manifests/v2", &[]).text()];
            assert!(said.iter().all(|said| !said.contains(PASSWORD) && !said.contains("secret-token")));
        });
        assert!(!told.concat().contains(PASSWORD));
    }
}

/// What the client shows counts before the user's own login, and goes nowhere else.
#[test]
fn what_a_client_shows_is_what_the_registry_sees() {
    let (registry, _, path) = private(Auth::Basic("user", PASSWORD));
    bridged(&with_login(&registry), true, |address| {
        let mut browser = Browser::new(address);
        let wrong = ("Authorization", "Basic d3Jvbmc6d3Jvbmc=");
        assert_eq!(browser.ask("GET", "/v2/a/b/manifests/v1", &[wrong]).status, 401);
        assert_eq!(browser.ask("GET", &path, &[wrong, ("Range", "bytes=0-1,5-9")]).status, 401);
        assert!(shown(&registry).iter().all(|shown| shown == wrong.1));
    });
}

#[test]
fn elsewhere_the_bridge_has_no_login() {
    for auth in [Auth::Basic("user", PASSWORD), Auth::Token(Some(("user", PASSWORD)))] {
        let (registry, bytes, path) = private(auth.clone());
        bridged(&with_login(&registry), false, |address| {
            let mut browser = Browser::new(address);
            let ping = browser.ask("GET", "/v2/", &[]);
            let scheme = if matches!(auth, Auth::Basic(..)) { "Basic" } else { "Bearer" };
            assert_eq!((ping.status, ping.header("www-authenticate").starts_with(scheme)), (401, true));
            for (target, headers) in
                [("/v2/a/b/manifests/v1", &[][..]), (&path, &[]), (&path, &[("Range", "bytes=0-9,90000-90009")])]
            {
                let got = browser.ask("GET", target, headers);
                assert!(matches!(got.status, 401 | 400 | 502), "{target}: {}", got.status);
                assert!(!got.body.windows(64).any(|part| bytes.windows(64).take(1).any(|first| first == part)));
            }
            assert!(
                shown(&registry).iter().all(|shown| !shown.contains("dXNlcjp0aGUtdXNlcnMtcGFzc3dvcmQ=")),
                "the user's login"
            );
            if let Auth::Basic(..) = auth {
                let login = ("Authorization", "Basic dXNlcjp0aGUtdXNlcnMtcGFzc3dvcmQ=");
                assert_eq!(browser.ask("GET", "/v2/", &[login]).status, 200);
                assert_eq!(browser.ask("GET", "/v2/a/b/manifests/v1", &[login]).status, 200);
                assert_eq!(browser.ask("GET", &path, &[login, ("Range", "bytes=0-9,90000-90009")]).status, 206);
                // The next one on the same connection has to show it again.
                assert_eq!(browser.ask("GET", "/v2/a/b/manifests/v1", &[]).status, 401);
            }
        });
    }
}

#[test]
fn public_repositories_need_no_login_anywhere() {
    let (registry, _, path) = private(Auth::Token(None));
    bridged(&request(&registry), false, |address| {
        let mut browser = Browser::new(address);
        assert_eq!(browser.ask("GET", "/v2/a/b/manifests/v1", &[]).status, 200);
        assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-9,90000-90009")]).status, 206);
    });
}

/// Nothing arrives at an address of this machine's network, whatever the registry answers.
#[test]
fn a_registry_does_not_lead_into_this_machines_network() {
    let inside = Registry::start();
    inside.put_blob("a/b", b"metadata");
    let port = inside.address.port();
    for location in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/latest/".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        // A name, by HTTPS, whose address is this machine.
        format!("https://localhost:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://0x7f000001:{port}/x"),
        format!("https://2130706433:{port}/x"),
    ] {
        let (registry, _, path) = with_blob(200_000);
        for method in ["GET", "HEAD"] {
            registry.fault(method, "/v2/a/b/", 1000, Fault::Answer(Answer::new(307).header("Location", &location)));
        }
        bridged(&request(&registry), true, |address| {
            let mut browser = Browser::new(address);
            for (target, headers, status) in [
                (path.as_str(), &[("Range", "bytes=0-9,90000-90009")][..], 400),
                (&path, &[], 502),
                ("/v2/a/b/manifests/v1", &[], 502),
            ] {
                let got = browser.ask("GET", target, headers);
                assert_eq!(got.status, status, "{location}: {}", got.text());
                assert!(
                    got.text().contains("redirect: expected HTTPS to a host with public addresses"),
                    "{}",
                    got.text()
                );
            }
        });
        // The token server is where the registry says, too.
        let (registry, ..) = private(Auth::Token(None));
        registry.state().realm = Some(location.clone());
        bridged(&request(&registry), true, |address| {
            let got = Browser::new(address).ask("GET", "/v2/a/b/manifests/v1", &[]);
            assert_eq!(got.status, 502, "{location}: {}", got.text());
        });
    }
    assert!(inside.state().asked.is_empty() && inside.connections() == 0, "{:?}", inside.lines());
}

#[test]
fn allowed_hosts_may_be_inside() {
    let (storage, bytes, path) = with_blob(200_000);
    let registry = Registry::start();
    let location = format!("http://127.0.0.1:{}{path}", storage.address.port());
    registry.fault("GET", "/blobs/", 1000, Fault::Answer(Answer::new(307).header("Location", &location)));
    let request = Request { allowed: vec![storage.address.to_string()], ..with_login(&registry) };
    bridged(&request, true, |address| {
        let got = Browser::new(address).ask("GET", &path, &[("Range", "bytes=0-9"), ("Authorization", "Basic abc")]);
        assert_eq!((got.status, &got.body[..]), (206, &bytes[..10]));
    });
    assert!(shown(&storage).is_empty(), "credentials for another host");
}
