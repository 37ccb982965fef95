//! What a panic does to everybody else.

use std::io::{self, Read};
use std::time::Duration;

use super::*;
use crate::tar::{EntryKind, Header, encode};

/// A worker that reads content which starts so panics.
pub(crate) const PANIC: &[u8] = b"a worker panics here";

pub(crate) fn panic_if_asked(content: &[u8]) {
    if content.starts_with(PANIC) {
        // The readers queue more meanwhile.
        std::thread::sleep(Duration::from_millis(50));
        panic!("asked to");
    }
}

/// A tar with this many files of `size` bytes; the first is the one that a worker panics at.
fn tar(files: usize, size: u64) -> Box<dyn Read + Send> {
    let file = move |number: usize| {
        let mut header = Header::new(format!("file{number}"), EntryKind::Regular);
        header.size = size;
        let start = if number == 0 { PANIC } else { &[] };
        io::Cursor::new(encode(&header)).chain(start).chain(io::repeat(7).take(size - start.len() as u64))
    };
    let files =
        (0..files).map(file).fold(Box::new(io::empty()) as Box<dyn Read + Send>, |tar, file| Box::new(tar.chain(file)));
    Box::new(files.chain(io::repeat(0).take(1024)))
}

fn run(threads: usize, open: impl Fn(usize) -> io::Result<Box<dyn Read + Send>> + Sync) -> String {
    let spool = Spool::new(&crate::spool::default_dir()).unwrap();
    let open = &open;
    let input = |number: usize| LayerInput { open: Box::new(move || open(number)), verified: None, diff_id: None };
    let known = Known::default();
    let size = &SizeLimit::default();
    let options =
        Options { level: None, known: &known, expect_known: false, seen: None, threads, drop_xattrs: &[], size };
    match unpack((0..3).map(input).collect(), &spool, options, &Progress::new()) {
        Ok(_) => "no error".to_owned(),
        Err((_, error)) => error.to_string(),
    }
}

/// Far more content than may be in flight: a reader that waits for room would wait for ever.
#[test]
fn a_worker_that_panics_ends_the_run() {
    const MIB: u64 = 1 << 20;
    for (files, size) in [(40, 4 * MIB), (2, 300 * MIB), (40, 100)] {
        for threads in [1, 2] {
            let error = run(threads, |_| Ok(tar(files, size)));
            assert_eq!(error, "internal error: a worker panicked: asked to");
        }
    }
}

#[test]
fn a_reader_that_panics_ends_the_run() {
    for threads in [1, 3] {
        let error = run(threads, |number| match number {
            1 => panic!("no such layer"),
            _ => Ok(tar(1, 20).take(0).chain(&[0; 1024][..])).map(|tar| Box::new(tar) as Box<dyn Read + Send>),
        });
        assert_eq!(error, "internal error: a worker panicked: no such layer");
    }
}
