//! What builders left behind for their mounts: leaves it out, or says what it costs.

use std::borrow::Cow;

use crate::order::debris::{Without, debris, without_debris};
use crate::order::layers::{Given, Options, Prune};
use crate::order::{Entry, Plan};
use crate::tar::TarPath;
use crate::units;

use super::hint::Costs;
use super::image::Job;

impl<'a> Job<'a, '_> {
    /// The options, which now say as well what of it goes.
    pub fn without_debris(&self, layers: &[&[Entry]], notes: &mut Vec<String>) -> Cow<'a, Options> {
        let options = &self.request.layers;
        if !self.request.prune_debris {
            return Cow::Borrowed(options);
        }
        let found = debris(layers, |path| options.prune.iter().any(|prune| prune.takes(path)));
        notes.push(match found.as_slice() {
            [] => "--prune-debris: the image has nothing that builders leave behind".to_owned(),
            found => format!("--prune-debris left out what builders leave behind: {}", names(found)),
        });
        let prune = found.into_iter().map(|path| Prune { path, keep_dir: false });
        Cow::Owned(Options { prune: options.prune.iter().cloned().chain(prune).collect(), ..options.clone() })
    }

    /// What debris costs an update, where it does.
    pub fn costly_debris(&self, given: Given<'_>, plan: &Plan) -> Option<String> {
        if self.request.prune_debris {
            return None;
        }
        let Without { plan: without, paths, layers } = without_debris(plan, given)?;
        let plain = |plan| Costs::of(plan, given).plain;
        let bytes = units::size(plain(plan).saturating_sub(plain(&without)));
        let held = match layers {
            0 => String::new(),
            1 => ", and one more layer".to_owned(),
            layers => format!(", and {layers} more layers"),
        };
        Some(format!(
            "what builders leave behind changed in this update ({}): it costs each client about {bytes}{held}; \
             --prune-debris leaves it out",
            names(&paths)
        ))
    }
}

/// The list is short.
fn names(paths: &[TarPath]) -> String {
    paths.iter().map(TarPath::to_string).collect::<Vec<_>>().join(", ")
}
