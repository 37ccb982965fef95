//! What the cache holds, and how it is removed.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Cache;
use super::records::{Foreign, Found, Kind};
use crate::progress::{Interrupted, Progress};

/// What is there, or was until it was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub dir: PathBuf,
    pub proofs: Stock,
    pub indexes: Stock,
    /// Bytes of indexes that there may be.
    pub most: u64,
    /// What is no record of this cache. It stays.
    pub others: u64,
    pub is_cleared: bool,
}

/// Records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    pub count: u64,
    pub bytes: u64,
    /// When the least and the most recently used one was used last.
    pub used: Option<(SystemTime, SystemTime)>,
}

/// Why nothing is shown or removed.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("no cache: expected an absolute path in XDG_CACHE_HOME or HOME, found none")]
    Nowhere,
    #[error("{}: expected a directory that only you can write to, found {found}", path.display())]
    Foreign { path: PathBuf, found: String },
    #[error("{}: expected a directory that you can write to: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{}: {count} of the records can't be removed", dir.display())]
    Stay { dir: PathBuf, count: u64 },
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
}

impl From<Foreign> for CacheError {
    fn from(Foreign { path, found }: Foreign) -> Self {
        Self::Foreign { path, found }
    }
}

impl Cache {
    pub fn contents(&self, progress: &Progress) -> Result<Contents, CacheError> {
        let (found, others) = self.found(progress)?;
        Ok(self.counted(&found, others, false))
    }

    /// Removes all records. What else is in the directory stays.
    pub fn clear(&self, progress: &Progress) -> Result<Contents, CacheError> {
        let (found, others) = self.found(progress)?;
        let mut stay = 0;
        for found in &found {
            progress.check()?;
            stay += u64::from(!self.records.remove(found));
        }
        let contents = self.counted(&found, others, true);
        match stay {
            0 => self.records.remove_directories(),
            count => return Err(CacheError::Stay { dir: contents.dir, count }),
        }
        Ok(contents)
    }

    /// Why none of the proofs counts, or why none that is made is remembered. It makes the directory if it is missing.
    pub fn unusable(&self) -> Option<CacheError> {
        if self.dir().is_none() {
            return Some(CacheError::Nowhere);
        }
        if let Err(foreign) = self.records.is_own(Kind::Proof) {
            return Some(foreign.into());
        }
        let (path, source) = self.records.unwritable(Kind::Proof)?;
        Some(CacheError::Unwritable { path, source })
    }

    fn found(&self, progress: &Progress) -> Result<(Vec<Found>, u64), CacheError> {
        self.dir().ok_or(CacheError::Nowhere)?;
        let (mut all, mut others) = (Vec::new(), self.records.strangers());
        for kind in Kind::ALL {
            progress.check()?;
            let (found, beside) = self.records.list(kind)?;
            all.extend(found);
            others += beside;
        }
        Ok((all, others))
    }

    fn counted(&self, found: &[Found], others: u64, is_cleared: bool) -> Contents {
        let stock = |kind| Stock::of(found.iter().filter(move |found| found.kind == kind));
        Contents {
            dir: self.dir().map(ToOwned::to_owned).unwrap_or_default(),
            proofs: stock(Kind::Proof),
            indexes: stock(Kind::Index),
            most: self.most(),
            others,
            is_cleared,
        }
    }
}

impl Stock {
    /// What is unfinished is none.
    fn of<'a>(found: impl Iterator<Item = &'a Found>) -> Self {
        let mut stock = Self::default();
        for Found { bytes, used, .. } in found.filter(|found| found.is_whole) {
            stock.count += 1;
            stock.bytes += bytes;
            let (first, last) = stock.used.unwrap_or((*used, *used));
            stock.used = Some((first.min(*used), last.max(*used)));
        }
        stock
    }
}
