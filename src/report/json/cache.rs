use serde::Serialize;

use crate::cache::{Contents, Stock};

use super::super::times::utc;
use super::print;

#[derive(Serialize)]
struct Cache {
    directory: String,
    cleared: bool,
    proofs: Records,
    indexes: Records,
    max_index_bytes: u64,
    others: u64,
}

/// Without --clear there are so many, with it there were.
#[derive(Serialize)]
struct Records {
    count: u64,
    bytes: u64,
    oldest_use: Option<String>,
    newest_use: Option<String>,
}

impl From<Stock> for Records {
    fn from(stock: Stock) -> Self {
        let (oldest, newest) = stock.used.unzip();
        Self { count: stock.count, bytes: stock.bytes, oldest_use: oldest.map(utc), newest_use: newest.map(utc) }
    }
}

pub fn cache(contents: &Contents) -> String {
    print(&Cache {
        directory: contents.dir.to_string_lossy().into_owned(),
        cleared: contents.is_cleared,
        proofs: contents.proofs.into(),
        indexes: contents.indexes.into(),
        max_index_bytes: contents.most,
        others: contents.others,
    })
}
