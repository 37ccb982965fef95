//! The options that say how an image is laid out, and what of it changes.

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use restrata::oci::Reference;
use restrata::order::layers::{Mtime, Options, Prune, Share};
use restrata::tar::{TarPath, Time};

use super::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Layers")]
pub struct Layers {
    /// Let this share of the image be bytes that layers above hide
    ///
    /// What changed or went away stays in layers that are kept, as dead bytes that first pulls carry along. Above this
    /// share, the layers with the most dead bytes for their size are written anew without them, which clients then
    /// pull again. More means smaller updates and larger first pulls; with 0 every layer with anything hidden in it
    /// is written anew. 10, 10% and 2.5% are understood.
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = values::share)]
    #[arg(allow_hyphen_values = true)]
    pub max_waste: Share,

    /// Write at most this many layers
    ///
    /// Every update adds layers; above the limit those that cost clients least are merged. More layers keep more of
    /// the image untouched, but docker takes no more than about 127, and some clients fetch layers one by one.
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::layers)]
    #[arg(allow_negative_numbers = true)]
    pub max_layers: usize,

    /// Keep the layers of this image, such as the one in FROM, at the bottom as they are
    ///
    /// Hosts that run several images of one base then have it once. NEW itself may be named.
    #[arg(long, value_name = "REF", value_parser = values::reference)]
    pub base: Option<Reference>,

    /// Keep layers of --previous without a table of contents, too
    ///
    /// Layers that were not written as zstd:chunked can be reused whole, but podman can fetch no single file from
    /// them. They are written anew by default, which costs one larger update.
    #[arg(long)]
    pub keep_foreign: bool,

    /// Put the entries of a layer in this order
    ///
    /// Layers that stay have the order in which they were written.
    #[arg(long, value_enum, default_value_t = Order::Changed)]
    pub order: Order,

    /// Give entries these times: previous, keep or clamp=SECONDS [default: previous]
    ///
    /// A build stamps every file anew, which makes all of them new to clients. previous: an entry that differs from
    /// the previous image in nothing but its time keeps the previous time; a Python source whose byte-code records its
    /// time keeps its own. keep: the times of NEW. clamp=SECONDS: no time later than this, in seconds since 1970.
    /// With SOURCE_DATE_EPOCH in the environment the default is to clamp to it.
    #[arg(long, value_name = "POLICY", value_parser = values::mtime)]
    pub mtime: Option<Mtime>,

    /// Leave the former content of this path in no layer; repeat for more
    ///
    /// A file that was removed or replaced is only hidden while its layer is kept: whoever has the layer can read it.
    /// Every layer that holds former content of PATH, or of what is below it, is written anew without it. Content of files
    /// is meant: names and the targets of symbolic links may stay in the layers that are kept.
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::path))]
    pub purge: Vec<TarPath>,

    /// Leave this path and what is below it out of the image; repeat for more
    ///
    /// With a slash at the end the directory itself stays, as a place to mount something.
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::prune))]
    pub prune: Vec<Prune>,
}

/// The variable of reproducible-builds.org.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

impl Layers {
    /// Without a policy for times, the environment's word counts.
    pub fn complete(&mut self) -> Result<(), String> {
        if let (None, Some(epoch)) = (self.mtime, std::env::var_os(EPOCH)) {
            let seconds = epoch.to_str().and_then(values::seconds);
            let secs = seconds.ok_or_else(|| format!("{EPOCH} is {epoch:?}: expected whole seconds since 1970"))?;
            self.mtime = Some(Mtime::Clamp(Time { secs, nanos: 0 }));
        }
        Ok(())
    }

    pub fn options(&self) -> Options {
        Options {
            max_waste: self.max_waste,
            max_layers: self.max_layers,
            purge: self.purge.clone(),
            prune: self.prune.clone(),
            mtime: self.mtime.unwrap_or(Mtime::Previous),
            canonical: self.order == Order::Canonical,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// What changed first: an update is one range of each layer
    Changed,
    /// By path, depth first and byte by byte: for composefs and readers that ask for it
    Canonical,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Config and manifest")]
pub struct Edits {
    /// Set a label of the config, or remove it with KEY-; repeat for more
    #[arg(long, value_name = "KEY=VALUE|KEY-", value_parser = values::label)]
    pub label: Vec<(String, Option<String>)>,

    /// Set an annotation of the manifest; repeat for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::annotation)]
    pub annotation: Vec<(String, String)>,
}
