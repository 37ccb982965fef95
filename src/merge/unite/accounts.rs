//! Users and groups: passwd(5), group(5), shadow(5) and gshadow(5). Lines go by name. A name with two numbers, or a number
//! with two names, is a clash: files would belong to somebody else.

use std::collections::{HashMap, HashSet};

use super::{Clash, Text, Version, too_many};
use crate::limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Passwd,
    Group,
    Shadow,
    Gshadow,
}

impl Table {
    pub(super) fn of(path: &[u8]) -> Option<Self> {
        match path {
            b"etc/passwd" => Some(Self::Passwd),
            b"etc/group" => Some(Self::Group),
            b"etc/shadow" => Some(Self::Shadow),
            b"etc/gshadow" => Some(Self::Gshadow),
            _ => None,
        }
    }

    const fn has_numbers(self) -> bool {
        matches!(self, Self::Passwd | Self::Group)
    }

    /// Fields that are lists of names.
    const fn lists(self) -> &'static [usize] {
        match self {
            Self::Passwd | Self::Shadow => &[],
            Self::Group => &[3],
            Self::Gshadow => &[2, 3],
        }
    }

    const fn one(self) -> &'static str {
        if matches!(self, Self::Passwd) { "user" } else { "group" }
    }
}

struct Line<'a> {
    fields: Vec<Vec<u8>>,
    name: &'a [u8],
    number: &'a [u8],
    input: usize,
}

impl<'a> Line<'a> {
    /// `None` for what is no account, such as an empty line.
    fn new(text: &'a [u8], input: usize) -> Option<Self> {
        let fields: Vec<&[u8]> = text.split(|&b| b == b':').collect();
        let name = fields.first().copied().filter(|name| !name.is_empty() && name[0] != b'#')?;
        let number = fields.get(2).copied().unwrap_or_default();
        Some(Self { fields: fields.into_iter().map(<[u8]>::to_vec).collect(), name, number, input })
    }
}

