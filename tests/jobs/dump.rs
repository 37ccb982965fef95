//! The merged tree as text.

use restrata::dump::{Format, dump};
use restrata::job::JobOptions;
use restrata::progress::Progress;
use tempfile::TempDir;

use super::image::{file, platforms};

#[test]
fn one_image_is_dumped() {
    let dir = TempDir::new().unwrap();
    let [amd, arm] = ["linux/amd64", "linux/arm64"].map(|name| name.parse().unwrap());
    // The upper layer hides a file and has another one with the content of a third.
    let layers = [vec![file("a", b"1"), file("b", b"22")], vec![file(".wh.a", b""), file("c", &[b'3'; 65])]];
    let image = platforms(dir.path(), "two", &[(amd, &layers), (arm, &layers[..1])]);
    let lines = |platform: Option<&str>, format| {
        let mut out = Vec::new();
        let (options, platform) =
            (JobOptions::new(2, std::env::temp_dir()), platform.map(|name| name.parse().unwrap()));
        let dumped = dump(
            &image.parse().unwrap(),
            platform.as_ref(),
            format,
            &options,
            &Progress::new(),
            &mut Vec::new(),
            &mut out,
        );
        dumped.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
    };
    let first = |format| {
        let words = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        lines(Some("linux/amd64"), format).unwrap().lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(first(Format::Composefs), ["/", "/b", "/c"]);
    assert_eq!(first(Format::Mtree), ["#mtree", ".", "./b", "./c"]);
    let arm = lines(Some("linux/arm64"), Format::Composefs).unwrap();
    assert!(arm.contains("\n/a 1 ") && arm.contains(" - 22 -\n"), "{arm}");
    let error = lines(None, Format::Mtree).unwrap_err();
    assert_eq!(
        error,
        format!("{image}: expected one image, found images for linux/amd64, linux/arm64; name one (--platform)")
    );
}
