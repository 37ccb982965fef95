//! What the bytes are that a plain client pulls.

use crate::diff::Diff;
use crate::report::cost::{self, Kind, Part};
use crate::report::units::{percent, size};

use super::section;

const LEAD: &str = "Plain clients reuse whole layers. This is what the layers that they lack are made of.";

pub(super) fn parts(diff: &Diff, level: u8) -> String {
    let all = diff.changes.parts.bytes();
    if all == 0 {
        return String::new();
    }
    let parts: Vec<Part> = cost::parts(diff).collect();
    let bar: String = parts.iter().map(piece).collect();
    let rows: String = parts.iter().map(|part| row(part, all)).collect();
    let content = format!(
        "<div class=\"stack\" role=\"img\" aria-label=\"The parts of the table as lengths\">{bar}</div>
<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What a plain client pulls\"><table class=\"parts\">
<thead><tr><th scope=\"col\">what it is</th><th scope=\"col\" class=\"num\">bytes</th><th scope=\"col\" class=\"num\">share</th></tr></thead>
<tbody>\n{rows}</tbody>
<tfoot><tr><th scope=\"row\">in all, without the config</th><td class=\"num\">{}</td><td></td></tr></tfoot>
</table></div>\n",
        size(all)
    );
    section(level, "What a plain client pulls", LEAD, &content)
}

fn piece(part: &Part) -> String {
    format!(
        "<i class=\"{}\" style=\"flex-grow:{}\" title=\"{}: {}\"></i>",
        class(part.kind),
        part.bytes,
        size(part.bytes),
        part.what
    )
}

fn row(part: &Part, all: u64) -> String {
    format!(
        "<tr><th scope=\"row\"><span class=\"key\"><i class=\"{}\"></i>{}</span></th><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
        class(part.kind),
        part.what,
        size(part.bytes),
        percent(part.bytes as f64 / all as f64)
    )
}

/// How it looks.
const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::New => "new",
        Kind::Avoidable => "avoidable",
        Kind::Index => "index",
        Kind::Rest => "rest",
    }
}
