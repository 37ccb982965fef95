//! Programs that keep passwords: `docker-credential-NAME get`, the host on its input, JSON on its output.
//!
//! What one writes is never shown, not even when it fails: it can be the password.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Deserialize;

use crate::limits;
use crate::registry::endpoint::{Credentials, Secret};

use super::environment::Environment;

#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("expected the name of a credential helper, of letters, digits, - _ and ., found something else")]
    Name,
    #[error("{program}: expected the credential helper in PATH, found none; install it, or use --creds or --authfile")]
    Missing { program: String },
    #[error("{program}: running the credential helper: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program}: the credential helper failed with {status}; see what `echo {server} | {program} get` says")]
    Failed { program: String, server: String, status: ExitStatus },
    #[error("{program}: expected an answer of the credential helper within {} seconds", limit.as_secs())]
    Slow { program: String, limit: Duration },
    #[error("{program}: expected at most {limit} bytes from the credential helper, found more")]
    Long { program: String, limit: u64 },
    #[error("{program}: expected JSON with Username and Secret from the credential helper, found something else")]
    Answer { program: String },
}

/// Long enough to unlock a keyring by hand.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

pub(super) fn ask(
    name: &str,
    server: &str,
    environment: &Environment,
    patience: Duration,
) -> Result<Option<Credentials>, HelperError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_name) {
        return Err(HelperError::Name);
    }
    let program = format!("docker-credential-{name}");
    let Some(path) = find(&program, environment) else { return Err(HelperError::Missing { program }) };
    let (output, status) = run(path, &program, server, patience)?;
    let answer = std::str::from_utf8(&output).unwrap_or_default().trim();
    if !status.success() {
        return match answer.starts_with(NOT_FOUND) {
            true => Ok(None),
            false => Err(HelperError::Failed { program, server: server.to_owned(), status }),
        };
    }
    let Ok(Answer { user, secret }) = serde_json::from_str(answer) else {
        return Err(HelperError::Answer { program });
    };
    Ok(match (user.as_str(), secret.as_str()) {
        ("", "") => None,
        ("<token>", _) => Some(Credentials::IdentityToken(Secret::new(secret))),
        _ => Some(Credentials::Basic { user, password: Secret::new(secret) }),
    })
}

/// How each helper says that it has nothing ("in native keychain" follows).
const NOT_FOUND: &str = "credentials not found";

/// Never one of the working directory.
fn find(program: &str, environment: &Environment) -> Option<PathBuf> {
    let dirs = std::env::split_paths(&environment.programs).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join(program)).find(|path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

fn run(path: PathBuf, program: &str, server: &str, patience: Duration) -> Result<(Vec<u8>, ExitStatus), HelperError> {
    let failed = |source: io::Error| HelperError::Run { program: program.to_owned(), source };
    let until = Instant::now() + patience;
    let command =
        Command::new(path).arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = command.map_err(failed)?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let ended = input.map_or(Ok(()), |mut input| input.write_all(server.as_bytes()));
    // One that knows the answer without reading may have closed its input.
    let ended = ended.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) });
    let finished = ended.map_err(failed).and_then(|()| {
        let bytes = read(output, program, until, patience)?;
        Ok((bytes, wait(&mut child, program, until, patience)?))
    });
    if finished.is_err() {
        // Its answer is of no use; an error says no more than the first one.
        let _ = (child.kill(), child.wait());
    }
    finished
}

/// Not beyond the time: a program that the helper left behind can hold the pipe open for ever.
fn read(
    output: Option<ChildStdout>,
    program: &str,
    until: Instant,
    patience: Duration,
) -> Result<Vec<u8>, HelperError> {
    let run = |source: io::Error| HelperError::Run { program: program.to_owned(), source };
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let Some(mut output) = output else { return Ok(bytes) };
    loop {
        // One that is past is zero, with which poll looks once.
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now()));
        let mut polled = [PollFd::new(&output, PollFlags::IN)];
        match poll(&mut polled, left.ok().as_ref()) {
            Ok(0) => return Err(HelperError::Slow { program: program.to_owned(), limit: patience }),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(run(error.into())),
            Ok(_) => {}
        }
        match output.read(&mut piece).map_err(run)? {
            0 => return Ok(bytes),
            len => bytes.extend(&piece[..len]),
        }
        if bytes.len() as u64 > limits::HELPER_BYTES {
            return Err(HelperError::Long { program: program.to_owned(), limit: limits::HELPER_BYTES });
        }
    }
}

fn wait(child: &mut Child, program: &str, until: Instant, patience: Duration) -> Result<ExitStatus, HelperError> {
    loop {
        let status = child.try_wait();
        match status.map_err(|source| HelperError::Run { program: program.to_owned(), source })? {
            Some(status) => return Ok(status),
            None if Instant::now() >= until => {
                return Err(HelperError::Slow { program: program.to_owned(), limit: patience });
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}
