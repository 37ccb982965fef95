//! Mounts, against a registry in this process.

use super::tests::{publish, request};
use super::*;
use crate::registry::tests::stub::{Answer, Auth, Fault, Registry};
use crate::registry::{Credentials, Secret};

fn mounted(registry: &Registry, into: &str) -> Result<Probed, Error> {
    probe(&Request { mount: Some(into.to_owned()), ..request(registry, ":v1") }, &Progress::new())
}

fn has_layer(registry: &Registry, probed: &Probed) -> bool {
    registry.state().blobs.contains_key(&("team/b".to_owned(), probed.layer.to_string()))
}

fn writes(registry: &Registry) -> String {
    let state = registry.state();
    let written = state.asked.iter().filter(|asked| !["GET", "HEAD"].contains(&asked.method.as_str()));
    written.map(|asked| format!("{} {}", asked.method, asked.path)).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_registry_that_mounts() {
    let registry = Registry::start();
    publish(&registry, "v1");
    let without = probe(&request(&registry, ":v1"), &Progress::new()).unwrap();
    assert_eq!(writes(&registry), "");
    let probed = mounted(&registry, "team/b").unwrap();
    let into = format!("{}/team/b", registry.host());
    let mount = Mount { into: into.clone(), was_there: false, answer: Some(MountAnswer::Mounted) };
    assert_eq!(probed.mount, Some(mount));
    assert!(has_layer(&registry, &probed));
    assert_eq!(writes(&registry), "POST /v2/team/b/blobs/uploads/");
    let query = registry.state().asked.iter().find(|asked| asked.method == "POST").unwrap().query.clone();
    assert_eq!((query["mount"].clone(), query["from"].as_str()), (probed.layer.to_string(), "a/app"));
    let text = crate::report::text::probe(&probed);
    assert!(text.contains(&format!("\nmount                     201, mounted into {into}\n")), "{text}");
    let report: serde_json::Value = serde_json::from_str(&crate::report::json::probe(&probed)).unwrap();
    let wanted =
        serde_json::json!({"into": into, "answer": "mounted", "status": 201, "found": null, "already_there": false});
    assert_eq!(report["mount"], wanted);
    // By HTTPS and by HTTP, is the layer there, mount it.
    assert_eq!(probed.traffic.requests, without.traffic.requests + 4);
    // Nothing more is read than the answers of /v2/.
    assert!(probed.traffic.received < without.traffic.received + 100, "{:?}", probed.traffic);

    let again = mounted(&registry, "team/b").unwrap();
    assert!(again.mount.as_ref().is_some_and(|mount| mount.was_there));
    assert!(crate::report::text::probe(&again).contains("201, but"));
}

#[test]
fn every_other_answer() {
    let session = |registry: &Registry| {
        registry.state().uploads.insert("7".to_owned(), Vec::new());
        Answer::new(202).header("Location", "/v2/team/b/blobs/uploads/7?_state=secret")
    };
    let html = |_: &Registry| Answer::new(200).header("Content-Type", "text/html").body("<html>");
    type Answers<'a> = &'a dyn Fn(&Registry) -> Answer;
    for (answer, wanted, row, name, status) in [
        (&session as Answers<'_>, Some(MountAnswer::Upload), "202, not mounted: ", "upload", Some(202)),
        (&|_| Answer::new(401), Some(MountAnswer::Denied(401)), "401, no permission to push to ", "denied", Some(401)),
        (&|_| Answer::new(403), Some(MountAnswer::Denied(403)), "403, no permission to push to ", "denied", Some(403)),
        (&|_| Answer::new(404), Some(MountAnswer::Refused(404)), "404, refused for ", "refused", Some(404)),
        (&|_| Answer::new(405), Some(MountAnswer::Refused(405)), "405, refused for ", "refused", Some(405)),
        (&|_| Answer::new(503), Some(MountAnswer::Refused(503)), "503, refused for ", "refused", Some(503)),
        (&html, None, "expected that the blob is mounted, found a web page", "odd", None),
    ] {
        let registry = Registry::start();
        publish(&registry, "v1");
        let answer = answer(&registry);
        registry.fault("POST", "/blobs/uploads/", 9, Fault::Answer(answer));
        let probed = mounted(&registry, "team/b").unwrap();
        let found = probed.mount.as_ref().unwrap().answer.clone().unwrap();
        assert!(wanted.as_ref().map_or(matches!(found, MountAnswer::Odd(_)), |wanted| *wanted == found), "{found:?}");
        let text = crate::report::text::probe(&probed);
        assert!(text.contains(&format!("\nmount                     {row}")), "{row}: {text}");
        let report: serde_json::Value = serde_json::from_str(&crate::report::json::probe(&probed)).unwrap();
        assert_eq!((&report["mount"]["answer"], &report["mount"]["status"]), (&name.into(), &status.into()));
        // Nothing is left behind.
        assert!(!has_layer(&registry, &probed) && registry.state().uploads.is_empty(), "{found:?}");
        if found == MountAnswer::Upload {
            let session = "POST /v2/team/b/blobs/uploads/, DELETE /v2/team/b/blobs/uploads/7";
            assert_eq!(writes(&registry), session);
        }
        // The rest of the report is as it is without a mount.
        assert_eq!(probed.profile, Some(RegistryProfile::MultiRange));
    }
}

#[test]
fn another_repository_of_the_same_host_only() {
    let registry = Registry::start();
    publish(&registry, "v1");
    for into in ["a/app", "", "B", "team/b:v1", "me:hunter2@team/b", "docker://localhost/team/b"] {
        let error = mounted(&registry, into).unwrap_err();
        let said = error.to_string();
        let wanted = format!("--mount: expected the name of another repository on {} than a/app", registry.host());
        assert!(error.exit_code() == 64 && said.starts_with(&wanted) && !said.contains("hunter"), "{into}: {said}");
    }
    assert!(registry.state().asked.is_empty(), "{:?}", registry.lines());
}

#[test]
fn a_push_needs_its_own_permission() {
    let registry = Registry::start();
    publish(&registry, "v1");
    // Who is not known may pull.
    registry.state().auth = Auth::Token(None);
    let probed = mounted(&registry, "team/b").unwrap();
    assert_eq!(probed.mount.unwrap().answer, Some(MountAnswer::Denied(401)));
    assert_eq!(writes(&registry), "");

    registry.state().auth = Auth::Token(Some(("me", "hunter2")));
    let mut request = Request { mount: Some("team/b".to_owned()), ..request(&registry, ":v1") };
    let (user, password) = ("me".to_owned(), Secret::new("hunter2".to_owned()));
    request.reach.access.credentials = Some(Credentials::Basic { user, password });
    let probed = probe(&request, &Progress::new()).unwrap();
    assert_eq!(probed.mount.as_ref().unwrap().answer, Some(MountAnswer::Mounted));
    let shown = format!("{probed:?}{}{}", crate::report::text::probe(&probed), crate::report::json::probe(&probed));
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn nothing_is_written_to_a_mirror() {
    let (registry, mirror) = (Registry::start(), Registry::start());
    publish(&registry, "v1");
    publish(&mirror, "v1");
    let dir = tempfile::TempDir::new().unwrap();
    let conf = dir.path().join("registries.conf");
    let (host, at) = (registry.host(), mirror.host());
    let text = format!(
        "[[registry]]\nlocation = \"{host}\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"{at}\"\ninsecure = true\n"
    );
    std::fs::write(&conf, text).unwrap();
    let mut request = Request { mount: Some("team/b".to_owned()), ..request(&registry, ":v1") };
    request.reach.access = Default::default();
    request.reach.environment.registries_conf = Some(conf);
    let probed = probe(&request, &Progress::new()).unwrap();
    assert_eq!((&probed.place, &probed.mount.as_ref().unwrap().answer), (&format!("{at}/a/app"), &None));
    assert_eq!(writes(&registry) + &writes(&mirror), "");
    let report: serde_json::Value = serde_json::from_str(&crate::report::json::probe(&probed)).unwrap();
    assert_eq!(report["mount"]["answer"], "not-asked");
    assert!(crate::report::text::probe(&probed).contains("not asked: a mirror has the image"));
}
