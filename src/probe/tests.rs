//! The job against a registry in this process.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::registry::names::{Access, Environment};
use crate::registry::{Credentials, Options, Retries, Sampled, Secret};

use crate::registry::tests::stub::{Answer, Auth, Fault, Registry, Several};

const SIZE: usize = 100_000;

/// An image with two layers, of which the second is the larger one.
pub(super) fn publish(registry: &Registry, tag: &str) -> String {
    publish_sized(registry, tag, SIZE)
}

fn publish_sized(registry: &Registry, tag: &str, size: usize) -> String {
    let descriptor = |bytes: &[u8], kind: &str| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": registry.put_blob("a/app", bytes), "size": bytes.len()})
    };
    let content: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
    let layers = [descriptor(&content[..size / 2], "layer.v1.tar+zstd"), descriptor(&content, "layer.v1.tar+zstd")];
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = descriptor(b"{}", "config.v1+json");
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
    registry.put_manifest("a/app", tag, manifest.to_string().as_bytes())
}

pub(super) fn request(registry: &Registry, which: &str) -> Request {
    let retries = Retries { pause: Arc::new(|_, progress| progress.check()), ..Retries::default() };
    Request {
        name: format!("{}/a/app{which}", registry.host()).parse().unwrap(),
        mount: None,
        reach: Reach {
            access: Access { tls_verify: Some(false), ..Access::default() },
            environment: Environment::below(TempDir::new().unwrap().path()),
            options: Options { retries, ..Options::default() },
        },
    }
}

fn asked(registry: &Registry, which: &str) -> Result<Probed, Error> {
    probe(&request(registry, which), &Progress::new())
}

#[test]
fn each_profile_is_recognized() {
    for (several, profile, podman, questions) in [
        (Several::Parts, Some(RegistryProfile::MultiRange), Pulls::Parts, &[0, 2, 22, 1, 17, 300][..]),
        (Several::UpTo(299, 200), Some(RegistryProfile::Ranges299), Pulls::Parts, &[0, 2, 22, 1, 17, 299, 300]),
        (Several::UpTo(16, 416), Some(RegistryProfile::Ranges16), Pulls::Parts, &[0, 2, 22, 1, 16, 17, 300]),
        (Several::Whole, Some(RegistryProfile::Whole200), Pulls::Parts, &[0, 2, 22, 1]),
        (Several::Status(400), Some(RegistryProfile::Refuse400), Pulls::Whole, &[0, 2, 22, 1]),
        (Several::Status(501), Some(RegistryProfile::Refuse501), Pulls::Fails, &[0, 2, 22, 1]),
        // Near to a profile, and none.
        (Several::UpTo(298, 200), None, Pulls::Parts, &[0, 2, 22, 1, 17, 299, 300]),
        (Several::UpTo(15, 416), None, Pulls::Parts, &[0, 2, 22, 1, 16, 17, 300]),
        (Several::UpTo(16, 200), None, Pulls::Parts, &[0, 2, 22, 1, 16, 17]),
    ] {
        let registry = Registry::start();
        let digest = publish(&registry, "v1");
        registry.state().several = several;
        let probed = asked(&registry, ":v1").unwrap();
        assert_eq!((probed.profile, probed.verdicts[1].pulls), (profile, podman), "{several:?}");
        let count = |answered: &Answered| match answered.question {
            Question::Head => 0,
            Question::Ranges(count) => count,
            Question::TwoAgain => 22,
        };
        assert_eq!(probed.answers.iter().map(count).collect::<Vec<_>>(), questions, "{several:?}");
        assert_eq!((probed.digest.to_string(), probed.layer_size), (digest, SIZE as u64));
        assert!(!probed.hints.iter().any(|hint| hint.contains("cold")), "{:?}", probed.hints);
        assert_eq!(probed.mount, None);
        assert_eq!((probed.place, probed.elsewhere.len()), (format!("{}/a/app", registry.host()), 0));
        let ranges = registry.lines().into_iter().find(|line| line.contains("/blobs/"));
        assert!(ranges.is_some_and(|line| line.starts_with("GET ")), "the cold blob is asked for first");
        // Part headers of the stub are shorter than real ones, 130 bytes of which make 300 parts 40 kB.
        assert!(probed.traffic.received < 40_000, "{several:?}: {:?}", probed.traffic);
        // Nothing but questions.
        assert!(registry.state().asked.iter().all(|asked| ["GET", "HEAD"].contains(&asked.method.as_str())));
    }
}

