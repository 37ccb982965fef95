//! What is to be said of a layer that no client stumbles over.

use std::collections::HashMap;
use std::fmt;

use crate::units::count;

/// Layers of which the same is to be said differ in the count and in the detail alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How many things of the layer it is about, where they are counted.
    pub count: Option<u64>,
    /// The kind, without names. Where things are counted, of several of them.
    pub what: String,
    /// Of one of them.
    one: Option<String>,
    /// The names, or what else this layer alone has.
    pub detail: Option<String>,
}

impl Remark {
    /// `one` and `many` follow the count.
    pub fn counted(count: u64, one: &str, many: &str, detail: Option<String>) -> Self {
        Self { count: Some(count), what: many.to_owned(), one: Some(one.to_owned()), detail }
    }

    #[must_use]
    pub fn with_detail(self, detail: String) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// With each of its texts replaced.
    #[must_use]
    pub fn map(self, change: impl Fn(String) -> String) -> Self {
        let Self { count, what, one, detail } = self;
        Self { count, what: change(what), one: one.map(&change), detail: detail.map(&change) }
    }

    fn sentence(&self, number: Option<u64>) -> String {
        match (number, &self.one) {
            (Some(1), Some(one)) => format!("1 {one}"),
            (Some(number), _) => format!("{} {}", count(number), self.what),
            (None, _) => self.what.clone(),
        }
    }
}

impl From<String> for Remark {
    fn from(what: String) -> Self {
        Self { count: None, what, one: None, detail: None }
    }
}

impl From<&str> for Remark {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(self.count))?;
        self.detail.iter().try_for_each(|detail| write!(f, " ({detail})"))
    }
}

/// One line for each kind, however many layers it is about. `remarks` come with their layers' names.
pub fn lines<'a>(remarks: impl IntoIterator<Item = (String, &'a Remark)>) -> Vec<String> {
    let mut groups: Vec<Vec<(String, &Remark)>> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (layer, remark) in remarks {
        let number = *numbers.entry(&remark.what).or_insert(groups.len());
        if number == groups.len() {
            groups.push(Vec::new());
        }
        groups[number].push((layer, remark));
    }
    let line = |group: &Vec<(String, &Remark)>| match group.as_slice() {
        [(layer, remark)] => format!("{layer}: {remark}"),
        several => joined(several),
    };
    groups.iter().map(line).collect()
}

/// With the first layer's detail as an example.
fn joined(several: &[(String, &Remark)]) -> String {
    let (layer, first) = &several[0];
    let all: Option<u64> = several.iter().map(|(_, remark)| remark.count).sum();
    let example = first.detail.iter().map(|detail| format!(" ({layer}: {detail})")).collect::<String>();
    format!("in {} layers: {}{example}", count(several.len() as u64), first.sentence(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        let of = |count| Remark::counted(count, "file is odd", "files are odd", Some("/a".to_owned())).to_string();
        assert_eq!([of(1), of(1234)], ["1 file is odd (/a)", "1,234 files are odd (/a)"]);
        assert_eq!(Remark::from("the blob is odd").with_detail("2 B".to_owned()).to_string(), "the blob is odd (2 B)");
    }

    #[test]
    fn each_kind_is_one_line() {
        let odd = |count, name: &str| Remark::counted(count, "file is odd", "files are odd", Some(name.to_owned()));
        let (a, b, plain) = (odd(1, "/a"), odd(999, "/b"), Remark::from("no footer"));
        let named = |number: u32, remark| (format!("layer {number}"), remark);
        let all = [named(0, &a), named(1, &plain), named(1, &b), named(2, &plain)];
        assert_eq!(lines(all), ["in 2 layers: 1,000 files are odd (layer 0: /a)", "in 2 layers: no footer"]);
        assert_eq!(lines([named(7, &a)]), ["layer 7: 1 file is odd (/a)"]);
        assert_eq!(lines([]), [""; 0]);
    }
}
