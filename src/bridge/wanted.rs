//! A Range header (RFC 9110, section 14.1), and which bytes of a blob it means.

use crate::limits::BRIDGE_RANGES;
use crate::span::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// The first and the last byte.
    FromTo(u64, u64),
    From(u64),
    /// So many at the end.
    Last(u64),
}

/// What a client wants, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<Spec>);

impl Wanted {
    /// `None`: not a list of byte ranges, or too long.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, list) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let specs: Vec<&str> =
            list.split(',').map(str::trim).filter(|spec| !spec.is_empty()).take(BRIDGE_RANGES + 1).collect();
        let specs = (specs.len() <= BRIDGE_RANGES).then_some(specs)?;
        let all: Option<Vec<Spec>> = specs.into_iter().map(spec).collect();
        all.filter(|all| !all.is_empty()).map(Self)
    }

    /// Whether the bytes are known only once the blob's size is.
    pub fn needs_size(&self) -> bool {
        self.0.iter().any(|spec| !matches!(spec, Spec::FromTo(..)))
    }

    /// As many as the client wants, if all lie in the blob.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Those that the blob has, none empty. Without a size, as the client wants them.
    pub fn spans(&self, size: Option<u64>) -> Vec<Span> {
        let whole = size.unwrap_or(u64::MAX);
        let span = |spec: &Spec| match *spec {
            Spec::FromTo(first, last) => Span::between(first, last.saturating_add(1).min(whole)),
            Spec::From(first) => Span::between(first, whole),
            Spec::Last(count) => Span::between(whole.saturating_sub(count), whole),
        };
        self.0.iter().map(span).filter(|span| !span.is_empty()).collect()
    }
}

fn spec(text: &str) -> Option<Spec> {
    let number = |text: &str| {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>().ok()).flatten()
    };
    let (first, last) = text.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Spec::Last),
        (first, "") => number(first).map(Spec::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(header: &str, size: Option<u64>) -> Vec<(u64, u64)> {
        Wanted::parse(header).unwrap().spans(size).into_iter().map(|span| (span.start(), span.end())).collect()
    }

    #[test]
    fn ranges() {
        assert_eq!(spans("bytes=0-4,10-19", None), [(0, 5), (10, 20)]);
        assert_eq!(spans("Bytes = 10-19 , 0-4 ,, 3-3", Some(15)), [(10, 15), (0, 5), (3, 4)]);
        assert_eq!(spans("bytes=5-,-3,-300,20-30", Some(10)), [(5, 10), (7, 10), (0, 10)]);
        assert_eq!(spans("bytes=-0", Some(10)), []);
        assert_eq!(spans(&format!("bytes=0-{}", u64::MAX), Some(10)), [(0, 10)]);
        assert!(
            Wanted::parse("bytes=0-1,5-").unwrap().needs_size() && !Wanted::parse("bytes=0-1").unwrap().needs_size()
        );
        for bad in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=1",
            "lines=0-1",
            "bytes=0--1",
            "bytes=-",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(Wanted::parse(bad), None, "{bad}");
        }
        let many = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert!(Wanted::parse(&many(BRIDGE_RANGES)).is_some() && Wanted::parse(&many(BRIDGE_RANGES + 1)).is_none());
    }
}
