//! How registries answer a request for several ranges; one range gets a 206 everywhere. Who does so: docs/clients.md.

use crate::span::Span;

/// The request line and headers that CloudFront takes, in bytes.
pub const HEADER_LIMIT: u64 = 20_480;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistryProfile {
    /// Any number of ranges: distribution on a file system, quay.io.
    MultiRange,
    /// Up to 299 ranges, else the whole blob: Cloudflare, Docker Hub.
    Ranges299,
    /// Up to 16 ranges, else 416: zot.
    Ranges16,
    /// The whole blob, whatever was asked for: S3, MinIO, ECR.
    Whole200,
    /// 400: Google Artifact Registry.
    Refuse400,
    /// 501: ghcr.io.
    Refuse501,
    /// Any number of ranges: a bridge on the client's machine, whatever registry is behind it.
    Bridge,
}

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// 206 with the ranges.
    Parts,
    /// 200 with the blob.
    Whole,
    Refused(u16),
}

impl RegistryProfile {
    /// What registries are by themselves. Who has no bridge has no use for its costs.
    pub const ALL: [Self; 6] =
        [Self::MultiRange, Self::Ranges299, Self::Ranges16, Self::Whole200, Self::Refuse400, Self::Refuse501];

    /// What can be asked about.
    pub const WITH_BRIDGE: [Self; 7] = [
        Self::MultiRange,
        Self::Ranges299,
        Self::Ranges16,
        Self::Whole200,
        Self::Refuse400,
        Self::Refuse501,
        Self::Bridge,
    ];

    /// As reports and options have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MultiRange => "multi-range",
            Self::Ranges299 => "ranges-299",
            Self::Ranges16 => "ranges-16",
            Self::Whole200 => "whole-200",
            Self::Refuse400 => "refuse-400",
            Self::Refuse501 => "refuse-501",
            Self::Bridge => "bridge",
        }
    }

    pub(super) fn answer(self, ranges: &[Span]) -> Answer {
        match (self, ranges.len()) {
            (_, ..2) | (Self::MultiRange | Self::Bridge, _) => Answer::Parts,
            (Self::Ranges299, count) => {
                if count > 299 {
                    Answer::Whole
                } else {
                    Answer::Parts
                }
            }
            (Self::Ranges16, count) => {
                if count > 16 {
                    Answer::Refused(416)
                } else {
                    Answer::Parts
                }
            }
            (Self::Whole200, _) => Answer::Whole,
            (Self::Refuse400, _) => Answer::Refused(400),
            (Self::Refuse501, _) => Answer::Refused(501),
        }
    }
}
