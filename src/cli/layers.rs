//! The options that say how an image is laid out, and what of it changes.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use restrata::inventory::XattrGlob;
use restrata::oci::Reference;
use restrata::order::layers::{Mtime, Options, Prune, Share, Weights};
use restrata::report::printable;
use restrata::tar::{TarPath, Time};

use super::args::OwnersFile;
use super::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Layers")]
pub struct Layers {
    /// At most this share of the image is waste: dead entries
    ///
    /// A kept layer still holds dead entries: paths that the new image does not have, or that a layer above hides. First
    /// pulls carry them along. Above this share, restrata rewrites the layers with most dead entries for their size, and
    /// clients pull those again. A higher value means smaller updates and larger first pulls. 0 means no waste at all.
    /// Examples: 10, 10%, 2.5%.
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = values::share)]
    #[arg(allow_hyphen_values = true)]
    pub max_waste: Share,

    /// Write at most this many layers
    ///
    /// Every update adds layers. Above the limit, restrata merges those that cost clients least. More layers mean
    /// smaller updates. docker accepts about 127 layers. Some clients pull layers one by one.
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::layers)]
    #[arg(allow_negative_numbers = true)]
    pub max_layers: usize,

    /// Cut new layers that would hold more than this many bytes of files
    ///
    /// Many clients download several layers at once. A pull then takes at least as long as its largest layer. SIZE counts
    /// the content of a layer's files as clients unpack it; the compressed layer is smaller. Cuts are between packages if
    /// possible. A single file larger than SIZE is not cut: it gets a layer of its own, and a note names it. Layers of
    /// --previous that stay are not cut. --max-layers goes first: if it leaves too little room, layers are larger, and
    /// the run is degraded (see --strict). At least 1MB. Examples: 200MB, 1GiB.
    #[arg(long, value_name = "SIZE", value_parser = values::layer_size)]
    #[arg(allow_negative_numbers = true)]
    pub max_layer_size: Option<u64>,

    /// Who pulls the image: CLIENT=WEIGHT, several with commas between them
    ///
    /// restrata compares several plans by the bytes that clients pull. A weight says how much a client's bytes count,
    /// from 0 to 1000. Whoever is not named counts nothing. Clients: plain, docker, podman, podman-reflink, composefs;
    /// restrata diff --help says who that is. With docker, layers change as high in the stack as the budget of
    /// --max-waste allows: docker with a graph driver pulls everything above the lowest changed layer. Then only the
    /// weights of plain and docker count.
    #[arg(long, value_name = "WEIGHTS", default_value = "plain=1,podman=1")]
    #[arg(allow_hyphen_values = true)]
    pub clients: Weights,

    /// Keep the layers of this image, such as the one in FROM, unchanged at the bottom
    ///
    /// A host that runs several images of one base then stores the base once. NEW itself is allowed.
    #[arg(long, value_name = "REF", value_parser = values::old)]
    pub base: Option<Reference>,

    /// Also use layers of this image, where NEW has nearly all of what is in one; repeat for more
    ///
    /// For images with the same content, such as those on one base. A layer that both have is stored once, and a host that
    /// has one image pulls less of the other. A layer counts if at most --max-waste of it is useless here.
    /// restrata family plans several new images at once, and shares more.
    #[arg(long, value_name = "REF", value_parser = values::old)]
    pub share: Vec<Reference>,

    /// Also keep layers of --previous that have no index
    ///
    /// Such layers, for example gzip ones, can be reused whole. podman cannot fetch single files from them. By default
    /// restrata rewrites them once, which costs one larger update.
    #[arg(long)]
    pub keep_foreign: bool,

    /// Order of the entries in a new layer
    ///
    /// Kept layers keep their order.
    #[arg(long, value_enum, default_value_t = Order::Changed)]
    pub order: Order,

    /// Times in the output: previous, keep or clamp=SECONDS [default: previous]
    ///
    /// A build gives every file a new time, and then every file is new to clients. previous: an entry that differs in
    /// nothing but its time keeps the previous time. (Exception: a Python source whose byte-code records its time.)
    /// keep: the times of NEW. clamp=SECONDS: no time later than this, in seconds since 1970. If SOURCE_DATE_EPOCH is
    /// set, the default is to clamp to it; "created" and the history in the config are clamped in any case.
    #[arg(long, value_name = "POLICY", value_parser = values::mtime)]
    pub mtime: Option<Mtime>,

    /// What SOURCE_DATE_EPOCH says.
    #[arg(skip)]
    pub epoch: Option<Time>,

    /// Remove the former content of this path from every layer; repeat for more
    ///
    /// A kept layer still holds a removed or replaced file, and whoever has the layer can read it. --purge rewrites
    /// each layer that holds former content of PATH or of anything below it. It removes content only: names and symbolic
    /// links' targets may stay. If no layer has anything there, the run is degraded (see --strict).
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::path))]
    pub purge: Vec<TarPath>,

    /// Leave this path and everything below it out of the image; repeat for more
    ///
    /// With a slash at the end, the directory itself stays.
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::prune))]
    pub prune: Vec<Prune>,

    /// Leave out what builders make for their own mounts
    ///
    /// These are /.dockerenv, /dev/console, /etc/hostname, /etc/hosts, /etc/resolv.conf and /run/.containerenv, if they
    /// are empty and executable, and /run/secrets, if it is an empty directory. A file with content stays, and so does an
    /// empty file with mode 0644. podman and docker make what a container needs of these. A note names what was
    /// left out. verify has the same option.
    #[arg(long)]
    pub prune_debris: bool,

    /// Give this path and what is below it a layer of its own; repeat for more
    ///
    /// What changes there then comes in a layer that holds nothing else, also when it is small. Layers of --previous stay
    /// as they are: what they show moves when it changes. Above --max-layers such layers are merged last.
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::path))]
    pub own_layer: Vec<TarPath>,

    #[command(flatten)]
    pub owners: OwnersFile,

    /// Leave out xattrs with names like this one; repeat for more
    ///
    /// In GLOB, * stands for any text and ? for any character: security.selinux, user.*. verify has the same option, so
    /// that the rest can be compared.
    #[arg(long, value_name = "GLOB", value_parser = values::xattr)]
    pub drop_xattr: Vec<XattrGlob>,
}

