//! The longer texts of `--help` and of the manual pages. A line that ends with a colon and is not indented is a
//! heading in both.

use restrata::codec;

pub const ABOUT: &str = "Re-lay container images so that the next update costs as little as possible to pull";

pub const LONG_ABOUT: &str = "\
restrata takes a new image and the one that clients have today, and writes the new one, file for file the \
same, as zstd:chunked layers. Layers that did not change stay byte-identical; in the others what changed \
stands together at the front, so that podman fetches an update in one range instead of hundreds.";

macro_rules! examples {
    () => {
        "\
Examples:
  restrata rechunk docker-archive:new.tar oci:images:v2 --previous oci:images:v1
  restrata verify docker-archive:new.tar oci:images:v2
  restrata diff oci:images:v1 oci:images:v2
  restrata history oci:images:v1 oci:images:v2 oci:images:v3
  restrata check oci:images:v2
  restrata inspect oci:images:v2
"
    };
}

pub const EXAMPLES: &str = concat!(
    examples!(),
    "\n'restrata --help' also explains references and exit codes, 'restrata COMMAND --help' a command."
);

pub const AFTER: &str = concat!(
    examples!(),
    "\nReferences:
  oci:DIR[:TAG]              an OCI layout, read and written
  oci-archive:FILE[:TAG]     the same in a tar file, read and written
  docker-archive:FILE[:TAG]  what 'podman save' and 'docker save' write, read
  dir:ROOTFS                 a root file system in a directory, read
  The path ends at the first colon. For other places use skopeo:
  skopeo copy --preserve-digests docker://HOST/NAME:TAG oci:DIR:TAG

Exit codes:
  0    done
  1    failed
  2    image not found
  3    verify, check or diff --fail-above says no
  64   wrong usage
  130  interrupted; temporary files are removed and nothing is written"
);

pub const RECHUNK: &str = "\
Lay a new image out against the one that clients have\n\n\
Reads NEW, writes the same files to DEST, and prints what changed and what a pull will cost: for clients that \
reuse whole layers only (docker, containerd) and for podman with partial pulls. DEST appears whole or not at \
all. Other images in the layout stay.\n\n\
The layers of the first --previous image stay byte for byte as long as the new image shows enough of them; what \
they don't show goes to new layers on top. --dry-run says which layers these are, and why, and what they will cost \
to pull.";

pub const RECHUNK_EXAMPLES: &str = "\
Examples:
  A first version, from what a build wrote:
    podman save -o v1.tar localhost/app:v1
    restrata rechunk docker-archive:v1.tar oci:images:v1
  An update against it; layers that did not change are kept:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1
  A root file system without a build tool:
    restrata rechunk dir:./rootfs oci:images:base
  In a script, the digest alone:
    digest=$(restrata rechunk -q docker-archive:v2.tar oci:images:v2 --previous oci:images:v1)
  What would be kept and what written, without writing it:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1 --dry-run
  A key that was published by mistake leaves every layer:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1 \\
      --purge /etc/app.key
  The layers of FROM stay, so that images share them:
    restrata rechunk docker-archive:v1.tar oci:images:v1 --base oci:images:debian
  A bootc image that rpm-ostree made, as a plain one:
    restrata rechunk oci:images:fedora oci:images:v1 --prune /sysroot/ \\
      --label ostree.commit- --label ostree.final-diffid-
  What an update costs podman, in bytes:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1 --format json |
      jq '.pulls[] | select(.from and .client == \"podman\" and .registry == \"multi-range\")
        | .blob_bytes'
  Publish the result:
    skopeo copy --preserve-digests oci:images:v2 docker://registry.example/app:v2";

pub const VERIFY: &str = "\
Compare the files of two images\n\n\
Merges the layers of both as a client does and compares every path: type, mode, owner, times, links, devices, \
extended attributes and content. Layers may differ in any way. Prints each difference; the exit code is 3 if \
there is one.";

pub const VERIFY_EXAMPLES: &str = "\
Examples:
  Is what rechunk wrote the same as what it read?
    restrata verify docker-archive:new.tar oci:images:v2
  Is it what is on disk?
    restrata verify dir:./rootfs oci:images:base
  After an update, whose unchanged files have the previous image's times:
    restrata verify docker-archive:v2.tar oci:images:v2 --ignore mtime
  After rechunk --prune /var/cache/:
    restrata verify docker-archive:new.tar oci:images:v2 --prune /var/cache/";

