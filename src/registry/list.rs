//! The tags of a repository.

use serde::Deserialize;

use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError};
use super::names::is_tag;
use super::reply::Reply;
use crate::limits;

#[derive(Deserialize)]
struct Tags {
    /// Some registries send null for none.
    tags: Option<Vec<String>>,
}

impl Repository<'_, '_> {
    /// All tags, page by page, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let first = format!("{}/tags/list?n=1000", self.name);
        let (mut path, mut all) = (first, Vec::new());
        for _ in 0..limits::REGISTRY_PAGES {
            let (tags, next) =
                self.client.ask(&Wanted::new("GET", &path), &self.to_read(), |reply| self.page(reply))?;
            // A tag that no reference can name is of no use, and may be anything.
            all.extend(tags.into_iter().filter(|tag| is_tag(tag)));
            if all.len() > limits::REGISTRY_TAGS {
                return Err(self.too_many("tags", limits::REGISTRY_TAGS)?);
            }
            match next {
                Some(next) if next != path => path = next,
                _ => return Ok(all),
            }
        }
        Err(self.too_many("pages of tags", limits::REGISTRY_PAGES)?)
    }

    /// One page, and the path of the next one.
    fn page(&self, mut reply: Reply) -> Result<(Vec<String>, Option<String>), RegistryError> {
        if reply.status != 200 {
            return Err(reply.refused("a list of tags", &format!("the repository {}", self.name)));
        }
        let body = reply.read("bytes of a list of tags", limits::MANIFEST_BYTES).map_err(|fault| reply.error(fault))?;
        let malformed = |found: &str| Fault::Malformed { expected: "a list of tags in JSON", found: found.to_owned() };
        let tags: Tags = serde_json::from_slice(&body).map_err(|_| reply.error(malformed("something else")))?;
        let next = reply.header("link").and_then(next_link).and_then(|link| reply.address.join(link));
        let next = next.filter(|next| next.same_origin(&reply.address));
        let path = next.and_then(|next| next.uri().path_and_query()?.as_str().strip_prefix("/v2/").map(str::to_owned));
        Ok((tags.tags.unwrap_or_default(), path))
    }

    fn too_many(&self, what: &'static str, limit: usize) -> Result<RegistryError, RegistryError> {
        let request = self.client.base()?.request("GET");
        Ok(RegistryError::failed(request, Fault::TooMuch { what, limit: limit as u64 }))
    }
}

/// The target of `<...>; rel="next"` (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        };
        parameters.split(';').any(is_next).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page() {
        assert_eq!(next_link("</v2/a/tags/list?last=b&n=5>; rel=\"next\""), Some("/v2/a/tags/list?last=b&n=5"));
        assert_eq!(next_link("<a>; rel=prev, <b>;title=x; rel=next"), Some("b"));
        for none in ["", "<a>", "a; rel=next", "<a; rel=next", "<a>; rel=prev"] {
            assert_eq!(next_link(none), None, "{none}");
        }
    }
}
