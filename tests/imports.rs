//! Imports run from a higher rank to a lower one (DESIGN section 7), and files stay small.
//!
//! Reads paths as tokens, not as a compiler would: `crate::`, `restrata::` and `super::` chains that reach the
//! crate's root, in `use` trees and inline. Test code may import what it likes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A room imports from rows above its own only.
const RANKS: &[(&str, &[&str])] = &[
    ("0", &["digest", "span", "limits", "compression", "degraded", "units"]),
    ("1", &["tar", "json", "remark"]),
    ("2", &["toc", "order", "owner"]),
    ("2.5", &["progress", "spool", "threads"]),
    // A client of registries, which the small rooms below are enough for.
    ("2.8", &["registry"]),
    ("3", &["bytes", "codec", "oci", "inventory"]),
    // What several images come to that are laid over each other. It reads nothing.
    ("3.2", &["merge"]),
    // Files that were proven, for those that copy them.
    ("3.5", &["watch"]),
    ("3.6", &["origin", "cache"]),
    ("4", &["source", "sink", "unpack", "pack", "push"]),
    // One type for every job, made of the errors of the rooms below.
    ("4.5", &["error"]),
    // The options that jobs share.
    ("4.7", &["job"]),
    // What jobs read of images before they decide.
    ("4.8", &["audit"]),
    ("4.9", &["survey"]),
    // rechunk asks some of the questions of the one, and wants the digest of the other.
    ("4.95", &["probe", "dump"]),
    ("5", &["bridge", "rechunk", "verify", "check", "inspect", "diff", "history", "prune"]),
    // Shows what the jobs found; no job knows how it is shown.
    ("5.5", &["report"]),
    ("6", &["lib"]),
    ("7", &["cli", "main"]),
];

/// Imports between rooms of one rank: from, to, and why. One that is no longer in the code must go from here.
const SIDEWAYS: &[(&str, &str, &str)] = &[];

/// The rows in `RANKS` that do no I/O and read no clock, and what that forbids them.
const PURE_RANKS: usize = 3;
const IMPURE: &[&str] = &["io", "fs", "net", "time", "env", "process", "thread"];

