//! `merge`: its arguments and its job.

use clap::Args;
use clap::error::ErrorKind;
use restrata::job::JobOptions;
use restrata::merge::{Rule, Rules, Unit};
use restrata::oci::Reference;
use restrata::rechunk;
use restrata::rechunk::Request;

use super::rechunk::{Writing, conflict, refusal};
use super::run::run_writing;
use super::values;

#[derive(Debug, Args)]
pub struct Merge {
    /// Lay these images over each other, the lowest first
    ///
    /// At least two. dir:ROOTFS is a tree without a config, such as a system extension or a Nix closure.
    #[arg(required = true, value_name = "IMAGE", value_parser = values::reference)]
    pub images: Vec<Reference>,

    /// Write the result to here: docker://HOST/REPO[:TAG], oci:DIR[:TAG] or oci-archive:FILE[:TAG]
    #[arg(required = true, value_parser = values::destination)]
    pub dest: Reference,

    /// What to do where images differ: error, last or first, or PATH=last for some paths; repeat for more
    ///
    /// last takes the later image's file, first the earlier one's, error writes nothing. PATH may have wildcards, as in
    /// --owners: *, ? and [ab] within one name, /**/ for any directories. It holds for everything below, too. The last
    /// matching rule counts. Without a rule: error for package databases, and where one image has a directory and
    /// another has something else; last for all other paths.
    #[arg(long, value_name = "[PATH=]RULE", help_heading = "Merging", value_parser = values::rule)]
    pub on_conflict: Vec<Rule>,

    /// Unite these files, so that they name what all images have: dpkg, apk, passwd
    ///
    /// dpkg and apk: the package databases. passwd: /etc/passwd, group, shadow and gshadow. If images contradict each
    /// other (two versions of a package, one user with two numbers), nothing is written, and the error says what would
    /// break.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "Merging", value_parser = values::unit)]
    pub unite: Vec<Unit>,

    /// Take the config of image N, from 1 [default: the last image that has one]
    ///
    /// Environment and labels are united: of a variable that several images set, this image's value counts, else the last
    /// one's. PATH has the directories of all.
    #[arg(long, value_name = "N", help_heading = "Merging", allow_negative_numbers = true)]
    pub config_from: Option<usize>,

    #[command(flatten)]
    pub writing: Writing,
}

impl Merge {
    /// Fails for options that make no sense.
    pub fn expect_possible(&self) -> Result<(), clap::Error> {
        let count = self.images.len();
        if count < 2 {
            let message = format!("expected at least two images and DEST, found one image and DEST {}", self.dest);
            return Err(refusal("merge", ErrorKind::WrongNumberOfValues, message));
        }
        if let Some(number) = self.config_from.filter(|number| !(1..=count).contains(number)) {
            return Err(conflict(
                "merge",
                format!("--config-from: expected the number of an image, 1 to {count}, found {number}"),
            ));
        }
        if self.writing.edits.composefs_digest_label.is_some() {
            let message = "--composefs-digest-label is for one image: merge first, then rechunk the result with it";
            return Err(conflict("merge", message.to_owned()));
        }
        if let Err(error) = Rules::new(&self.on_conflict) {
            return Err(refusal("merge", ErrorKind::ValueValidation, format!("--on-conflict {error}")));
        }
        self.writing.expect_possible("merge", &self.images, &self.dest)
    }
}

pub fn run(arguments: Merge, quiet: bool) -> anyhow::Result<u8> {
    let Merge { images, dest, on_conflict, unite, config_from, writing } = arguments;
    let rules = Rules::new(&on_conflict)?;
    let mut below = images;
    let Some(new) = below.pop() else { anyhow::bail!("internal error: a merge without images") };
    let merge = rechunk::Merge {
        below,
        rules,
        unite: unite.into_iter().collect(),
        config_from: config_from.map(|number| number - 1),
    };
    let bare = |resources: JobOptions| Request { merge: Some(merge), ..Request::new(new, dest, resources) };
    run_writing(writing, quiet, bare)
}
