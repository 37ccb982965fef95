//! The scripts of examples/ci, taken out of the files and run: what is tested is what people copy. The registry is one in
//! this process, other servers are played by tests/stubs, which come first in PATH. Building is left out.
#![cfg(feature = "cli")]

mod action;
#[path = "../registry/mod.rs"]
mod stub;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use tempfile::TempDir;

use stub::{Auth, Registry};

const IMAGE: &str = "registry.example/app:latest";
const DEST: &str = "docker://registry.example/app:latest";
const SECRET: &str = "glpat-secret";

/// A workflow's parts: what each of its shells runs.
struct Example {
    file: &'static str,
    shell: &'static str,
    tell: &'static [&'static str],
    comment: &'static str,
    /// How it posts a comment, and how it changes the third one.
    posts: &'static str,
    edits: &'static str,
}

const EXAMPLES: [Example; 2] = [
    Example {
        file: "github-gate.yml",
        shell: "bash",
        tell: &["Log in", "Compute the cost of the update"],
        comment: "Comment",
        posts: "api --silent --method POST repos/o/app/issues/7/comments --field body=@pull-cost.md\n",
        edits: "api --silent --method PATCH repos/o/app/issues/comments/3 --field body=@pull-cost.md\n",
    },
    Example {
        file: "gitlab-gate.yml",
        shell: "sh",
        tell: &["script"],
        comment: "after_script",
        posts: "--request POST api/projects/1/merge_requests/7/notes --data-urlencode body@pull-cost.md --output /dev/null\n",
        edits: "--request PUT api/projects/1/merge_requests/7/notes/3 --data-urlencode body@pull-cost.md --output /dev/null\n",
    },
];

impl Example {
    fn text(&self) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(self.file)).unwrap()
    }

    /// The block below a step's name (GitHub) or a job's key (GitLab).
    fn script(&self, title: &str) -> String {
        let text = self.text();
        let is_title = |line: &&str| {
            let line = line.trim_start();
            line.strip_prefix("- name: ") == Some(title) || line.strip_suffix(':') == Some(title)
        };
        let mut lines = text.lines().skip_while(|line| !is_title(line)).skip_while(|line| !line.ends_with('|'));
        let indent = |line: &str| line.len() - line.trim_start().len();
        let around = indent(lines.next().unwrap_or_else(|| panic!("no block {title} in {}", self.file)));
        let block = lines.take_while(|line| line.is_empty() || indent(line) > around);
        let script: String = block.map(|line| format!("{line}\n")).collect();
        assert!(!script.contains("${{"), "what others may write comes as a variable, never as code: {script}");
        script
    }

    /// A variable that the workflow sets for its commands, as the file has it.
    fn value(&self, name: &str) -> String {
        let text = self.text();
        let value = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{name}: ")));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.file)).to_owned()
    }
}

/// The comments are chosen with it; `left_out` says when it is missing.
fn has_jq() -> bool {
    Command::new("jq").arg("--version").output().is_ok()
}

/// In the tests' words: which port it has is chosen when it starts.
const HOST: &str = "registry.example";

/// A command that finds the stubs before all else, and may ask `registry`.
fn run_in<'a>(command: &'a mut Command, dir: &Path, registry: &Registry) -> &'a mut Command {
    let conf = dir.join("registries.conf");
    fs::write(&conf, format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host())).unwrap();
    let binary = Command::cargo_bin("restrata").unwrap();
    let stubs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stubs");
    for name in ["SOURCE_DATE_EPOCH", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"] {
        command.env_remove(name);
    }
    command
        .current_dir(dir)
        .env("PATH", format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap()))
        .envs([("RESTRATA", binary.get_program()), ("CONTAINERS_REGISTRIES_CONF", conf.as_os_str())])
        .envs([("HOME", dir), ("XDG_CACHE_HOME", dir)])
        .env("REGISTRY", registry.host())
}

/// A checkout, with an image that was and one that is new.
struct Job {
    example: &'static Example,
    dir: TempDir,
    limit: String,
    /// Where registry.example is.
    registry: Registry,
    /// Another value than the file's.
    strict: Option<&'static str>,
}

