//! A layer's index under a name that podman does not know: it pulls such a layer whole, and restrata still finds the index.

use super::Descriptor;
use super::marks::INDEX;
use crate::toc::{ESTARGZ_TOC_DIGEST, TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION};

const SHOWN: [&str; 3] = [TOC_DIGEST, TOC_POSITION, TAR_SPLIT_POSITION];

impl Descriptor {
    /// Without podman's annotations of the index. One without an index stays as it is.
    pub fn with_hidden_index(mut self) -> Self {
        let values: Option<Vec<&str>> = SHOWN.iter().map(|key| self.annotation(key)).collect();
        if let Some(values) = values {
            let value = values.join(" ");
            SHOWN.iter().for_each(|key| self.remove_annotation(key));
            self.set_annotation(INDEX, &value);
        }
        self
    }

    /// With podman's annotations alone.
    pub fn with_shown_index(mut self) -> Self {
        self.remove_annotation(INDEX);
        self
    }

    /// With podman's annotations, too, for who reads the index. What they say is as little proven as it is anywhere.
    pub(crate) fn with_found_index(mut self) -> Self {
        let is_shown = SHOWN.iter().chain([&ESTARGZ_TOC_DIGEST]).any(|key| self.annotation(key).is_some());
        let hidden = self.annotation(INDEX).unwrap_or_default().to_owned();
        let values: Vec<&str> = hidden.split(' ').collect();
        match (is_shown, values.len() == SHOWN.len()) {
            (false, true) => SHOWN.iter().zip(values).for_each(|(key, value)| self.set_annotation(key, value)),
            // What clients see counts.
            _ => self.remove_annotation(INDEX),
        }
        self
    }

    /// True for a layer whose index clients do not find.
    pub fn hides_index(&self) -> bool {
        self.annotation(INDEX).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    fn layer(annotations: &[(&str, &str)]) -> Descriptor {
        let mut layer = Descriptor::new("application/x", BlobDigest::from_bytes([1; 32]), 9);
        annotations.iter().for_each(|(key, value)| layer.set_annotation(key, value));
        layer
    }

    #[test]
    fn what_is_hidden_is_found() {
        let shown =
            layer(&[("a", "b"), (TOC_DIGEST, "sha256:1"), (TOC_POSITION, "1:2:3:1"), (TAR_SPLIT_POSITION, "4:5:6")]);
        let hidden = shown.clone().with_hidden_index();
        let annotations = serde_json::json!({"a": "b", INDEX: "sha256:1 1:2:3:1 4:5:6"});
        assert_eq!(hidden.to_value()["annotations"], annotations);
        let found = hidden.with_found_index();
        assert!(found.hides_index() && !shown.hides_index());
        assert_eq!(found.clone().with_shown_index(), shown);
        assert_eq!(found.clone().with_hidden_index().to_value()["annotations"], annotations);
        assert_eq!(shown.clone().with_found_index(), shown);
        let plain = layer(&[("a", "b")]);
        assert_eq!(plain.clone().with_hidden_index(), plain);
    }

    #[test]
    fn what_clients_see_counts() {
        for (key, value) in [(TOC_DIGEST, "x"), (TOC_POSITION, "x"), (ESTARGZ_TOC_DIGEST, "x")] {
            let found = layer(&[(key, value), (INDEX, "1 2 3")]).with_found_index();
            assert_eq!(found, layer(&[(key, value)]), "{key}");
        }
        for value in ["", "1", "1 2", "1 2 3 4"] {
            assert_eq!(layer(&[("a", "b"), (INDEX, value)]).with_found_index(), layer(&[("a", "b")]), "{value:?}");
        }
    }
}
