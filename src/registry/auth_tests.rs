//! Permission: what is shown to whom, and what no output has.

use std::cell::RefCell;
use std::io::{self, Cursor, Read};
use std::time::Duration;

use super::tests::stub::{Answer, Auth, Fault as Wrong, Registry};
use super::tests::{basic, content, digest, endpoint, options};
use super::*;
use crate::digest::BlobDigest;
use crate::progress::Progress;
use crate::threads::lock;

const MANIFEST: &[u8] = br#"{"schemaVersion":2}"#;
const PASSWORD: &str = "very-private";

fn registry(auth: Auth) -> Registry {
    let registry = Registry::start();
    registry.put_manifest("a", "v1", MANIFEST);
    registry.state().auth = auth;
    registry
}

fn with<'p>(registry: &Registry, credentials: Option<Credentials>, progress: &'p Progress) -> Client<'p> {
    Client::new(Endpoint { credentials, ..endpoint(registry) }, options().0, progress).unwrap()
}

fn pull(client: &Client) -> Result<Document, RegistryError> {
    client.repository("a").unwrap().manifest(&Which::Tag("v1"))
}

fn push(client: &Client, bytes: &[u8]) -> Result<(), RegistryError> {
    use sha2::Digest as _;
    let digest = BlobDigest::from_bytes(sha2::Sha256::digest(bytes).into());
    let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    client.repository("a").unwrap().upload(digest, bytes.len() as u64, &open, &|_| ())
}

/// The scopes of the tokens that were asked for.
fn scopes(registry: &Registry) -> Vec<String> {
    let asked = registry.state().asked.clone();
    asked.iter().filter(|asked| asked.path == "/token").filter_map(|asked| asked.query.get("scope").cloned()).collect()
}

/// Nobody waits while a token server is asked for somebody else.
#[test]
fn each_scope_has_a_turn_of_its_own() {
    let (registry, progress) = (registry(Auth::Token(None)), Progress::new());
    registry.put_manifest("b", "v1", MANIFEST);
    let client = with(&registry, None, &progress);
    pull(&client).unwrap();
    let other = client.repository("other").unwrap().to_read();
    let token::Permission::Wanted(_, turn) = lock(&client.auth).header(&endpoint(&registry), &other) else {
        panic!("a token that nobody asked for")
    };
    let _asked = lock(&turn);
    pull(&client).unwrap();
    client.repository("b").unwrap().manifest(&Which::Tag("v1")).unwrap();
    assert_eq!(scopes(&registry), ["repository:a:pull", "repository:b:pull"]);
}

#[test]
fn a_bad_challenge_is_not_for_ever() {
    let (registry, progress) = (registry(Auth::Token(None)), Progress::new());
    registry.state().realm = Some("ftp://a/token".to_owned());
    let client = with(&registry, None, &progress);
    assert!(pull(&client).is_err());
    registry.state().auth = Auth::None;
    pull(&client).unwrap();
}

#[test]
fn basic_authentication() {
    let (registry, progress) = (registry(Auth::Basic("user", PASSWORD)), Progress::new());
    pull(&with(&registry, basic("user", PASSWORD), &progress)).unwrap();
    let error = pull(&with(&registry, basic("user", "wrong"), &progress)).unwrap_err();
    assert!(error.is_denied() && !error.is_not_found());
    let error = error.to_string();
    let says = "no permission to pull from a (scope \"repository:a:pull\"), status 401: the registry says \"UNAUTHORIZED: of the test\"; the registry does not accept";
    assert!(error.contains(says), "{error}");
    let error = pull(&with(&registry, None, &progress)).unwrap_err().to_string();
    assert!(error.contains("no credentials are known for it; use podman login"), "{error}");
    // One that only a token server takes is never shown to a registry.
    let identity = Some(Credentials::IdentityToken(Secret::new(PASSWORD.to_owned())));
    assert!(pull(&with(&registry, identity, &progress)).unwrap_err().is_denied());
}

