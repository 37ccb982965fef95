//! What action.yml runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stub::{Auth, Registry};
use super::{DEST, Example, HOST, has_jq, run_in};

const ACTION: Example =
    Example { file: "../../action.yml", shell: "bash", tell: &["Publish"], comment: "Comment", posts: "", edits: "" };

/// A checkout, with an image that is published and one that is new.
struct Run {
    dir: TempDir,
    /// The action's inputs.
    inputs: Vec<(&'static str, &'static str)>,
    registry: Registry,
}

impl Run {
    fn new(inputs: &[(&'static str, &'static str)]) -> Self {
        let run = Self { dir: TempDir::new().unwrap(), inputs: inputs.to_vec(), registry: Registry::start() };
        let file = |path: &str, content: &[u8]| {
            let path = run.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        let noise: Vec<u8> = (0..200_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        file("was/stays", &[1; 50_000]);
        file("root/stays", &[1; 50_000]);
        file("root/new", &noise);
        // As images for bootc have them.
        run.restrata(&["rechunk", "dir:root", "oci:build:new", "--label", "containers.bootc=1"]);
        run.restrata(&["rechunk", "oci:build:new", "oci:build:app", "--label", "ostree.bootable=true"]);
        run
    }

    fn published(self) -> Self {
        for tag in ["was", "latest"] {
            self.restrata(&["rechunk", "dir:was", &DEST.replace("latest", tag)]);
        }
        self
    }

    fn restrata(&self, arguments: &[&str]) -> String {
        let mut command = Command::cargo_bin("restrata").unwrap();
        let output =
            run_in(&mut command, self.dir.path(), &self.registry).args(self.there(arguments)).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.here(&output.stdout)
    }

    fn there(&self, words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.replace(HOST, &self.registry.host())).collect()
    }

    fn here(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(&self.registry.host(), HOST)
    }

    /// Exit code and output of a step.
    fn step(&self, title: &str) -> (i32, String) {
        self.shell(&ACTION.script(title))
    }

    fn shell(&self, script: &str) -> (i32, String) {
        let input = |name| self.inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| value);
        let previous = if input("previous").is_empty() { input("dest") } else { input("previous") };
        let mut command = Command::new(ACTION.shell);
        let output = run_in(&mut command, self.dir.path(), &self.registry)
            .args(["-e", "-o", "pipefail", "-c", script])
            .env("RUNNER_TEMP", self.dir.path())
            .envs([("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "summary.md")])
            .envs([("GITHUB_REPOSITORY", "o/app"), ("NUMBER", "7"), ("GH_TOKEN", "secret")])
            .envs([
                ("IMAGE", "containers-storage:localhost/app"),
                ("DEST", &*self.there(&[input("dest")])[0]),
                ("PREVIOUS", &self.there(&[previous])[0]),
            ])
            .envs([("LIMIT", input("fail-above")), ("COMMENT", input("comment")), ("OPTIONS", input("options"))])
            .output()
            .unwrap();
        let text = self.here(&[output.stdout, output.stderr].concat());
        (output.status.code().unwrap(), text)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read(self.dir.path().join(name)).ok().map(|bytes| self.here(&bytes))
    }

    fn output(&self, name: &str) -> Option<String> {
        let outputs = self.read("outputs")?;
        let mut values = outputs.lines().filter_map(|line| line.strip_prefix(&format!("{name}=")));
        let value = values.next().map(str::to_owned);
        assert_eq!(values.next(), None, "{outputs}");
        value
    }

    fn bytes(&self, name: &str) -> u64 {
        self.output(name).unwrap().parse().unwrap()
    }

    /// Of the image that is published now.
    fn digest(&self) -> String {
        let shown: Value = serde_json::from_str(&self.restrata(&["inspect", DEST, "--format", "json"])).unwrap();
        shown["images"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// How often an image was sent somewhere, and where.
    fn written(&self) -> Vec<String> {
        let all = self.read("restrata.args").unwrap_or_default();
        let runs = all.lines().filter_map(|line| line.strip_prefix("rechunk containers-storage:localhost/app "));
        runs.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

#[test]
fn an_update_is_published_in_one_step() {
    if !has_jq() {
        return;
    }
    let run = Run::new(&[("dest", DEST)]).published();
    let was = run.digest();
    let (code, log) = run.step("Publish");
    assert_eq!(code, 0, "{log}");
    assert_eq!(run.written(), [DEST]);
    assert_eq!(run.output("digest").unwrap(), run.digest());
    assert_ne!(run.digest(), was);
    // The layer that clients have stays, and the new file travels.
    let diff = run.restrata(&["diff", &DEST.replace("latest", "was"), DEST, "--client", "plain", "--format", "json"]);
    let diff: Value = serde_json::from_str(&diff).unwrap();
    let told = (&diff["changed_bytes"], &diff["pulls"][0]["blob_bytes"]);
    assert_eq!(told, (&json!(run.bytes("changed-bytes")), &json!(run.bytes("pull-bytes"))));
    assert!((5_000..20_000).contains(&run.bytes("changed-bytes")), "{told:?}");
    assert_eq!((run.read("pull-cost.md"), run.read("summary.md")), (None, None));

    run.restrata(&["verify", "--ignore", "mtime", "oci:build:app", DEST]);
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
    let configs: Vec<String> = run.registry.state().blobs.values().filter_map(text).collect();
    let labels = r#""containers.bootc":"1","ostree.bootable":"true""#;
    assert!(configs.iter().any(|config| config.replace(' ', "").contains(labels)), "{configs:?}");
}

#[test]
fn a_first_version_is_published() {
    if !has_jq() {
        return;
    }
    for inputs in [&[("dest", DEST)][..], &[("dest", DEST), ("fail-above", "1kB"), ("comment", "true")]] {
        let run = Run::new(inputs);
        let (code, log) = run.step("Publish");
        assert_eq!(code, 0, "{log}");
        assert!(log.contains(&format!("There is no {DEST} yet: this is a first version.")), "{log}");
        assert_eq!(run.output("digest").unwrap(), run.digest());
        assert!(run.bytes("pull-bytes") > 5_000 && run.read("pull-cost.md").is_none());
    }
}

/// They are words for restrata, and no shell sees them.
#[test]
fn more_options_are_handed_on() {
    if !has_jq() {
        return;
    }
    let options = "--twin gzip\n  --annotation org.example=$(touch${IFS}ran)*";
    for inputs in
        [&[("dest", DEST), ("options", options)][..], &[("dest", DEST), ("options", options), ("comment", "true")]]
    {
        let run = Run::new(inputs);
        let (code, log) = run.step("Publish");
        assert_eq!(code, 0, "{log}");
        let shown: Value = serde_json::from_str(&run.restrata(&["inspect", DEST, "--format", "json"])).unwrap();
        assert!(shown["images"][0]["twin"].is_object(), "{shown}");
        let asked = run.read("restrata.args").unwrap();
        assert!(asked.contains("--annotation org.example=$(touch${IFS}ran)*"), "{asked}");
        assert!(!run.dir.path().join("ran").exists());
    }
    let (code, log) = Run::new(&[("dest", DEST), ("options", "--no-such-option")]).step("Publish");
    assert_eq!(code, 64, "{log}");
}

#[test]
fn above_the_limit_nothing_is_published() {
    if !has_jq() {
        return;
    }
    for (limit, wanted, verdict) in [("1kB", 3, "over the limit of 1kB"), ("1MB", 0, "within the limit of 1MB")] {
        let run = Run::new(&[("dest", DEST), ("fail-above", limit)]).published();
        let was = run.digest();
        let (code, log) = run.step("Publish");
        assert_eq!((code, run.digest() == was), (wanted, wanted == 3), "{log}");
        assert_eq!(run.written().iter().filter(|dest| *dest == DEST).count(), usize::from(wanted == 0));
        assert!(run.bytes("pull-bytes") > 5_000 && run.output("digest").unwrap().starts_with("sha256:"));
        let comment = run.read("pull-cost.md").unwrap();
        let start = format!("<!-- pull-cost -->\n## Pull cost: {verdict} for a plain client\n");
        assert!(comment.starts_with(&start) && comment.contains("\n\n### "), "{comment}");
        let digest = format!("is the new image, `{}`;\n`{DEST}` is what is", run.output("digest").unwrap());
        assert!(comment.contains(&digest), "{comment}");
        assert_eq!(run.read("summary.md").unwrap(), comment);
    }
}

#[test]
fn a_pull_request_is_told_what_it_costs_and_publishes_nothing() {
    if !has_jq() {
        return;
    }
    let run = Run::new(&[("previous", DEST), ("comment", "true")]).published();
    fs::write(run.dir.path().join("comments.json"), "[]").unwrap();
    let was = run.digest();
    let (code, log) = run.step("Publish");
    assert_eq!((code, run.digest()), (0, was), "{log}");
    assert!(run.written().iter().all(|dest| dest.starts_with("oci:")), "{:?}", run.written());
    assert!(run.bytes("changed-bytes") > 5_000);
    let comment = run.read("pull-cost.md").unwrap();
    assert!(comment.starts_with("<!-- pull-cost -->\n## Pull cost: what an update to this image costs\n"), "{comment}");
    let (code, log) = run.step("Comment");
    assert_eq!(code, 0, "{log}");
    let posts = "api --silent --method POST repos/o/app/issues/7/comments --field body=@pull-cost.md\n";
    assert!(run.read("posted").unwrap().ends_with(posts));
}

/// The commands of docs/ci.md for GitLab.
#[test]
fn the_page_publishes_below_the_limit() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    - restrata ")).collect();
    assert_eq!(commands.len(), 3);
    let script = |limit: &str| {
        let lines = commands.iter().map(|command| format!("restrata {}\n", command.replace("200MB", limit)));
        lines.collect::<String>()
    };
    for (limit, wanted) in [("200MB", 0), ("1kB", 3)] {
        let run = Run::new(&[("dest", DEST)]).published();
        let was = run.digest();
        let (code, log) = run.shell(&script(limit));
        assert_eq!((code, run.digest() != was), (wanted, wanted == 0), "{log}");
    }
}

#[test]
fn a_failure_is_no_first_version() {
    for (inputs, refusal, wanted) in [
        (&[("dest", DEST)][..], "no permission to pull", 1),
        (&[], "", 64),
        (&[("dest", DEST), ("fail-above", "much")], "", 64),
    ] {
        let run = Run::new(inputs).published();
        // What an earlier run left is no comment of this one.
        fs::write(run.dir.path().join("pull-cost.md"), "old").unwrap();
        let was = run.digest();
        if wanted == 1 {
            run.registry.state().auth = Auth::Basic("me", "another");
        }
        let (code, log) = run.step("Publish");
        run.registry.state().auth = Auth::None;
        assert_eq!((code, run.digest()), (wanted, was), "{log}");
        assert!(log.contains(refusal) && run.read("outputs").is_none(), "{log}");
        assert_eq!(run.read("pull-cost.md"), None, "{log}");
    }
}

/// What the workflow gives comes as a variable, and the comment is the same as that of the example.
#[test]
fn the_action_is_as_the_examples() {
    assert_eq!(ACTION.script("Comment").replace("  ", ""), super::EXAMPLES[0].script("Comment").replace("  ", ""));
    let text = ACTION.text();
    for input in ["image", "dest", "previous", "fail-above", "comment", "options"] {
        assert!(text.contains(&format!("\n  {input}:\n")) && text.contains(&format!("inputs.{input}")), "{input}");
    }
    for output in ["digest", "changed-bytes", "pull-bytes"] {
        assert!(text.contains(&format!("\n  {output}:\n")), "{output}");
        assert!(text.contains(&format!("${{{{ steps.publish.outputs.{output} }}}}")), "{output}");
    }
    assert!(text.contains("head.repo.full_name == github.repository"), "a fork's token can't write comments");
}
