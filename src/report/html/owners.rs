//! Whose the bytes are, and which files they are.

use std::collections::HashMap;

use crate::diff::Diff;
use crate::order::changes::{FileShare, OwnerShare};
use crate::report::cost::state;
use crate::report::names::NO_PACKAGE;
use crate::report::units::{plural, size};

use super::treemap::{Owned, treemap};
use super::{Text, percent, section};

/// Owners that are listed at once, and those that are listed at all.
const FIRST: usize = 15;
const MOST: usize = 1_000;

/// Files that are listed of each owner.
const FILES: usize = 12;

const LEAD: &str = "Areas are the content in the layers that a plain client pulls, by the packages that own it.";

const KEYS: &str = "<p class=\"keys\"><span class=\"key\"><i class=\"new\"></i>new to clients</span> <span class=\"key\"><i class=\"avoidable\"></i>avoidable</span></p>
";

pub(super) fn owners(diff: &Diff, level: u8) -> String {
    let shares = &diff.changes.owners;
    if shares.is_empty() {
        return String::new();
    }
    let owned = |share: &OwnerShare| Owned {
        name: name(diff, share).to_owned(),
        new: share.changed_bytes,
        avoidable: share.avoidable_bytes,
    };
    let mut files: HashMap<Option<u32>, Vec<&FileShare>> = HashMap::new();
    diff.changes.files.iter().for_each(|file| files.entry(file.owner).or_default().push(file));
    let most = shares.iter().map(|share| share.changed_bytes + share.avoidable_bytes).max().unwrap_or_default();
    let row =
        |share: &OwnerShare| row(name(diff, share), share, files.get(&share.owner).map_or(&[], Vec::as_slice), most);
    let (first, others) = shares.split_at(shares.len().min(FIRST));
    let content = KEYS.to_owned()
        + &treemap(shares.iter().map(owned))
        + &table("Owners", first.iter().map(row))
        + &more(others, row);
    section(level, "Whose bytes they are", LEAD, &content)
}

fn name<'a>(diff: &'a Diff, share: &OwnerShare) -> &'a str {
    diff.owner_name(share.owner).unwrap_or(NO_PACKAGE)
}

fn more(others: &[OwnerShare], row: impl Fn(&OwnerShare) -> String) -> String {
    let (listed, left) = others.split_at(others.len().min(MOST - FIRST));
    if listed.is_empty() {
        return String::new();
    }
    let left = match left {
        [] => String::new(),
        left => format!("<p class=\"lead\">{} are not listed.</p>\n", plural(left.len() as u64, "owner", "owners")),
    };
    format!(
        "<details class=\"more\"><summary>{}</summary>\n{}{left}</details>\n",
        format_args!("{} more", others.len()),
        table("More owners", listed.iter().map(row))
    )
}

fn table(label: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table class=\"owners\">
<thead><tr><th scope=\"col\">owner</th><th class=\"bar\" aria-hidden=\"true\"></th><th scope=\"col\" class=\"num\">new</th>\
<th scope=\"col\" class=\"num\">avoidable</th></tr></thead>\n{rows}</table></div>\n"
    )
}

/// An owner, and in a row of their own its files: they need the width.
fn row(name: &str, share: &OwnerShare, files: &[&FileShare], most: u64) -> String {
    let files = match files {
        [] => String::new(),
        files => format!(
            "<tr class=\"files\"><td colspan=\"4\"><details><summary>{}</summary>\n{}</details></td></tr>\n",
            plural(share.changed_files, "new file", "new files"),
            list(files)
        ),
    };
    format!(
        "<tbody>\n<tr><th scope=\"row\"><bdi>{}</bdi></th>\
<td class=\"bar\"><i class=\"new\" style=\"width:{}\"></i><i class=\"avoidable\" style=\"width:{}\"></i></td>\
<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n{files}</tbody>\n",
        Text(name),
        percent(share.changed_bytes, most),
        percent(share.avoidable_bytes, most),
        size(share.changed_bytes),
        size(share.avoidable_bytes),
    )
}

/// New files, the biggest first.
fn list(files: &[&FileShare]) -> String {
    let item = |file: &&FileShare| {
        format!(
            "<li><span class=\"num\">{}</span><code><bdi>{}</bdi></code><small>{}</small></li>\n",
            size(file.changed_bytes),
            Text(&file.path.to_string()),
            state(file.state)
        )
    };
    let items: String = files.iter().take(FILES).map(item).collect();
    let left = match files.len().saturating_sub(FILES) as u64 {
        0 => String::new(),
        left => format!("<li><span></span>and {}</li>\n", plural(left, "smaller file", "smaller files")),
    };
    format!("<ul>\n{items}{left}</ul>")
}
