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

/// What reads the image at `path`; `None` when there is none.
pub fn guess(path: &Path) -> Option<Transport> {
    let kind = std::fs::metadata(path).ok()?;
    if kind.is_dir() {
        let is_layout = path.join("oci-layout").is_file() && path.join("index.json").is_file();
        return (!is_skopeo_dir(path)).then_some(if is_layout { Transport::Oci } else { Transport::Dir });
    }
    let file = File::open(path).ok().filter(|_| kind.is_file())?;
    let names = listed(&file).or_else(|| packed(file))?;
    // docker writes archives that are both; this reader takes the names that docker shows.
    if names.is_docker {
        return Some(Transport::DockerArchive);
    }
    names.is_oci.then_some(Transport::OciArchive)
}

/// The guess in words, or nothing.
pub(super) fn hint(path: &Path) -> String {
    let shown = path.display();
    match guess(path) {
        Some(transport) => format!(" (perhaps {}:{shown} was meant)", transport.name()),
        None if is_skopeo_dir(path) => {
            format!(" (this is skopeo's dir: format; convert it: skopeo copy --all dir:{shown} oci:{shown}.oci)")
        }
        None => String::new(),
    }
}

fn is_skopeo_dir(path: &Path) -> bool {
    path.join("manifest.json").is_file() && path.join("version").is_file()
}

/// Which of the telling names an archive has.
#[derive(Default)]
struct Names {
    is_docker: bool,
    is_oci: bool,
}

impl Names {
    fn see(&mut self, name: &TarPath) {
        self.is_docker |= name.as_bytes() == b"manifest.json";
        self.is_oci |= name.as_bytes() == b"oci-layout";
    }
}

/// `None` for what is no plain tar.
fn listed(file: &File) -> Option<Names> {
    let mut names = Names::default();
    let members = archive::index(file, &Progress::new()).ok()?;
    members.keys().for_each(|name| names.see(name));
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
