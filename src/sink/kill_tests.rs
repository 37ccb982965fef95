//! What kill -9 leaves, at every step of a run, and what the next run makes of it.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::journal::Journal;
use crate::error::Error;
use crate::job::JobOptions;
use crate::progress::Progress;
use crate::rechunk::{Request, rechunk};
use crate::source::{Source, SourceError};

/// In memory where there is such a place: a disk takes minutes for thousands of small directories.
pub(super) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// A tree to write, of this version.
pub(super) fn tree(dir: &Path, version: u8) {
    fs::create_dir_all(dir.join("root/etc")).unwrap();
    fs::write(dir.join("root/etc/name"), "the same in all versions").unwrap();
    fs::write(dir.join("root/data"), vec![version; 3000]).unwrap();
}

fn reference(dir: &Path, reference: &str) -> String {
    let (transport, path) = reference.split_once(':').unwrap();
    format!("{transport}:{}/{path}", dir.display())
}

/// Writes the tree in `dir`; the references are relative to it. Returns the digest.
pub(super) fn run(dir: &Path, previous: Option<&str>, dest: &str) -> Result<String, Error> {
    let parse = |text: &str| reference(dir, text).parse().unwrap();
    let resources = JobOptions::new(2, std::env::temp_dir());
    let mut request = Request::new(parse("dir:root"), parse(dest), resources);
    request.previous = previous.map(parse).into_iter().collect();
    // Else what is new is so much of this image that everything is written anew.
    request.layers.max_waste = crate::order::layers::Share(9_900);
    Ok(rechunk(&request, &Progress::new())?.digest.to_string())
}

/// The digest of the manifest that a tag leads to, when every blob below it is there and has its digest; `None` when
/// there is no such tag.
pub(super) fn whole(dir: &Path, tag: &str) -> Result<Option<String>, String> {
    let found = Source::open(&reference(dir, tag).parse().unwrap())
        .and_then(|source| source.images(None).map(|images| (source, images)));
    let (source, images) = match found {
        Ok(found) => found,
        Err(SourceError::NoTag { .. }) => return Ok(None),
        Err(SourceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        // An empty directory on its way to a layout.
        Err(SourceError::Kind { .. }) if !dir.join("out/index.json").exists() && dir.join("out").is_dir() => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    let [image] = &images[..] else { return Err(format!("{} images", images.len())) };
    for layer in &image.layers {
        let mut blob = source.open_layer(layer).map_err(|error| error.to_string())?;
        io::copy(&mut blob, &mut io::sink()).map_err(|error| error.to_string())?;
    }
    Ok(image.manifest_digest.map(|digest| digest.to_string()))
}

/// Directory, previous reference or nothing, destination, and the step to be killed at.
const VICTIM: &str = "RESTRATA_TEST_VICTIM";

/// Run by itself in a process that is to be killed.
#[test]
fn victim() {
    let Ok(task) = std::env::var(VICTIM) else { return };
    let [dir, previous, dest, step] = task.split('\n').collect::<Vec<_>>()[..] else { panic!("{task}") };
    Journal::kill_after(step.parse().unwrap());
    run(Path::new(dir), Some(previous).filter(|previous| !previous.is_empty()), dest).unwrap();
}

/// False when the run was over before it could be killed.
fn kill_at(step: usize, dir: &Path, previous: Option<&str>, dest: &str) -> bool {
    let task = [dir.to_str().unwrap(), previous.unwrap_or(""), dest, &step.to_string()].join("\n");
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "sink::kill_tests::victim", "--test-threads=1"]).env(VICTIM, task);
    let ended = victim.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(ended.success() || ended.signal() == Some(9), "{ended}");
    !ended.success()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Kills runs into `dest` at each step, each in what `prepare` makes; returns how many steps there are.
fn kill_everywhere(prepare: impl Fn(&Path), previous: Option<&str>, dest: &str) -> usize {
    let expected = {
        let dir = scratch();
        tree(dir.path(), 1);
        prepare(dir.path());
        tree(dir.path(), 2);
        run(dir.path(), previous, dest).unwrap();
        names(dir.path())
    };
    for step in 0.. {
        let dir = scratch();
        let dir = dir.path();
        tree(dir, 1);
        prepare(dir);
        let old = previous.map(|previous| whole(dir, previous).unwrap().unwrap());
        let before = whole(dir, dest).unwrap();
        tree(dir, 2);
        let was_killed = kill_at(step, dir, previous, dest);
        let left = whole(dir, dest).unwrap_or_else(|error| panic!("step {step}: {error}"));
        if let Some(previous) = previous {
            assert_eq!(whole(dir, previous).unwrap(), old, "step {step}");
        }
        let new = run(dir, previous, dest).unwrap_or_else(|error| panic!("step {step}: {error}"));
        assert!(left == before || left.as_ref() == Some(&new), "step {step}: {left:?}");
        assert_eq!(whole(dir, dest).unwrap(), Some(new));
        // Nothing is left of the run that was killed, beside the destination or in it.
        assert_eq!(names(dir), expected, "step {step}");
        if dir.join("out").is_dir() {
            assert_eq!(names(&dir.join("out")), ["blobs", "index.json", "oci-layout"], "step {step}");
            assert_eq!(names(&dir.join("out/blobs")), ["sha256"], "step {step}");
        }
        if !was_killed {
            return step;
        }
    }
    unreachable!()
}

#[test]
fn a_new_layout_and_an_archive() {
    for dest in ["oci:out:v1", "oci-archive:out.tar:v1"] {
        let steps = kill_everywhere(|_| (), None, dest);
        assert!(steps > 15, "{steps}");
    }
}

#[test]
fn an_empty_directory() {
    let steps = kill_everywhere(|dir| fs::create_dir(dir.join("out")).unwrap(), None, "oci:out:v1");
    assert!(steps > 15, "{steps}");
}

#[test]
fn an_update_and_a_tag_that_moves() {
    for dest in ["oci:out:v2", "oci:out:v1"] {
        let old = |dir: &Path| drop(run(dir, None, "oci:out:v1").unwrap());
        let previous = (dest == "oci:out:v2").then_some("oci:out:v1");
        let steps = kill_everywhere(old, previous, dest);
        assert!(steps > 15, "{steps}");
    }
}
