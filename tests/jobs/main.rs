//! verify, check and inspect on images made here.

mod check;
mod image;
mod inspect;
mod verify;
