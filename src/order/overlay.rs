//! What overlayfs takes for its own in a layer that it is given: attributes and devices by which it remembers what an
//! upper directory hides. Clients that unpack such a layer with them obey it, whoever wrote it.
//!
//! podman 5.4 and 5.8 as root obey `trusted.overlay.*` and whiteout devices, without root `user.overlay.*` (they mount
//! with `userxattr`). What either of them obeys is obeyed here.

/// What overlayfs makes of an entry beside what its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlayMark {
    #[default]
    None,
    /// A directory that hides what lower layers have in it, as `.wh..wh..opq` does.
    Opaque,
    /// Hides its path in lower layers, as `.wh.NAME` does, and is not shown: a character device 0:0, or an empty file
    /// with an attribute that says so.
    Whiteout,
    /// An attribute that hides nothing.
    Other,
}
