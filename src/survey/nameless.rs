//! Images whose layers have no descriptors: those in docker's archives. A registry has them in another form, or at least
//! under another digest.

use crate::compression::Compression;
use crate::oci::Reference;
use crate::source::Image;

#[derive(Default)]
pub(super) struct Nameless {
    /// The archives, without tags.
    places: Vec<String>,
    /// One of them has a layer that is no plain tar.
    has_packed: bool,
}

/// Archives that a note names.
const NAMED: usize = 3;

impl Nameless {
    /// What is to be told of all of them from now on; `None` when this image changes nothing.
    pub fn see(&mut self, reference: &Reference, image: &Image) -> Option<String> {
        let mut nameless = image.layers.iter().filter(|layer| layer.descriptor.is_none() && layer.diff_id.is_some());
        nameless.clone().next()?;
        self.has_packed |= nameless.any(|layer| layer.compression != Compression::None);
        let place = format!("{}:{}", reference.transport().name(), reference.path().display());
        if !self.places.contains(&place) {
            self.places.push(place);
        }
        Some(self.note())
    }

    fn note(&self) -> String {
        let mut places = self.places.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        if self.places.len() > NAMED {
            places.push_str(&format!(" and {} more", self.places.len() - NAMED));
        }
        match self.has_packed {
            false => format!(
                "{places}: layers in docker's archives are not compressed, but in a registry they are: real pulls are \
                 smaller than the bytes told here"
            ),
            true => format!(
                "{places}: layers in docker's archives have no digests of blobs. They go by their DiffIDs here; a registry \
                 may have the same layer in another size"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_archives_are_named() {
        let mut nameless = Nameless::default();
        let told = |nameless: &Nameless| nameless.note().split_once(": layers").unwrap().0.to_owned();
        nameless.places = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(told(&nameless), "a, b, c");
        nameless.places.extend(["d", "e"].map(str::to_owned));
        assert_eq!(told(&nameless), "a, b, c and 2 more");
    }
}
