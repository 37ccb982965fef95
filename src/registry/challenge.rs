//! `WWW-Authenticate` (RFC 9110, section 11.6.1): what a registry wants to see.

use crate::limits;

/// What one scheme asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// The challenges of all headers of that name, best first: Bearer before Basic, as clients prefer them. Schemes that nobody
/// uses with registries are left out, and so is what is malformed.
pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = headers.flat_map(of_header).take(limits::REGISTRY_CHALLENGES).collect();
    found.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    found
}

fn of_header(header: &str) -> Vec<Challenge> {
    let (mut rest, mut found) = (header, Vec::new());
    while found.len() < limits::REGISTRY_CHALLENGES {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (scheme, behind) = token(rest);
        if scheme.is_empty() {
            break;
        }
        let (parameters, behind) = parameters(behind);
        rest = behind;
        let value = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer") {
            found.extend(value("realm").map(|realm| Challenge::Bearer { realm, service: value("service") }));
        }
    }
    found
}

/// Parameters up to the next scheme, and what follows.
fn parameters(mut rest: &str) -> (Vec<(&str, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let (name, behind) = token(start);
        let Some(value) = behind.trim_start_matches([' ', '\t']).strip_prefix('=') else { return (found, start) };
        if name.is_empty() {
            return (found, "");
        }
        let value = value.trim_start_matches([' ', '\t']);
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => match unquote(quoted) {
                Some(both) => both,
                None => return (found, ""),
            },
            None => {
                let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        found.push((name, value));
        rest = behind;
    }
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// What stands before the closing quote, without its escapes, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &str) -> Vec<Challenge> {
        parse([header].into_iter())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_of_real_registries() {
        let hub =
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#;
        assert_eq!(found(hub), [bearer("https://auth.docker.io/token", Some("registry.docker.io"))]);
        assert_eq!(found(r#"Basic realm="Registry Realm""#), [Challenge::Basic]);
        assert_eq!(found("bearer REALM=https://a/t , service = b"), [bearer("https://a/t", Some("b"))]);
    }

    #[test]
    fn several_in_one_header_or_in_many() {
        let both = [bearer("https://a", None), Challenge::Basic];
        assert_eq!(found(r#"Basic realm="x", charset="UTF-8", Bearer realm="https://a""#), both);
        assert_eq!(parse(["Basic", r#"Negotiate, Digest realm="d", Bearer realm="https://a""#].into_iter()), both);
        assert_eq!(found("Basic,Basic"), [Challenge::Basic, Challenge::Basic]);
    }

    #[test]
    fn odd_ones() {
        assert_eq!(found(r#"Bearer realm="a\"b, Basic""#), [bearer(r#"a"b, Basic"#, None)]);
        assert_eq!(found("Negotiate YWJj==, Basic"), [Challenge::Basic]);
        for none in ["", ",", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"x", "Bearer realm=\"x\\", "=", "\u{fc}"]
        {
            assert_eq!(found(none), [], "{none}");
        }
        assert_eq!(found(&"Basic,".repeat(1000)).len(), limits::REGISTRY_CHALLENGES);
    }
}
