//! What an end at once would leave. A job that does not see the interrupt flag soon enough is ended from outside; its stages go
//! first.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::threads::lock;

/// What the name of a stage gets that is removed at the end.
pub(super) const GONE: &str = "-gone";

static STAGES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Commits hold it to read: none is cut in half.
static COMMITS: RwLock<()> = RwLock::new(());

/// A stage that goes with an end at once, until this is dropped.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    pub fn new(stage: &Path) -> Self {
        stages(|stages| stages.push(stage.to_owned()));
        Self(stage.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        stages(|stages| stages.retain(|stage| *stage != self.0));
    }
}

pub(super) fn committing() -> RwLockReadGuard<'static, ()> {
    COMMITS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process with this exit code. Blobs that are being written go, a commit that has begun is done first.
pub fn exit_at_once(code: i32) -> ! {
    let _commits = COMMITS.write().unwrap_or_else(PoisonError::into_inner);
    stages(|stages| {
        for stage in stages {
            // Under another name first: others still write to it.
            let mut gone = stage.clone().into_os_string();
            gone.push(GONE);
            let renamed = fs::rename(&*stage, &gone).is_ok();
            // What can't be removed goes with the next run, as what a killed one leaves.
            let _ = fs::remove_dir_all(if renamed { Path::new(&gone) } else { stage });
        }
    });
    std::process::exit(code)
}

fn stages<T>(with: impl FnOnce(&mut Vec<PathBuf>) -> T) -> T {
    with(&mut lock(&STAGES))
}
