//! What action.yml runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;
use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::progress::Progress;
use restrata::verify::verify;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Example, has_jq};

const ACTION: Example =
    Example { file: "../../action.yml", shell: "bash", tell: &["Publish"], comment: "Comment", posts: "", edits: "" };

const DEST: &str = "docker://registry.example/app:latest";

/// A checkout, with an image that is published and one that is new.
struct Run {
    dir: TempDir,
    /// The action's inputs.
    inputs: Vec<(&'static str, &'static str)>,
    refusal: &'static str,
}

impl Run {
    fn new(inputs: &[(&'static str, &'static str)]) -> Self {
        let run = Self { dir: TempDir::new().unwrap(), inputs: inputs.to_vec(), refusal: "" };
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
            self.restrata(&["rechunk", "dir:was", &format!("oci:registry:{tag}")]);
        }
        self
    }

    fn restrata(&self, arguments: &[&str]) -> String {
        let mut command = Command::cargo_bin("restrata").unwrap();
        let output = command.args(arguments).current_dir(self.dir.path()).env("XDG_CACHE_HOME", self.dir.path());
        let output = output.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and output of a step.
    fn step(&self, title: &str) -> (i32, String) {
        self.shell(&ACTION.script(title))
    }

    fn shell(&self, script: &str) -> (i32, String) {
        let binary = Command::cargo_bin("restrata").unwrap();
        let stubs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stubs");
        let path = [stubs.join("registry"), stubs].map(|dir| dir.display().to_string()).join(":");
        let input = |name| self.inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| value);
        let previous = if input("previous").is_empty() { input("dest") } else { input("previous") };
        let output = Command::new(ACTION.shell)
            .args(["-e", "-o", "pipefail", "-c", script])
            .current_dir(self.dir.path())
            .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
            .envs([("RESTRATA", binary.get_program()), ("XDG_CACHE_HOME", self.dir.path().as_os_str())])
            .env("RUNNER_TEMP", self.dir.path())
            .envs([("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "summary.md"), ("REFUSAL", self.refusal)])
            .envs([("GITHUB_REPOSITORY", "o/app"), ("NUMBER", "7"), ("GH_TOKEN", "secret")])
            .envs([("IMAGE", "containers-storage:localhost/app"), ("DEST", input("dest")), ("PREVIOUS", previous)])
            .envs([("LIMIT", input("fail-above")), ("COMMENT", input("comment"))])
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), text)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(name)).ok()
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
        let shown: Value =
            serde_json::from_str(&self.restrata(&["inspect", "oci:registry:latest", "--format", "json"])).unwrap();
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
    let diff =
        run.restrata(&["diff", "oci:registry:was", "oci:registry:latest", "--client", "plain", "--format", "json"]);
    let diff: Value = serde_json::from_str(&diff).unwrap();
    let told = (&diff["changed_bytes"], &diff["pulls"][0]["blob_bytes"]);
    assert_eq!(told, (&json!(run.bytes("changed-bytes")), &json!(run.bytes("pull-bytes"))));
    assert!((5_000..20_000).contains(&run.bytes("changed-bytes")), "{told:?}");
    assert_eq!((run.read("pull-cost.md"), run.read("summary.md")), (None, None));

    let parse = |reference: &str| -> Reference {
        let (transport, path) = reference.split_once(':').unwrap();
        format!("{transport}:{}", run.dir.path().join(path).display()).parse().unwrap()
    };
    let options = JobOptions::new(2, std::env::temp_dir());
    let ignore = [restrata::verify::Ignore::Mtime];
    let (built, now) = (parse("oci:build:app"), parse("oci:registry:latest"));
    assert!(verify(&built, &now, None, &ignore, options, &Progress::new()).unwrap().is_same());
    let blobs = fs::read_dir(run.dir.path().join("registry/blobs/sha256")).unwrap();
    let configs: Vec<String> = blobs.filter_map(|blob| fs::read_to_string(blob.unwrap().path()).ok()).collect();
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
        let run = Run { refusal, ..Run::new(inputs).published() };
        // What an earlier run left is no comment of this one.
        fs::write(run.dir.path().join("pull-cost.md"), "old").unwrap();
        let was = run.digest();
        let (code, log) = run.step("Publish");
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
    for input in ["image", "dest", "previous", "fail-above", "comment"] {
        assert!(text.contains(&format!("\n  {input}:\n")) && text.contains(&format!("inputs.{input}")), "{input}");
    }
    for output in ["digest", "changed-bytes", "pull-bytes"] {
        assert!(text.contains(&format!("\n  {output}:\n")), "{output}");
        assert!(text.contains(&format!("${{{{ steps.publish.outputs.{output} }}}}")), "{output}");
    }
    assert!(text.contains("head.repo.full_name == github.repository"), "a fork's token can't write comments");
}
