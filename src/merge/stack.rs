//! Trees laid over each other in order, as `tar -x` does it with one archive after the other.
//!
//! - A file takes the place of what is no directory.
//! - A directory over a directory keeps what is in it, and gives it the later mode, owner, xattrs and times. One that no
//!   entry of its input names says nothing of those.
//! - A directory and something else exclude each other: whatever is taken, what is below the other one goes.
//! - Names of one file stay one file within their input. Where a later input has a name as well, the others keep their file.

use std::collections::BTreeMap;
use std::iter::Peekable;

use super::special;
use super::unite::Unite;
use super::{Choice, Conflicts, Kind, Rules};
use crate::order::tree::{Shown, merge};
use crate::order::{Entry, Made, Place};
use crate::tar::{EntryKind, TarPath};

/// What there is to lay over each other.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The entries of all layers that were read.
    pub layers: &'a [&'a [Entry]],
    /// The layers of each input, bottom first, by their numbers in `layers`.
    pub inputs: &'a [Vec<usize>],
}

/// What stands at a path, and which input says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub input: u32,
    pub what: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Entry {
        at: Place,
        /// The entry that carries type, metadata and content: paths of one input with one inode are one file.
        inode: Place,
        is_dir: bool,
    },
    /// A directory that no entry names.
    Implied(Made),
}

impl Standing {
    const fn is_dir(self) -> bool {
        match self {
            Self::Entry { is_dir, .. } => is_dir,
            Self::Implied(_) => true,
        }
    }
}

/// Inputs as one tree.
#[derive(Debug, Default)]
pub struct Laid {
    /// Depth first, byte-sorted.
    pub tree: Vec<(TarPath, Seat)>,
    pub conflicts: Conflicts,
    /// Files that are to be united, and package databases: all that differ, in the order of the inputs.
    pub versions: BTreeMap<TarPath, Vec<Seat>>,
}

/// Lays the inputs over each other.
pub fn lay(given: Given<'_>, rules: &Rules, unite: Unite) -> Laid {
    let mut laying = Laying { given, rules, unite, conflicts: Conflicts::default(), versions: BTreeMap::new() };
    let mut tree = Vec::new();
    for input in 0..given.inputs.len() {
        let above = given.tree(input);
        tree = if tree.is_empty() { above } else { laying.over(tree, above) };
    }
    let Laying { conflicts, mut versions, .. } = laying;
    let is_file = |path: &TarPath| {
        let at = tree.binary_search_by(|(other, _)| other.cmp(path));
        at.is_ok_and(|at| given.regular(tree[at].1).is_some())
    };
    versions.retain(|path, _| is_file(path));
    Laid { tree, conflicts, versions }
}

impl<'a> Given<'a> {
    /// An input's own tree.
    fn tree(self, input: usize) -> Vec<(TarPath, Seat)> {
        let numbers = &self.inputs[input];
        let layers: Vec<&[Entry]> = numbers.iter().map(|&number| self.layers[number]).collect();
        let place = |(layer, at): Place| (numbers[layer as usize] as u32, at);
        let seat = |shown: Shown| {
            let what = match shown {
                Shown::Implied(made) => Standing::Implied(made),
                Shown::Entry(node) => {
                    Standing::Entry { at: place(node.at), inode: place(node.inode), is_dir: node.is_dir }
                }
            };
            Seat { input: input as u32, what }
        };
        merge(&layers).into_iter().map(|(path, shown)| (path, seat(shown))).collect()
    }

    /// The entry that carries what clients see there.
    pub fn carrier(self, seat: Seat) -> Option<&'a Entry> {
        match seat.what {
            Standing::Entry { inode: (layer, at), .. } => Some(&self.layers[layer as usize][at as usize]),
            Standing::Implied(_) => None,
        }
    }

    fn regular(self, seat: Seat) -> Option<&'a Entry> {
        self.carrier(seat).filter(|entry| entry.kind == EntryKind::Regular)
    }
}

struct Laying<'a> {
    given: Given<'a>,
    rules: &'a Rules,
    unite: Unite,
    conflicts: Conflicts,
    versions: BTreeMap<TarPath, Vec<Seat>>,
}

type Tree = Vec<(TarPath, Seat)>;