impl Job {
    fn new(example: &'static Example) -> Self {
        let dir = TempDir::new().unwrap();
        let file = |path: &str, content: &[u8]| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
        };
        let noise: Vec<u8> = (0..200_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        file("was/stays", &[1; 50_000]);
        file("root/stays", &[1; 50_000]);
        file("root/new", &noise);
        file("comments.json", b"[]");
        Self { example, dir, limit: example.value("LIMIT"), registry: Registry::start(), strict: None }
    }

    /// The same where an image is published.
    fn published(example: &'static Example) -> Self {
        let job = Self::new(example);
        job.restrata(&["rechunk", "-q", "dir:was", DEST]);
        // From now on it asks who comes.
        job.registry.state().auth = Auth::Basic("me", SECRET);
        job
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

    /// How often an image was sent to the registry.
    fn pushes(&self) -> usize {
        let all = self.read("restrata.args").unwrap_or_default();
        all.lines().filter(|line| line.starts_with(&format!("rechunk dir:root {DEST}"))).count()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read(self.dir.path().join(name)).ok().map(|bytes| self.here(&bytes))
    }

    fn shell(&self, title: &str) -> Output {
        let mut command = Command::new(self.example.shell);
        run_in(&mut command, self.dir.path(), &self.registry)
            .args(["-e", "-c", &self.example.script(title)])
            .envs((self.example.shell == "sh").then_some(("REGISTRY_AUTH_FILE", "auth.json")))
            .envs(self.strict().map(|strict| ("STRICT", strict)))
            .envs([("NEW", "dir:root"), ("IMAGE", &self.there(&[IMAGE])[0]), ("LIMIT", &self.limit)])
            .env("OUTPUT", self.example.value("OUTPUT"))
            .envs([("GITHUB_REPOSITORY", "o/app"), ("GITHUB_ACTOR", "me"), ("GITHUB_STEP_SUMMARY", "summary.md")])
            .envs([("NUMBER", "7"), ("TOKEN", SECRET), ("COST_TOKEN", SECRET), ("CI_REGISTRY_PASSWORD", SECRET)])
            .envs([("CI_REGISTRY", &*self.registry.host()), ("CI_REGISTRY_USER", "me"), ("CI_API_V4_URL", "api")])
            .envs([("CI_PROJECT_ID", "1"), ("CI_MERGE_REQUEST_IID", "7")])
            .output()
            .unwrap()
    }

    /// The gates have none.
    fn strict(&self) -> Option<String> {
        let is_release = RELEASES.iter().any(|release| release.file == self.example.file);
        is_release.then(|| self.strict.map_or_else(|| self.example.value("STRICT"), str::to_owned))
    }

    /// Exit code and output of what comes before the comment.
    fn tell(&self) -> (i32, String) {
        let mut told = (0, String::new());
        for title in self.example.tell {
            let output = self.shell(title);
            told.0 = output.status.code().unwrap();
            told.1 += &self.here(&[output.stdout, output.stderr].concat());
        }
        told
    }

    /// What was sent to the server.
    fn comment(&self) -> String {
        let output = self.shell(self.example.comment);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.read("posted").unwrap_or_default()
    }
}

/// The release jobs. They write no comment.
const RELEASES: [Example; 2] = [
    Example {
        file: "github-release.yml",
        shell: "bash",
        tell: &["Log in", "Release"],
        comment: "",
        posts: "",
        edits: "",
    },
    Example { file: "gitlab-release.yml", shell: "sh", tell: &["script"], comment: "", posts: "", edits: "" },
];

#[test]
fn a_release_is_published_when_everything_holds() {
    for example in &RELEASES {
        let mut job = Job::published(example);
        let (code, log) = job.tell();
        assert_eq!(code, 0, "{}: {log}", example.file);
        assert!(job.pushes() == 1 && log.contains("Layers kept") && log.contains("the same"), "{log}");
        job.registry.state().auth = Auth::None;
        job.restrata(&["verify", "--ignore", "mtime", "dir:root", DEST]);
        let args = job.read("restrata.args").unwrap();
        let last = args.lines().last().unwrap();
        assert!(last.ends_with(&format!(" --previous={DEST} --strict")), "{last}");

        job.limit = "1kB".to_owned();
        fs::write(job.dir.path().join("root/more"), [9; 5000]).unwrap();
        fs::write(job.dir.path().join("root/new"), job.dir.path().as_os_str().as_encoded_bytes().repeat(100)).unwrap();
        let (code, log) = job.tell();
        assert!(code == 3 && job.pushes() == 1, "{}: {code} {log}", example.file);
    }
}

#[test]
fn the_first_release_has_no_previous_image_and_a_failure_releases_nothing() {
    for example in &RELEASES {
        let job = Job::new(example);
        let (code, log) = job.tell();
        assert_eq!((code, job.pushes()), (0, 1), "{}: {log}", example.file);
        // What is as it should be shows no error.
        assert!(log.contains("There is no registry.example/app:latest yet: this is a first version."), "{log}");
        assert!(!log.contains("error"), "{}: {log}", example.file);
        job.restrata(&["verify", "dir:root", DEST]);

        let job = Job::published(example);
        job.registry.state().auth = Auth::Basic("me", "another");
        let (code, log) = job.tell();
        assert!(
            code == 1 && log.contains("no permission to pull") && job.pushes() == 0,
            "{}: {code} {log}",
            example.file
        );
    }
}

/// Its layers would be written again, and every client would pull them.
#[test]
fn against_a_damaged_image_nothing_is_released() {
    for example in &RELEASES {
        let job = Job::published(example);
        // Nothing is known of the layer.
        fs::remove_dir_all(job.dir.path().join("restrata")).unwrap();
        // All but layers are JSON.
        for bytes in job.registry.state().blobs.values_mut().filter(|bytes| bytes[0] != b'{') {
            *bytes.last_mut().unwrap() ^= 1;
        }
        let (code, log) = job.tell();
        assert!(code == 3 && log.contains("layer-damaged") && job.pushes() == 0, "{}: {code} {log}", example.file);

        let job = Job { strict: Some(""), ..job };
        let (_, log) = job.tell();
        let goes_on = log.contains("restrata: degraded: layer-damaged") && log.contains("the same: 3 entries");
        assert!(goes_on && !log.contains("no image is written"), "{}: {log}", example.file);
    }
}

#[test]
fn the_gate_passes_and_fails_and_the_comment_says_so() {
    for example in &EXAMPLES {
        let mut job = Job::published(example);
        let (code, log) = job.tell();
        assert_eq!(code, 0, "{}: {log}", example.file);
        let comment = job.read("pull-cost.md").unwrap();
        let start = "<!-- pull-cost -->\n## Pull cost: within the limit of 200MB for a plain client\n";
        assert!(comment.starts_with(start), "{comment}");
        assert!(comment.contains("\n\n### "), "{comment}");
        assert!(comment.contains("| plain |") && !comment.contains("| podman |"), "{comment}");
        assert_eq!(job.read("summary.md").is_some(), example.file == "github-gate.yml");
        assert_eq!(job.read("summary.md").unwrap_or_else(|| comment.clone()), comment);

        job.limit = "1kB".to_owned();
        let (code, log) = job.tell();
        assert_eq!(code, 3, "{}: {log}", example.file);
        let over = comment.replace("within the limit of 200MB", "over the limit of 1kB");
        assert_eq!(job.read("pull-cost.md").unwrap(), over);
    }
}

#[test]
fn the_comment_names_both_images() {
    for example in &EXAMPLES {
        let job = Job::published(example);
        assert_eq!(job.tell().0, 0);
        let (comment, digest) = (job.read("pull-cost.md").unwrap(), job.read("new.digest").unwrap());
        let names = ["request's image, `".to_owned() + &digest, format!("`{DEST}` is")];
        assert!(names.iter().all(|name| comment.contains(name)), "{comment}");
        assert_eq!(job.pushes(), 0);
    }
}

#[test]
fn a_name_without_an_image_passes_with_a_word() {
    for example in &EXAMPLES {
        let job = Job::new(example);
        let (code, log) = job.tell();
        assert_eq!(code, 0, "{}: {log}", example.file);
        assert!(log.contains("There is no registry.example/app:latest yet") && !log.contains("error"), "{log}");
        assert_eq!(job.read("pull-cost.md"), None);
    }
}

#[test]
fn a_failure_fails_and_leaves_no_comment() {
    for example in &EXAMPLES {
        let job = Job::published(example);
        job.registry.state().auth = Auth::Basic("me", "another");
        let (code, log) = job.tell();
        assert!(code == 1 && log.contains("no permission to pull"), "{}: {code} {log}", example.file);
        assert_eq!(job.read("pull-cost.md"), None);

        let job = Job { limit: "much".to_owned(), ..Job::published(example) };
        assert_eq!(job.tell().0, 64, "{}", example.file);
        assert_eq!(job.read("pull-cost.md"), None);
    }
    let job = Job::new(&EXAMPLES[1]);
    assert_eq!(job.comment(), "", "GitLab runs it after a failure, too");
}

/// Others' comments stay as they are, and a run changes the one that an earlier run wrote.
#[test]
fn one_comment_is_kept_up_to_date() {
    if !has_jq() {
        return;
    }
    let comment =
        |id: u8, user: &str, body: &str| format!(r#"{{"id": {id}, "user": {{"login": "{user}"}}, "body": "{body}"}}"#);
    for example in &EXAMPLES {
        let job = Job::new(example);
        let write = |name: &str, content: &str| fs::write(job.dir.path().join(name), content).unwrap();
        let others = [comment(1, "github-actions[bot]", "another job's"), comment(2, "me", "why <!-- pull-cost -->?")];
        let others = others.join(",");
        write("comments.json", &format!("[{others}]"));
        write("pull-cost.md", "body");
        let posted = job.comment();
        assert!(posted.ends_with(example.posts), "{posted}");

        let own = comment(3, "github-actions[bot]", "<!-- pull-cost -->\\n## Pull cost");
        write("comments.json", &format!("[{others},{own}]"));
        let posted = job.comment();
        assert!(posted.ends_with(example.edits) && !posted.contains(SECRET), "{posted}");
        // curl's settings, which come through a pipe.
        assert!(job.read("curl.stdin").is_none_or(|settings| settings.contains(SECRET)));
    }
}

/// A comment that begins with the marker is not the job's own when another wrote it. (GitLab's token can't change it.)
#[test]
fn on_github_the_marker_is_not_enough() {
    if !has_jq() {
        return;
    }
    let job = Job::new(&EXAMPLES[0]);
    let others = r#"[{"id": 3, "user": {"login": "me"}, "body": "<!-- pull-cost --> mine"}]"#;
    fs::write(job.dir.path().join("comments.json"), others).unwrap();
    fs::write(job.dir.path().join("pull-cost.md"), "body").unwrap();
    let posted = job.comment();
    assert!(posted.ends_with(job.example.posts), "{posted}");
}

#[test]
fn secrets_stay_off_command_lines() {
    for example in EXAMPLES.iter().chain(&RELEASES) {
        let job = Job::published(example);
        assert_eq!(job.tell().0, 0);
        match example.shell {
            "bash" => assert_eq!(job.read("login.stdin").unwrap(), format!("{SECRET}\n")),
            _ => {
                // me:glpat-secret
                let wanted = r#"{"auths":{"registry.example":{"auth":"bWU6Z2xwYXQtc2VjcmV0"}}}"#;
                assert_eq!(job.read("auth.json").unwrap(), wanted);
                let mode = fs::metadata(job.dir.path().join("auth.json")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
        let commands = job.read("restrata.args").unwrap() + &job.read("docker.args").unwrap_or_default();
        assert!(!commands.contains(SECRET) && !commands.contains("bWU6"), "{commands}");
    }
    for github in [&EXAMPLES[0], &RELEASES[0]] {
        assert!(
            github.text().contains("persist-credentials: false"),
            "the token would get into docker's build context"
        );
    }
    let github = EXAMPLES[0].text();
    assert!(github.contains("head.repo.full_name == github.repository"), "a fork's token can't write comments");
}
