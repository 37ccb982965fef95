//! What was found in one layer.

use crate::remark::Remark;
use crate::units::count;

/// Sentences of each sort that are kept: a broken TOC can have a million of them.
const KEPT: usize = 50;

/// Characters of a sentence that are kept: names and links from a layer can have a megabyte.
const LENGTH: usize = 1000;

#[derive(Debug, Default)]
pub struct Findings {
    problems: Vec<String>,
    remarks: Vec<Remark>,
    more_problems: u64,
}

impl Findings {
    /// What a client may stumble over.
    pub fn problem(&mut self, sentence: impl Into<String>) {
        if self.problems.len() < KEPT {
            self.problems.push(shortened(sentence.into()));
        } else {
            self.more_problems += 1;
        }
    }

    /// A problem that explains those that were found so far, and stands before them.
    pub fn cause(&mut self, sentence: impl Into<String>) {
        self.problems.insert(0, shortened(sentence.into()));
    }

    /// What no client stumbles over. Callers count, so these are few.
    pub fn remark(&mut self, remark: impl Into<Remark>) {
        self.remarks.push(remark.into().map(shortened));
    }

    /// True without a problem.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The first problem, if there is one.
    pub fn into_fault(self) -> Option<String> {
        self.problems.into_iter().next()
    }

    /// Problems and remarks.
    pub fn into_lists(mut self) -> (Vec<String>, Vec<Remark>) {
        if self.more_problems > 0 {
            self.problems.push(format!("and {} more problems", count(self.more_problems)));
        }
        (self.problems, self.remarks)
    }
}

fn shortened(mut sentence: String) -> String {
    if let Some((end, _)) = sentence.char_indices().nth(LENGTH) {
        sentence.truncate(end);
        sentence.push_str("...");
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_to_a_length() {
        let mut findings = Findings::default();
        findings.problem("é".repeat(1 << 20));
        findings.remark("short");
        findings.remark(Remark::counted(2, "is long", "are long", Some("x".repeat(1 << 20))));
        findings.cause("why");
        let (problems, remarks) = findings.into_lists();
        assert_eq!(problems, ["why".to_owned(), "é".repeat(LENGTH) + "..."]);
        let remarks: Vec<String> = remarks.iter().map(Remark::to_string).collect();
        assert_eq!(remarks, ["short".to_owned(), format!("2 are long ({}...)", "x".repeat(LENGTH))]);
    }
}