#[test]
fn tokens_without_credentials() {
    let (registry, progress) = (registry(Auth::Token(None)), Progress::new());
    let client = with(&registry, None, &progress);
    pull(&client).unwrap();
    pull(&client).unwrap();
    assert_eq!(scopes(&registry), ["repository:a:pull"]);
    let error = push(&client, b"x").unwrap_err();
    assert!(error.is_denied());
    let error = error.to_string();
    assert!(
        error.contains("/token: no permission to push to a (scope \"repository:a:pull,push\"), status 401"),
        "{error}"
    );
    assert!(error.contains("incorrect username or password"), "{error}");
}

#[test]
fn tokens_for_each_scope() {
    let (registry, progress) = (registry(Auth::Token(Some(("user", PASSWORD)))), Progress::new());
    let client = with(&registry, basic("user", PASSWORD), &progress);
    pull(&client).unwrap();
    push(&client, b"x").unwrap();
    let blob = digest(&registry.put_blob("from", b"content"));
    assert!(client.repository("a").unwrap().mount(blob, "from").unwrap());
    pull(&client).unwrap();
    let wanted = ["repository:a:pull", "repository:a:pull,push", "repository:a:pull,push repository:from:pull"];
    assert_eq!(scopes(&registry), wanted);
    let asked = registry.state().asked.clone();
    let first = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(first.query.get("service").map(String::as_str), Some("test"));
    assert_eq!(first.query.get("account").map(String::as_str), Some("user"));
}

#[test]
fn an_identity_token() {
    let (registry, progress) = (registry(Auth::Identity(PASSWORD)), Progress::new());
    let identity = |token: &str| Some(Credentials::IdentityToken(Secret::new(token.to_owned())));
    pull(&with(&registry, identity(PASSWORD), &progress)).unwrap();
    let asked = registry.state().asked.clone();
    let token = asked.iter().find(|asked| asked.path == "/token").unwrap();
    let form = String::from_utf8(token.body.clone()).unwrap();
    assert!(form.contains("grant_type=refresh_token") && form.contains("scope=repository%3Aa%3Apull"), "{form}");
    assert!(pull(&with(&registry, identity("wrong"), &progress)).unwrap_err().is_denied());
}

#[test]
fn a_token_runs_out() {
    let (registry, progress) = (registry(Auth::Token(Some(("user", PASSWORD)))), Progress::new());
    let client = with(&registry, basic("user", PASSWORD), &progress);
    pull(&client).unwrap();
    registry.state().tokens.clear();
    pull(&client).unwrap();
    assert_eq!(registry.state().issued, 2);
    // Between the bytes and the end of an upload, with and without the time to say so before the bytes.
    let bytes = content(3 << 20);
    for fault in [Wrong::Early as fn(Answer) -> Wrong, Wrong::Answer] {
        let expired = Answer::error(401, "UNAUTHORIZED")
            .header("WWW-Authenticate", format!("Bearer realm=\"{}\"", registry.url("/token")));
        let issued = registry.state().issued;
        registry.fault("PUT", "/blobs/uploads/", 1, fault(expired));
        push(&client, &bytes).unwrap();
        assert!(registry.state().issued > issued);
    }
    // Between the PATCH with the bytes and the PUT.
    let expired = Answer::error(401, "UNAUTHORIZED")
        .header("WWW-Authenticate", format!("Bearer realm=\"{}\"", registry.url("/token")));
    registry.fault("PUT", "/blobs/uploads/", 1, Wrong::Answer(Answer::new(405)));
    registry.fault("PUT", "/blobs/uploads/", 1, Wrong::Answer(expired));
    let patched = registry.lines().len();
    push(&client, &bytes).unwrap();
    let lines = registry.lines();
    let methods: Vec<_> = lines[patched..].iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(methods, ["POST", "PUT", "DELETE", "POST", "PATCH", "PUT", "PUT"]);
}

