//! Layer blobs in: plain, gzip (one member or many, as eStargz), zstd (one frame or many), xz and bzip2.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::compression::Compression;
use crate::limits;
use crate::units::count as grouped;

/// Larger buffers make zlib-rs faster; 1 MiB is where that ends.
const BUFFER: usize = 1 << 20;

/// The tar inside a layer blob, and how the blob was compressed. The media type is not asked: docker and
/// podman look at the bytes too, and images with the wrong type exist.
pub fn decompress<'a>(mut blob: impl Read + Send + 'a) -> io::Result<(Box<dyn Read + Send + 'a>, Compression)> {
    let mut magic = Vec::new();
    // A pipe may hand out a single byte at first.
    blob.by_ref().take(Compression::MAGIC as u64).read_to_end(&mut magic)?;
    let compression = Compression::detect(&magic);
    let blob = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(blob));
    let tar: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(blob),
        Compression::Gzip => Box::new(Members::new(blob)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
            decoder.window_log_max(limits::ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let streams = lzma_rust2::XzReader::new_mem_limit(blob, true, limits::XZ_MEMORY_KIB);
            Box::new(Fused { inner: streams, failed: false })
        }
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(blob)),
    };
    Ok((tar, compression))
}

/// The xz reader must not be asked again after an error, and takes an empty buffer for the end of a block.
struct Fused<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for Fused<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.failed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the xz data is damaged"));
        }
        let read = self.inner.read(buf);
        self.failed = read.is_err();
        read
    }
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
                        format!(
                            "expected the end of the gzip data or another member, found {} other bytes",
                            grouped(found)
                        ),
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

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// With a dictionary of 2 to the power of `log`.
    fn xz(content: &[u8], log: u32) -> Vec<u8> {
        let mut options = lzma_rust2::XzOptions::with_preset(0);
        options.lzma_options.dict_size = 1 << log;
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    /// Hands out one byte at a time, as a slow pipe may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = buf.len().min(1);
            self.0.read(&mut buf[..len])
        }
    }

    #[test]
    fn a_slow_pipe_is_detected_like_a_file() {
        for blob in [gzip(b"x"), bzip2(b"x"), xz(b"x", 16), zstd::encode_all(&b"x"[..], 3).unwrap()] {
            let (mut tar, compression) = decompress(Trickle(&blob)).unwrap();
            let mut content = Vec::new();
            tar.read_to_end(&mut content).unwrap();
            assert_eq!((content.as_slice(), compression != Compression::None), (&b"x"[..], true));
        }
    }

    /// The block's header asks for 3 GiB; nothing may be set aside for it.
    #[test]
    fn a_giant_dictionary_is_refused() {
        let mut blob = xz(b"what it says is little", 16);
        // Stream header, then the block's: size, flags, filter id, size of properties, dictionary, padding, CRC-32.
        assert_eq!(&blob[12..16], [2, 0, 0x21, 1]);
        blob[16] = 39;
        let crc = crc32fast::hash(&blob[12..20]).to_le_bytes();
        blob[20..24].copy_from_slice(&crc);
        let error = read(&blob).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
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
        let (one, two) = (bzip2(b"one "), bzip2(b"two"));
        assert_eq!(read(&[one, two].concat()).unwrap(), (b"one two".to_vec(), Compression::Bzip2));
        let (one, two) = (xz(b"one ", 16), xz(b"two", 16));
        assert_eq!(read(&[&one[..], &[0; 8], &two].concat()).unwrap(), (b"one two".to_vec(), Compression::Xz));
        assert_eq!(read(b"plain").unwrap(), (b"plain".to_vec(), Compression::None));
        assert_eq!(read(b"").unwrap(), (b"".to_vec(), Compression::None));
    }

    #[test]
    fn other_bytes_behind_gzip_are_counted() {
        for rest in [&[0; 512][..], b"junk"] {
            let blob = [&gzip(b"one ")[..], &gzip(b""), &gzip(b"two"), rest].concat();
            let error = read(&blob).unwrap_err().to_string();
            assert!(
                error.contains("or another member") && error.contains(&format!(" {} other", rest.len())),
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
        let bz = bzip2(&[7; 1000]);
        assert!(read(&bz[..bz.len() - 2]).is_err());
        let xz = xz(&[7; 1000], 16);
        for len in 1..xz.len() {
            let (mut tar, _) = decompress(&xz[..len]).unwrap();
            let mut content = Vec::new();
            let first = tar.read_to_end(&mut content);
            assert!(len < 6 || (first.is_err() && tar.read(&mut [0; 8]).is_err()), "{len}");
        }
    }
}
