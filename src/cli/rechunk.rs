//! The arguments of `rechunk`, and those of every command that writes an image.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use restrata::compression::{Format, Formats};
use restrata::oci::{Reference, Transport};
use restrata::pack::IndexPlace;
use restrata::rechunk::{Effort, TocAnnotations};

use super::args::{Choice, Output, Resources, command as commands};
use super::layers::{Edits, Layers};
use super::sides::Sides;
use super::values;

#[derive(Debug, Args)]
pub struct Rechunk {
    /// Read the new image from here, such as containers-storage:NAME or docker-archive:FILE
    #[arg(value_parser = values::reference)]
    pub new: Reference,

    /// Write the result to here: docker://HOST/REPO[:TAG], oci:DIR[:TAG] or oci-archive:FILE[:TAG]
    ///
    /// oci-archive:- is standard output. The report then goes to standard error.
    #[arg(value_parser = values::destination)]
    pub dest: Reference,

    #[command(flatten)]
    pub writing: Writing,
}

/// How an image is written.
#[derive(Debug, Args)]
pub struct Writing {
    /// The image that clients have; repeat for older ones, newest first
    ///
    /// The first one decides the layout. The report shows the pull cost for each. Default for DEST in a
    /// registry: the image that its tag points at, or else that of a --tag. Without a previous image, the result is a first
    /// layout.
    #[arg(long, value_name = "REF", value_parser = values::old)]
    pub previous: Vec<Reference>,

    /// Take no previous image, and lay out all layers anew
    ///
    /// Every client then pulls the whole image.
    #[arg(long, conflicts_with = "previous")]
    pub first: bool,

    /// Keep layers of a previous image in a registry without a proof
    ///
    /// Before a layer stays, restrata proves that it is what its index says. For that it downloads the layer once, unless
    /// the cache has the proof of an earlier run. This option skips the proof. Use it only if nobody else can push to the
    /// repository.
    #[arg(long, conflicts_with = "first")]
    pub trust_previous: bool,

    /// Give the image this tag in DEST's repository, too; repeat for more
    ///
    /// For DEST in a registry. All tags get the same image, and its layers are sent once. The previous image is what
    /// DEST's own tag points at; if there is no such tag yet, the first of these that is there.
    #[arg(long, value_name = "TAG", value_parser = values::tag)]
    pub tag: Vec<String>,

    /// Move the tags even if somebody else moved one while this run was at work. Their image loses the tag
    #[arg(long)]
    pub force: bool,

    /// Compress new content at this zstd level: auto, or 1 to 22
    ///
    /// auto means 3 for a first image, 9 for an update, and 19 for an update of up to 1/1000 of the image. Content that
    /// the previous image has is copied as it is, whatever its level.
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = values::effort)]
    #[arg(allow_negative_numbers = true)]
    pub level: Effort,

    /// At most this many HTTP ranges for each layer of an update
    ///
    /// A client with partial pulls can reuse parts of a file. Each reused part costs a range. Some registries refuse
    /// more than 16 ranges in one request.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = values::ranges)]
    #[arg(allow_negative_numbers = true)]
    pub max_ranges: usize,

    /// Store layers like this
    ///
    /// zstd:chunked has an index in each layer, for partial pulls. zstd and gzip have none: clients pull their layers
    /// whole. To keep layers of a previous image without indexes, restrata reads them once in each run.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = CompressionFormat::Chunked)]
    pub compression_format: CompressionFormat,

    /// Also write the image with gzip layers, under the same tag
    ///
    /// For clients that cannot read zstd. docker, containerd 1.7 and kaniko take the gzip image; podman, buildah,
    /// CRI-O and skopeo take the zstd image. containerd 2 takes either. Not with --compression-format gzip.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub twin: Option<Twin>,

    /// Write docker's media types (schema 2) in place of OCI's, with --compression-format gzip
    ///
    /// For registries and clients that know no OCI images. The layers are the same, byte for byte.
    #[arg(long)]
    pub docker_manifest: bool,

    /// Write the annotations that podman finds layers' indexes by
    ///
    /// podman with partial pulls fails on some registries: on ghcr.io, for example. Without these annotations it pulls
    /// layers whole there. restrata finds the index all the same, so that the next update reuses the layers.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Annotations::Auto)]
    pub annotations: Annotations,

    /// Put each layer's index here
    #[arg(long, value_name = "PLACE", value_enum, default_value_t = Place::First)]
    pub index: Place,

    /// Also write the image's digest to this file
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub digestfile: Option<PathBuf>,

    /// Print the plan and write nothing to DEST
    ///
    /// Takes about as long as a real run, because the plan needs compressed sizes.
    #[arg(long)]
    pub dry_run: bool,

    /// List every layer [default: those that change; of more than 15 in a first layout, the 12 largest]
    #[arg(long)]
    pub all: bool,

    /// Fail with exit code 3, and publish nothing, when the image would be degraded
    ///
    /// It would cost clients more than it should: a layer of the previous image is missing or damaged and has to be
    /// written anew, most files are new because of their times alone, or no package database is found. Or --purge,
    /// --prune or --own-layer names a path that is not there. Or layers are larger than --max-layer-size, or the published
    /// image has a gzip twin and the new one has none. The JSON report lists the causes under "degraded". docs/usage.md
    /// lists them all.
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub resources: Resources,
    #[command(flatten)]
    pub sides: Sides,
    #[command(flatten)]
    pub output: Output,
    // A heading holds for everything that comes behind it.
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub edits: Edits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// At the front: good with registries that ignore ranges, since the client can hang up early
    First,
    /// At the end, as podman writes it
    End,
}

