//! Every cap on untrusted input, each with its reason.

/// Bytes of a TOC, compressed or not. podman falls back to an ordinary download above it
/// (container-libs `storage/pkg/chunked/compression_linux.go`, `maxTocSize`).
pub const TOC_BYTES: u64 = 150 << 20;

/// Bytes of a compressed tar-split. podman reads it into memory without a cap of its own;
/// the largest seen in the wild is 310 MB *uncompressed*.
pub const TAR_SPLIT_COMPRESSED_BYTES: u64 = 1 << 30;

/// Bytes of an uncompressed tar-split: base64 of 1.5 KiB of headers for each of 4 million entries.
pub const TAR_SPLIT_BYTES: u64 = 8 << 30;

/// Bytes of one line of a tar-split. The longest of an entry that Go's `archive/tar` accepts is base64 of a pax
/// header, a long name and a long link of [`TAR_SPECIAL_BYTES`] each, and the escaped name in the next line
/// takes up to six bytes for each of its own.
pub const TAR_SPLIT_LINE_BYTES: usize = 8 << 20;

/// Bytes of a manifest, index or config. containers/image reads 4 MiB at most (`iolimits`).
pub const MANIFEST_BYTES: u64 = 4 << 20;

/// Bytes of a pax header, GNU long name or sparse map. Go's `archive/tar` has the same cap
/// (`maxSpecialFileSize`), so a client refuses more in any case.
pub const TAR_SPECIAL_BYTES: u64 = 1 << 20;

/// Bytes of an entry's path: Linux's `PATH_MAX`, which counts a slash before and a NUL behind. A client that extracts a longer
/// one stops there, and a path of a megabyte can have half a million directories above it.
pub const PATH_BYTES: usize = 4094;

/// Data segments of one sparse file; Go's `maxSparseFileEntries`.
pub const SPARSE_SEGMENTS: usize = 1 << 20;

/// Names of one file on ext4 (`EXT4_LINK_MAX`). Others allow more, so that more of them are worth a note only.
pub const LINKS_OF_A_FILE: usize = 65_000;

/// Layers of one image: above any client's limit (docker stops near 128, FCOS ships 400).
pub const LAYERS: usize = 4096;

/// Images of one index.
pub const INDEX_MANIFESTS: usize = 1024;

/// Members of an archive that holds images: old `docker save` writes three for each layer.
pub const ARCHIVE_MEMBERS: usize = 1 << 17;

/// Bytes of the names in such an archive: 512 for each member.
pub const ARCHIVE_NAME_BYTES: usize = ARCHIVE_MEMBERS * 512;

/// Bytes of an archive that is compressed or comes through a pipe, once it is unpacked into a temporary file. Images
/// of more than some 30 GB are rare; what inflates without an end must stop somewhere.
pub const UNPACKED_ARCHIVE_BYTES: u64 = 256 << 30;

/// Bytes of all manifests, indexes and configs that one reference leads to. An image's have a few kB, those of 400
/// layers some 200 kB. Parsed they take up to thirty times as much memory.
pub const DOCUMENT_BYTES: u64 = 16 << 20;

/// Indexes inside indexes; real ones are one deep.
pub const INDEX_DEPTH: usize = 4;

/// zstd window, as a power of two: decoders stop at 27 unless told otherwise.
pub const ZSTD_WINDOW_LOG: u32 = 27;

/// Memory of the xz decoder in KiB, most of it the dictionary: as much as for zstd, and twice what `xz -9` needs.
pub const XZ_MEMORY_KIB: u32 = (1 << (ZSTD_WINDOW_LOG - 10)) + 1024;

/// Frames of one blob that a check remembers, 8 to 16 bytes each. A layer of a million files with a frame for each
/// 64 KiB has a few million.
pub const FRAMES: usize = 1 << 24;

/// Bytes of one package database. The largest seen is an rpm database of a desktop image, near 200 MB with its
/// change logs.
pub const EVIDENCE_FILE_BYTES: usize = 512 << 20;

/// Packages of one image; all of Debian has fewer.
pub const PACKAGES: usize = 1 << 17;

/// Databases of one package system outside of the places that distributions use: each would be that of a root file system
/// inside of the image.
pub const OTHER_DATABASES: usize = 16;

/// Paths that package databases list, 16 bytes each: the 4 million entries of [`TAR_SPLIT_BYTES`].
pub const LISTED_PATHS: usize = 1 << 22;

/// Bytes of a path in a package database: Linux's `PATH_MAX`. An rpm header names directories and files apart, so
/// that a few bytes could stand for many long paths.
pub const LISTED_PATH_BYTES: usize = 4096;