#[test]
fn a_token_is_not_shown_after_its_end() {
    let (registry, progress) = (registry(Auth::Token(None)), Progress::new());
    for (expires_in, seconds) in [(None, 60), (Some("0"), 60), (Some("300"), 300), (Some("\"300\""), 300)] {
        registry.state().expires_in = expires_in.map(str::to_owned);
        let client = with(&registry, None, &progress);
        let issued = registry.state().issued;
        let mut issued_after = |seconds: u64| {
            client.auth.lock().unwrap().age(Duration::from_secs(seconds));
            pull(&client).unwrap();
            registry.state().issued - issued
        };
        // Ten seconds are left for clocks and the way.
        assert_eq!([0, seconds - 20, 11].map(&mut issued_after), [1, 1, 2], "{expires_in:?}");
    }
}

#[test]
fn a_token_that_never_fits() {
    let (registry, progress) = (registry(Auth::Token(Some(("user", PASSWORD)))), Progress::new());
    let refused = Answer::error(401, "UNAUTHORIZED")
        .header("WWW-Authenticate", format!("Bearer realm=\"{}\"", registry.url("/token")));
    registry.fault("GET", "/manifests/", 99, Wrong::Answer(refused));
    let error = pull(&with(&registry, basic("user", PASSWORD), &progress)).unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert_eq!(registry.lines().len(), 2);
}

