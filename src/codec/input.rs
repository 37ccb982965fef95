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
        Compression::Gzip => Box::new(Members::new(blob)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
            decoder.window_log_max(limits::ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((tar, compression))
}

/// One gzip member after the other, as Go's reader takes them; what else stands behind them is an error there too.
struct Members<'a> {
    decoder: flate2::bufread::GzDecoder<Box<dyn BufRead + Send + 'a>>,
    /// Bytes found behind the last member.
    behind: u64,
}

impl<'a> Members<'a> {
    fn new(blob: impl BufRead + Send + 'a) -> Self {
        Self { decoder: flate2::bufread::GzDecoder::new(Box::new(blob)), behind: 0 }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.decoder.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            let blob = self.decoder.get_mut();
            match blob.fill_buf()?.first() {
                None if self.behind == 0 => return Ok(0),
                Some(0x1f) => {
                    let blob = self.decoder.reset(Box::new(io::empty()));
                    self.decoder.reset(blob);
                }
                _ => {
                    self.behind += io::copy(blob, &mut io::sink())?;
                    let found = self.behind;
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("expected the end of the blob or another gzip member, found {found} other bytes"),
                    ));
                }
            }
        }
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
    fn other_bytes_behind_gzip_are_counted() {
        for rest in [&[0; 512][..], b"junk"] {
            let blob = [&gzip(b"one ")[..], &gzip(b""), &gzip(b"two"), rest].concat();
            let error = read(&blob).unwrap_err().to_string();
            assert!(
                error.contains("another gzip member") && error.contains(&format!(" {} other", rest.len())),
                "{error}"
            );
        }
        let (mut tar, _) = decompress(&b"\x1f\x8b\x08"[..]).unwrap();
        assert!(tar.read(&mut [0; 8]).is_err());
    }

    #[test]
    fn a_cut_blob_is_an_error() {
        let gz = gzip(&[7; 1000]);
        assert!(read(&gz[..gz.len() - 9]).is_err());
        let zst = zstd::encode_all(&[7; 1000][..], 3).unwrap();
        assert!(read(&zst[..zst.len() - 2]).is_err());
    }
}
