//! The requests: as few as tell the kinds of registry apart, and small ones.

use crate::digest::BlobDigest;
use crate::registry::{RegistryError, Repository, Sampled};
use crate::span::Span;

use super::{Answered, Question};

/// Bytes of each range.
const RANGE: u64 = 4;

/// Every known registry that sends two ranges sends so many, and none is known to send more than the second but not all.
const MOST_ANYWHERE: usize = 16;
const MOST: usize = 300;

/// From one range's start to the next at least. Apache joins ranges less than 80 bytes apart.
const APART: u64 = 128;

/// The same for two ranges, which are what podman asks for first: TOC and tar-split.
const TWO_APART: u64 = 2048;

pub(super) fn ask(
    repository: &Repository<'_, '_>,
    layer: BlobDigest,
    size: u64,
) -> Result<Vec<Answered>, RegistryError> {
    let mut asked = Asked { repository, layer, size, answers: Vec::new() };
    asked.all()?;
    asked.answers.sort_by_key(|answered| match answered.question {
        Question::Head => (0, 0),
        // Cold and warm side by side, then what a client asks for next.
        Question::Ranges(2) => (1, 0),
        Question::TwoAgain => (2, 0),
        Question::Ranges(count) => (3, count),
    });
    Ok(asked.answers)
}

/// What podman asks for first, and as many ranges as it may need where some registries refuse so many. A refusal is asked
/// for twice.
pub(super) fn ask_first(
    repository: &Repository<'_, '_>,
    layer: BlobDigest,
    size: u64,
    ranges: usize,
) -> Result<Vec<Answered>, RegistryError> {
    let mut asked = Asked { repository, layer, size, answers: Vec::new() };
    match asked.ranges(2)? {
        Some(Sampled::Parts) if ranges > MOST_ANYWHERE => drop(asked.ranges(ranges.min(MOST))?),
        Some(Sampled::Parts | Sampled::Whole) | None => {}
        Some(Sampled::Refused(_) | Sampled::Odd(_)) => drop(asked.again()?),
    }
    Ok(asked.answers)
}

struct Asked<'a, 'c, 'p> {
    repository: &'a Repository<'c, 'p>,
    layer: BlobDigest,
    size: u64,
    answers: Vec<Answered>,
}

impl Asked<'_, '_, '_> {
    fn all(&mut self) -> Result<(), RegistryError> {
        // First of all: after HEAD, too, some caches have the blob.
        let cold = self.ranges(2)?;
        let sample = self.repository.sample_head(self.layer, self.size)?;
        self.answers.push(Answered { question: Question::Head, sample });
        self.ranges(1)?;
        let warm = self.again()?.or(cold);
        // Who does not send two does not send more.
        if warm != Some(Sampled::Parts) {
            return Ok(());
        }
        // Two limits are known. What is just below tells whether the limit is that one.
        let is_refused = |answer: Option<&Sampled>| answer.is_some_and(|answer| *answer != Sampled::Parts);
        let many = self.ranges(17)?;
        // Of a blob that is sent whole, some arrives before the client has hung up: once is enough.
        let most = if many == Some(Sampled::Whole) { None } else { self.ranges(300)? };
        if is_refused(many.as_ref()) {
            self.ranges(16)?;
        } else if is_refused(most.as_ref()) {
            self.ranges(299)?;
        }
        Ok(())
    }

    /// `None` where the layer is too small for so many.
    fn ranges(&mut self, count: usize) -> Result<Option<Sampled>, RegistryError> {
        self.spread(count, Question::Ranges(count))
    }

    fn again(&mut self) -> Result<Option<Sampled>, RegistryError> {
        self.spread(2, Question::TwoAgain)
    }

    fn spread(&mut self, count: usize, question: Question) -> Result<Option<Sampled>, RegistryError> {
        let Some(spans) = spread(count, self.size) else { return Ok(None) };
        let sample = self.repository.sample_ranges(self.layer, self.size, &spans)?;
        let answer = sample.answer.clone();
        self.answers.push(Answered { question, sample });
        Ok(Some(answer))
    }
}

/// So many small ranges, from the blob's start on.
fn spread(count: usize, size: u64) -> Option<Vec<Span>> {
    let count = count as u64;
    let apart = size / count;
    let least = if count <= 2 { TWO_APART } else { APART };
    let span = |at: u64| Span::between(at * apart, at * apart + RANGE);
    (apart >= least).then(|| (0..count).map(span).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_small_and_apart() {
        for (count, size) in [(1, 2048), (2, 4096), (17, 2176), (300, 38_400), (300, u64::MAX), (2, 38_401)] {
            let spans = spread(count, size).unwrap();
            assert_eq!(spans.len(), count);
            assert!(spans.iter().all(|span| span.len() == 4 && span.end() <= size));
            assert!(spans.windows(2).all(|pair| pair[1].start() >= pair[0].end() + 100), "{size}");
        }
        let two = spread(2, 10_000_000).unwrap();
        assert!(two[1].start() - two[0].end() > 1000);
        for (count, size) in [(1, 0), (1, 2047), (2, 4095), (17, 2175), (300, 38_399)] {
            assert_eq!(spread(count, size), None, "{count} {size}");
        }
    }
}