impl Laying<'_> {
    fn over(&mut self, below: Tree, above: Tree) -> Tree {
        let mut out = Vec::with_capacity(below.len().max(above.len()));
        let (mut below, mut above) = (below.into_iter().peekable(), above.into_iter().peekable());
        loop {
            let order = match (below.peek(), above.peek()) {
                (Some((lower, _)), Some((upper, _))) => lower.cmp(upper),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return out,
            };
            match order {
                std::cmp::Ordering::Less => out.extend(below.next()),
                std::cmp::Ordering::Greater => out.extend(above.next()),
                std::cmp::Ordering::Equal => {
                    let (Some((path, lower)), Some((_, upper))) = (below.next(), above.next()) else { return out };
                    let seat = match (lower.what.is_dir(), upper.what.is_dir()) {
                        (true, true) => self.directory(&path, lower, upper),
                        (false, false) => self.file(&path, lower, upper),
                        _ => self.either(&path, (lower, &mut below), (upper, &mut above)),
                    };
                    out.push((path, seat));
                }
            }
        }
    }

    fn directory(&mut self, path: &TarPath, lower: Seat, upper: Seat) -> Seat {
        let (Some(old), Some(new)) = (self.given.carrier(lower), self.given.carrier(upper)) else {
            // What an entry says counts.
            return if self.given.carrier(upper).is_some() { upper } else { lower };
        };
        let choice = self.rules.choice(path, Kind::Metadata);
        if old.traits != new.traits {
            self.conflicts.add(Kind::Metadata, choice, path, lower.input, upper.input);
        }
        if choice == Choice::First { lower } else { upper }
    }

    fn file(&mut self, path: &TarPath, lower: Seat, upper: Seat) -> Seat {
        let difference = self.difference(lower, upper);
        let kind = match difference {
            Some(Kind::Content) => special::kind(path).unwrap_or(Kind::Content),
            Some(kind) => kind,
            None => Kind::Content,
        };
        let are_files = self.given.regular(lower).is_some() && self.given.regular(upper).is_some();
        let is_united = are_files && self.unite.form(path).is_some();
        if difference == Some(Kind::Content) && (is_united || kind == Kind::Database) {
            self.remember(path, lower, upper);
        }
        if is_united {
            return upper;
        }
        let choice = self.rules.choice(path, kind);
        if difference.is_some() {
            self.conflicts.add(kind, choice, path, lower.input, upper.input);
        }
        if choice == Choice::First { lower } else { upper }
    }

    fn difference(&self, lower: Seat, upper: Seat) -> Option<Kind> {
        let (old, new) = (self.given.carrier(lower)?, self.given.carrier(upper)?);
        let digest = |entry: &Entry| entry.content.map(|content| content.digest);
        if old.kind != new.kind || digest(old) != digest(new) {
            return Some(Kind::Content);
        }
        let is_content = matches!(old.kind, EntryKind::Symlink | EntryKind::Char | EntryKind::Block);
        (old.traits != new.traits).then_some(if is_content { Kind::Content } else { Kind::Metadata })
    }

    fn remember(&mut self, path: &TarPath, lower: Seat, upper: Seat) {
        let content = |seat: Seat| self.given.carrier(seat).and_then(|entry| entry.content).map(|it| it.digest);
        let seats = self.versions.entry(path.clone()).or_insert_with(|| vec![lower]);
        if seats.iter().all(|seat| content(*seat) != content(upper)) {
            seats.push(upper);
        }
    }

    /// Of a directory and something else, one.
    fn either<I: Iterator<Item = (TarPath, Seat)>>(
        &mut self,
        path: &TarPath,
        (lower, below): (Seat, &mut Peekable<I>),
        (upper, above): (Seat, &mut Peekable<I>),
    ) -> Seat {
        let choice = self.rules.choice(path, Kind::Type);
        self.conflicts.add(Kind::Type, choice, path, lower.input, upper.input);
        let is_first = choice == Choice::First;
        let (seat, gone) = if is_first { (lower, above) } else { (upper, below) };
        while let Some((lost, _)) = gone.next_if(|(other, _)| other.is_below(path)) {
            self.conflicts.leave_out(&lost, lower.input, upper.input);
        }
        seat
    }
}
