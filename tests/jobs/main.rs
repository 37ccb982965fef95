//! The jobs on images made here.

mod check;
mod image;
mod inspect;
mod options;
mod rechunk;
mod verify;
