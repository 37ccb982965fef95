//! Programs that know where images are which restrata can't read by itself: one writes an archive to a pipe. It never
//! outlives the job.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::limits;
use crate::oci::{Reference, Transport};
use crate::progress::{Interrupted, Progress};
use crate::threads::lock;

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("expected the program {program} in PATH, found none; {instead}")]
    Missing { program: &'static str, instead: &'static str },
    /// Either will do.
    #[error(
        "expected podman or skopeo in PATH, found neither; install one of them, or name an archive: docker-archive:FILE"
    )]
    Neither,
    #[error("podman's store has no {name}; podman images lists the names")]
    NotStored { name: String },
    #[error("starting {program}: {source}")]
    Start { program: &'static str, source: io::Error },
    #[error("reading what {program} writes: {source}")]
    Read { program: &'static str, source: io::Error },
    #[error("{program} failed ({status}){}", saying(said))]
    Failed { program: &'static str, status: ExitStatus, said: String },
    #[error(
        "expected {program} to end within {} s after its output, it did not{}", PATIENCE.as_secs(), saying(said)
    )]
    Endless { program: &'static str, said: String },
}

impl ProgramError {
    /// The image is not there. Only newer versions of skopeo have an exit code for it.
    pub fn is_not_found(&self) -> bool {
        const SAID: [&str; 5] = [
            "image not known",
            "does not resolve to an image ID",
            "identifier is not an image",
            "No such image",
            "reference does not exist",
        ];
        match self {
            Self::Failed { program, status, said } => {
                (*program == "skopeo" && status.code() == Some(2)) || SAID.iter().any(|words| said.contains(words))
            }
            Self::NotStored { .. } => true,
            _ => false,
        }
    }
}

fn saying(said: &str) -> String {
    if said.is_empty() { " and said nothing".to_owned() } else { format!(": {said}") }
}

/// How an image's archive is had.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    arguments: Vec<String>,
    /// What to do where it is not installed.
    instead: &'static str,
}

impl Program {
    /// One that is not needed.
    pub fn new(name: &'static str, arguments: &[&str]) -> Self {
        Self { name, arguments: arguments.iter().map(|&word| word.to_owned()).collect(), instead: "" }
    }

    /// `None` for what needs no program.
    pub fn of(reference: &Reference, temp_dir: &Path) -> Option<Self> {
        let image = reference.path().display();
        match reference.transport() {
            Transport::ContainersStorage => Some(Self {
                name: "skopeo",
                // Quiet: else it says how far it is, in the middle of the archive.
                arguments: vec![
                    format!("--tmpdir={}", temp_dir.display()),
                    "copy".to_owned(),
                    "--quiet".to_owned(),
                    reference.to_string(),
                    "docker-archive:/dev/stdout".to_owned(),
                ],
                instead: "install the package skopeo, or name the image docker-archive:- and send it by a pipe from podman \
                          save",
            }),
            Transport::DockerDaemon => Some(Self {
                name: "docker",
                arguments: vec!["save".to_owned(), "--".to_owned(), image.to_string()],
                instead: "install docker's command line, or name the image docker-archive:FILE and save it there",
            }),
            _ => None,
        }
    }

    pub fn start<'p>(&self, progress: &'p Progress) -> Result<Running<'p>, ProgramError> {
        let program = self.name;
        let mut command = Command::new(program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // With a group of its own, those that it starts end with it.
        let process = Owned::start(command.process_group(0)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProgramError::Missing { program, instead: self.instead },
            _ => ProgramError::Start { program, source },
        });
        let mut process = process?;
        let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
        Ok(Running { program, process, stdout, stderr, said: Vec::new(), progress })
    }
}

/// After the end of its output.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reading it gives its output. Both pipes are emptied in one thread: neither can keep the program waiting.
#[derive(Debug)]
pub(super) struct Running<'p> {
    program: &'static str,
    process: Owned,
    /// `None` at its end.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// The last of what it said.
    said: Vec<u8>,
    progress: &'p Progress,
}

