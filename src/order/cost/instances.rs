//! An index with a gzip image and a zstd image: which clients take which, and what they pull.

use std::sync::Arc;

use super::{Client, Has, Pull, PullLayer, RegistryProfile, pulls_of};
use crate::compression::Compression;

/// What clients that took an image before have of it, each of the one that it takes.
#[derive(Debug, Clone, Default)]
pub struct Had<'a> {
    own: Has<'a>,
    gzip: Option<Has<'a>>,
}

impl<'a> Had<'a> {
    pub const fn of(&self, client: Client) -> &Has<'a> {
        match &self.gzip {
            Some(gzip) if client.takes_gzip() => gzip,
            _ => &self.own,
        }
    }
}

/// An image's layers, bottom first. Those of its gzip image are there for clients that take that one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instances {
    pub own: Vec<Arc<PullLayer>>,
    pub gzip: Option<Vec<Arc<PullLayer>>>,
}

impl Instances {
    /// Of one image alone.
    pub const fn alone(own: Vec<Arc<PullLayer>>) -> Self {
        Self { own, gzip: None }
    }

    /// What a client takes. Of one image alone, all take that one.
    pub fn of(&self, client: Client) -> &[Arc<PullLayer>] {
        match &self.gzip {
            Some(gzip) if client.takes_gzip() => gzip,
            _ => &self.own,
        }
    }

    /// The layers of both.
    pub fn all(&self) -> impl Iterator<Item = &Arc<PullLayer>> {
        self.own.iter().chain(self.gzip.iter().flatten())
    }

    /// Takes time for each file: once for all clients.
    pub fn had(&self) -> Had<'_> {
        let has = |layers| Has::of(<[Arc<PullLayer>]>::iter(layers).map(Arc::as_ref));
        Had { own: has(&self.own), gzip: self.gzip.as_deref().map(has) }
    }

    /// As [`pulls`](super::pulls), each client with its own image. [`Client::PlainGzip`] is there if one of the two has a
    /// gzip image, or if it is one of `named`.
    pub fn pulls(
        &self,
        config_size: u64,
        old: &Self,
        from: Option<&str>,
        named: &[Client],
        registries: &[RegistryProfile],
    ) -> Vec<Pull> {
        let is_pair = self.gzip.is_some() || old.gzip.is_some();
        let has_gzip = is_pair || named.contains(&Client::PlainGzip);
        let clients = if has_gzip { &Client::WITH_GZIP[..] } else { &Client::ALL };
        let (gzip, own): (Vec<Client>, Vec<Client>) = clients.iter().partition(|client| is_pair && client.takes_gzip());
        let had = old.had();
        let of = |clients: &[Client]| match clients {
            [] => Vec::new(),
            [one, ..] => pulls_of(clients, self.of(*one), config_size, had.of(*one), from, registries),
        };
        let mut pulls: Vec<Pull> = of(&own).into_iter().chain(of(&gzip)).collect();
        pulls.sort_by_key(|pull| clients.iter().position(|client| *client == pull.client));
        if self.gzip.is_some() {
            pulls.iter_mut().for_each(|pull| {
                pull.image = Some(if pull.client.takes_gzip() { Compression::Gzip } else { Compression::Zstd });
            });
        }
        pulls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    fn layers(blobs: &[(u8, u64)]) -> Vec<Arc<PullLayer>> {
        let layer = |&(fill, size): &(u8, u64)| {
            Arc::new(PullLayer { digest: BlobDigest::from_bytes([fill; 32]), size, index: None })
        };
        blobs.iter().map(layer).collect()
    }

    fn told(old: &Instances, new: &Instances) -> Vec<(&'static str, u64, Option<Compression>)> {
        told_to(&[], old, new)
    }

    fn told_to(named: &[Client], old: &Instances, new: &Instances) -> Vec<(&'static str, u64, Option<Compression>)> {
        let pulls = new.pulls(0, old, None, named, &RegistryProfile::ALL);
        let is_first = |pull: &&Pull| pull.registry == RegistryProfile::MultiRange;
        pulls.iter().filter(is_first).map(|pull| (pull.client.name(), pull.blob_bytes(), pull.image)).collect()
    }

    /// zstd layers 1 to 3 and gzip layers 11 to 13; the second one changes.
    #[test]
    fn each_client_pays_for_its_own_image() {
        let pair = |own: &[(u8, u64)], gzip: &[(u8, u64)]| Instances { own: layers(own), gzip: Some(layers(gzip)) };
        let old = pair(&[(1, 100), (2, 200)], &[(11, 110), (12, 220)]);
        let new = pair(&[(1, 100), (3, 300)], &[(11, 110), (13, 330)]);
        let (zstd, gzip) = (Some(Compression::Zstd), Some(Compression::Gzip));
        assert_eq!(
            told(&old, &new),
            [
                ("plain", 300, zstd),
                ("plain-gzip", 330, gzip),
                ("docker", 330, gzip),
                ("podman", 300, zstd),
                ("podman-reflink", 300, zstd),
                ("composefs", 300, zstd),
            ]
        );
        // Who switches pays all of it, in both directions.
        let alone = |pair: &Instances| Instances::alone(pair.own.clone());
        assert_eq!(
            told(&alone(&old), &new)[..3],
            [("plain", 300, zstd), ("plain-gzip", 440, gzip), ("docker", 440, gzip)]
        );
        assert_eq!(
            told(&old, &alone(&new))[..3],
            [("plain", 300, None), ("plain-gzip", 400, None), ("docker", 400, None)]
        );
        // Nobody's files are looked at twice.
        let same = |had: &Had<'_>, a, b| std::ptr::eq(had.of(a), had.of(b));
        let (pair, single) = (old.had(), Instances::alone(old.own.clone()));
        assert!(same(&pair, Client::PlainGzip, Client::Docker) && same(&pair, Client::Plain, Client::Composefs));
        assert!(!same(&pair, Client::Plain, Client::Docker) && same(&single.had(), Client::Plain, Client::Docker));
        // Nobody hears of it where there is no gzip image, but who asks.
        let clients: Vec<_> = told(&alone(&old), &alone(&new)).iter().map(|it| it.0).collect();
        assert_eq!(clients, Client::ALL.map(Client::name));
        assert_eq!(
            told_to(&[Client::PlainGzip], &alone(&old), &alone(&new))[..3],
            [("plain", 300, None), ("plain-gzip", 300, None), ("docker", 300, None)]
        );
    }
}
