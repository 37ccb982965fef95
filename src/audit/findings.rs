//! What was found in one layer.

/// Sentences of each sort that are kept: a broken TOC can have a million of them.
const KEPT: usize = 50;

#[derive(Debug, Default)]
pub struct Findings {
    problems: Vec<String>,
    remarks: Vec<String>,
    more_problems: u64,
}

impl Findings {
    /// What a client may stumble over.
    pub fn problem(&mut self, sentence: impl Into<String>) {
        if self.problems.len() < KEPT {
            self.problems.push(sentence.into());
        } else {
            self.more_problems += 1;
        }
    }

    /// What no client stumbles over. Callers count, so these are few.
    pub fn remark(&mut self, sentence: impl Into<String>) {
        self.remarks.push(sentence.into());
    }

    /// True without a problem.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Problems and remarks.
    pub fn into_lists(mut self) -> (Vec<String>, Vec<String>) {
        if self.more_problems > 0 {
            self.problems.push(format!("and {} more problems", self.more_problems));
        }
        (self.problems, self.remarks)
    }
}
