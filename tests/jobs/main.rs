//! The jobs on images made here.

mod again;
mod check;
mod counted;
mod degraded;
mod descriptors;
mod diff;
mod history;
mod image;
mod implied;
mod inspect;
mod keys;
mod odd_tars;
mod options;
mod overlay;
mod owners;
mod previous;
mod publish;
mod published;
mod rechunk;
mod registry;
mod runs;
mod setgid;
mod sources;
mod twin;
mod verify;
mod xattrs;
