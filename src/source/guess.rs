//! What stands at a path, for hints: which transport reads it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::archive;
use crate::codec::decompress;
use crate::compression::Compression;
use crate::oci::Transport;
use crate::progress::Progress;
use crate::tar::{BLOCK, Scanner, Step, TarPath};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// An image that this transport reads.
    Reads(Transport),
    /// What skopeo calls `dir:`.
    SkopeoDir,
    /// A root file system in a tar, as `docker export` writes it.
    RootfsTar,
    /// A directory with nothing but `blobs`: what skopeo leaves behind a copy that failed.
    FailedCopy,
}

/// `None` when there is nothing, or nothing that an image is made of.
pub fn guess(path: &Path) -> Option<Guess> {
    let kind = std::fs::metadata(path).ok()?;
    if kind.is_dir() {
        return directory(path);
    }
    let file = File::open(path).ok().filter(|_| kind.is_file())?;
    let names = listed(&file).or_else(|| packed(file))?;
    // docker writes archives that are both; this reader takes the names that docker shows.
    match (names.is_docker, names.is_oci, names.is_root) {
        (true, _, _) => Some(Guess::Reads(Transport::DockerArchive)),
        (_, true, _) => Some(Guess::Reads(Transport::OciArchive)),
        (_, _, true) => Some(Guess::RootfsTar),
        _ => None,
    }
}

fn directory(path: &Path) -> Option<Guess> {
    let has = |name: &str| path.join(name).exists();
    match (has("oci-layout"), has("index.json"), has("manifest.json") && has("version")) {
        (true, true, _) => Some(Guess::Reads(Transport::Oci)),
        (false, false, true) => Some(Guess::SkopeoDir),
        (false, false, false) if has_only_blobs(path) => Some(Guess::FailedCopy),
        (false, false, false) => Some(Guess::Reads(Transport::Dir)),
        // A layout that is damaged.
        _ => None,
    }
}

fn has_only_blobs(path: &Path) -> bool {
    let names = std::fs::read_dir(path).into_iter().flatten().flatten().take(2).map(|entry| entry.file_name());
    names.eq(["blobs"])
}

impl Guess {
    /// What to do with it. `path` is where it stands.
    pub fn advice(self, path: &Path) -> String {
        let shown = path.display();
        match self {
            Self::Reads(transport) => format!("perhaps {}:{shown} was meant", transport.name()),
            Self::SkopeoDir => {
                format!("this is skopeo's dir: format; convert it: skopeo copy --all dir:{shown} oci:{shown}.oci")
            }
            Self::FailedCopy => {
                "it holds no image: a copy into it seems to have failed; if nothing is published yet, leave out --previous"
                    .to_owned()
            }
            Self::RootfsTar => format!(
                "this is a root file system; unpack it and name the directory dir:{shown}.d: mkdir {shown}.d && tar -xpf \
                 {shown} -C {shown}.d"
            ),
        }
    }
}

/// The advice in parentheses, or nothing.
pub(super) fn hint(path: &Path) -> String {
    guess(path).map_or_else(String::new, |guess| format!(" ({})", guess.advice(path)))
}

/// Which of the telling names an archive has.
#[derive(Default)]
struct Names {
    is_docker: bool,
    is_oci: bool,
    is_root: bool,
}

impl Names {
    fn see(&mut self, name: &TarPath) {
        self.is_docker |= name.as_bytes() == b"manifest.json";
        self.is_oci |= name.as_bytes() == b"oci-layout";
        self.is_root |= [&b"etc/"[..], b"usr/"].iter().any(|dir| name.as_bytes().starts_with(dir));
    }
}

/// `None` for what is no plain tar.
fn listed(file: &File) -> Option<Names> {
    let mut names = Names::default();
    let listing = archive::index(file, &Progress::new()).ok()?;
    listing.members.keys().for_each(|name| names.see(name));
    Some(names)
}

/// Reads as much as a hint is worth.
fn packed(file: File) -> Option<Names> {
    let (tar, compression) = decompress(file).ok()?;
    if compression == Compression::None {
        return None;
    }
    let (mut tar, mut names, mut scanner) = (tar.take(LOOK_BYTES), Names::default(), Scanner::new());
    let mut block = [0; BLOCK];
    while !names.is_docker && tar.read_exact(&mut block).is_ok() {
        match scanner.push(&block).ok()? {
            Step::More => {}
            Step::End => break,
            Step::Entry(entry) => {
                TarPath::new(&entry.header.name).iter().for_each(|name| names.see(name));
                let len = entry.stored.checked_next_multiple_of(BLOCK as u64)?;
                io::copy(&mut tar.by_ref().take(len), &mut io::sink()).ok()?;
            }
        }
    }
    Some(names)
}

const LOOK_BYTES: u64 = 256 << 20;
