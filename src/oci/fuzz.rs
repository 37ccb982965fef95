//! Bodies of the fuzz targets: no bytes make a parser panic, and what is written is read again as the same.

use super::{Config, Document, Index, Manifest, json_values, layer_compression, may_be_manifest};

pub fn fuzz_manifest(data: &[u8]) {
    let Ok(Document::Manifest(manifest)) = Document::parse(data, "", "m") else { return };
    assert_eq!(again(&manifest.to_bytes()), manifest);
    let _ = (manifest.check_is_image("m"), manifest.config().platform());
    let digests = |manifest: &Manifest| manifest.layers().iter().map(|layer| layer.digest).collect::<Vec<_>>();
    for layer in manifest.layers() {
        let _ = (layer_compression(layer), layer.annotation("a"));
    }
    let mut oci = manifest.to_oci_with(manifest.layers().to_vec(), manifest.config().clone());
    oci.set_annotation("a", "b");
    let read = again(&oci.to_bytes());
    assert_eq!((digests(&read), read.annotation("a")), (digests(&manifest), Some("b")));
}

fn again(bytes: &[u8]) -> Manifest {
    match Document::parse(bytes, "", "m").expect("what was written is valid") {
        Document::Manifest(manifest) => manifest,
        Document::Index(_) => panic!("a manifest became an index"),
    }
}

pub fn fuzz_index(data: &[u8]) {
    let Ok(index) = Index::parse(data, "i") else { return };
    let entries: Vec<_> = index.manifests().collect();
    assert!(json_values(data) > entries.len());
    for entry in &entries {
        let _ = (entry.name(), entry.tag(), entry.platform(), may_be_manifest(entry.media_type()));
    }
    let read = Index::parse(&index.to_bytes(), "i").expect("what was written is valid");
    assert_eq!(read, index);
    let Some(descriptor) = entries.iter().find_map(|entry| entry.descriptor("i").ok()) else { return };
    let mut tagged = index.clone();
    tagged.replace_tag(descriptor.clone(), Some("a tag"));
    assert_eq!(tagged.tagged(Some("a tag")).len(), 1);
    let others = |index: &Index| index.manifests().filter(|entry| entry.tag() != Some("a tag")).count();
    assert_eq!(others(&tagged), others(&index));
}

pub fn fuzz_config(data: &[u8]) {
    let Ok(config) = Config::parse(data, "c") else { return };
    assert_eq!(Config::parse(&config.to_bytes(), "c").expect("what was written is valid"), config);
    let _ = (config.platform(), config.label("a"), config.history().len());
    let layers: Vec<_> = config.diff_ids().iter().map(|id| (*id, "kept".to_owned())).collect();
    let edited = config.with_layers(&layers).with_labels(&[("a".to_owned(), Some("b".to_owned()))]);
    let read = Config::parse(&edited.to_bytes(), "c").expect("what was written is valid");
    assert_eq!((read.diff_ids(), read.label("a")), (config.diff_ids(), Some("b")));
    // Without the history of an earlier run, so that a second run changes nothing.
    assert_eq!(read.with_layers(&layers), read);
}