impl From<Place> for IndexPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::First => Self::First,
            Place::End => Self::End,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Annotations {
    /// Unless DEST is a registry on which podman with partial pulls would fail
    Auto,
    /// Wherever the image goes
    Always,
    /// For clients that must pull layers whole
    Never,
}

impl From<Annotations> for TocAnnotations {
    fn from(annotations: Annotations) -> Self {
        match annotations {
            Annotations::Auto => Self::Auto,
            Annotations::Always => Self::Always,
            Annotations::Never => Self::Never,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressionFormat {
    /// zstd with an index in each layer
    #[value(name = "zstd:chunked")]
    Chunked,
    /// zstd without indexes
    Zstd,
    /// For clients that read nothing else
    Gzip,
}

impl From<CompressionFormat> for Format {
    fn from(format: CompressionFormat) -> Self {
        match format {
            CompressionFormat::Chunked => Self::Chunked,
            CompressionFormat::Zstd => Self::Zstd,
            CompressionFormat::Gzip => Self::Gzip,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Twin {
    Gzip,
}

impl Writing {
    /// `None` for a gzip twin of a gzip image.
    fn possible_formats(&self) -> Option<Formats> {
        let format = self.compression_format.into();
        match self.twin {
            None if self.docker_manifest => Some(Formats::docker()),
            None => Some(Formats::alone(format)),
            Some(Twin::Gzip) => Formats::with_gzip_twin(format),
        }
    }

    /// Of arguments that are [possible](Self::expect_possible).
    pub fn formats(&self) -> Formats {
        self.possible_formats().unwrap_or_default()
    }

    /// Fails for options of `command` that make no sense for these inputs or DEST.
    pub fn expect_possible(&self, command: &str, inputs: &[Reference], dest: &Reference) -> Result<(), clap::Error> {
        self.refusal(inputs, dest).map_or(Ok(()), |message| Err(conflict(command, message)))
    }

    fn refusal(&self, inputs: &[Reference], dest: &Reference) -> Option<String> {
        if self.docker_manifest && (self.twin.is_some() || self.compression_format != CompressionFormat::Gzip) {
            let found = match self.twin {
                Some(_) => "--twin gzip writes zstd, too: leave one of them out".to_owned(),
                None => "the layers are zstd: add --compression-format gzip".to_owned(),
            };
            return Some(format!("--docker-manifest is for gzip layers alone, but {found}"));
        }
        if self.possible_formats().is_none() {
            let message = "--twin gzip is for zstd images, but --compression-format is gzip: leave one of them out";
            return Some(message.to_owned());
        }
        self.misplaced_config(inputs).or_else(|| self.misplaced_registry(dest))
    }

    fn misplaced_config(&self, inputs: &[Reference]) -> Option<String> {
        self.edits.config.as_ref()?;
        match inputs {
            inputs if inputs.iter().any(|input| input.transport() == Transport::Dir) => None,
            [one] => Some(format!("--config is for dir:ROOTFS, but {one} has a config of its own")),
            _ => Some("--config is for dir:ROOTFS, but the images have configs of their own".to_owned()),
        }
    }

    /// What makes sense for a registry alone.
    fn misplaced_registry(&self, dest: &Reference) -> Option<String> {
        let given = [("--tag", !self.tag.is_empty()), ("--force", self.force)];
        let given = given.into_iter().find(|(_, is_given)| *is_given && dest.name().is_none());
        given.map(|(option, _)| format!("{option} is for docker://HOST/REPOSITORY, but DEST is {dest}"))
    }
}

pub fn conflict(command: &str, message: String) -> clap::Error {
    refusal(command, ErrorKind::ArgumentConflict, message)
}

pub fn refusal(command: &str, kind: ErrorKind, message: String) -> clap::Error {
    let mut commands = commands();
    commands.build();
    let of_it = commands.find_subcommand_mut(command).expect("a command of this name");
    of_it.error(kind, message)
}
