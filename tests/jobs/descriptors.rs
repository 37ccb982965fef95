//! Layers that could stay, with descriptors that lie about their indexes.

use restrata::check::check;
use restrata::oci::Reference;
use restrata::order::State;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::Request;
use restrata::toc::{TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION};

use super::image::{Parts, chunked, options, plain, sample};
use super::runs::Bench;

impl Bench {
    /// Lays the new image out against the old one, and sees that `check` has nothing against the result. Returns
    /// whether the layer stayed, and the notes.
    fn update(&self, old: &Reference, keep_foreign: bool) -> (bool, Vec<String>) {
        let outcome = self.run(|request| {
            request.previous.push(old.clone());
            request.keep_foreign = keep_foreign;
        });
        let outcome = outcome.unwrap();
        let report = check(&self.out(), None, options(), &Progress::new()).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        let is_kept = outcome.images[0].layers.iter().any(|layer| layer.planned.state == State::Kept);
        (is_kept, outcome.notes)
    }
}

type Lie<'a> = &'a dyn Fn(&mut Parts);

fn set(parts: &mut Parts, key: &str, value: &str) {
    *parts.annotation(key) = value.into();
}

#[test]
fn a_layer_whose_descriptor_lies_is_not_used() {
    let bench = Bench::new(IndexPlace::First);
    assert_eq!(bench.update(&bench.old.parse().unwrap(), true), (true, vec![]));
    let unpacked = |parts: &mut Parts| {
        let text = parts.annotation(TAR_SPLIT_POSITION).as_str().unwrap().to_owned();
        set(parts, TAR_SPLIT_POSITION, &format!("{text}0"));
    };
    let gzip = |parts: &mut Parts| parts.layer()["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    let forget =
        |parts: &mut Parts| drop(parts.layer()["annotations"].as_object_mut().unwrap().shift_remove(TOC_DIGEST));
    let checksum = format!("sha256:{}", "1".repeat(64));
    let lies: [(&str, Lie<'_>); 7] = [
        ("the tar-split is at bytes 9,999,999,999 to 10,000,000,000, but the blob has", &|parts| {
            set(parts, TAR_SPLIT_POSITION, "9999999999:1:1");
        }),
        ("which is in no skippable frame", &|parts| set(parts, TAR_SPLIT_POSITION, "12:1:1")),
        ("the footer at byte", &unpacked),
        ("the media type \"application/vnd.oci.image.layer.v1.tar+gzip\": expected zstd", &gzip),
        ("the TOC has the digest", &|parts| set(parts, TOC_DIGEST, &checksum)),
        ("found none: clients take the layer for plain zstd", &forget),
        ("expected 4 decimal numbers", &|parts| set(parts, TOC_POSITION, "1:2")),
    ];
    for (sentence, lie) in lies {
        let mut parts = Parts::read(&bench.old);
        lie(&mut parts);
        let old: Reference = parts.write(&bench.dir.path().join("changed")).parse().unwrap();
        for keep_foreign in [false, true] {
            let (is_kept, notes) = bench.update(&old, keep_foreign);
            let is_told = |note: &String| {
                // A copy would lie as well.
                let helps = !note.contains("copy the image again");
                helps && note.contains(": layer 0 (") && note.contains(") is not used: ") && note.contains(sentence)
            };
            assert!(!is_kept && notes.iter().any(is_told), "{sentence}: {notes:?}");
        }
        let error = bench.run(|request| request.base = Some(old.clone())).unwrap_err().to_string();
        assert!(error.starts_with("base image") && error.contains("layer 0: ") && error.contains(sentence), "{error}");
    }
}

/// Nothing that an image says of itself spares its layers the questions.
#[test]
fn of_every_layer_all_is_asked() {
    let bench = Bench::new(IndexPlace::First);
    let written = chunked(bench.dir.path(), &plain(bench.dir.path(), "c", &[sample()]), IndexPlace::End);
    type Change<'a> = &'a dyn Fn(&mut String, &mut String);
    let changed = |is_marked: bool, change: Change<'_>| -> Reference {
        let mut parts = Parts::read(&written);
        let is_mark = |key: &String| key.starts_with("io.github.restrata");
        parts.layer()["annotations"].as_object_mut().unwrap().retain(|key, _| is_marked || !is_mark(key));
        parts.reindex(change);
        parts.write(&bench.dir.path().join("changed")).parse().unwrap()
    };
    for is_marked in [false, true] {
        assert_eq!(bench.update(&changed(is_marked, &|_, _| {}), false), (true, vec![]));
    }
    let replaced = |text: &mut String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        *text = text.replacen(from, to, 1);
    };
    let lies: [Change<'_>; 5] = [
        &|toc, _| replaced(toc, "\"tarSplitDigest\":\"sha256:", "\"tarSplitDigest\":\"sha256:0123456789abcdef"),
        &|toc, _| replaced(toc, "\"offset\":", "\"offset\":1"),
        &|_, split| replaced(split, "\"size\":3000", "\"size\":3001"),
        &|_, split| replaced(split, "\"payload\":", "\"Payload\":\"AA==\",\"payload\":"),
        &|toc, _| replaced(toc, "\"digest\":", "\"Digest\":\"sha256:0\",\"digest\":"),
    ];
    for (lie, is_marked) in lies.iter().flat_map(|lie| [(lie, false), (lie, true)]) {
        let (is_kept, notes) = bench.update(&changed(is_marked, lie), false);
        assert!(
            !is_kept && notes.iter().any(|note| note.contains(": layer 0 (") && note.contains(") is not used: ")),
            "{notes:?}"
        );
    }
}

