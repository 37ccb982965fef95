//! What a registry may serve: small inputs that ask for endless memory, time or disk, or that hide something in a name. Each
//! one goes through the program under a limit of memory and of CPU time, and must end with the right exit code and a word
//! that tells why, with nothing left behind.
//!
//! A new kind is a function that makes a layout (`make` has what that needs) and a line in a table:
//!
//! ```ignore
//! cases! {
//!     name_of_the_kind: Case { make: my_layout, ..Case::fails(&["rechunk", NEW, DEST], "a word of the message") },
//! }
//! ```
#![cfg(feature = "cli")]

mod disk;
mod harness;
mod interrupt;
mod make;
mod memory;
mod owners;
mod text;
mod time;
mod twin;
