//! Manifests by their digests, then the tags.

use super::error::{MovedError, TagsError};
use super::{LeftBehind, Push, PushError, Pushed, TagBefore, Written};
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::oci::{Descriptor, Document, Index, Top};
use crate::registry::{RegistryError, Which};
use crate::threads::lock;

/// Whether a tag is to move.
enum Move {
    /// It points at the image.
    No,
    Yes,
    /// Over what somebody else published meanwhile.
    Over(BlobDigest),
}

impl Push<'_> {
    /// Publishes the images under all tags. One manifest is what the tags point at; several, or one with an `index` that led
    /// to it, get an index of their own, to which `index` lends its annotations and unknown fields.
    ///
    /// A tag that is not what it was when this push began is an error, unless it is to be replaced by force.
    pub fn commit(self, images: Vec<Descriptor>, index: Option<&Index>) -> Result<Pushed, PushError> {
        let written: Vec<(BlobDigest, Written)> =
            images.iter().map(|image| Ok((image.digest, self.written(image)?))).collect::<Result<_, PushError>>()?;
        let top = match Top::of(images, index) {
            None => return Err(PushError::Internal("a push without images")),
            Some(Top::Image(image)) => self.written(&image)?,
            Some(Top::Index { media_type, bytes }) => {
                self.check_document(&bytes)?;
                written.iter().try_for_each(|(digest, written)| self.put(*digest, written))?;
                Written { media_type: media_type.to_owned(), bytes }
            }
        };
        let digest = BlobDigest::from_bytes(Sha256Stream::of(&top.bytes));
        let overwritten = self.move_tags(digest, &top)?;
        let references = self.tags.iter().map(|before| self.reference(&before.tag)).collect();
        let left_behind = self.left_behind(digest);
        let counts = *lock(&self.counts);
        Ok(Pushed { digest, references, overwritten, counts, left_behind, traffic: self.client.traffic() })
    }

    fn left_behind(&self, new: BlobDigest) -> Vec<LeftBehind> {
        let mut left: Vec<LeftBehind> = Vec::new();
        for before in &self.tags {
            let Some(document) = before.document.as_ref().filter(|document| document.digest != new) else { continue };
            if left.iter().all(|left| left.digest != document.digest) {
                let artifacts = self.repository().map_or_else(|_| Vec::new(), |own| own.artifacts(document));
                left.push(LeftBehind { reference: self.reference(&before.tag), digest: document.digest, artifacts });
            }
        }
        left
    }

    /// A manifest whose blobs have all arrived.
    fn written(&self, image: &Descriptor) -> Result<Written, PushError> {
        let written = lock(&self.manifests).get(&image.digest).cloned();
        let written = written.ok_or(PushError::Internal("a manifest that was not handed in"))?;
        let what = format!("the manifest {}", image.digest);
        let Document::Manifest(manifest) = Document::parse(&written.bytes, &written.media_type, &what)? else {
            return Err(PushError::Internal("an index in the place of a manifest"));
        };
        let blobs = lock(&self.blobs);
        let mut needed = manifest.layers().iter().chain([manifest.config()]);
        match needed.all(|blob| blobs.get(&blob.digest) == Some(&true)) {
            true => Ok(written),
            false => Err(PushError::Internal("a manifest with a blob that has not arrived")),
        }
    }

    fn put(&self, digest: BlobDigest, written: &Written) -> Result<(), PushError> {
        let Written { media_type, bytes } = written;
        let put = || {
            let repository = self.repository()?;
            let which = Which::Digest(digest);
            match repository.head_manifest(&which)? {
                Some(_) => Ok(()),
                None => repository.put_manifest(&which, media_type, bytes).map(drop),
            }
        };
        put().map_err(|source| PushError::manifest(media_type, source, self.unchanged()))
    }

    /// Gives what somebody else published meanwhile and what is replaced by force.
    fn move_tags(&self, new: BlobDigest, top: &Written) -> Result<Vec<(String, BlobDigest)>, PushError> {
        let mut waiting: Vec<&str> = Vec::new();
        // New tags come first, then those that others pull by, and DEST's own last.
        let mut tags: Vec<&TagBefore> = self.tags.iter().skip(1).chain(self.tags.first()).collect();
        tags.sort_by_key(|before| before.document.is_some());
        let mut overwritten = Vec::new();
        for before in tags {
            match self.is_to_move(before, new)? {
                Move::No => continue,
                Move::Over(other) => overwritten.push((self.reference(&before.tag), other)),
                Move::Yes => {}
            }
            waiting.push(&before.tag);
        }
        let references = self.tags.iter().map(|before| self.reference(&before.tag));
        self.progress.set_last_words(format!(
            "interrupted while tags moved; whether they point at {new} now is not known: {}; all are whole images; run the \
             same command again",
            references.collect::<Vec<_>>().join(", ")
        ));
        for (at, tag) in waiting.iter().enumerate() {
            self.move_tag(tag, new, top).map_err(|(source, is_unknown)| {
                if at == 0 && !is_unknown {
                    return PushError::manifest(&top.media_type, source, self.unchanged());
                }
                let named = |tags: &[&str]| tags.iter().map(|tag| self.reference(tag)).collect();
                let (moved, left, failed) = (named(&waiting[..at]), named(&waiting[at + 1..]), self.reference(tag));
                PushError::Tags(Box::new(TagsError { moved, failed, is_unknown, left, new, source }))
            })?;
        }
        self.progress.set_last_words(format!("interrupted; the image is published: {new}"));
        Ok(overwritten)
    }

    fn is_to_move(&self, before: &TagBefore, new: BlobDigest) -> Result<Move, PushError> {
        let now = self.points_at(&before.tag).map_err(|source| PushError::blob(source, self.unchanged()))?;
        let then = before.document.as_ref().map(|document| document.digest);
        match now {
            Some(now) if now == new => Ok(Move::No),
            now if now == then => Ok(Move::Yes),
            now if self.force => Ok(now.map_or(Move::Yes, Move::Over)),
            now => {
                let reference = self.reference(&before.tag);
                Err(PushError::Moved(Box::new(MovedError { reference, before: then, now })))
            }
        }
    }

    /// With a failure: whether nobody knows what the tag points at now.
    fn move_tag(&self, tag: &str, new: BlobDigest, top: &Written) -> Result<(), (RegistryError, bool)> {
        self.progress.check().map_err(|interrupted| (interrupted.into(), false))?;
        let put = || self.repository()?.put_manifest(&Which::Tag(tag), &top.media_type, &top.bytes);
        let Err(error) = put() else { return Ok(()) };
        // The answer may have been lost, and not the document.
        match self.points_at(tag) {
            Ok(Some(now)) if now == new => Ok(()),
            Ok(_) => Err((error, false)),
            Err(_) => Err((error, true)),
        }
    }

    fn points_at(&self, tag: &str) -> Result<Option<BlobDigest>, RegistryError> {
        let repository = self.repository()?;
        match repository.head_manifest(&Which::Tag(tag))? {
            None => Ok(None),
            Some(head) if head.digest.is_some() => Ok(head.digest),
            // It does not say so without sending it.
            Some(_) => match repository.manifest(&Which::Tag(tag)) {
                Ok(document) => Ok(Some(document.digest)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}