#[test]
fn imports_run_downhill() {
    let mut used = BTreeSet::new();
    let mut breaches = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root()).unwrap();
        check(place, &text, &mut used, &mut breaches);
    }
    for (from, to, why) in SIDEWAYS {
        if !used.contains(&(from.to_string(), to.to_string())) {
            breaches.push(format!("the exception {from} -> {to} ({why}) is not used: remove it"));
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn files_stay_small() {
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let mut sizes: Vec<(usize, PathBuf)> = sources().into_iter().map(|path| (lines(&path), path)).collect();
    sizes.sort();
    let over = |limit| sizes.iter().filter(|(lines, _)| *lines > limit).collect::<Vec<_>>();
    println!("{} files, nine in ten have at most {} lines", sizes.len(), sizes[(sizes.len() * 9).div_ceil(10) - 1].0);
    assert!(over(400).len() * 10 <= sizes.len(), "more than one in ten files has over 400 lines: {:?}", over(400));
    assert!(over(600).is_empty(), "over 600 lines: {:?}", over(600));
}

#[test]
fn breaches_are_found() {
    let found = |file: &str, text: &str| {
        let mut breaches = Vec::new();
        check(Path::new(file), text, &mut BTreeSet::new(), &mut breaches);
        breaches.join("; ")
    };
    for (file, text, says) in [
        ("src/tar/scan.rs", "use crate::toc::Toc;", "src/tar/scan.rs:1: tar (rank 1) imports toc (rank 2)"),
        (
            "src/toc/mod.rs",
            "\nuse crate::{digest, order::{Plan, cost}};",
            "src/toc/mod.rs:2: toc (rank 2) imports order",
        ),
        ("src/span.rs", "fn f() { crate::codec::f() }", "span (rank 0) imports codec"),
        ("src/span.rs", "use super::codec::f;", "span (rank 0) imports codec"),
        ("src/toc/text.rs", "use super::super::{pack};", "toc (rank 2) imports pack"),
        ("src/toc/text.rs", "mod a { use super::super::super::pack; }", "toc (rank 2) imports pack"),
        ("src/pack/mod.rs", "macro_rules! m { () => { $crate::cli::f() } }", "pack (rank 4) imports cli"),
        ("src/order/mod.rs", "use std::{fmt, io::{self, Read}};", "order (rank 2) uses std::io"),
        ("src/order/mod.rs", "fn f(_: std::time::Instant) {}", "order (rank 2) uses std::time"),
        ("src/order/mod.rs", "use crate::nowhere::X;", "unknown room nowhere"),
        ("src/nowhere.rs", "", "unknown room nowhere"),
        ("src/tar/mod.rs", "#[cfg(test)]\nmod tests { use crate::cli; }\nuse crate::toc;", "mod.rs:3: tar (rank 1)"),
    ] {
        let found = found(file, text);
        assert!(found.contains(says), "{text:?} gives {found:?} instead of {says:?}");
    }
    for (file, text) in [
        ("src/toc/mod.rs", "use crate::{digest, tar::{Header, Time}, toc::x}; use std::fmt;"),
        ("src/toc/text.rs", "use super::time; mod a { use super::super::time; }"),
        ("src/tar/mod.rs", "#[cfg(test)]\nmod tests { fn f() { \"}\"; } use crate::cli; }"),
        ("src/tar/mod.rs", "#[cfg(test)] use crate::cli;"),
        ("src/tar/mod.rs", "struct A {\n#[cfg(test)]\na: crate::cli::A,\n}\nuse std::fmt;"),
        ("src/tar/mod.rs", "// crate::cli\n/* crate::cli /* */ crate::cli */ const A: &str = \"crate::cli\"; "),
        (
            "src/tar/mod.rs",
            "const A: &str = r#\"\" crate::cli\"#; const B: char = '\"'; const C: char = '\\''; fn f<'a>() {}",
        ),
        ("src/pack/mod.rs", "use std::io; use crate::codec::x; pub(in crate::pack) fn f() {}"),
    ] {
        assert_eq!(found(file, text), "", "{text}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `src`, sorted.
fn sources() -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![root().join("src")]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false if path.extension().is_some_and(|ext| ext == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

fn rank(room: &str) -> Option<usize> {
    RANKS.iter().position(|(_, rooms)| rooms.contains(&room))
}

/// Appends what is wrong with the imports of one file.
fn check(file: &Path, text: &str, used: &mut BTreeSet<(String, String)>, breaches: &mut Vec<String>) {
    let module = module(file);
    let room = module.first().map_or_else(|| file.file_stem().unwrap().to_str().unwrap(), String::as_str);
    if file.file_stem().is_some_and(|stem| stem == "tests" || stem.to_str().unwrap().ends_with("_tests")) {
        return;
    }
    let Some(own) = rank(room) else {
        return breaches.push(format!("{}: unknown room {room}: give it a rank", file.display()));
    };
    for (line, path) in paths(text, module.len()) {
        let at = format!("{}:{line}", file.display());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["std" | "core", what, ..] if own < PURE_RANKS && IMPURE.contains(&what) => {
                breaches.push(format!("{at}: {room} (rank {}) uses std::{what}", RANKS[own].0));
            }
            ["crate", other, ..] if other != room => match rank(other) {
                // A macro or an item at the root is `lib`'s.
                None => breaches.push(format!("{at}: unknown room {other}")),
                Some(rank) if rank < own => {}
                Some(rank) if rank == own && SIDEWAYS.iter().any(|(from, to, _)| (*from, *to) == (room, other)) => {
                    used.insert((room.to_owned(), other.to_owned()));
                }
                Some(rank) => {
                    let (own, rank) = (RANKS[own].0, RANKS[rank].0);
                    breaches.push(format!("{at}: {room} (rank {own}) imports {other} (rank {rank})"));
                }
            },
            _ => {}
        }
    }
}

/// `src/toc/mod.rs` is `toc`, `src/toc/text.rs` is `toc::text`; `lib.rs` and `main.rs` are the root.
fn module(file: &Path) -> Vec<String> {
    let path = file.strip_prefix("src").unwrap().with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| !matches!(part.as_str(), "mod" | "lib" | "main")).collect()
}

/// Paths outside test code that start at `crate`, `std` or, by `super`, at the root, with their lines.
/// `depth` is the number of modules that the file is inside of.
fn paths(text: &str, depth: usize) -> Vec<(usize, Vec<String>)> {
    let tokens = without_tests(tokens(text));
    let mut found = Vec::new();
    // For each open brace: does it belong to a module?
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let text = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
        let starts = text(at + 1) == "::" && (at == 0 || text(at - 1) != "::");
        let line = tokens[at].0;
        match text(at) {
            "{" => braces.push(at >= 2 && text(at - 2) == "mod"),
            "}" => drop(braces.pop()),
            root @ ("crate" | "restrata" | "std" | "core") if starts => {
                let root = if root == "restrata" { "crate" } else { root };
                tree(&tokens, at + 2, &[root.to_owned()], &mut found);
            }
            "super" if starts => {
                let mut supers = 0;
                let mut next = at;
                while text(next) == "super" && text(next + 1) == "::" {
                    (supers, next) = (supers + 1, next + 2);
                }
                if supers >= depth + braces.iter().filter(|is_module| **is_module).count() {
                    tree(&tokens, next, &["crate".to_owned()], &mut found);
                }
            }
            // `use {crate::a, std::io}` is covered by its members.
            _ => {}
        }
        // The line of a group's member is that of the path's start.
        found.iter_mut().filter(|(l, _)| *l == 0).for_each(|(l, _)| *l = line);
        at += 1;
    }
    found
}

/// Follows a use tree (or a plain path) from token `at`, and gives the token behind it.
fn tree(tokens: &[(usize, String)], mut at: usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = prefix.to_vec();
    let text = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    loop {
        if text(at) == "{" {
            at += 1;
            while !matches!(text(at), "}" | "") {
                at = if text(at) == "," { at + 1 } else { tree(tokens, at, &path, found).max(at + 1) };
            }
            return at + 1;
        }
        path.push(text(at).to_owned());
        if text(at + 1) != "::" {
            found.push((0, path));
            // A member may go on with `as name`.
            return if text(at + 1) == "as" { at + 3 } else { at + 1 };
        }
        at += 2;
    }
}

/// Identifiers, `::` and single characters of punctuation, with their lines. No comments, no literals.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while at < chars.len() {
        let start = at;
        let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
        match chars[at] {
            '/' if next(1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1
                }
            }
            '/' if next(1) == '*' => at = end_of_comment(&chars, at),
            '"' => at = end_of_string(&chars, at),
            'r' | 'b' | 'c' if raw_hashes(&chars, at).is_some() => at = end_of_raw(&chars, at),
            // A lifetime, unless a quote ends it.
            '\'' if next(1) == '\\' => at += 3 + chars[at + 3..].iter().position(|c| *c == '\'').unwrap(),
            '\'' if next(2) == '\'' => at += 3,
            ':' if next(1) == ':' => {
                tokens.push((line, "::".to_owned()));
                at += 2;
            }
            c if is_word(c) => {
                while at < chars.len() && is_word(chars[at]) {
                    at += 1
                }
                tokens.push((line, chars[start..at].iter().collect()));
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((line, c.to_string()))
                }
                at += 1;
            }
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number of hashes of the raw string that starts here, and where its content does.
fn raw_hashes(chars: &[char], mut at: usize) -> Option<(usize, usize)> {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    while matches!(chars.get(at), Some('b' | 'c')) {
        at += 1
    }
    (chars.get(at) == Some(&'r')).then_some(())?;
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some((hashes, at + 2 + hashes))
}

fn end_of_raw(chars: &[char], at: usize) -> usize {
    let (hashes, mut at) = raw_hashes(chars, at).unwrap();
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// Leaves out every item behind `#[cfg(test)]`, up to its `;` or closing brace.
fn without_tests(tokens: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let is = |at: usize, words: &[&str]| {
        words.iter().enumerate().all(|(n, w)| tokens.get(at + n).is_some_and(|t| t.1 == *w))
    };
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !is(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 7;
        let mut depth = 0usize;
        while at < tokens.len() {
            let token = tokens[at].1.as_str();
            // The last field of a struct ends with it.
            if depth == 0 && token == "}" {
                break;
            }
            at += 1;
            match token {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token, "}" | ";") {
                break;
            }
        }
    }
    kept
}