#[test]
fn who_may_not_push_is_not_told_to_log_in() {
    let (registry, progress) = (registry(Auth::Token(Some(("user", PASSWORD)))), Progress::new());
    for (error, says) in [("invalid_token", "log in again"), ("insufficient_scope", "whether the user may push")] {
        let challenge = format!("Bearer realm=\"{}\",error=\"{error}\"", registry.url("/token"));
        let refused = Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge);
        registry.fault("POST", "/blobs/uploads/", 2, Wrong::Answer(refused));
        let error = push(&with(&registry, basic("user", PASSWORD), &progress), b"x").unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn token_servers_of_no_use() {
    let (registry, progress) = (registry(Auth::Token(None)), Progress::new());
    let answer = |body: &str| Answer::new(200).body(body);
    for (fault, says) in [
        (answer("<html>"), "expected a token in JSON, found something else"),
        (answer("{}"), "expected a token in JSON, found JSON without one"),
        (answer(r#"{"token":""}"#), "found JSON without one"),
        (answer(r#"{"token":"a\r\nX: y"}"#), "found one with characters that no header can have"),
        (answer(&" ".repeat(300 << 10)), "bytes of a token server's answer: expected at most 262,144"),
        (Answer::new(404), "the token server is not there"),
        (Answer::new(307).header("Location", "/token"), "expected a token, found the status 307"),
    ] {
        registry.fault("GET", "/token", 1, Wrong::Answer(fault));
        let error = pull(&with(&registry, None, &progress)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    registry.fault("GET", "/token", 1, Wrong::Answer(Answer::new(503)));
    registry.fault("GET", "/token", 1, Wrong::Cut(3));
    pull(&with(&registry, None, &progress)).unwrap();
    registry.fault("GET", "/token", 1, Wrong::Answer(answer(r#"{"access_token":"x","expires_in":"soon"}"#)));
    registry.state().tokens.insert("Bearer x".to_owned());
    pull(&with(&registry, None, &progress)).unwrap();
    for realm in ["", "nothing", "ftp://a/b", "https://user:pw@host/"] {
        registry.state().realm = Some(realm.to_owned());
        let error = pull(&with(&registry, None, &progress)).unwrap_err().to_string();
        assert!(error.contains("expected the token server's URL"), "{error}");
    }
}

#[test]
fn credentials_go_to_nobody_else() {
    let (registry, server, storage, progress) = (
        registry(Auth::Token(Some(("user", PASSWORD)))),
        registry(Auth::Token(Some(("user", PASSWORD)))),
        Registry::start(),
        Progress::new(),
    );
    let blob = digest(&registry.put_blob("a", b"content"));
    storage.put_blob("a", b"content");
    registry.state().realm = Some(server.url("/token"));
    // The two have the same tokens.
    registry.state().tokens.insert("Bearer secret-token-1".to_owned());
    let location = storage.url(&format!("/v2/a/blobs/{blob}"));
    registry.fault("GET", "/blobs/", 9, Wrong::Answer(Answer::new(307).header("Location", location)));
    let client = with(&registry, basic("user", PASSWORD), &progress);
    pull(&client).unwrap();
    client.repository("a").unwrap().blob(blob, 7).unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert!(storage.state().asked.iter().all(|asked| asked.header("authorization").is_none()));
    assert!(server.state().asked.iter().all(|asked| asked.path == "/token"));
    // What came back from another host is shown nothing, either.
    let back = registry.url("/v2/a/manifests/v1");
    storage.fault("GET", "/back", 1, Wrong::Answer(Answer::new(307).header("Location", back)));
    registry.fault("GET", "/manifests/", 1, Wrong::Answer(Answer::new(307).header("Location", storage.url("/back"))));
    let before = registry.state().asked.len();
    let _ = pull(&client);
    assert_eq!(registry.state().asked[before + 1].header("authorization"), None);
}

#[test]
fn a_registry_with_https_has_no_token_server_without() {
    let (registry, server, progress) = (Registry::start_tls(false), Registry::start(), Progress::new());
    registry.state().auth = Auth::Token(Some(("user", PASSWORD)));
    registry.state().realm = Some(server.url("/token"));
    let error = pull(&with(&registry, basic("user", PASSWORD), &progress)).unwrap_err().to_string();
    assert!(error.contains("expected a token server with HTTPS, found one with HTTP"), "{error}");
    assert!(server.state().asked.is_empty());
}

#[test]
fn secrets_are_in_no_output() {
    let progress = Progress::new();
    let registry = registry(Auth::Token(Some(("user", PASSWORD))));
    let blob = digest(&registry.put_blob("a", &content(1000)));
    let said = RefCell::new(Vec::new());
    let note = |error: RegistryError| {
        said.borrow_mut().extend([error.to_string(), format!("{error:?}"), format!("{error:#?}")]);
    };
    let key = ClientCertificate { certificate: b"x".to_vec(), key: Secret::new(PASSWORD.to_owned()) };
    let tls = Tls { client: Some(key), ..endpoint(&registry).tls };
    let bad = Endpoint { tls, credentials: basic("user", PASSWORD), ..endpoint(&registry) };
    note(Client::new(bad.clone(), options().0, &progress).err().unwrap());
    for credentials in [basic("user", PASSWORD), Some(Credentials::IdentityToken(Secret::new(PASSWORD.to_owned())))] {
        let client = with(&registry, credentials, &progress);
        let _ = pull(&client);
        let repository = client.repository("a").unwrap();
        let echo = || Answer::new(418).header("Location", "http://user:secret-password@host/?signature=secret");
        for (method, path) in [
            ("GET", "/manifests/"),
            ("GET", "/blobs/"),
            ("HEAD", "/blobs/"),
            ("PUT", "/uploads/"),
            ("POST", "/uploads/"),
        ] {
            registry.fault(method, path, 1, Wrong::Answer(echo()));
            pull(&client).map_err(note).ok();
            repository.blob(blob, 1000).map_err(note).ok();
            repository.has_blob(blob).map_err(note).ok();
            push(&client, b"x").map_err(note).ok();
        }
        for answer in [
            Answer { status: 307, ..echo() },
            Answer::new(307).header("Location", "http://other.invalid/x?signature=secret"),
        ] {
            registry.fault("GET", "/blobs/", 1, Wrong::Answer(answer));
            repository.blob(blob, 1000).map_err(note).ok();
        }
        said.borrow_mut().extend([format!("{client:?}"), format!("{client:#?}"), format!("{repository:?}")]);
    }
    let mut said = said.into_inner();
    said.push(format!("{bad:?}"));
    assert!(said.len() > 30, "{}", said.len());
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("user:{PASSWORD}"));
    for text in said {
        for secret in [PASSWORD, &encoded, "secret-token", "signature", "_state", "secret-password"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
