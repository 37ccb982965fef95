//! What is sent with a request.

use std::io::{self, Read};

/// Gives bytes from the start, as often as it takes.
pub trait Opens {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>>;
}

impl<F: Fn() -> io::Result<Box<dyn Read + Send>>> Opens for F {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self()
    }
}

/// A body to send. It is opened anew for each time that it is sent.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub size: u64,
    pub source: &'a dyn Opens,
    /// Is told how many bytes passed.
    pub seen: &'a dyn Fn(u64),
}
