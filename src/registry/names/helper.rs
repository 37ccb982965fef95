//! Programs that keep passwords: `docker-credential-NAME get`, the host on its input, JSON on its output.
//!
//! What one writes is never shown, not even when it fails: it can be the password.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::limits;
use crate::registry::endpoint::{Credentials, Secret};

use super::environment::Environment;
use super::shown::shown;

#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("expected a credential helper's name of letters, digits, - _ and ., found {found}")]
    Name { found: String },
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
        return Err(HelperError::Name { found: shown(name) });
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

/// In a thread of its own: a program that the helper left behind can hold the pipe open for ever.
fn read(
    output: Option<impl io::Read + Send + 'static>,
    program: &str,
    until: Instant,
    patience: Duration,
) -> Result<Vec<u8>, HelperError> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map_or(Ok(0), |output| output.take(limits::HELPER_BYTES + 1).read_to_end(&mut bytes));
        // Nobody listens any more when it took too long.
        let _ = sender.send(read.map(|_| bytes));
    });
    let program = program.to_owned();
    match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Err(_) => Err(HelperError::Slow { program, limit: patience }),
        Ok(Err(source)) => Err(HelperError::Run { program, source }),
        Ok(Ok(bytes)) if bytes.len() as u64 > limits::HELPER_BYTES => {
            Err(HelperError::Long { program, limit: limits::HELPER_BYTES })
        }
        Ok(Ok(bytes)) => Ok(bytes),
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