#[test]
fn a_cache_that_answers_in_another_way_at_first() {
    let registry = Registry::start();
    publish(&registry, "v1");
    registry.fault("GET", "/blobs/", 1, Fault::Answer(Answer::new(501)));
    let probed = asked(&registry, ":v1").unwrap();
    assert_eq!(probed.profile, Some(RegistryProfile::MultiRange));
    let again = probed.answers.iter().find(|answered| answered.question == Question::TwoAgain).unwrap();
    assert_eq!(again.sample.answer, Sampled::Parts);
    assert!(probed.hints.iter().any(|hint| hint.contains("a cache is between")), "{:?}", probed.hints);
    let text = crate::report::text::probe(&probed);
    for line in ["2 ranges, cold            501", "2 ranges, warm            206, as asked for"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn blobs_of_another_host() {
    let (registry, other) = (Registry::start(), Registry::start());
    publish(&registry, "v1");
    publish(&other, "v1");
    other.state().several = Several::Whole;
    let blob = asked(&registry, ":v1").unwrap().layer;
    let location = other.url(&format!("/v2/a/app/blobs/{blob}?signature=secret"));
    for method in ["GET", "HEAD"] {
        let moved = Answer::new(307).header("Location", location.clone());
        registry.fault(method, "/blobs/", 99, Fault::Answer(moved));
    }
    let probed = asked(&registry, ":v1").unwrap();
    assert_eq!((probed.profile, &probed.elsewhere), (Some(RegistryProfile::Whole200), &vec![other.host()]));
    let shown = crate::report::text::probe(&probed) + &crate::report::json::probe(&probed);
    assert!(shown.contains(&other.host()) && !shown.contains("secret"), "{shown}");
}

#[test]
fn an_index_leads_to_the_image_of_this_machine() {
    let registry = Registry::start();
    let image = publish(&registry, "one");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let entry = |digest: &str, os: &str, architecture: &str| {
        let platform = json!({"os": os, "architecture": architecture});
        json!({"mediaType": media_type, "digest": digest, "size": 1, "platform": platform})
    };
    let absent = BlobDigest::from_bytes([9; 32]).to_string();
    let host = crate::oci::Platform::host();
    for (tag, entries) in [
        (
            "all",
            vec![
                entry(&absent, "unknown", "unknown"),
                entry(&absent, "plan9", "mips"),
                entry(&image, &host.os, &host.architecture),
            ],
        ),
        ("other", vec![entry(&absent, "unknown", "unknown"), entry(&image, "plan9", "mips")]),
    ] {
        let index =
            json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries});
        registry.put_manifest("a/app", tag, index.to_string().as_bytes());
        assert_eq!(asked(&registry, &format!(":{tag}")).unwrap().digest.to_string(), image, "{tag}");
    }
    let nothing = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []});
    registry.put_manifest("a/app", "nothing", nothing.to_string().as_bytes());
    let error = asked(&registry, ":nothing").unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("expected an image with a layer"), "{error}");
}

#[test]
fn small_layers_answer_what_they_can() {
    for (size, questions, pulls) in
        [(1000, 1, Pulls::Unknown), (3000, 2, Pulls::Unknown), (20_000, 5, Pulls::Parts), (38_400, 6, Pulls::Parts)]
    {
        let registry = Registry::start();
        publish_sized(&registry, "v1", size);
        let probed = asked(&registry, ":v1").unwrap();
        assert_eq!((probed.answers.len(), probed.verdicts[1].pulls), (questions, pulls), "{size}");
        assert_eq!(probed.profile.is_some(), size == 38_400);
    }
}

