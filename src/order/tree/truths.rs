//! What podman 5.4.2 and 5.8.6 showed of such layers when they pulled and mounted them as root (Linux 6.18); nothing here
//! was worked out from the code. Rows about `user.overlay.*` are what podman 5.8.6 showed without root.

use super::tests::entry;
use super::{Shown, merge};
use crate::order::readings::{Readings, readings};
use crate::order::{Entry, Made, OverlayMark, Traits};
use crate::tar::EntryKind::{Char, Dir, HardLink, Regular, Symlink};

/// Of one letter and a path: `d` a directory with mode 0755 and root as owner, `p` one with another mode, `o` one that is
/// opaque by an attribute, `g` one with the setgid bit, `G` one with mode 2755 and root as owner, `f` a file, `l` a
/// symbolic link, `0` a device 0:0, `w` an empty file whose attribute says that it is a whiteout, and `h` a hard link to
/// the path behind `=`.
fn made(text: &str) -> Entry {
    let (letter, path) = text.split_at(1);
    let (path, target) = path.trim_start().split_once('=').unwrap_or((path.trim_start(), ""));
    let (kind, overlay) = match letter {
        "d" | "p" | "g" | "G" => (Dir, OverlayMark::None),
        "o" => (Dir, OverlayMark::Opaque),
        "l" => (Symlink, OverlayMark::None),
        "0" => (Char, OverlayMark::Whiteout),
        "w" => (Regular, OverlayMark::Whiteout),
        "h" => (HardLink, OverlayMark::None),
        _ => (Regular, OverlayMark::None),
    };
    let traits = match letter {
        "p" | "g" => Traits::from_digest([7; 32]),
        "G" => Traits::of_made(Made::Setgid),
        _ => Traits::of_made(Made::Plain),
    };
    Entry { overlay, traits, is_setgid: matches!(letter, "g" | "G"), ..entry(path, kind, target) }
}

fn layers(texts: &[&[&str]]) -> Vec<Vec<Entry>> {
    texts.iter().map(|layer| layer.iter().map(|text| made(text)).collect()).collect()
}

/// Paths with the layer of their entry; `-` where there is none that counts, and `s` where such a directory has the setgid
/// bit.
fn shown(texts: &[&[&str]]) -> String {
    let layers = layers(texts);
    let layers: Vec<&[Entry]> = layers.iter().map(Vec::as_slice).collect();
    let path = |(path, shown): &(crate::tar::TarPath, Shown)| {
        let layer = match shown {
            Shown::Entry(node) => node.inode.0.to_string(),
            Shown::Implied(Made::Plain) => "-".to_owned(),
            Shown::Implied(Made::Setgid) => "s".to_owned(),
        };
        format!("{path}@{layer}")
    };
    merge(&layers).iter().skip(1).map(path).collect::<Vec<_>>().join(" ")
}

fn read(texts: &[&[&str]]) -> Readings {
    let layers = layers(texts);
    let layers: Vec<&[Entry]> = layers.iter().map(Vec::as_slice).collect();
    readings(&layers)
}

#[test]
fn attributes_and_devices_of_overlayfs_are_obeyed() {
    let base: &[&str] = &["d d", "f d/low", "f d/s/t", "f k"];
    assert_eq!(shown(&[base, &["o d", "f d/up"]]), "/d@1 /d/up@1 /k@0");
    // In the lowest layer, and in the layer's own files, there is nothing to hide.
    assert_eq!(shown(&[&["o d", "f d/low", "f k"]]), "/d@0 /d/low@0 /k@0");
    assert_eq!(shown(&[&["d d", "f d/low", "f k"], &["d d", "w d/low"]]), "/d@1 /k@0");

    assert_eq!(shown(&[&["d a", "f a/f", "f k"], &["d a", "0 a/f"]]), "/a@1 /k@0");
    assert_eq!(shown(&[&["d a", "0 a/f", "f a/g"]]), "/a@0 /a/g@0");
    assert_eq!(shown(&[&["d a", "0 a/f", "f a/g"], &["d a", "f a/f"]]), "/a@1 /a/f@1 /a/g@0");
    let (dir, gone): (&[&str], &[&str]) = (&["d a", "d a/d", "f a/d/x"], &["0 a/d"]);
    assert_eq!(shown(&[dir, gone]), "/a@0");
    assert_eq!(shown(&[dir, gone, &["d a/d", "f a/d/y"]]), "/a@0 /a/d@2 /a/d/y@2");
    // Another name of the device is one as well.
    assert_eq!(shown(&[&["d a", "f a/f", "f a/g"], &["0 a/f", "h a/g=a/f"]]), "/a@0");
    assert_eq!(shown(&[&["f a/g"], &["h b=c", "h c=a/f", "0 a/f"], &["f k"]]), "/a@- /a/g@0 /k@2");
    assert_eq!(shown(&[&["f a/f"], &["0 a/b/c"]]), "/a@- /a/b@- /a/f@0");
}