/// In the order of the first input that has them. Of what else a line says, the later one counts.
pub(super) fn united(table: Table, versions: &[Version<'_>]) -> Result<Vec<u8>, Vec<Clash>> {
    let (mut all, mut clashes): (Vec<Line<'_>>, Vec<Clash>) = (Vec::new(), Vec::new());
    let mut names: HashMap<&[u8], usize> = HashMap::new();
    for version in versions {
        let lines = version.content.split(|&b| b == b'\n').filter_map(|text| Line::new(text, version.input));
        let lines: Vec<Line<'_>> = lines.take(limits::PACKAGES + 1).collect();
        if lines.len() > limits::PACKAGES {
            return Err(too_many(version));
        }
        if table.has_numbers() {
            let room = limits::CLASHES - clashes.len();
            clashes.extend(clashing(table, &all, &names, &lines).into_iter().take(room));
        }
        for mut line in lines {
            match names.get(line.name) {
                None if all.len() == limits::PACKAGES => return Err(too_many(version)),
                None => {
                    names.insert(line.name, all.len());
                    all.push(line);
                }
                Some(&at) => {
                    table.lists().iter().for_each(|&field| unite_list(&all[at], &mut line, field));
                    all[at] = line;
                }
            }
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    Ok(all.iter().flat_map(|line| [line.fields.join(&b':'), b"\n".to_vec()].concat()).collect())
}

fn clashing(table: Table, all: &[Line<'_>], names: &HashMap<&[u8], usize>, lines: &[Line<'_>]) -> Vec<Clash> {
    let mut numbers: HashMap<&[u8], &Line<'_>> = HashMap::new();
    all.iter().for_each(|line| _ = numbers.entry(line.number).or_insert(line));
    // One number may have several names in one input: a name that both have tells that it is the same.
    let is_common = |line: &&Line<'_>| names.get(line.name).is_some_and(|&at| all[at].number == line.number);
    let common: HashSet<&[u8]> = lines.iter().filter(is_common).map(|line| line.number).collect();
    let one = table.one();
    let clash = |line: &Line<'_>| {
        let (name, number) = (Text(line.name), Text(line.number));
        let (old, what) = match (names.get(line.name), numbers.get(line.number)) {
            (Some(&at), _) if all[at].number != line.number => {
                let other = Text(all[at].number);
                (&all[at], format!("{one} {name} is {other} in the first one and {number} in the second one"))
            }
            (None, Some(old)) if !common.contains(line.number) => {
                let other = Text(old.name);
                (*old, format!("{one} {number} is {other} in the first one and {name} in the second one"))
            }
            _ => return None,
        };
        let what = format!("{what}: files of one of them would belong to somebody else");
        Some(Clash { earlier: old.input, later: line.input, what })
    };
    lines.iter().filter_map(clash).collect()
}

/// All names of both, each once.
fn unite_list(old: &Line<'_>, new: &mut Line<'_>, field: usize) {
    let names = |line: &Line<'_>| {
        let list = line.fields.get(field).cloned().unwrap_or_default();
        list.split(|&b| b == b',').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let mut united = names(old);
    let more: Vec<Vec<u8>> = names(new).into_iter().filter(|name| !united.contains(name)).collect();
    united.extend(more);
    if new.fields.len() <= field {
        new.fields.resize(field + 1, Vec::new());
    }
    new.fields[field] = united.join(&b',');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(table: Table, contents: &[&str]) -> Result<String, Vec<String>> {
        let of = |(input, text): (usize, &&str)| Version { input, content: text.as_bytes().to_vec().leak() };
        let versions: Vec<Version<'_>> = contents.iter().enumerate().map(of).collect();
        match united(table, &versions) {
            Ok(bytes) => Ok(String::from_utf8(bytes).unwrap()),
            Err(clashes) => Err(clashes.into_iter().map(|clash| clash.what).collect()),
        }
    }

    #[test]
    fn users_of_all_inputs_stand_in_one_list() {
        let united = all(
            Table::Passwd,
            &["root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/no\n", "root:x:0:0::/root:/bin/bash\nnginx:x:101:101::/:/no"],
        );
        assert_eq!(united.unwrap(), "root:x:0:0::/root:/bin/bash\nwww:x:33:33::/:/no\nnginx:x:101:101::/:/no\n");
        let united = all(Table::Group, &["adm:x:4:a,b\n", "# none\n\nadm:x:4:b,c\nssl:x:9:\n", "adm:x:4:\n"]);
        assert_eq!(united.unwrap(), "adm:x:4:a,b,c\nssl:x:9:\n");
        assert_eq!(all(Table::Gshadow, &["g:!:a:m\n", "g:*:b:n\n"]).unwrap(), "g:*:a,b:m,n\n");
        assert_eq!(
            all(Table::Shadow, &["a:*:1:::::: \n", "a:!:2::::::\nb:!::::::\n"]).unwrap(),
            "a:!:2::::::\nb:!::::::\n"
        );
    }

    #[test]
    fn a_name_has_one_number_and_a_number_one_name() {
        let clashes = all(Table::Passwd, &["a:x:101:1::/:\n", "a:x:102:1::/:\n"]).unwrap_err();
        assert!(clashes[0].starts_with("user a is 101 in the first one and 102 in the second one"), "{clashes:?}");
        let clashes = all(Table::Group, &["a:x:101:\n", "b:x:101:\nc:x:5:\n"]).unwrap_err();
        assert_eq!(clashes.len(), 1);
        assert!(clashes[0].starts_with("group 101 is a in the first one and b in the second one"), "{clashes:?}");
        // Another name that the same input gives to a number that both have.
        let aliases = all(Table::Passwd, &["root:x:0:0::/:\n", "root:x:0:0::/:\ntoor:x:0:0::/:\n"]);
        assert_eq!(aliases.unwrap(), "root:x:0:0::/:\ntoor:x:0:0::/:\n");
    }
}
