//! Layer blobs in: plain, gzip (one member or many, as eStargz) and zstd (one frame or many).

use std::io::{self, BufRead, BufReader, Read};

use crate::compression::Compression;
use crate::limits;

/// Larger buffers make zlib-rs faster; 1 MiB is where that ends.
const BUFFER: usize = 1 << 20;

/// The tar inside a layer blob, and how the blob was compressed. The media type is not asked: docker and
/// podman look at the bytes too, and images with the wrong type exist.
pub fn decompress<'a>(blob: impl Read + Send + 'a) -> io::Result<(Box<dyn Read + Send + 'a>, Compression)> {
    let mut blob = BufReader::with_capacity(BUFFER, blob);
    let compression = Compression::detect(blob.fill_buf()?);
    let tar: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(blob),
        Compression::Gzip => Box::new(Drained { inner: flate2::bufread::MultiGzDecoder::new(blob) }),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
            decoder.window_log_max(limits::ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((tar, compression))
}

/// Reads the rest of a gzip blob behind its last member, so that the digest below covers it. gzip(1) and
/// Go's reader differ on such bytes; neither takes them for content.
struct Drained<R> {
    inner: flate2::bufread::MultiGzDecoder<R>,
}

impl<R: BufRead> Read for Drained<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if n == 0 && !buf.is_empty() {
            io::copy(self.inner.get_mut(), &mut io::sink())?;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(blob: &[u8]) -> io::Result<(Vec<u8>, Compression)> {
        let (mut tar, compression) = decompress(blob)?;
        let mut content = Vec::new();
        tar.read_to_end(&mut content)?;
        Ok((content, compression))
    }

    #[test]
    fn reads_every_kind_of_blob() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(read(&two).unwrap(), (b"one two".to_vec(), Compression::Gzip));
        let skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc";
        let frames =
            [&zstd::encode_all(&b"one "[..], 3).unwrap()[..], skippable, &zstd::encode_all(&b"two"[..], 3).unwrap()]
                .concat();
        assert_eq!(read(&frames).unwrap(), (b"one two".to_vec(), Compression::Zstd));
        assert_eq!(read(b"plain").unwrap(), (b"plain".to_vec(), Compression::None));
        assert_eq!(read(b"").unwrap(), (b"".to_vec(), Compression::None));
    }

    #[test]
    fn a_cut_blob_is_an_error() {
        let gz = gzip(&[7; 1000]);
        assert!(read(&gz[..gz.len() - 9]).is_err());
        let zst = zstd::encode_all(&[7; 1000][..], 3).unwrap();
        assert!(read(&zst[..zst.len() - 2]).is_err());
    }
}
