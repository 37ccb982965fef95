//! How a layer's tar is stored: the first bytes tell, and the media type claims. How new layers are to be stored.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    /// Those that have an OCI media type.
    pub const TYPED: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// As many first bytes as [`detect`](Self::detect) looks at.
    pub const MAGIC: usize = 6;

    /// By the first bytes of a blob, as containers/image detects it (`pkg/compression`).
    pub fn detect(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, magic 0x184D2A50 to 0x184D2A5F.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// As programs read it in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The OCI media type of a layer stored like this. xz and bzip2 have none: tools store them under the plain one.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::None | Self::Xz | Self::Bzip2 => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// How an image's layers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// zstd with an index, for partial pulls.
    #[default]
    Chunked,
    /// zstd without one.
    Zstd,
    Gzip,
}

/// What is written: one image, or a zstd image and its gzip twin, with the same tars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Formats {
    format: Format,
    twin: bool,
    docker: bool,
}

impl Formats {
    pub const fn alone(format: Format) -> Self {
        Self { format, twin: false, docker: false }
    }

    /// gzip under docker's media types, which knows no zstd.
    pub const fn docker() -> Self {
        Self { format: Format::Gzip, twin: false, docker: true }
    }

    /// `None` for gzip, which needs no gzip twin.
    pub fn with_gzip_twin(format: Format) -> Option<Self> {
        (format != Format::Gzip).then_some(Self { format, twin: true, docker: false })
    }

    /// That of the image, or of the zstd one of two.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Documents and layers have docker's media types (schema 2) in place of OCI's.
    pub const fn is_docker(self) -> bool {
        self.docker
    }

    pub const fn has_twin(self) -> bool {
        self.twin
    }

    /// The compression of the image, or of the zstd one of two.
    pub fn compression(self) -> Compression {
        match self.format {
            Format::Chunked | Format::Zstd => Compression::Zstd,
            Format::Gzip => Compression::Gzip,
        }
    }

    /// Each layer is written as gzip, alone or beside zstd.
    pub fn has_gzip(self) -> bool {
        self.twin || self.format == Format::Gzip
    }

    /// True for layers without an index that this run would write, too.
    pub fn is_own_plain(self, layer: Compression) -> bool {
        self.format != Format::Chunked && layer == self.compression()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_is_of_zstd() {
        assert_eq!(Formats::with_gzip_twin(Format::Gzip), None);
        let twin = Formats::with_gzip_twin(Format::Chunked).unwrap();
        assert!(twin.has_gzip() && twin.has_twin() && twin.compression() == Compression::Zstd);
        let gzip = Formats::alone(Format::Gzip);
        assert!(gzip.has_gzip() && !gzip.has_twin() && gzip.is_own_plain(Compression::Gzip));
        assert!(!gzip.is_own_plain(Compression::Zstd));
        let docker = Formats::docker();
        assert!(docker.is_docker() && docker.has_gzip() && !docker.has_twin() && !gzip.is_docker());
        assert!(!Formats::default().has_gzip() && !Formats::default().is_own_plain(Compression::Zstd));
        assert!(Formats::alone(Format::Zstd).is_own_plain(Compression::Zstd));
    }
}
