//! Where the blob of an old layer is.

use crate::registry::StoredBlob;
use crate::watch::Watched;

#[derive(Debug, Clone)]
pub enum Origin<'a> {
    File(Watched),
    Registry(StoredBlob<'a>),
}
