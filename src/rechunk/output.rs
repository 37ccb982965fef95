//! Where blobs and documents go: into files, or to a registry.

use std::io::{self, Write};

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::origin::Origin;
use crate::push::{UploadWriter, Uploads};
use crate::sink::{BlobWriter, Sink, SinkError};
use crate::source::read_of;
use crate::survey::old::OldLayer;
use crate::watch::Trace;

#[derive(Clone, Copy)]
pub(super) enum Output<'o, 's> {
    Files(&'o Sink),
    Registry(&'o Uploads<'s, 'o>),
}

/// A blob that is being written.
pub(super) enum OutputBlob<'o, 's> {
    File(BlobWriter),
    Upload(UploadWriter<'s, 'o>),
}

impl<'o, 's> Output<'o, 's> {
    pub fn blob(self) -> Result<OutputBlob<'o, 's>, Error> {
        Ok(match self {
            Self::Files(sink) => OutputBlob::File(sink.blob()?),
            Self::Registry(uploads) => OutputBlob::Upload(uploads.blob()?),
        })
    }

    /// Returns how a file that has the layer, which was proven, is known again.
    pub fn keep(self, layer: &OldLayer<'s>) -> Result<Option<Trace>, Error> {
        let Descriptor { digest, size, .. } = layer.descriptor;
        match self {
            Self::Files(sink) => Ok(sink.keep(&layer.place, digest)?),
            Self::Registry(uploads) => Ok(uploads.keep(&layer.place, digest, size).map(|()| None)?),
        }
    }

    /// A blob of NEW that nothing was read of before.
    pub fn copy(self, from: &Origin<'s>, blob: &Descriptor) -> Result<(), Error> {
        match (self, from) {
            (Self::Registry(uploads), _) => Ok(uploads.keep(from, blob.digest, blob.size)?),
            (Self::Files(sink), Origin::Registry(_)) => Ok(sink.keep(from, blob.digest).map(drop)?),
            (Self::Files(sink), Origin::File(_)) => {
                let mut out = sink.raw_blob()?;
                let copied = io::copy(&mut read_of(from, blob.digest)?, &mut out);
                copied.map_err(|error| match error.downcast::<SinkError>() {
                    Ok(error) => Error::Sink(error),
                    Err(error) => Error::Artifact { digest: blob.digest, source: error },
                })?;
                Ok(out.finish_as(blob.digest, blob.size).map(drop)?)
            }
        }
    }

    pub fn config(self, bytes: &[u8]) -> Result<(BlobDigest, u64), Error> {
        Ok(match self {
            Self::Files(sink) => sink.put_bytes(bytes)?,
            Self::Registry(uploads) => uploads.put_config(bytes)?,
        })
    }

    pub fn manifest(self, media_type: &str, bytes: &[u8]) -> Result<(BlobDigest, u64), Error> {
        Ok(match self {
            Self::Files(sink) => sink.put_bytes(bytes)?,
            Self::Registry(uploads) => uploads.put_manifest(media_type, bytes)?,
        })
    }
}

impl OutputBlob<'_, '_> {
    pub fn finish(self) -> Result<(BlobDigest, u64, Option<Trace>), Error> {
        match self {
            Self::File(file) => Ok(file.finish_traced().map(|(digest, size, trace)| (digest, size, Some(trace)))?),
            Self::Upload(upload) => Ok(upload.finish().map(|(digest, size)| (digest, size, None))?),
        }
    }
}

impl Write for OutputBlob<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Upload(upload) => upload.flush(),
        }
    }
}