#[test]
fn a_directory_without_an_entry_is_made_anew() {
    let base: &[&str] = &["p tmp", "d home", "p home/u", "p root", "f k"];
    assert_eq!(
        shown(&[base, &["f tmp/x", "f home/u/f"]]),
        "/home@0 /home/u@- /home/u/f@1 /k@0 /root@0 /tmp@- /tmp/x@1"
    );
    // Whiteouts are unpacked, too.
    let base: &[&str] = &["p tmp", "f tmp/x", "p o", "f o/p", "p w", "f w/z"];
    assert_eq!(shown(&[base, &["f tmp/.wh.x", "f o/.wh..wh..opq", "f w/.wh.nothing"]]), "/o@- /tmp@- /w@- /w/z@0");
    assert_eq!(shown(&[&["p d", "f d/a"], &["f z", "h d/q=z"]]), "/d@- /d/a@0 /d/q@1 /z@1");
    // The entry of a layer above counts again.
    assert_eq!(shown(&[&["p d"], &["f d/a"], &["p d"]]), "/d@2 /d/a@1");
    // Where a link was.
    assert_eq!(shown(&[&["p d", "f d/a", "l l"], &["f l/b"]]), "/d@0 /d/a@0 /l@- /l/b@1");
}

/// The same without root, and with docker's graph driver.
#[test]
fn a_directory_without_an_entry_takes_the_setgid_bit() {
    assert_eq!(shown(&[&["g s", "f s/d/f"]]), "/s@0 /s/d@s /s/d/f@0");
    assert_eq!(shown(&[&["g s", "f s/a/b/f", "d s/c/e"]]), "/s@0 /s/a@s /s/a/b@s /s/a/b/f@0 /s/c@s /s/c/e@0");
    // What was made before its directory had the bit does not get it.
    assert_eq!(shown(&[&["f s/d/f", "g s", "f s/d/g", "f s/e/f"]]), "/s@0 /s/d@- /s/d/f@0 /s/d/g@0 /s/e@s /s/e/f@0");
    assert_eq!(shown(&[&["f a/s/x/f", "g a/s", "f a/s/y/f"]]), "/a@- /a/s@0 /a/s/x@- /a/s/x/f@0 /a/s/y@s /a/s/y/f@0");
    // An entry has the last word, and what is below goes by that.
    assert_eq!(shown(&[&["g s", "d s/d", "f s/d/e/f"]]), "/s@0 /s/d@0 /s/d/e@- /s/d/e/f@0");
    assert_eq!(shown(&[&["g s", "f s/d/f", "p s/d"]]), "/s@0 /s/d@0 /s/d/f@0");
    // Other kinds of entries, and whiteouts.
    assert_eq!(shown(&[&["g s", "f z", "h s/d/h=z"]]), "/s@0 /s/d@s /s/d/h@0 /z@0");
    let base: &[&str] = &["d s", "p s/d", "f s/d/f"];
    for hides in ["f s/d/.wh.f", "f s/d/.wh..wh..opq", "0 s/d/f"] {
        assert_eq!(shown(&[base, &["g s", hides]]), "/s@1 /s/d@s", "{hides}");
    }
    assert_eq!(shown(&[&["g .", "f d/f"]]), "/d@s /d/f@0");
}

#[test]
fn the_bit_is_that_of_a_directory_in_the_same_layer() {
    assert_eq!(shown(&[&["g s"], &["f s/d/f"]]), "/s@- /s/d@- /s/d/f@1");
    assert_eq!(shown(&[&["g s", "f s/d/f"], &["d s", "f s/d/g"]]), "/s@1 /s/d@- /s/d/f@0 /s/d/g@1");
    assert_eq!(shown(&[&["g s", "f s/d/f"], &["f s/d/e/f"]]), "/s@- /s/d@- /s/d/e@- /s/d/e/f@1 /s/d/f@0");
    assert_eq!(shown(&[&["f s/d/f"], &["g s", "f s/d/g"]]), "/s@1 /s/d@s /s/d/f@0 /s/d/g@1");
    assert_eq!(shown(&[&["f s/d"], &["g s", "f s/d/f"]]), "/s@1 /s/d@s /s/d/f@1");
    // Where a lower layer has an entry that says the same, its time counts.
    assert_eq!(shown(&[&["d s", "d s/d"], &["g s", "f s/d/f"]]), "/s@1 /s/d@s /s/d/f@1");
    assert_eq!(shown(&[&["d s", "G s/d"], &["g s", "f s/d/f"]]), "/s@1 /s/d@0 /s/d/f@1");
    assert_eq!(shown(&[&["d s", "G s/d"], &["d s", "f s/d/f"]]), "/s@1 /s/d@- /s/d/f@1");
    assert_eq!(shown(&[&["g ."], &["f d/f"]]), "/d@- /d/f@1");
}

