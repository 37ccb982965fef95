//! `mkcomposefs`, which makes the image of a dump and says its digest.

use std::io::{self, BufWriter, Read as _};
use std::process::{Child, Command, Stdio};

use super::Lines;
use crate::error::{DumpError, Error};

/// Bytes of what it says that are looked at.
const SAID: u64 = 4096;

pub(super) struct Program(Child);

impl Program {
    /// Before the image is read, so that nobody waits for nothing. `option` is what it is needed for, and `elsewhere`
    /// what does without.
    pub fn start(option: &'static str, elsewhere: Option<&'static str>) -> Result<Self, DumpError> {
        let mut command = Command::new("mkcomposefs");
        command.args(["--from-file", "--print-digest-only", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map(Self).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DumpError::Missing { option, elsewhere },
            _ => DumpError::Start(error),
        })
    }

    pub fn digest_of(mut self, lines: Lines<'_>) -> Result<String, Error> {
        let Some(stdin) = self.0.stdin.take() else { return Err(Error::Internal("a program without its input")) };
        // A program that ends early says why; that its input is gone says nothing.
        match lines(&mut BufWriter::new(stdin)) {
            Err(Error::Dump(DumpError::Write(error))) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        let (mut said, mut fault) = (Vec::new(), Vec::new());
        if let (Some(stdout), Some(stderr)) = (self.0.stdout.take(), self.0.stderr.take()) {
            stdout.take(SAID).read_to_end(&mut said).map_err(DumpError::Start)?;
            stderr.take(SAID).read_to_end(&mut fault).map_err(DumpError::Start)?;
        }
        let status = self.0.wait().map_err(DumpError::Start)?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if status.success() && said.len() == 64 && said.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(said);
        }
        let fault = String::from_utf8_lossy(&fault).trim().escape_debug().to_string();
        let found = if fault.is_empty() { format!("{status}") } else { fault };
        Err(DumpError::Failed { found }.into())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After its end this does nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
