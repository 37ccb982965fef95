//! The jobs on images made here.

mod again;
mod check;
mod image;
mod implied;
mod inspect;
mod options;
mod previous;
mod rechunk;
mod verify;
