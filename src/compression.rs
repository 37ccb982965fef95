//! How a layer's tar is stored: the first bytes tell, and the media type claims.

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
