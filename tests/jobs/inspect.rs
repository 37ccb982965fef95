use restrata::compression::Compression;
use restrata::inspect::InspectedLayer;
use restrata::oci::Reference;
use restrata::pack::IndexPlace;
use tempfile::TempDir;

use super::image::{chunked, file, inspected, noise, plain, sample};

#[test]
fn tells_what_tocs_tell() {
    let dir = TempDir::new().unwrap();
    let plain =
        plain(dir.path(), "a", &[sample(), vec![file("big", &noise(100_000)), file("usr/share/zeros", b"now small")]]);
    for (place, index) in [(IndexPlace::First, "first"), (IndexPlace::End, "end")] {
        let image = inspected(&chunked(dir.path(), &plain, place).parse().unwrap()).unwrap().images.remove(0);
        assert!(image.layers.iter().all(|layer| layer.index == index && layer.index_bytes > 200), "{image:#?}");
        assert_eq!(image.layers[0].entries, Some(15));
        assert_eq!(image.layers[0].content_bytes, Some(3000 + 5 + 70_000 + 100_000 + 9));
        let biggest: Vec<_> = image.biggest.iter().map(|file| (file.path.as_str(), file.layer, file.size)).collect();
        assert_eq!((biggest[0], biggest[2]), (("/big", 0, 100_000), ("/usr/bin/alias", 0, 3000)));
        assert!(biggest.contains(&("/usr/share/zeros", 0, 9)) && biggest.len() == 5, "{biggest:?}");
        assert!((100_000..101_000).contains(&image.biggest[0].compressed));
    }
}

#[test]
fn a_damaged_layer_is_named_once() {
    let dir = TempDir::new().unwrap();
    let reference = chunked(dir.path(), &plain(dir.path(), "a", &[sample()]), IndexPlace::First);
    let reference: Reference = reference.parse().unwrap();
    let digest = inspected(&reference).unwrap().images[0].layers[0].digest.unwrap();
    std::fs::remove_file(reference.path().join("blobs/sha256").join(digest.hex())).unwrap();
    let message = inspected(&reference).unwrap_err().to_string();
    assert!(message.ends_with(&format!("layer {digest}: the blob is missing")), "{message}");
    assert_eq!(message.matches(&digest.hex()).count(), 1, "{message}");
}

#[test]
fn other_layers_are_unknown() {
    let dir = TempDir::new().unwrap();
    let image = inspected(&plain(dir.path(), "a", &[sample()]).parse().unwrap()).unwrap().images.remove(0);
    let layer = &image.layers[0];
    assert_eq!((layer.index.as_str(), layer.entries, layer.content_bytes, layer.chunks), ("none", None, None, None));
    assert!(layer.size > Some(100_000) && image.biggest.is_empty());
    assert_eq!((layer.media_type.as_str(), layer.compression), (Compression::None.media_type(), Compression::None));
}

#[test]
fn the_layer_of_what_changes_with_every_version_is_known_by_its_paths() {
    let dir = TempDir::new().unwrap();
    let files = vec![file("usr/bin/x", &noise(50_000)), file("var/lib/dpkg/status", &noise(60_000))];
    let plain = plain(dir.path(), "a", &[files]);
    let layers = |reference: &str| inspected(&reference.parse().unwrap()).unwrap().images.remove(0).layers;
    let told = |layers: Vec<InspectedLayer>| layers.iter().map(|it| (it.form(), it.changes_always)).collect::<Vec<_>>();
    assert_eq!(told(layers(&plain)), [("tar", false)], "nothing is known without an index");
    let chunked = chunked(dir.path(), &plain, IndexPlace::First);
    assert_eq!(told(layers(&chunked)), [("zstd:chunked", false), ("zstd:chunked", true)]);
}
