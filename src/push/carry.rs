//! One blob to the registry, by the cheapest way.

use super::bytes::{Bytes, Source};
use super::queue::{AbandonWhenDropped, Queue, Task};
use super::{Amount, Push, PushError};
use crate::origin::Origin;
use crate::registry::{RegistryError, Repository, StoredBlob};
use crate::threads::lock;

/// How a blob came to be there.
enum Way {
    Present,
    Mounted,
    Sent,
}

impl Push<'_> {
    /// Until the queue ends.
    pub(super) fn carry_all(&self, queue: &Queue<'_>) {
        // After a panic, too, the others have nothing to wait for.
        let end = AbandonWhenDropped(queue);
        while let Some(task) = queue.take() {
            match self.carry(&task, queue) {
                Ok(way) => self.arrived(&task, &way),
                Err(source) => queue.fail(PushError::blob(source, self.unchanged())),
            }
        }
        // It ended well; others may still be at work.
        std::mem::forget(end);
    }

    fn carry<'s>(&self, task: &Task<'s>, queue: &Queue<'s>) -> Result<Way, RegistryError> {
        let repository = self.repository()?;
        if repository.has_blob(task.digest)? == Some(task.size) {
            return Ok(Way::Present);
        }
        if let Bytes::Kept(Origin::Registry(stored)) = &task.bytes
            && let Some(from) = neighbour(&repository, stored)
            && repository.mount(task.digest, from)?
        {
            return Ok(Way::Mounted);
        }
        let transfer = self.progress.transfer(task.digest.short(), task.size);
        repository.upload(task.digest, task.size, &Source { task, queue }, &|bytes| transfer.advance(bytes))?;
        Ok(Way::Sent)
    }

    fn arrived(&self, task: &Task<'_>, way: &Way) {
        if !matches!(way, Way::Sent) {
            self.progress.spare_transfer(task.size);
        }
        let mut counts = lock(&self.counts);
        let Amount { blobs, bytes } = match way {
            Way::Present => &mut counts.present,
            Way::Mounted => &mut counts.mounted,
            Way::Sent => &mut counts.sent,
        };
        (*blobs, *bytes) = (*blobs + 1, *bytes + task.size);
        drop(counts);
        lock(&self.blobs).insert(task.digest, true);
    }
}

/// The repository of the same registry that has the blob.
fn neighbour<'a>(own: &Repository<'_, '_>, stored: &'a StoredBlob<'_>) -> Option<&'a str> {
    let from = &stored.repository;
    (from.host() == own.host() && from.name() != own.name()).then(|| from.name())
}