impl Read for Running<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut is_over = false;
        while self.stdout.is_some() {
            self.progress.check().map_err(io::Error::other)?;
            if self.wait_for(GLANCE)? {
                let Some(stdout) = &mut self.stdout else { break };
                let got = stdout.read(buf)?;
                if got > 0 || buf.is_empty() {
                    return Ok(got);
                }
                self.stdout = None;
            } else if is_over {
                // Somebody whom it left behind holds the pipe.
                self.stdout = None;
            } else {
                // What it wrote before is in the pipe by now, and the next look finds it.
                is_over = self.process.is_over();
            }
        }
        Ok(0)
    }
}

const GLANCE: Duration = Duration::from_millis(100);

impl Running<'_> {
    /// Waits so long for something to read. True if it is output; what is said is heard.
    fn wait_for(&mut self, at_most: Duration) -> io::Result<bool> {
        let none = PollFlags::empty();
        let mut polled = Vec::new();
        polled.extend(self.stdout.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
        let outputs = polled.len();
        polled.extend(self.stderr.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
        let wait = Timespec::try_from(at_most).ok();
        match poll(&mut polled, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_output = polled[..outputs].iter().any(|pipe| pipe.revents() != none);
        let is_said = polled[outputs..].iter().any(|pipe| pipe.revents() != none);
        if is_said {
            self.hear()?;
        }
        Ok(is_output)
    }

    fn hear(&mut self) -> io::Result<()> {
        let Some(stderr) = &mut self.stderr else { return Ok(()) };
        let mut piece = [0; limits::PROGRAM_SAID_BYTES];
        let got = stderr.read(&mut piece)?;
        if got == 0 {
            self.stderr = None;
        }
        self.said.extend_from_slice(&piece[..got]);
        let before = self.said.len().saturating_sub(limits::PROGRAM_SAID_BYTES);
        self.said.drain(..before);
        Ok(())
    }

    /// Ends it, and says why it failed if it did. One that was still at work is of no use any more, and did not fail.
    pub fn end(mut self) -> Result<(), ProgramError> {
        let program = self.program;
        let is_read = self.stdout.is_none();
        let waited = if is_read { self.wait_for_end() } else { Ok(()) };
        let is_over = self.process.is_over();
        let status = self.process.end();
        // Nobody writes any more. What they wrote before fits into the pipe.
        for _ in 0..PIPE_PIECES {
            if self.stderr.is_none() || self.wait_for(Duration::ZERO).is_err() {
                break;
            }
        }
        let said = gist(&String::from_utf8_lossy(&self.said));
        let failed = |source| ProgramError::Read { program, source };
        match (is_over, status.map_err(failed)?) {
            (true, status) if status.success() => Ok(()),
            (true, status) => Err(ProgramError::Failed { program, status, said }),
            (false, _) if is_read && waited.map_err(failed).is_ok() => match self.progress.check() {
                Ok(()) => Err(ProgramError::Endless { program, said }),
                Err(Interrupted) => Ok(()),
            },
            (false, _) => Ok(()),
        }
    }

    fn wait_for_end(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.process.is_over() && Instant::now() < until && !self.progress.is_cancelled() {
            self.wait_for(Duration::from_millis(10))?;
        }
        Ok(())
    }
}

const PIPE_PIECES: usize = (64 << 10) / limits::PROGRAM_SAID_BYTES + 2;

/// skopeo's last words in its log, else the last lines.
fn gist(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let message = |line: &&str| {
        let (_, message) = line.split_once(" level=fatal msg=\"")?;
        Some(message.strip_suffix('"').unwrap_or(message).replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    lines.iter().rev().find_map(message).unwrap_or_else(|| lines[lines.len().saturating_sub(LINES)..].join("; "))
}

const LINES: usize = 3;

/// Groups of processes that end when this process does.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Before this process ends without unwinding.
pub fn end_programs() {
    for group in lock(&GROUPS).iter() {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// A process with a group of its own. Both end with this at the latest, and nothing is left of them.
#[derive(Debug)]
struct Owned {
    child: Child,
    group: Option<Pid>,
}

impl Owned {
    fn start(command: &mut Command) -> io::Result<Self> {
        // No end of this process can come between.
        let mut groups = lock(&GROUPS);
        let child = command.spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        groups.extend(group);
        Ok(Self { child, group })
    }

    /// It is still there to be asked, so that its number stands for no other process.
    fn is_over(&self) -> bool {
        let Some(pid) = self.group else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(pid), look), Ok(Some(_)))
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
            // From here on nobody else ends it: its number may soon stand for another one.
            lock(&GROUPS).retain(|other| *other != group);
        }
        self.child.wait()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program { name: "sh", arguments: vec!["-c".to_owned(), script.to_owned()], instead: "" }
    }

    fn run(script: &str) -> (Vec<u8>, Result<(), String>) {
        let progress = Progress::new();
        let mut running = shell(script).start(&progress).unwrap();
        let mut output = Vec::new();
        running.read_to_end(&mut output).unwrap();
        (output, running.end().map_err(|error| error.to_string()))
    }

    #[test]
    fn output_and_end_are_told_apart() {
        for (script, output, end) in [
            ("printf abc", "abc", Ok(())),
            ("printf abc; echo said >&2", "abc", Ok(())),
            ("printf abc; exit 7", "abc", Err("sh failed (exit status: 7) and said nothing")),
            ("echo one >&2; echo two >&2; exit 1", "", Err("sh failed (exit status: 1): one; two")),
            ("printf abc; kill -9 $$", "abc", Err("sh failed (signal: 9 (SIGKILL)) and said nothing")),
            // Those whom it leaves behind end with it, whatever they hold.
            ("sleep 1000 & printf abc", "abc", Ok(())),
            ("yes >&2 & printf abc", "abc", Ok(())),
            ("exec >&-; echo late >&2; sleep 0.3; exit 3", "", Err("sh failed (exit status: 3): late")),
        ] {
            let (found, ended) = run(script);
            assert_eq!((found.as_slice(), ended), (output.as_bytes(), end.map_err(str::to_owned)), "{script}");
        }
    }

    #[test]
    fn what_is_said_is_bounded() {
        let (_, ended) = run("yes long | head -c 3000000 >&2; echo the end >&2; exit 1");
        let said = ended.unwrap_err();
        assert!(said.ends_with("long; long; the end") && said.len() < 100, "{said}");
        let (_, ended) = run("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1");
        assert!(ended.unwrap_err().len() <= limits::PROGRAM_SAID_BYTES + 100);
    }

    #[test]
    fn an_interrupt_ends_it_and_its_children() {
        let progress = Progress::new();
        let mut running = shell("sleep 1000 & echo $!; wait").start(&progress).unwrap();
        let mut pid = [0; 16];
        let got = running.read(&mut pid).unwrap();
        let pid = String::from_utf8_lossy(&pid[..got]).trim().to_owned();
        progress.cancel();
        assert!(running.read(&mut [0; 16]).is_err());
        let own = running.process.child.id();
        assert!(running.end().is_ok());
        // One that was killed may wait for whoever inherited it to look.
        let lives = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
        };
        assert!(!Path::new(&format!("/proc/{own}")).exists());
        while lives(&pid) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_is_not_there() {
        let program = Program { name: "no-such-program", arguments: Vec::new(), instead: "install it" };
        let error = program.start(&Progress::new()).unwrap_err();
        assert_eq!(error.to_string(), "expected the program no-such-program in PATH, found none; install it");
    }

    #[test]
    fn the_gist_of_a_log() {
        let log = "time=\"now\" level=warning msg=\"old\"\ntime=\"now\" level=fatal msg=\"no \\\"x\\\" here\"\n";
        assert_eq!(gist(log), "no \"x\" here");
        assert_eq!(gist("a\nb\n\nc\nd\n"), "b; c; d");
        assert_eq!(gist(""), "");
    }
}
