//! The jobs on images made here.

mod check;
mod diff;
mod image;
mod inspect;
mod options;
mod previous;
mod rechunk;
mod verify;