#[test]
fn a_directory_behind_its_whiteout_is_seen_through() {
    let base: &[&str] = &["p d", "f d/low"];
    assert_eq!(shown(&[base, &["f .wh.d", "d d", "f d/up"]]), "/d@1 /d/low@0 /d/up@1");
    assert_eq!(shown(&[base, &["f .wh.d", "d d"]]), "/d@1 /d/low@0");
    let deep: &[&str] = &["d d", "f d/low", "d d/e", "f d/e/low"];
    assert_eq!(shown(&[deep, &["f .wh.d", "d d", "d d/e", "f d/e/up"]]), "/d@1 /d/e@1 /d/e/low@0 /d/e/up@1 /d/low@0");
    assert_eq!(shown(&[base, &["f d/.wh.low", "f d/low"]]), "/d@- /d/low@1");
    assert_eq!(shown(&[base, &["f d/.wh.low", "d d/low", "f d/low/x"]]), "/d@- /d/low@1 /d/low/x@1");
    // podman refuses the other order, and a directory without an entry: the specification's reading is left.
    assert_eq!(shown(&[base, &["d d", "f d/up", "f .wh.d"]]), "/d@1 /d/up@1");
    assert_eq!(shown(&[base, &["f .wh.d", "f d/up"]]), "/d@- /d/up@1");
}

#[test]
fn an_opaque_root_hides_nothing() {
    let base: &[&str] = &["d d", "f d/low", "f k"];
    for opaque in ["f .wh..wh..opq", "o ."] {
        assert_eq!(shown(&[base, &[opaque, "f up"]]), "/d@0 /d/low@0 /k@0 /up@1", "{opaque}");
    }
    assert_eq!(shown(&[base, &["f d/.wh..wh..opq", "d d", "f d/up"]]), "/d@1 /d/up@1 /k@0");
}

#[test]
fn other_readings_are_told() {
    let paths = |paths: &[crate::tar::TarPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let base: &[&str] = &["p tmp", "d home", "p home/u", "f home/u/f", "f k"];
    let implied = read(&[base, &["f tmp/x", "f home/u/g", "f home/v"], &["f tmp/y"]]).implied;
    let implied: Vec<_> = implied.iter().map(|(path, place)| (path.to_string(), *place)).collect();
    assert_eq!(implied, [("/home/u".to_owned(), (0, 2)), ("/tmp".to_owned(), (0, 0))]);
    // Nobody copies from what is hidden.
    assert_eq!(read(&[base, &["f .wh.tmp"], &["f tmp/x"]]), Readings::default());
    assert_eq!(read(&[base, &["f tmp/x"], &["f .wh.tmp"], &["f tmp/x"]]), Readings::default());
    assert_eq!(read(&[base, &["f tmp/x"], &["p tmp"]]), Readings::default());

    // containerd takes the bit away.
    let setgid = |layers| paths(&read(layers).setgid);
    assert_eq!(setgid(&[&["g s", "f s/d/f", "f k/f"]]), "/s/d");
    assert_eq!(setgid(&[&["d s", "p s/d"], &["g s", "f s/d/f"]]), "/s/d");
    assert_eq!(read(&[&["g s", "d s/d", "f s/d/f"], &["g s", "f s/f"]]), Readings::default());

    let through = read(&[base, &["f .wh.home", "d home"], &["f .wh.none", "d none"]]);
    assert_eq!((paths(&through.seen_through), through.opaque_root), ("/home".to_owned(), false));
    assert!(read(&[base, &["f .wh..wh..opq"]]).opaque_root);
    assert_eq!(read(&[&["f .wh..wh..opq"], base]), Readings::default());

    let marked = read(&[base, &["o home", "d none", "0 k", "0 none/x", "o tmp"]]);
    assert_eq!(paths(&marked.marked), "/home /k");
    assert_eq!(read(&[&["o home", "f home/f", "0 k"]]), Readings::default());
}
