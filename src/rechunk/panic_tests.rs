//! A panic in any thread of a run.

use std::fs;

use tempfile::TempDir;

use super::{Request, rechunk};
use crate::job::JobOptions;
use crate::progress::Progress;
use crate::unpack::PANIC;

#[test]
fn a_panic_ends_the_run_with_an_error_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    for path in ["root", "spool", "images"] {
        fs::create_dir(dir.path().join(path)).unwrap();
    }
    for number in 0..40 {
        fs::write(dir.path().join(format!("root/file{number}")), vec![number; 1000]).unwrap();
    }
    fs::write(dir.path().join("root/panic"), PANIC).unwrap();
    for threads in [1, 4] {
        for dest in ["oci:out", "oci-archive:out.tar"] {
            let (transport, name) = dest.split_once(':').unwrap();
            let dest = format!("{transport}:{}/images/{name}:v1", dir.path().display()).parse().unwrap();
            let new = format!("dir:{}/root", dir.path().display()).parse().unwrap();
            let resources = JobOptions::new(threads, dir.path().join("spool"));
            let error = rechunk(&Request::new(new, dest, resources), &Progress::new()).unwrap_err();
            assert_eq!(error.to_string(), "internal error: a worker panicked: asked to");
            assert_eq!(error.exit_code(), 1);
            for empty in ["spool", "images"] {
                assert_eq!(fs::read_dir(dir.path().join(empty)).unwrap().count(), 0, "{empty}");
            }
        }
    }
}
