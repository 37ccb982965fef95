//! The longer texts of `--help` and of the manual pages. A line that ends with a colon and is not indented is a
//! heading in both.

use restrata::codec;

pub const ABOUT: &str = "Rewrite container images so that the next update is as small as possible to pull";

pub const LONG_ABOUT: &str = "\
restrata takes a new image and the one that is published today. It publishes the new image with the same files, in \
zstd:chunked layers. Layers that can stay byte-identical stay, so clients do not pull them again. In new layers the \
changed files stand first, so podman fetches what changed in a layer in one range.";

macro_rules! examples {
    () => {
        "\
Examples:
  restrata rechunk containers-storage:localhost/app docker://registry.example/app:latest
  restrata rechunk docker-archive:new.tar oci:images:v2 --previous oci:images:v1
  restrata family oci:new:web=oci:images:web oci:new:java=oci:images:java
  restrata merge oci:images:python oci:images:nginx oci:images:both
  restrata verify --ignore mtime docker-archive:new.tar oci:images:v2
  restrata diff docker://registry.example/app:latest oci:images:v2
  restrata history oci:images:v1 oci:images:v2 oci:images:v3
  restrata check oci:images:v2
  restrata inspect oci:images:v2
  restrata dump oci:images:v2
  restrata prune oci:images
  restrata probe docker://registry.example/app:v1
  restrata bridge --allow ghcr.io
  restrata cache
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
  docker://[HOST[:PORT]/]REPO[:TAG|@sha256:HEX]
                             an image in a registry, read and (with a tag) written
  oci:DIR[:TAG]              an OCI layout, read and written
  oci-archive:FILE[:TAG]     the same in a tar file, read and written
  docker-archive:FILE[:TAG]  what 'podman save' and 'docker save' write, read
  containers-storage:NAME[:TAG]
                             an image in podman's store, read (not as --previous or --base)
  docker-daemon:NAME:TAG     an image of a docker daemon, read (not as --previous or --base)
  dir:ROOTFS                 a root file system in a directory, read
  Where several images in files have no tag or the same one, write @N (from 0) or @sha256:HEX in its place.
  Archives may be compressed, and come through a pipe: docker-archive:-. oci-archive:- as DEST is standard output.
  A path ends at the first colon.

Exit codes:
  0    done
  1    failed
  2    image not found
  3    verify, check, diff --fail-above or --strict says no
  64   wrong usage, or a tag is missing where several images are
  130  interrupted; temporary files are removed, and DEST is as it was"
);

pub const RECHUNK: &str = "\
Write a new image against the one that clients have\n\n\
Reads NEW and writes the same files to DEST. Prints what changed and what a pull will cost, for clients that reuse \
whole layers (docker, containerd) and for podman with partial pulls.\n\n\
DEST in a registry: the image that its tag points at is the previous one. Only what the registry lacks is sent. The tag \
moves last. After a failure, the same command sends only what is missing.\n\n\
DEST in files: --previous names the previous image. DEST appears whole or not at all. Other images in an oci: layout \
stay. An oci-archive: is replaced, and a note names the other images that were in it.\n\n\
Layers of the previous image stay byte for byte while the new image shows enough of them. All other files go to new \
layers on top. --dry-run says which layers would stay, which would be written, and why.";

pub const FAMILY: &str = "\
Write several images so that they share layers\n\n\
For images that are published together: a base and what stands on it, the services of one project, one application for \
several versions of a language. Files that several images have go into layers that all of them name. A registry stores \
such a layer once, and a host that has one image pulls only what it lacks of another.\n\n\
How the images were built does not matter: they need no common base. Files count as the same if only their times differ, \
as in rechunk's --mtime previous. An old layer stays for all images that have it, or for none.\n\n\
Each argument names one image. Without PREVIOUS, the previous image is the one that DEST's tag points at, if DEST is in a \
registry. Images may join and leave from one run to the next: name those that you publish. Keep their order, since the \
layers depend on it. Every option holds for all images; a path needs to be in one of them.\n\n\
All images are written before the first one is published. Then they are published in their order. If that fails, the \
error says which images are published; the others are as they were.";

pub const FAMILY_EXAMPLES: &str = "\
Examples:
  Publish three images, laid out against what their tags point at now:
    restrata family \\
      containers-storage:localhost/base=docker://registry.example/base:latest \\
      containers-storage:localhost/web=docker://registry.example/web:latest \\
      containers-storage:localhost/java=docker://registry.example/java:latest
  First versions in files, and then an update:
    restrata family docker-archive:web1.tar=oci:images:web1 \\
      docker-archive:java1.tar=oci:images:java1
    restrata family docker-archive:web2.tar=oci:images:web2=oci:images:web1 \\
      docker-archive:java2.tar=oci:images:java2=oci:images:java1
  One image was rebuilt, and shares layers with another one that is published:
    restrata rechunk containers-storage:localhost/web docker://registry.example/web:latest \\
      --share docker://registry.example/java:latest
  What a host that has one image pulls for another:
    restrata diff oci:images:web1 oci:images:java1";

pub const MERGE: &str = "\
Lay several images over each other, and write them as one\n\n\
The result shows what the images' trees show when each is unpacked over those before it. A later image's file takes the \
place of an earlier one's. A directory keeps what is in it, and takes the later mode and owner. What an image removes \
from its own base stays if an earlier image has it, too.\n\n\
Differences are told. Package databases that differ are an error, since one alone can be seen: --unite makes one of \
them, --on-conflict takes one. docs/merge.md has the rules.\n\n\
The config is that of the last image. Environment, labels and history are those of all. The result has each platform \
that all images have. It is laid out like any image: --previous, --base and all other options hold.";

pub const MERGE_EXAMPLES: &str = "\
Examples:
  Python, nginx and their base in one image, with one package database:
    restrata merge oci:images:base oci:images:python oci:images:nginx oci:images:all \\
      --unite dpkg,passwd
  See what differs, and write nothing:
    restrata merge oci:images:python oci:images:nginx oci:images:all --dry-run
  Keep the configuration of the first image:
    restrata merge oci:images:a oci:images:b oci:images:all --on-conflict '/etc/**=first'
  A system extension over a base, published against what the tag points at:
    restrata merge docker://registry.example/base:1 dir:./extension \\
      docker://registry.example/host:latest
  Run it as the first image runs:
    restrata merge oci:images:app oci:images:tools oci:images:debug --config-from 1";

pub const RECHUNK_EXAMPLES: &str = "\
Examples:
  Publish what podman build made, laid out against what is published now (if anything is):
    podman build --tag localhost/app .
    restrata rechunk containers-storage:localhost/app docker://registry.example/app:latest
  See what that would send and cost, and send nothing:
    restrata rechunk containers-storage:localhost/app docker://registry.example/app:latest --dry-run
  Two tags for one image:
    restrata rechunk containers-storage:localhost/app docker://registry.example/app:42 --tag latest
  From docker, or by a pipe:
    restrata rechunk docker-daemon:app:v1 docker://registry.example/app:latest
    podman save localhost/app | restrata rechunk docker-archive:- docker://registry.example/app:latest
  A first version in files:
    podman save -o v1.tar localhost/app:v1
    restrata rechunk docker-archive:v1.tar oci:images:v1
  An update against it:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1
  A root file system without a build tool:
    restrata rechunk dir:./rootfs oci:images:base
  Print only the digest, for a script:
    digest=$(restrata rechunk -q docker-archive:new.tar docker://registry.example/app:latest)
  Remove a key that was published by mistake from every layer:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1 \\
      --purge /etc/app.key
  Keep the layers of FROM, so that images share them:
    restrata rechunk docker-archive:v1.tar oci:images:v1 --base docker://registry.example/debian:13
  A bootc image that rpm-ostree made, as a plain one:
    restrata rechunk oci:images:fedora oci:images:v1 --prune /sysroot/ \\
      --label ostree.commit- --label ostree.final-diffid-
  What an update costs podman, in bytes:
    restrata rechunk docker-archive:v2.tar oci:images:v2 --previous oci:images:v1 --format json |
      jq '.pulls[] | select(.from and .client == \"podman\" and .registry == \"multi-range\")
        | .blob_bytes'";

pub const VERIFY: &str = "\
Compare the files of two images\n\n\
Merges the layers of each image as a client does. Compares every path: type, mode, owner, times, links, devices, \
extended attributes and content. How the images are layered does not matter. Prints the differences. The exit code is \
3 if there is one.";

pub const VERIFY_EXAMPLES: &str = "\
Examples:
  After a first layout:
    restrata verify docker-archive:v1.tar oci:images:v1
  After an update, where unchanged files keep the previous image's times:
    restrata verify --ignore mtime docker-archive:v2.tar oci:images:v2
  Compare with a directory:
    restrata verify dir:./rootfs oci:images:base
  After rechunk --prune /var/cache/:
    restrata verify --ignore mtime --prune /var/cache/ docker-archive:v2.tar oci:images:v2
  After rechunk --prune-debris:
    restrata verify --ignore mtime --prune-debris docker-archive:v2.tar oci:images:v2";

pub const DIFF: &str = "\
Show what an update costs each client to pull, and why\n\n\
Computes what docker, containerd and podman do when they have OLD and pull NEW, on every kind of registry: bytes, \
requests, ranges. Shows which packages and files cause the cost, and what was avoidable: unchanged files in changed \
layers, files of which only the time changed, layers that were only compressed again. Works with any image, of any \
tool. docs/cost.md defines each number.";

pub const DIFF_EXAMPLES: &str = "\
Examples:
  What an update costs each client, and why:
    restrata diff oci:images:v1 oci:images:v2
  For clients that are one and two versions behind:
    restrata diff oci:images:v2 oci:images:v1 oci:images:v3
  Fail in CI if an update is larger than 200 MB:
    restrata diff -q oci:images:v1 oci:images:v2 --fail-above 200MB
  The same for podman with partial pulls, from Docker Hub:
    restrata diff -q oci:images:v1 oci:images:v2 --client podman --registry ranges-299 \\
      --fail-above 200MB
  A page for a browser: packages as areas, layers as bars:
    restrata diff oci:images:v1 oci:images:v2 --format html > update.html
  A comment on a pull request:
    restrata diff oci:images:v1 oci:images:v2 --format markdown > comment.md
  What a published image's next version would cost a plain client, in bytes:
    restrata diff docker://registry.example/app:v1 oci:images:v2 --client plain --format json |
      jq '.pulls[].blob_bytes'";

pub const HISTORY: &str = "\
Show what a series of versions cost, and would have cost with other layouts\n\n\
Takes versions of one image, oldest first. Shows what each update cost clients, also those that skipped versions; \
whose files change how often; and what each version adds to the registry. Estimates what the same versions would have \
cost with one layer, with a layer for each package, and with restrata's layers. Writes nothing. docs/history.md \
defines each number.";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  What the updates of an image cost, and what other layouts would cost:
    restrata history docker-archive:v1.tar docker-archive:v2.tar docker-archive:v3.tar
  The same for podman with partial pulls, from an S3-like registry:
    restrata history oci:images:v1 oci:images:v2 oci:images:v3 --client podman --registry whole-200
  Which packages changed in more than half of the updates:
    restrata history oci:images:v1 oci:images:v2 oci:images:v3 --format json \\
      | jq '(.versions | length - 1) as $n | .owners[] | select(.updates * 2 > $n) | .owner'";

pub const CHECK: &str = "\
Check that an image's zstd:chunked layers are sound\n\n\
Checks each layer's digest, zstd frames, table of contents, tar-split, DiffID, annotations, order and gaps. The exit \
code is 3 if there is a problem. A remark is not a problem.";

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

pub const DUMP: &str = "\
Print an image's merged tree, for composefs or mtree\n\n\
Each line is one path: type, mode, owner, time, size, xattrs and a digest of the content. The tree is what podman \
shows, whatever the layers are. rechunk --mtime keep does not change it, unless --prune, --drop-xattr or the like \
leaves something out. So a digest that was signed for NEW also holds for that output.\n\n\
composefs-dump(5) is what `mkcomposefs --from-file` takes. Each hard link is a file of its own, as mkcomposefs \
makes it of a directory. Files of up to 64 bytes are in the dump itself. Digests are fs-verity's (SHA-256, blocks of \
4,096 bytes).";

pub const DUMP_EXAMPLES: &str = "\
Examples:
  restrata dump oci:images:v2 > v2.dump
  restrata dump oci:images:v2 --digest
  restrata dump docker-archive:new.tar --format mtree | diff - v1.mtree";

pub const PRUNE: &str = "\
Remove blobs of a layout that no image in it needs\n\n\
A tag that moves to another image leaves the old image's blobs in the layout. This finds them: every blob that index.json \
does not lead to, through indexes and manifests of any kind. What refers to a needed image (signatures, attestations) \
stays. If one document can't be read, nothing is removed.\n\n\
Without --force it only says what it would remove. It waits while another run moves its image into the layout, and \
refuses to remove anything while one is at work.";

pub const PRUNE_EXAMPLES: &str = "\
Examples:
  What is not needed any more, and how much it is:
    restrata prune oci:images
  Remove it:
    restrata prune oci:images --force
  In a script, the bytes alone:
    restrata prune oci:images --format json | jq '.unneeded_bytes'";

pub const BRIDGE: &str = "\
Let podman pull single files from registries that refuse several ranges

podman with partial pulls asks for several ranges of a layer in one request. ghcr.io answers 501, \
and the pull fails. With Google Artifact Registry podman pulls the whole layer; Amazon ECR sends it until podman has \
enough. The bridge is a read-only mirror on this machine. It asks the registry for single ranges, which \
nearly every registry answers, and gives podman one answer.

After each pull a line on standard error says what was sent. GET /metrics gives counters for Prometheus. \
Ctrl-C or SIGTERM ends the bridge.

docs/bridge.md says how to set it up, what it sees, and how to remove it.";

pub const BRIDGE_EXAMPLES: &str = "\
Examples:
  restrata bridge --allow ghcr.io
  restrata bridge --listen 127.0.0.1:8080 --upstream registry.example:5000
  restrata bridge --write-config /etc/containers";

pub const CACHE: &str = "\
Show what restrata remembers of earlier runs, or remove it\n\n\
Proofs say that a layer was read to its end and is what it says: the next rechunk need not decode it again, or download \
it from a registry. Indexes are those of layers in registries: they need not be downloaded again. Both are in \
$XDG_CACHE_HOME/restrata, or else in ~/.cache/restrata. Only what this user alone can write counts.\n\n\
Without the cache every command does the same, but reads more. Keep it between the runs of a pipeline.";

pub const CACHE_EXAMPLES: &str = "\
Examples:
  How much there is, and when it was used:
    restrata cache
  Remove it:
    restrata cache --clear
  Where it is:
    restrata cache --format json | jq -r .directory";

pub const PROBE: &str = "\
Show how a registry answers clients, and what each of them can do there\n\n\
Partial pulls ask for several byte ranges in one request, and registries answer in different ways. This asks for a few \
bytes of the image's largest layer: one range, two, 17 and 300. It names the registry's profile, which restrata diff \
--registry takes, and says how podman and other clients pull there. With --mount REPO it \
also says whether the registry mounts layers. Without it, it writes nothing. It reads at most about 60 kB of the layer. A \
registry that sends the whole layer is cut off; some of it, a megabyte or so, is on its way by then. docs/cost.md has the \
profiles.";

pub const PROBE_EXAMPLES: &str = "\
Examples:
  Any image will do that has a layer of 40 kB or more:
    restrata probe docker://registry.example/app:v1
  What an update costs on this registry:
    restrata probe docker://registry.example/app:v1 --format json | jq -r .profile
    restrata diff oci:images:v1 oci:images:v2 --registry multi-range
  Whether it mounts layers (writes a reference of one layer into team/scratch):
    restrata probe docker://registry.example/app:v1 --mount team/scratch
  A registry without TLS:
    restrata probe docker://localhost:5000/app:v1 --tls-verify=false";

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