/// The variable of reproducible-builds.org.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Characters of a wrong value that are shown.
const SHOWN: usize = 80;

impl Layers {
    /// Without a policy for times, the environment's word counts. An empty variable is none, as for BuildKit: CI systems
    /// can blank a variable, but not unset it.
    pub fn complete(&mut self) -> Result<(), String> {
        if let Some(text) = std::env::var_os(EPOCH).filter(|text| !text.is_empty()) {
            let secs = text.to_str().and_then(values::seconds).ok_or_else(|| {
                let found: String = printable(&text.to_string_lossy()).chars().take(SHOWN).collect();
                format!("{EPOCH} is \"{found}\": expected {}, or nothing", values::SECONDS)
            })?;
            let epoch = Time { secs, nanos: 0 };
            self.mtime = self.mtime.or(Some(Mtime::Clamp(epoch)));
            self.epoch = Some(epoch);
        }
        Ok(())
    }

    pub fn options(&self) -> Options {
        Options {
            max_waste: self.max_waste,
            max_layers: self.max_layers,
            max_layer_size: self.max_layer_size,
            purge: self.purge.clone(),
            prune: self.prune.clone(),
            own_layers: self.own_layer.clone(),
            mtime: self.mtime.unwrap_or(Mtime::Previous),
            canonical: self.order == Order::Canonical,
            clients: self.clients,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Changed files first: podman fetches what changed in a layer in one range
    Changed,
    /// By path: for composefs and other readers that need it
    Canonical,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Config and manifest")]
pub struct Edits {
    /// Set a label of the config, or remove it with KEY-; repeat for more
    #[arg(long, value_name = "KEY=VALUE|KEY-", value_parser = values::label)]
    pub label: Vec<(String, Option<String>)>,

    /// Set the label KEY to the composefs digest of the image
    ///
    /// It is what 'restrata dump --digest' says of the output, and depends on the tree alone, not on the layers. A
    /// signature of this digest holds for every image with the same tree. Needs mkcomposefs (package composefs), except
    /// with --dry-run, and reads NEW twice.
    #[arg(long, value_name = "KEY", value_parser = values::label_key)]
    pub composefs_digest_label: Option<String>,

    /// Take the config of a root file system from this file
    ///
    /// For NEW that is dir:ROOTFS. The file holds an OCI image config or what 'podman inspect IMAGE' prints: user,
    /// environment, command, labels and the like. Without it the image has none of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Set an annotation of the manifest; repeat for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::annotation)]
    pub annotation: Vec<(String, String)>,
}
