//! What restrata writes into layers' descriptors. Anyone can write the same: a mark tells where looking may pay, and
//! spares a layer no question.

/// In an index: the image has zstd layers. c/image looks for it to choose among images of one platform, and writes it
/// itself: skopeo copies no index without it if digests are to stay.
pub const ZSTD: &str = "io.github.containers.compression.zstd";

/// What became of the layer in this image.
pub const LAYER: &str = "io.github.restrata.layer";

/// Whose files the layer shows.
pub const OWNERS: &str = "io.github.restrata.owners";

/// Bytes of its value: manifests are read by every client and are 4 MiB at most.
pub const OWNERS_BYTES: usize = 200;

/// Where the layer's index is, if podman shall not find it: the values of its three annotations, with spaces between.
pub const INDEX: &str = "io.github.restrata.index";

/// What the blob was made with: frames repeat byte for byte only with the same libzstd and level.
pub const PROFILE: &str = "io.github.restrata.profile";
