//! Every cap on untrusted input, each with its reason.

/// Bytes of a TOC, compressed or not. podman falls back to an ordinary download above it
/// (container-libs `storage/pkg/chunked/compression_linux.go`, `maxTocSize`).
pub const TOC_BYTES: u64 = 150 << 20;

/// Rows of a TOC, chunks included. A row takes several times its JSON in memory while it is read, so that the bytes alone
/// bound nothing. A file's row has 250 bytes, so that [`TOC_BYTES`] end at 600,000 of them.
pub const TOC_ROWS: usize = 1 << 20;

/// Bytes of a TOC, uncompressed, above which a check reads one at a time, whatever the number of threads. What it takes in
/// memory while it is read is several times as much.
pub const TOC_ALONE_BYTES: u64 = 32 << 20;

/// Bytes of a compressed tar-split. podman reads it into memory without a cap of its own;
/// the largest seen in the wild is 310 MB *uncompressed*, which is 15 MB compressed.
pub const TAR_SPLIT_COMPRESSED_BYTES: u64 = 128 << 20;

/// Bytes of an uncompressed tar-split: base64 of 1.5 KiB of headers for each of 4 million entries.
pub const TAR_SPLIT_BYTES: u64 = 8 << 30;

/// Bytes of one line of a tar-split. The longest of an entry that Go's `archive/tar` accepts is base64 of a pax
/// header, a long name and a long link of [`TAR_SPECIAL_BYTES`] each, and the escaped name in the next line
/// takes up to six bytes for each of its own.
pub const TAR_SPLIT_LINE_BYTES: usize = 8 << 20;

/// Bytes that are kept of what a program says on standard error: the last ones. skopeo's error is one line.
pub const PROGRAM_SAID_BYTES: usize = 4 << 10;

/// Bytes of a manifest, index or config. containers/image reads 4 MiB at most (`iolimits`).
pub const MANIFEST_BYTES: u64 = 4 << 20;

/// Bytes of a pax header, GNU long name or sparse map. Go's `archive/tar` has the same cap
/// (`maxSpecialFileSize`), so a client refuses more in any case.
pub const TAR_SPECIAL_BYTES: u64 = 1 << 20;

/// Bytes of all that stands before one entry: its own block, and a pax header, a long name and a long link of
/// [`TAR_SPECIAL_BYTES`] each. Clients take any number of them; the last of each kind counts, so one is enough.
pub const TAR_HEADER_BYTES: u64 = 4 << 20;

/// Bytes that an image's layers unpack to, holes of sparse files included, unless `--max-size` says otherwise. Images of
/// 100 GB exist, and none of a tenth of this is known. Zeros pass at some 1 GB a second, so that a run ends.
pub const IMAGE_BYTES: u64 = 1_000_000_000_000;

/// Bytes of memory for what a run knows of the entries of its images, all images that it holds at once together: with
/// buffers, compressors and what is written this stays below 1 GB. An image of 1.5 million files fits, an update of a
/// million, too. The next seven say what counts for how much.
pub const HELD_BYTES: u64 = 768 << 20;

/// What an entry of a tar takes beside its path where it is only compared. `verify` takes 220 to 300 bytes for each.
pub const HELD_ENTRY: u64 = 256;

/// What it takes where a plan is made and layers are written: 340 bytes measured, with content some more.
pub const HELD_WRITTEN: u64 = 384;

/// What a TOC's row takes when it is an entry, without its path.
pub const HELD_ROW: u64 = 192;

/// What a TOC's row takes while the TOC is read, without names.
pub const HELD_READING: u64 = 400;

/// What of [`HELD_ROW`] stays when the entry is forgotten: what clients know of a file.
pub const HELD_FILE: u64 = 96;

/// What a frame takes that a check remembers.
pub const HELD_FRAME: u64 = 16;

/// What a directory takes that no entry names, but the paths below it.
pub const HELD_IMPLIED: u64 = 96;

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

/// JSON values in one manifest, index or config. A value takes up to 100 bytes in memory, so that 4 MiB of `[0,0,..`
/// would be 200 MB. A manifest of [`LAYERS`] layers has 80,000.
pub const JSON_VALUES: usize = 1 << 20;

/// JSON values in all documents that a reference leads to.
pub const REFERENCE_JSON_VALUES: usize = 1 << 21;

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

/// Bytes of new content that is cut into chunks to see whether that pays: a million chunks of 64 KiB, each 150 bytes in memory.
/// What comes behind them stays in one frame a file.
pub const CHUNKED_BYTES: u64 = 64 << 30;

/// zstd window, as a power of two: decoders stop at 27 unless told otherwise.
pub const ZSTD_WINDOW_LOG: u32 = 27;