pub const DIFF: &str = "\
Tell what an update costs each client to pull, and why\n\n\
Replays what docker, containerd and podman do when they have OLD and pull NEW, on registries of every kind: bytes, \
requests, ranges. Then it says which packages and files cost it, and what of it was avoidable: files that did not \
change in layers that did, files of which only the time changed, layers that were only compressed again. Any image \
will do, whoever made it and however it is compressed. docs/cost.md defines each number.";

pub const DIFF_EXAMPLES: &str = "\
Examples:
  What an update costs, for whom and why:
    restrata diff oci:images:v1 oci:images:v2
  For clients that are one and two versions behind:
    restrata diff oci:images:v2 oci:images:v1 oci:images:v3
  In CI, no update of more than 200 MB:
    restrata diff -q oci:images:v1 oci:images:v2 --fail-above 200MB
  The same for podman with partial pulls, from Docker Hub:
    restrata diff -q oci:images:v1 oci:images:v2 --client podman --registry ranges-299 \\
      --fail-above 200MB
  A page that shows packages as areas and what podman reads of each layer:
    restrata diff oci:images:v1 oci:images:v2 --format html > update.html
  A comment on a pull request:
    restrata diff oci:images:v1 oci:images:v2 --format markdown > comment.md
  What a published image's next version would cost a plain client, in bytes:
    skopeo copy --preserve-digests docker://registry.example/app:v1 oci:images:v1
    restrata diff oci:images:v1 oci:images:v2 --client plain --format json |
      jq '.pulls[].blob_bytes'";

pub const HISTORY: &str = "\
Tell what a sequence of versions cost, and would have cost in other layouts\n\n\
Takes versions of one image, oldest first. Says what a pull of each one costs clients that have an earlier one, also who \
skipped some; whose files change how often; what each version adds to the registry; and what the same versions would have \
cost with one layer, with a layer for each package, and with restrata's. Nothing is written: the sizes of layers that \
are not there are estimates. docs/history.md defines each number.";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  What the updates of an image cost, and whether another layout would pay:
    restrata history docker-archive:v1.tar docker-archive:v2.tar docker-archive:v3.tar
  The same for podman with partial pulls, from an S3-like registry:
    restrata history oci:images:v1 oci:images:v2 oci:images:v3 --client podman --registry whole-200
  Which packages changed in more than half of the updates:
    restrata history oci:images:v1 oci:images:v2 oci:images:v3 --format json \\
      | jq '(.versions | length - 1) as $n | .owners[] | select(.updates * 2 > $n) | .owner'";

pub const CHECK: &str = "\
Check that an image's zstd:chunked layers are sound\n\n\
For each layer: digests, zstd frames, table of contents, tar-split, the tar that they make and its DiffID, \
annotations, order and gaps. The exit code is 3 if there is a problem; a remark is none.";

pub const CHECK_EXAMPLES: &str = "\
Examples:
  restrata check oci:images:v2
  restrata check oci-archive:image.tar --format json";

pub const INSPECT: &str = "\
Show an image's layers, their indexes and its biggest files

Sizes are decimal, as podman and skopeo show them: 27.1 MB is 27,100,000 bytes.";

pub const INSPECT_EXAMPLES: &str = "\
Examples:
  restrata inspect oci:images:v2
  restrata inspect docker-archive:new.tar --platform linux/amd64
  restrata inspect oci:images:v2 --format json | jq '.images[0].layers[].index'";

pub const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  restrata completions bash > ~/.local/share/bash-completion/completions/restrata
  restrata completions zsh > ~/.zfunc/_restrata
  restrata completions fish > ~/.config/fish/completions/restrata.fish";

pub const MAN_EXAMPLES: &str = "\
Examples:
  restrata man ~/.local/share/man/man1";

/// The same input gives the same image for one version of libzstd, so it is part of the version.
pub fn long_version() -> String {
    let zstd = codec::library_version();
    let parts = [zstd / 10_000, zstd / 100 % 100, zstd % 100];
    format!("{}\nlibzstd {}", env!("CARGO_PKG_VERSION"), parts.map(|part| part.to_string()).join("."))
}
