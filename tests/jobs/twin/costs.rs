//! What clients of each image pay.

use restrata::compression::Compression;
use restrata::diff;
use restrata::order::cost::{Client, Pull};
use restrata::progress::Progress;
use restrata::rechunk::{Request, plan};
use tempfile::TempDir;

use super::super::image::options;
use super::super::runs::{dest, run};
use super::{first, second, twin, update, with};

/// Each client pays for the image that it takes.
#[test]
fn costs_are_those_of_each_clients_image() {
    let dir = TempDir::new().unwrap();
    let first = first(dir.path());
    run(&dir, &first, "v1", with(twin()));
    run(&dir, &first, "alone", |_| {});
    let outcome = update(&dir, twin(), "v1", "v2");
    let image = &outcome.images[0];
    let (zstd, gzip) = (image.layers.last().unwrap().size, image.twin.as_ref().unwrap().new_bytes());
    let all: u64 = image.twin.as_ref().unwrap().bytes();
    assert_ne!(zstd, gzip);
    let told = |pulls: &[Pull]| {
        let of = |client| {
            let is_it = |pull: &&Pull| pull.from.is_some() && pull.client == client;
            let pull = pulls.iter().find(is_it).unwrap();
            (pull.blob_bytes() - pull.config_bytes, pull.image)
        };
        (of(Client::Plain), of(Client::PlainGzip), of(Client::Docker))
    };
    let (own, other) = (Some(Compression::Zstd), Some(Compression::Gzip));
    assert_eq!(told(&image.pulls), ((zstd, own), (gzip, other), (gzip, other)));
    let diff_of = |old: &str, new: &str| {
        let request = diff::Request {
            olds: vec![dest(&dir, old).parse().unwrap()],
            new: dest(&dir, new).parse().unwrap(),
            platform: None,
            choice: diff::Choice::default(),
            resources: options(),
        };
        diff::diff(&request, &Progress::new()).unwrap()
    };
    let pair = diff_of("v1", "v2");
    assert_eq!(told(&pair.diffs[0].pulls), ((zstd, own), (gzip, other), (gzip, other)));
    assert_eq!(pair.new_gzip, Some(image.twin.as_ref().unwrap().digest));
    // Who switches pays all of it.
    let switched = diff_of("alone", "v2");
    assert_eq!(told(&switched.diffs[0].pulls), ((zstd, own), (all, other), (all, other)));
    assert_eq!(switched.diffs[0].old_gzip, None);
    let back = diff_of("v1", "alone");
    let whole: u64 = back.layers.iter().map(|layer| layer.size).sum();
    assert_eq!(told(&back.diffs[0].pulls), ((0, None), (whole, None), (whole, None)));
}

/// As the report shows them: no line is wider than a terminal.
#[test]
fn a_report_says_who_takes_which_image() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let outcome = update(&dir, twin(), "v1", "v2");
    let text = restrata::report::text::rechunk(&outcome, restrata::report::text::Listing::Short);
    assert!(text.contains("plain client, gzip"), "{text}");
    assert!(text.contains("take the gzip image of an index with two"), "{text}");
    let is_narrow = |line: &str| line.contains("sha256:") || line.chars().count() <= 80;
    assert!(text.lines().all(is_narrow), "{text}");
    let json: serde_json::Value = serde_json::from_str(&restrata::report::json::rechunk(&outcome)).unwrap();
    let pulls = json["pulls"].as_array().unwrap();
    for (client, image) in [("plain", "zstd"), ("plain-gzip", "gzip"), ("docker", "gzip"), ("composefs", "zstd")] {
        assert!(pulls.iter().any(|pull| pull["client"] == client && pull["image"] == image), "{client}");
    }
}

/// Sizes of gzip layers that are yet to be written are estimates; those of kept ones are not.
#[test]
fn a_plan_forecasts_the_gzip_image() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let outcome = update(&dir, twin(), "v1", "v2");
    let mut request =
        Request::new(second(dir.path()).parse().unwrap(), dest(&dir, "planned").parse().unwrap(), options());
    request.formats = twin();
    request.previous = vec![dest(&dir, "v1").parse().unwrap()];
    let planned = plan(&request, &Progress::new()).unwrap();
    let docker = |pulls: &[Pull]| {
        let pull = pulls.iter().find(|pull| pull.from.is_some() && pull.client == Client::Docker).unwrap();
        assert_eq!(pull.image, Some(Compression::Gzip));
        pull.blob_bytes()
    };
    let (predicted, found) = (docker(&planned.images[0].pulls), docker(&outcome.images[0].pulls));
    assert!(predicted.abs_diff(found) < found / 4, "{predicted}, {found}");
}
