//! One image as its merged tree, with what each path looks like.

use std::collections::HashMap;

use crate::codec::Level;
use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::{Known, Payload, XattrGlob, implied_dir};
use crate::job::JobOptions;
use crate::order::debris::debris;
use crate::order::tree::{Shown, Tree, merge};
use crate::order::{Entry, Place};
use crate::pack::{Stock, read_header};
use crate::progress::Progress;
use crate::source::{Image, Source, SourceError};
use crate::spool::Spool;
use crate::tar::{Header, TarPath};
use crate::unpack::{self, LayerInput, UnpackError, UnpackedLayer, settle_across, unpack};

/// The layers of an image, read.
pub struct Side {
    spool: Spool,
    layers: Vec<UnpackedLayer>,
}

/// What a client would see.
pub struct Merged<'a> {
    side: &'a Side,
    pub tree: Tree,
    /// The first path of each file that has several.
    linked: HashMap<Place, TarPath>,
}

/// What a client would see at a path.
pub struct Seen<'a> {
    pub header: Header,
    pub payload: Option<&'a Payload>,
    /// The time is none that the image says.
    pub is_implied: bool,
}

impl Side {
    /// With a level, contents can be read again.
    pub fn load(
        source: &Source,
        image: &Image,
        level: Option<Level>,
        drop_xattrs: &[XattrGlob],
        options: &JobOptions,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let spool = Spool::new(&options.spool_dir)?;
        let all: Vec<usize> = (0..image.layers.len()).collect();
        let inputs = image.layers.iter().map(|layer| LayerInput {
            open: Box::new(move || source.open_layer(layer).map_err(SourceError::into_io)),
            verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
            diff_id: layer.diff_id,
        });
        let (known, size, threads) = (Known::default(), progress.size_limit(), options.threads);
        let how = unpack::Options {
            level,
            known: &known,
            expect_known: false,
            seen: None,
            threads,
            drop_xattrs,
            size: &size,
        };
        let layers = unpack(inputs.collect(), &spool, how, progress)
            .and_then(|mut layers| settle_across(&mut layers, &all, &spool, progress).map(|_| layers))
            .map_err(|(index, error)| layer_error(source, image, index, error))?;
        Ok(Self { spool, layers })
    }

    pub fn diff_ids(&self) -> impl Iterator<Item = DiffId> {
        self.layers.iter().map(|layer| layer.diff_id)
    }

    /// The paths that builders made for their own mounts, without what `is_pruned` takes.
    pub fn debris(&self, is_pruned: impl Fn(&TarPath) -> bool) -> Vec<TarPath> {
        debris(&self.entries(), is_pruned)
    }

    fn entries(&self) -> Vec<&[Entry]> {
        self.layers.iter().map(|layer| layer.inventory.entries.as_slice()).collect()
    }

    /// `is_left_out` says which paths are taken for not there.
    pub fn merged(&self, is_left_out: impl Fn(&TarPath) -> bool) -> Merged<'_> {
        let mut tree = merge(&self.entries());
        // Before links are looked for: a file that lost all other paths is one of its own.
        tree.retain(|(path, _)| !is_left_out(path));
        let linked = linked(&tree);
        Merged { side: self, tree, linked }
    }

    /// Where contents are.
    pub fn stock(&self) -> Stock<'_> {
        Stock { spool: &self.spool, blobs: &[] }
    }
}

impl<'a> Merged<'a> {
    /// A hard link shows its file's metadata; one that leads nowhere shows itself.
    pub fn seen(&self, path: &TarPath, shown: Shown) -> Result<Seen<'a>, Error> {
        let node = match shown {
            Shown::Entry(node) => node,
            Shown::Implied(made) => {
                return Ok(Seen { header: implied_dir(path, made), payload: None, is_implied: true });
            }
        };
        let (layer, entry) = (node.inode.0 as usize, node.inode.1 as usize);
        let body = self.side.layers.get(layer).and_then(|layer| layer.inventory.bodies.get(entry));
        let body = body.ok_or(Error::Internal("an entry of the merged tree is in no layer"))?;
        let header = read_header(&self.side.spool, body.header).map_err(|source| Error::Pack { layer, source })?;
        Ok(Seen { header, payload: body.payload.as_ref(), is_implied: false })
    }

    /// The first of the paths that are one file with this one; `None` for a file with one path.
    pub fn first_link(&self, shown: Shown) -> Option<&TarPath> {
        self.linked.get(&shown.entry()?.inode)
    }
}

fn linked(tree: &[(TarPath, Shown)]) -> HashMap<Place, TarPath> {
    let mut paths: HashMap<Place, u32> = HashMap::new();
    let nodes = || tree.iter().filter_map(|(path, shown)| Some((path, shown.entry()?)));
    // Only a path that is not its own inode can be one of several, which spares a map over all files.
    nodes().filter(|(_, node)| node.at != node.inode).for_each(|(_, node)| {
        paths.insert(node.inode, 0);
    });
    for (_, node) in nodes() {
        if let Some(count) = paths.get_mut(&node.inode) {
            *count += 1;
        }
    }
    let mut linked = HashMap::new();
    for (path, node) in nodes() {
        if paths.get(&node.inode).is_some_and(|&count| count > 1) {
            linked.entry(node.inode).or_insert_with(|| path.clone());
        }
    }
    linked
}

fn layer_error(source: &Source, image: &Image, index: usize, error: UnpackError) -> Error {
    let descriptor = image.layers.get(index).and_then(|layer| layer.descriptor.as_ref());
    let layer = descriptor.map_or_else(|| index.to_string(), |descriptor| descriptor.digest.to_string());
    Error::unpack(source.reference().to_string(), layer, error)
}
