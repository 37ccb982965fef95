//! Layers that could stay, with descriptors that lie about their indexes.

use restrata::check::check;
use restrata::error::Error;
use restrata::oci::Reference;
use restrata::order::State;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::toc::{TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION};
use tempfile::TempDir;

use super::image::{Parts, chunked, file, noise, options, plain, sample};

struct Bench {
    dir: TempDir,
    new: String,
    old: String,
}

impl Bench {
    /// The old image's one layer can stay.
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let old = chunked(dir.path(), &plain(dir.path(), "a", &[sample()]), IndexPlace::First);
        let new = plain(dir.path(), "b", &[sample(), vec![file("new", &noise(100))]]);
        Self { dir, new, old }
    }

    fn run(&self, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
        let mut request = Request::new(self.new.parse().unwrap(), self.out(), options());
        change(&mut request);
        rechunk(&request, &Progress::new())
    }

    fn out(&self) -> Reference {
        format!("oci:{}:v2", self.dir.path().join("out").display()).parse().unwrap()
    }

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
    let bench = Bench::new();
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
        ("the tar-split is at bytes 9999999999 to 10000000000, but the blob has", &|parts| {
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
            let is_told = |note: &String| note.contains(": layer 0 is not used: ") && note.contains(sentence);
            assert!(!is_kept && notes.iter().any(is_told), "{sentence}: {notes:?}");
        }
        let error = bench.run(|request| request.base = Some(old.clone())).unwrap_err().to_string();
        assert!(error.starts_with("base image") && error.contains("layer 0: ") && error.contains(sentence), "{error}");
    }
}

/// A layer that restrata wrote, or let stay, was asked before.
#[test]
fn of_a_layer_that_was_never_restratas_all_is_asked() {
    let bench = Bench::new();
    let written = chunked(bench.dir.path(), &plain(bench.dir.path(), "c", &[sample()]), IndexPlace::End);
    type Change<'a> = &'a dyn Fn(&mut String, &mut String);
    let foreign = |change: Change<'_>| -> Reference {
        let mut parts = Parts::read(&written);
        parts.layer()["annotations"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("io.github.restrata"));
        parts.reindex(change);
        parts.write(&bench.dir.path().join("changed")).parse().unwrap()
    };
    assert_eq!(bench.update(&foreign(&|_, _| {}), false), (true, vec![]));
    let replaced = |text: &mut String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        *text = text.replacen(from, to, 1);
    };
    let lies: [Change<'_>; 3] = [
        &|toc, _| replaced(toc, "\"tarSplitDigest\":\"sha256:", "\"tarSplitDigest\":\"sha256:0123456789abcdef"),
        &|toc, _| replaced(toc, "\"offset\":", "\"offset\":1"),
        &|_, split| replaced(split, "\"size\":3000", "\"size\":3001"),
    ];
    for lie in lies {
        let (is_kept, notes) = bench.update(&foreign(lie), false);
        assert!(!is_kept && notes.iter().any(|note| note.contains(": layer 0 is not used: ")), "{notes:?}");
    }
}