/// Memory of the xz decoder in KiB, most of it the dictionary: as much as for zstd, and twice what `xz -9` needs.
pub const XZ_MEMORY_KIB: u32 = (1 << (ZSTD_WINDOW_LOG - 10)) + 1024;

/// Frames of one blob that a check remembers, 8 to 16 bytes each. A layer of a million files with a frame for each
/// 64 KiB has a few million.
pub const FRAMES: usize = 1 << 22;

/// Bytes of the package databases that an image shows, all together: they are in memory at once. The largest seen is an
/// rpm database of a desktop image, near 200 MB with its change logs.
pub const EVIDENCE_BYTES: usize = 256 << 20;

/// Files of package databases that an image shows. dpkg has one for each of its [`PACKAGES`], and distroless images two.
pub const EVIDENCE_FILES: usize = 1 << 18;

/// Bytes of all files that a merge unites, of all inputs together. dpkg's status has 1 kB for each package.
pub const UNITED_BYTES: u64 = 128 << 20;

/// Contradictions that a merge remembers; an error names a few of them.
pub const CLASHES: usize = 1_000;

/// Bytes of a package's name. The longest of Debian has 77, npm allows 214.
pub const PACKAGE_NAME_BYTES: usize = 256;

/// Bytes of the user's file of owners: 100,000 paths with names.
pub const OWNERS_FILE_BYTES: usize = 16 << 20;

/// Lines with wildcards in it: each is held against every path of an image.
pub const OWNER_GLOBS: usize = 1_000;

/// Names of packages that a package needs or provides, of one image. A desktop of Fedora has near 100,000.
pub const DEPENDENCY_NAMES: usize = 1 << 18;

/// Pairs of owners of which one needs the other. Popularity takes time in proportion to their number times that of owners; a
/// Debian image of 1,500 packages has near 10,000.
pub const DEPENDENCIES: usize = 1 << 16;

/// Bytes of npm's list of what it installed, near 500 for each package. What is read of it takes about ten times as much.
pub const NPM_LOCK_BYTES: usize = 16 << 20;

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

/// Bytes of the indexes that the user's cache holds. A package-rich image of 2 GB has some 4 MB of them, and half of those
/// stay from one version to the next.
pub const CACHED_INDEX_BYTES: u64 = 512_000_000;

/// Bytes of a file with passwords, of a registries.conf or of a certificate. Each has a few kB; an auth.json of a cluster with
/// a key for each of 5,000 repositories has 1 MB.
pub const SETTINGS_BYTES: u64 = 2 << 20;

/// Entries of a directory with such files.
pub const SETTINGS_FILES: usize = 1024;

/// Bytes that a credential helper answers. Tokens have a few kB.
pub const HELPER_BYTES: u64 = 256 << 10;

/// Bytes of the headers of a registry's answer. Go's servers take a megabyte and send less than one kilobyte; the
/// longest seen is a redirect to signed storage, near 4 kB.
pub const REGISTRY_HEADER_BYTES: usize = 64 << 10;

/// Bytes of a request's head that a bridge reads: podman's Range header for 1,024 ranges of a large layer has 25 kB.
pub const BRIDGE_HEAD_BYTES: usize = 128 << 10;

/// Headers of one request to a bridge; podman sends about ten.
pub const BRIDGE_HEADERS: usize = 64;

/// Ranges of one request to a bridge; podman asks for 1,024 at most.
pub const BRIDGE_RANGES: usize = 4096;

/// Clients of a bridge at once. Those beyond wait until one has ended.
pub const BRIDGE_CONNECTIONS: usize = 1024;

/// Runs that all clients of a bridge together have read ahead. Each holds up to 100 kB and a connection.
pub const BRIDGE_AHEAD: usize = 64;

/// Pulls at once of which a bridge's log tells, and blobs in each.
pub const BRIDGE_PULLS: usize = 4096;

/// Bytes of a token server's answer: tokens have up to some 20 kB.
pub const REGISTRY_TOKEN_BYTES: u64 = 256 << 10;

/// Bytes of an error's body that are looked at.
pub const REGISTRY_ERROR_BYTES: u64 = 64 << 10;

/// Redirects of one request; Go's HTTP client, and so podman, follows ten.
pub const REGISTRY_REDIRECTS: usize = 10;

/// Challenges in one answer: registries send one or two.
pub const REGISTRY_CHALLENGES: usize = 16;

/// Tags of one repository, each of at most 128 bytes.
pub const REGISTRY_TAGS: usize = 1 << 18;

/// Pages of a list of tags. A page of none must not go on for ever.
pub const REGISTRY_PAGES: usize = 4096;

/// Bytes of what stands before one part's content in a `multipart/byteranges` body: two headers, near 150 bytes.
pub const REGISTRY_PART_HEADER_BYTES: usize = 8 << 10;