/// Clients fetch from `urls` and believe `data`.
#[test]
fn of_an_old_descriptor_only_what_is_proven_is_handed_on() {
    const HANDED_ON: [&str; 6] = [
        "io.github.containers.zstd-chunked.manifest-checksum",
        "io.github.containers.zstd-chunked.manifest-position",
        "io.github.containers.zstd-chunked.tarsplit-position",
        "io.github.restrata.layer",
        "io.github.restrata.owners",
        "io.github.restrata.profile",
    ];
    let bench = Bench::new(IndexPlace::First);
    let added = |parts: &mut Parts| {
        parts.layer()["urls"] = serde_json::json!(["http://127.0.0.1:9/x"]);
        parts.layer()["data"] = "AAAA".into();
        parts.layer()["artifactType"] = "x/y".into();
        parts.layer()["platform"] = serde_json::json!({"os": "windows", "architecture": "amd64"});
        for key in ["containerd.io/snapshot/x", "containerd.io/uncompressed", "io.containers.estargz.uncompressed-size"]
        {
            set(parts, key, "1");
        }
        set(parts, "io.github.restrata.owners", "a\u{7}b");
    };
    let outputs = |change: &dyn Fn(&mut Request)| {
        let outcome = bench.run(change).unwrap();
        let out = bench.dir.path().join("out");
        let blob = |digest: &str| std::fs::read(out.join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&blob(&outcome.images[0].digest.to_string())).unwrap();
        let notes: Vec<String> = outcome.notes.into_iter().filter(|note| note.contains("left out")).collect();
        (manifest["layers"].as_array().unwrap().clone(), notes)
    };
    let mut parts = Parts::read(&bench.old);
    added(&mut parts);
    let old: Reference = parts.write(&bench.dir.path().join("changed")).parse().unwrap();
    let foreign = plain(bench.dir.path(), "foreign", &[sample()]);
    let mut parts = Parts::tagged(&foreign, "foreign");
    added(&mut parts);
    let foreign: Reference = parts.write(&bench.dir.path().join("foreign")).parse().unwrap();
    let cases: [&dyn Fn(&mut Request); 4] = [
        &|request| request.previous.push(old.clone()),
        &|request| request.base = Some(old.clone()),
        // Written anew in the old one's place.
        &|request| {
            request.previous.push(old.clone());
            request.layers.purge.push(restrata::tar::TarPath::new(b"usr/share/zeros").unwrap());
            request.layers.prune.push(restrata::order::layers::Prune {
                path: restrata::tar::TarPath::new(b"usr/share/zeros").unwrap(),
                keep_dir: false,
            });
        },
        &|request| {
            request.previous.push(foreign.clone());
            request.keep_foreign = true;
        },
    ];
    for (at, case) in cases.into_iter().enumerate() {
        let (layers, notes) = outputs(case);
        for layer in &layers {
            let layer = layer.as_object().unwrap();
            let fields = ["mediaType", "digest", "size", "annotations"];
            assert!(layer.keys().all(|key| fields.contains(&key.as_str())), "{at}: {layer:?}");
            let annotations = layer["annotations"].as_object().unwrap();
            assert!(annotations.keys().all(|key| HANDED_ON.contains(&key.as_str())), "{at}: {layer:?}");
            assert!(annotations.get("io.github.restrata.owners").is_none_or(|owners| owners != "a\u{7}b"));
        }
        for what in ["\"urls\"", "\"data\"", "the annotation \"containerd.io/snapshot/x\"", "restrata.owners"] {
            assert!(
                notes.len() == 1 && notes[0].starts_with("layer 0: ") && notes[0].contains(what),
                "{at}: {notes:?}"
            );
        }
    }
}

/// The same blob under other annotations is another claim.
#[test]
fn a_proof_holds_for_what_was_asked_alone() {
    let bench = Bench::new(IndexPlace::First);
    let cache = restrata::cache::Cache::at(bench.dir.path().join("cache"));
    let written = chunked(bench.dir.path(), &plain(bench.dir.path(), "c", &[sample()]), IndexPlace::End);
    let kept = |parts: Parts, cache: &restrata::cache::Cache| {
        let old: Reference = parts.write(&bench.dir.path().join("changed")).parse().unwrap();
        let outcome = bench.run(|request| {
            request.previous.push(old);
            request.resources.cache = cache.clone();
        });
        outcome.unwrap().images[0].layers.iter().any(|layer| layer.planned.state == State::Kept)
    };
    assert!(kept(Parts::read(&written), &cache));
    // No footer: nothing but the proof knows where the tar-split is.
    let without_footer = || {
        let mut parts = Parts::read(&written);
        let end = parts.blob.len() as u64 - restrata::toc::FOOTER_FRAME;
        parts.blob.truncate(end as usize);
        parts
    };
    assert!(kept(without_footer(), &cache) && kept(without_footer(), &cache));
    let moved = || {
        let mut parts = without_footer();
        let text = parts.annotation(TAR_SPLIT_POSITION).as_str().unwrap().to_owned();
        set(&mut parts, TAR_SPLIT_POSITION, &format!("{text}0"));
        parts
    };
    assert!(!kept(moved(), &restrata::cache::Cache::default()) && !kept(moved(), &cache));
    assert!(kept(without_footer(), &cache));
}
