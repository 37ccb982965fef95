//! A page for a browser, in one file that asks for nothing else and has no scripts.
//!
//! | file | makes |
//! | --- | --- |
//! | `page` | what is around it |
//! | `head` | the answer in a sentence, and the two images |
//! | `costs` | what each client pulls from each registry |
//! | `parts` | what a plain client's bytes are |
//! | `owners` | whose they are: a table, with files |
//! | `treemap`, `squarify` | the same as areas |
//! | `blobs` | where in the blobs a client with partial pulls reads |
//! | `escape` | text of images as text of pages |

mod blobs;
mod costs;
mod escape;
mod head;
mod owners;
mod page;
mod parts;
mod squarify;
mod treemap;

#[cfg(test)]
mod tests;

use crate::diff::{Diff, Outcome};

use escape::Text;

/// What an update costs.
pub fn diff(outcome: &Outcome) -> String {
    let (title, level) = match outcome.diffs.as_slice() {
        [_] => (String::new(), 1),
        _ => (head::several(outcome), 2),
    };
    let articles: String =
        outcome.diffs.iter().enumerate().map(|(at, diff)| article(outcome, diff, at, level)).collect();
    let name = format!("What an update to {} costs", outcome.new);
    page::page(&name, &(title + &articles + &notes(&outcome.notes, level)))
}

/// All about one old image. `level` is that of its heading.
fn article(outcome: &Outcome, diff: &Diff, number: usize, level: u8) -> String {
    let sections = [
        costs::costs(outcome, diff, level + 1),
        parts::parts(diff, level + 1),
        owners::owners(diff, level + 1),
        blobs::blobs(outcome, diff, level + 1),
    ];
    format!("<article id=\"update-{number}\">\n{}{}</article>\n", head::head(outcome, diff, level), sections.concat())
}

fn notes(notes: &[String], level: u8) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", Text(note))).collect();
    section(level + 1, "Notes", "", &format!("<ul class=\"notes\">\n{items}</ul>\n"))
}

/// `lead` and `content` are markup.
fn section(level: u8, title: &str, lead: &str, content: &str) -> String {
    let lead = if lead.is_empty() { String::new() } else { format!("<p class=\"lead\">{lead}</p>\n") };
    format!("<section>\n<h{level}>{title}</h{level}>\n{lead}{content}</section>\n")
}

/// A share of the whole in percent, for styles.
fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    format!("{:.3}%", share * 100.0)
}
