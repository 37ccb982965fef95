//! Runs of rechunk, as most tests need them.

use restrata::error::Error;
use restrata::oci::Reference;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use tempfile::TempDir;

use super::image::{chunked, file, noise, options, plain, sample};

pub fn dest(dir: &TempDir, tag: &str) -> String {
    format!("oci:{}:{tag}", dir.path().join("out").display())
}

pub fn try_run(dir: &TempDir, new: &str, tag: &str, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
    let mut request = Request::new(new.parse().unwrap(), dest(dir, tag).parse().unwrap(), options());
    change(&mut request);
    rechunk(&request, &Progress::new())
}

pub fn run(dir: &TempDir, new: &str, tag: &str, change: impl FnOnce(&mut Request)) -> Outcome {
    try_run(dir, new, tag, change).unwrap()
}

/// An image, and one of a single layer that can stay in it.
pub struct Bench {
    pub dir: TempDir,
    pub new: String,
    pub old: String,
}

impl Bench {
    pub fn new(index: IndexPlace) -> Self {
        let dir = TempDir::new().unwrap();
        let old = chunked(dir.path(), &plain(dir.path(), "a", &[sample()]), index);
        let new = plain(dir.path(), "b", &[sample(), vec![file("new", &noise(100))]]);
        Self { dir, new, old }
    }

    pub fn run(&self, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
        try_run(&self.dir, &self.new, "v2", change)
    }

    pub fn out(&self) -> Reference {
        dest(&self.dir, "v2").parse().unwrap()
    }
}