#[test]
fn what_is_not_there() {
    let registry = Registry::start();
    ["v1.0", "v1.1", "next"].iter().for_each(|tag| drop(publish(&registry, tag)));
    let host = registry.host();
    let error = asked(&registry, ":nxet").unwrap_err();
    let wanted = format!("docker://{host}/a/app:nxet: expected the tag \"nxet\", found next, v1.0, v1.1");
    assert_eq!((error.exit_code(), error.to_string()), (2, wanted));
    let near = format!("docker://{host}/a/app:next");
    assert!(matches!(&error, Error::Source(SourceError::NoTag { hint: Some(found), .. }) if *found == near));
    let digest = BlobDigest::from_bytes([9; 32]);
    assert_eq!(asked(&registry, &format!("@{digest}")).unwrap_err().exit_code(), 2);
    // A registry that lists nothing.
    registry.fault("GET", "/tags/", 9, Fault::Answer(Answer::new(404)));
    let error = asked(&registry, ":nxet").unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("the tag \"nxet\" of a/app is not there"), "{error}");
}

#[test]
fn what_is_no_registry_or_says_no() {
    let html = || Fault::Answer(Answer::new(200).header("Content-Type", "text/html").body("<html>"));
    let registry = Registry::start();
    publish(&registry, "v1");
    registry.fault("GET", "/manifests/", 1, html());
    let error = asked(&registry, ":v1").unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("is this the host of a registry?"), "{error}");

    registry.state().auth = Auth::Basic("me", "hunter2");
    let error = asked(&registry, ":v1").unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("no credentials are known for it"), "{error}");
    for (password, works) in [("hunter3", false), ("hunter2", true)] {
        let mut request = request(&registry, ":v1");
        let (user, password) = ("me".to_owned(), Secret::new(password.to_owned()));
        request.reach.access.credentials = Some(Credentials::Basic { user, password });
        let shown = match probe(&request, &Progress::new()) {
            Ok(probed) => {
                assert!(works);
                format!("{probed:?}{}{}", crate::report::text::probe(&probed), crate::report::json::probe(&probed))
            }
            Err(error) => {
                assert!(!works && error.to_string().contains("check the repository's name"), "{error}");
                format!("{error}{error:?}")
            }
        };
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

#[test]
fn a_mirror_comes_first_and_the_registry_after_it() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    publish(&registry, "v1");
    let dir = TempDir::new().unwrap();
    let conf = dir.path().join("registries.conf");
    let (host, at) = (registry.host(), mirror.host());
    let text = format!(
        "[[registry]]\nlocation = \"{host}\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"{at}\"\ninsecure = true\n"
    );
    std::fs::write(&conf, text).unwrap();
    let environment = Environment { registries_conf: Some(conf), ..Environment::below(dir.path()) };
    let mut request = request(&registry, ":v1");
    request.reach = Reach { access: Access::default(), environment, ..request.reach };
    let probed = probe(&request, &Progress::new()).unwrap();
    assert_eq!((probed.place, probed.notes.len()), (format!("{host}/a/app"), 1));
    assert!(probed.notes[0].contains(&format!("the mirror {at}/a/app is passed over")), "{:?}", probed.notes);
    publish(&mirror, "v1");
    mirror.state().several = Several::Status(501);
    let probed = probe(&request, &Progress::new()).unwrap();
    assert_eq!((&probed.place, probed.notes.len()), (&format!("{at}/a/app"), 0));
    assert_eq!(probed.verdicts[2].pulls, Pulls::Elsewhere);
    let text = crate::report::text::probe(&probed);
    assert!(text.contains(&format!("place    {at}/a/app")), "{text}");
}

#[test]
fn an_interrupted_run_ends() {
    let registry = Registry::start();
    publish(&registry, "v1");
    let progress = Progress::new();
    progress.cancel();
    assert_eq!(probe(&request(&registry, ":v1"), &progress).unwrap_err().exit_code(), 130);
}
