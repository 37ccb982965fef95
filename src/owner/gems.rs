//! Ruby's gems (RubyGems' `Gem::Specification`, `Gem::BasicSpecification`): `specifications/NAME-VERSION[-PLATFORM].gemspec`
//! says that a gem is there; its files are in directories of the same name. Installed specifications have no list of files.

use super::System;
use super::claims::{Claims, Draft};
use super::evidence::{Evidence, Kind};

pub(super) fn read(evidence: &[Evidence<'_>], listed: &Claims, draft: &mut Draft) {
    for file in evidence {
        let (Kind::GemSpec { stem, .. } | Kind::GemExtension { stem, .. }) = file.kind else { continue };
        // A distribution's package knows better.
        if listed.owner_of(file.path).is_some() {
            continue;
        }
        let Some(owner) = draft.owner(System::Gem, name(stem)) else { continue };
        match file.kind {
            Kind::GemSpec { home, .. } => {
                let places = [
                    ("specifications/", ".gemspec"),
                    ("gems/", ""),
                    ("cache/", ".gem"),
                    ("doc/", ""),
                    ("build_info/", ".info"),
                ];
                for (dir, end) in places {
                    draft.claim(owner, &[home, dir.as_bytes(), stem, end.as_bytes()].concat());
                }
            }
            // Compiled for one platform and one version of Ruby, which stand above.
            Kind::GemExtension { dir, .. } => draft.claim(owner, dir),
            _ => {}
        }
    }
}

/// `aws-sdk-s3` of `aws-sdk-s3-1.170.0-x86_64-linux`: a version is numbers and letters between dots, of which the first is
/// a number.
fn name(stem: &[u8]) -> &[u8] {
    let dashes = stem.iter().enumerate().filter(|(_, b)| **b == b'-').map(|(at, _)| at);
    let is_version = |at: usize| {
        let part = stem[at + 1..].split(|&b| b == b'-').next().unwrap_or_default();
        let mut parts = part.split(|&b| b == b'.');
        parts.next().is_some_and(|first| !first.is_empty() && first.iter().all(u8::is_ascii_digit))
            && parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric))
    };
    let end = dashes.skip_while(|&at| at == 0).find(|&at| is_version(at));
    &stem[..end.unwrap_or(stem.len())]
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_left_out() {
        for (stem, name) in [
            ("rake-13.2.1", "rake"),
            ("aws-sdk-s3-1.170.0", "aws-sdk-s3"),
            ("nokogiri-1.16.0-x86_64-linux-gnu", "nokogiri"),
            ("rails-8.0.0.rc1", "rails"),
            ("a-2b-3", "a-2b"),
            ("-1", "-1"),
            ("none", "none"),
        ] {
            assert_eq!(super::name(stem.as_bytes()), name.as_bytes(), "{stem}");
        }
    }
}
