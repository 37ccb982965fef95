//! Redirects, followed by hand: no credentials to another host, and none back from there.

use super::address::Address;
use super::client::Client;
use super::content::Content;
use super::endpoint::Secret;
use super::error::{Fault, RegistryError};
use super::reply::Reply;
use super::text::shown;
use super::transport::Call;
use crate::limits;

/// A request as it is asked first.
pub(super) struct Ask<'a> {
    pub method: &'static str,
    pub address: &'a Address,
    pub headers: &'a [(&'static str, String)],
    pub content: Option<Content<'a>>,
    pub long: bool,
}

/// `base` is the registry's own address.
pub(super) fn follow(
    client: &Client,
    ask: &Ask,
    base: &Address,
    shown_secret: Option<&Secret>,
) -> Result<Reply, RegistryError> {
    let mut address = ask.address.clone();
    let mut own = true;
    for _ in 0..=limits::REGISTRY_REDIRECTS {
        own = own && address.same_origin(base);
        let mut headers = ask.headers.to_vec();
        if let Some(secret) = shown_secret.filter(|_| own) {
            headers.push(("Authorization", secret.expose().to_owned()));
        }
        let (method, content, long) = (ask.method, ask.content, ask.long);
        let call = Call { method, address: &address, headers: &headers, content, own, long, within: None };
        let reply = client.transport.call(&call, client.progress)?;
        let keeps_method = match reply.status {
            307 | 308 => true,
            301..=303 => matches!(method, "GET" | "HEAD"),
            _ => return Ok(reply),
        };
        if !keeps_method {
            let found = format!("the status {}", reply.status);
            return Err(reply.error(Fault::Redirect { expected: "307 or 308 for what has a body", found }));
        }
        address = next(&reply)?;
    }
    let found = format!("more than {}", limits::REGISTRY_REDIRECTS);
    Err(RegistryError::failed(ask.address.request(ask.method), Fault::Redirect { expected: "an end", found }))
}

/// Where a reply's `Location` leads to.
pub(super) fn next(reply: &Reply) -> Result<Address, RegistryError> {
    let bad = |expected, found| Err(reply.error(Fault::Redirect { expected, found }));
    let Some(location) = reply.header("location") else { return bad("a Location", "none".to_owned()) };
    let Some(next) = reply.address.join(location) else {
        // A query may have a signature.
        let found = location.split('?').next().unwrap_or_default();
        let found = if found.contains('@') { "one with a user's name".to_owned() } else { shown(found) };
        return bad("a URL of HTTP or HTTPS", found);
    };
    if reply.address.secure && !next.secure {
        return bad("HTTPS", format!("HTTP, to {}", next.request("").to_string().trim_start()));
    }
    Ok(next)
}
