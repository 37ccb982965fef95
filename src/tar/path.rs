//! Where an entry stands: a name without `.`, doubled or trailing slashes.

use std::fmt;

use triomphe::ThinArc;

use crate::limits::PATH_BYTES;
use crate::units;

/// Why a name can't be a place in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the name {name:?} has a \"..\" component: expected a path inside the image")]
    Escapes { name: String },
    #[error("the name {name:?} has a NUL byte")]
    Nul { name: String },
    #[error(
        "a name that begins {start:?}: expected at most {max} bytes, since no client can make a longer one, found {found}", max = units::count(*max as u64), found = units::count(*found as u64))]
    TooLong { start: String, found: usize, max: usize },
}

/// A path relative to the image's root; the root itself is empty. Clients clean names in the same
/// way before they look for duplicates (tar-split's `filepath.Clean`, container-libs' `CleanAbsPath`).
///
/// The order is that of a depth-first walk with byte-sorted children, so a directory comes
/// right before everything below it.
///
/// Copies share their bytes, and are a pointer each: versions of an image have most of a million paths in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TarPath(ThinArc<(), u8>);

impl TarPath {
    pub fn new(name: &[u8]) -> Result<Self, PathError> {
        if name.contains(&0) {
            return Err(PathError::Nul { name: lossy(name) });
        }
        let mut clean = Vec::with_capacity(name.len());
        for part in name.split(|&b| b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathError::Escapes { name: lossy(name) }),
                _ => {
                    if !clean.is_empty() {
                        clean.push(b'/');
                    }
                    clean.extend_from_slice(part);
                }
            }
        }
        if clean.len() > PATH_BYTES {
            let start = lossy(&clean[..clean.len().min(80)]);
            return Err(PathError::TooLong { start, found: clean.len(), max: PATH_BYTES });
        }
        Ok(Self::of(&clean))
    }

    fn of(clean: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), clean))
    }

    pub fn root() -> Self {
        Self::of(&[])
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    pub fn is_root(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let bytes = self.as_bytes();
        let end = bytes.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self::of(&bytes[..end]))
    }

    /// The deepest directory at or above this one that `path` is below.
    pub fn up_to_hold(self, path: &Self) -> Self {
        let mut dir = self;
        while !path.is_below(&dir) {
            let Some(above) = dir.parent() else { break };
            dir = above;
        }
        dir
    }

    pub fn file_name(&self) -> &[u8] {
        let bytes = self.as_bytes();
        let start = bytes.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        &bytes[start..]
    }

    pub fn join(&self, name: &[u8]) -> Self {
        let mut joined = self.as_bytes().to_vec();
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(name);
        Self::of(&joined)
    }

    /// True for everything below `dir`, not for `dir` itself.
    pub fn is_below(&self, dir: &Self) -> bool {
        let (bytes, dir) = (self.as_bytes(), dir.as_bytes());
        match dir.is_empty() {
            true => !bytes.is_empty(),
            false => bytes.strip_prefix(dir).is_some_and(|below| below.first() == Some(&b'/')),
        }
    }
}

impl Ord for TarPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |b: u8| if b == b'/' { 0 } else { b };
        let (bytes, other) = (self.as_bytes(), other.as_bytes());
        // By words, since paths of one tree begin alike.
        let words = bytes.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
        let alike = words.take_while(|(a, b)| a == b).count() * 8;
        match bytes[alike..].iter().zip(&other[alike..]).find(|(a, b)| a != b) {
            Some((a, b)) => key(*a).cmp(&key(*b)),
            None => bytes.len().cmp(&other.len()),
        }
    }
}

impl PartialOrd for TarPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// With a leading slash; bytes that are not UTF-8 are replaced, for people only.
impl fmt::Display for TarPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for TarPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TarPath({:?})", String::from_utf8_lossy(self.as_bytes()))
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    #[test]
    fn cleans_as_the_clients_do() {
        for (name, clean) in
            [("./", ""), ("/", ""), ("./a//b/.", "a/b"), ("/a/", "a"), (".wh..wh..opq", ".wh..wh..opq")]
        {
            assert_eq!(path(name).as_bytes(), clean.as_bytes(), "{name}");
        }
        assert!(matches!(TarPath::new(b"a/../b"), Err(PathError::Escapes { .. })));
        assert!(TarPath::new(&b"a/".repeat(2047)).is_ok() && TarPath::new(&b"/".repeat(5000)).is_ok());
        let error = TarPath::new(&b"a/".repeat(2049)).unwrap_err().to_string();
        assert!(error.contains("expected at most 4,094 bytes") && error.ends_with("found 4,097"), "{error}");
        assert_eq!(path("..a/...").as_bytes(), b"..a/...");
    }

    #[test]
    fn sorts_a_directory_right_before_its_children() {
        let mut paths = [path("a.b"), path("a/c"), path("a"), path("a/b/c"), path("a-")];
        paths.sort();
        assert_eq!(paths, [path("a"), path("a/b/c"), path("a/c"), path("a-"), path("a.b")]);
    }

    #[test]
    fn knows_its_family() {
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(TarPath::root()));
        assert_eq!(TarPath::root().parent(), None);
        assert_eq!(path("a/b").file_name(), b"b");
        assert!(
            path("a/b").is_below(&path("a")) && !path("ab").is_below(&path("a")) && !path("a").is_below(&path("a"))
        );
        assert_eq!(TarPath::root().join(b"a"), path("a"));
        for (dir, below, held) in
            [("a/b", "a/b/c", "a/b"), ("a/b", "a/bc", "a"), ("a/b", "c", ""), ("a", "a", ""), ("", "", "")]
        {
            assert_eq!(path(dir).up_to_hold(&path(below)), path(held), "{dir} {below}");
        }
    }
}
