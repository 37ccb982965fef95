//! Which name was meant by one that is not there.

/// A tag of an index can have megabytes.
const LONGEST: usize = 128;

/// The name that differs in the fewest letters, if that are few and no other name differs in as few.
pub(super) fn mistyped<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let wanted: Vec<char> = letters(wanted)?;
    let few = wanted.len() / 3;
    let distance = |name: &str| letters(name).map(|name| distance(&wanted, &name)).filter(|&letters| letters <= few);
    let near: Vec<(usize, &str)> = names.iter().filter_map(|name| Some((distance(name)?, *name))).collect();
    let least = near.iter().map(|(letters, _)| *letters).min()?;
    let mut nearest = near.iter().filter(|(letters, _)| *letters == least);
    nearest.next().filter(|_| nearest.next().is_none()).map(|(_, name)| *name)
}

/// All names, those first that begin most like this one.
pub(super) fn first(wanted: &str, names: &[&str]) -> Vec<String> {
    let shared = |name: &&&str| name.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let mut names: Vec<&&str> = names.iter().collect();
    names.sort_by_key(|name| std::cmp::Reverse(shared(name)));
    names.into_iter().map(|name| (*name).to_owned()).collect()
}

fn letters(name: &str) -> Option<Vec<char>> {
    (name.len() <= LONGEST).then(|| name.chars().collect())
}

/// Letters that are left out, put in or another one, and neighbours that changed places.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let other = rows[i][j] + usize::from(from != to);
            let least = other.min(rows[i][j + 1] + 1).min(row[j] + 1);
            let is_swap = i > 0 && j > 0 && a[i - 1] == *to && b[j - 1] == *from;
            row.push(if is_swap { least.min(rows[i - 1][j - 1] + 1) } else { least });
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant() {
        for (wanted, names, meant) in [
            ("publishd", &["new", "published"][..], Some("published")),
            ("pubilshed", &["published", "new"], Some("published")),
            ("nwe", &["published", "new"], Some("new")),
            ("v1.2.4", &["v1.2.3", "v2.0.0"], Some("v1.2.3")),
            // Two are as near, or none is.
            ("v1.2.4", &["v1.2.3", "v1.2.5"], None),
            ("v9", &["v1"], None),
            ("latest", &["published", "new"], None),
            ("", &["a"], None),
            ("a", &[], None),
        ] {
            assert_eq!(mistyped(wanted, names), meant, "{wanted}");
        }
        let long = "x".repeat(1 << 20);
        assert_eq!((mistyped(&long, &["x"]), mistyped("xxx", &[&long, "xx"])), (None, Some("xx")));
    }

    #[test]
    fn letters_are_counted() {
        for (a, b, letters) in [
            ("", "", 0),
            ("", "ab", 2),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "bc", 1),
            ("kitten", "sitting", 3),
        ] {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!((distance(&of(a), &of(b)), distance(&of(b), &of(a))), (letters, letters), "{a} {b}");
        }
    }
}
