//! What package managers of languages leave in an image, as the real tools wrote it.

use std::collections::BTreeMap;

use restrata::owner::{Depth, Owners, Wanted, is_evidence, wanted};
use restrata::tar::TarPath;

use super::{owner, path};

/// Reads the evidence of a tree as a job does. What has no content here is empty.
fn read(paths: &[&str], contents: &[(&str, &str)]) -> Owners {
    let all: BTreeMap<TarPath, &str> = paths.iter().map(|at| (path(at), *at)).collect();
    let content = |at: &str| contents.iter().find(|(end, _)| at.ends_with(end)).map_or("", |(_, content)| *content);
    let files: Vec<(&TarPath, &str)> = all
        .iter()
        .filter(|(path, _)| is_evidence(path))
        .filter_map(|(path, at)| match wanted(path, Depth::Owners, |other| all.contains_key(other)) {
            Wanted::Content => Some((path, content(at))),
            Wanted::Name => Some((path, "")),
            Wanted::Nothing => None,
        })
        .collect();
    let (owners, warnings) = Owners::read(files.iter().map(|(path, content)| (*path, content.as_bytes())));
    assert_eq!(warnings, []);
    owners
}

/// Installed by pip 23.2 from wheels: each path with the distribution whose RECORD has it.
const SITE: &str = include_str!("site-packages.txt");

const TOP_LEVELS: [(&str, &str); 3] = [
    ("PyYAML-6.0.2.dist-info/top_level.txt", "_yaml\nyaml\n"),
    ("certifi-2026.10.19.post1.dist-info/top_level.txt", "certifi\n"),
    ("charset_normalizer-3.5.3.dist-info/top_level.txt", "charset_normalizer\n"),
];

#[test]
fn distributions_without_their_records() {
    let expected: Vec<(&str, &str)> = SITE.lines().filter_map(|line| line.split_once(' ')).collect();
    let paths: Vec<&str> = expected.iter().map(|(_, at)| *at).filter(|at| !at.ends_with("/RECORD")).collect();
    let owners = read(&paths, &TOP_LEVELS);
    let mut missed = Vec::new();
    for (name, at) in expected {
        match owner(&owners, at) {
            found if found == name => {}
            found => missed.push(format!("{at}: {found}")),
        }
    }
    // Scripts stand nowhere but in a RECORD. `dateutil` is not called as its distribution is.
    missed.retain(|at| !at.starts_with("usr/bin/") && !at.contains("/dateutil/"));
    assert_eq!(missed, [""; 0]);
    let site = "usr/lib/python3.11/site-packages";
    for (at, expected) in [
        ("yaml/__pycache__/loader.cpython-311.pyc", "python:pyyaml"),
        ("yaml", "python:pyyaml"),
        ("yaml.py", "python:pyyaml"),
        ("yaml-more/x", "-"),
        ("other.py", "-"),
        ("__pycache__/other.cpython-311.pyc", "-"),
    ] {
        assert_eq!(owner(&owners, &format!("{site}/{at}")), expected, "{at}");
    }
}

#[test]
fn a_record_says_more() {
    let dist = "opt/site/six-1.17.0.dist-info";
    let [record, metadata, top] = ["RECORD", "METADATA", "top_level.txt"].map(|name| format!("{dist}/{name}"));
    let paths = [record.as_str(), &metadata, &top, "opt/site/six.py", "opt/site/six/more.py"];
    let there = |other: &TarPath| paths.contains(&other.to_string().trim_start_matches('/'));
    assert_eq!(wanted(&path(&top), Depth::Owners, there), Wanted::Nothing, "it costs no request");
    assert_eq!(wanted(&path(&top), Depth::Owners, |_| false), Wanted::Content);
    assert_eq!(wanted(&path(&record), Depth::Owners, there), Wanted::Content);
    let listed = "six.py,,\nsix-1.17.0.dist-info/METADATA,,\n";
    let owners = read(&paths, &[("/RECORD", listed), ("/top_level.txt", "six\n")]);
    assert_eq!(owner(&owners, "opt/site/six.py"), "python:six");
    assert_eq!(owner(&owners, "opt/site/six/more.py"), "-");
}

/// `setup.py install` of setuptools 65, of distutils, and an egg.
#[test]
fn eggs() {
    let site = "usr/lib/python3.11/site-packages";
    let at = |name: &str| format!("{site}/{name}");
    let paths = [
        "Old_Style-1.5-py3.11.egg-info/PKG-INFO",
        "Old_Style-1.5-py3.11.egg-info/SOURCES.txt",
        "Old_Style-1.5-py3.11.egg-info/top_level.txt",
        "oldpkg/__init__.py",
        "oldpkg/core.py",
        "lonely.py",
        "older-0.1.egg-info",
        "listed-2.0-py3.11.egg-info/PKG-INFO",
        "listed-2.0-py3.11.egg-info/installed-files.txt",
        "zipped-3.0-py3.11.egg/EGG-INFO/PKG-INFO",
        // Of a checkout, and not installed.
        "src.egg-info/PKG-INFO",
    ]
    .map(at);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let contents = [
        ("Old_Style-1.5-py3.11.egg-info/top_level.txt", "lonely\noldpkg\n\n../../../etc\n..\n"),
        ("installed-files.txt", "../listed/a.py\n../../../../bin/listed\nPKG-INFO\n"),
    ];
    let owners = read(&paths, &contents);
    for (name, expected) in [
        ("oldpkg/core.py", "python:old-style"),
        ("lonely.py", "python:old-style"),
        ("lonely.cpython-311-x86_64-linux-gnu.so", "python:old-style"),
        ("__pycache__/lonely.cpython-311.opt-1.pyc", "python:old-style"),
        ("Old_Style-1.5-py3.11.egg-info/SOURCES.txt", "python:old-style"),
        ("older.py", "python:older"),
        ("older-0.1.egg-info", "python:older"),
        ("listed/a.py", "python:listed"),
        ("listed/b.py", "-"),
        ("../../../bin/listed", "python:listed"),
        ("zipped-3.0-py3.11.egg/zipped/deep/x.py", "python:zipped"),
        ("src.egg-info/PKG-INFO", "-"),
        ("src/x.py", "-"),
    ] {
        let at = at(name).replace("lib/python3.11/site-packages/../../../", "");
        assert_eq!(owner(&owners, &at), expected, "{name}");
    }
    assert_eq!(owner(&owners, "etc/passwd"), "-");
}

/// Debian's packages have no RECORD, and know their files themselves.
#[test]
fn a_distributions_package_is_no_language_package() {
    let (meta, gem) =
        ("usr/lib/python3/dist-packages/six-1.17.egg-info/PKG-INFO", "var/lib/gems/specifications/a-1.gemspec");
    let list = "/usr/lib/python3/dist-packages/six-1.17.egg-info/PKG-INFO\n/usr/lib/python3/dist-packages/six.py\n\
                /var/lib/gems/specifications/a-1.gemspec\n/var/lib/gems/gems/a-1/lib/a.rb\n";
    let owners = read(&[meta, gem, "var/lib/dpkg/info/six.list"], &[("six.list", list)]);
    for (at, expected) in [
        ("usr/lib/python3/dist-packages/six.py", "dpkg:six"),
        ("usr/lib/python3/dist-packages/six/local.py", "-"),
        ("var/lib/gems/gems/a-1/lib/a.rb", "dpkg:six"),
        ("var/lib/gems/gems/a-1/lib/local.rb", "-"),
    ] {
        assert_eq!(owner(&owners, at), expected, "{at}");
    }
}

#[test]
fn several_distributions_share_a_name() {
    let paths = ["a", "b"].map(|name| format!("s/google_{name}-1.dist-info/"));
    let paths: Vec<String> =
        paths.iter().flat_map(|dist| ["METADATA", "top_level.txt"].map(|f| format!("{dist}{f}"))).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let owners = read(&paths, &[("top_level.txt", "google\n")]);
    assert_eq!(owner(&owners, "s/google/a.py"), "-");
    assert_eq!(owner(&owners, "s/google_a-1.dist-info/METADATA"), "python:google-a");
}

/// Installed by RubyGems 3.6.
const GEMS: &str = "\
gem:native-thing cache/native-thing-0.3.1.rc2.gem
gem:pure-thing cache/pure-thing-1.2.0.gem
gem:native-thing extensions/x86_64-linux-gnu/3.3.0/native-thing-0.3.1.rc2/gem.build_complete
gem:native-thing extensions/x86_64-linux-gnu/3.3.0/native-thing-0.3.1.rc2/gem_make.out
gem:native-thing extensions/x86_64-linux-gnu/3.3.0/native-thing-0.3.1.rc2/native/native.so
gem:native-thing gems/native-thing-0.3.1.rc2/ext/native/Makefile
gem:native-thing gems/native-thing-0.3.1.rc2/lib/native/native.so
gem:pure-thing gems/pure-thing-1.2.0/lib/pure.rb
gem:native-thing specifications/native-thing-0.3.1.rc2.gemspec
gem:pure-thing specifications/pure-thing-1.2.0.gemspec
- gems/gone-1.0/lib/gone.rb
- gems/pure-thing-1.2.0.bak/lib/pure.rb
- specifications/default/json-2.9.1.gemspec
- gems
";

#[test]
fn gems() {
    for home in ["", "var/lib/gems/3.3.0/", "usr/local/bundle/"] {
        let expected: Vec<(&str, String)> = GEMS
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, at)| (name, format!("{home}{at}")))
            .collect();
        let paths: Vec<&str> = expected.iter().map(|(_, at)| at.as_str()).collect();
        let owners = read(&paths, &[]);
        for (name, at) in &expected {
            assert_eq!(owner(&owners, at), *name, "{at}");
        }
    }
}

#[test]
fn conda_packages() {
    let meta = |package: &str| format!("opt/conda/conda-meta/{package}.json");
    let python = meta("python-3.13.1-ha99a958_102_cp313");
    let (libgcc, broken) = (meta("libgcc-ng-14.2.0-h69a702a_1"), meta("broken-1-0"));
    let json = r#"{"build": "ha99a958_102_cp313", "build_number": 102, "depends": ["bzip2 >=1.0.8,<2.0a0"],
        "files": ["bin/python3.13", "lib/python3.13/os.py", "lib/python3.13/site-packages/README.txt", "lib/both"],
        "name": "python", "paths_data": {"paths": [{"_path": "bin/no", "size_in_bytes": 1e400}], "paths_version": 1}}"#;
    let other = r#"{"files": ["lib/libgcc_s.so.1", "lib/both"], "name": "libgcc-ng"}"#;
    let record = "opt/conda/lib/python3.13/site-packages/pip-25.dist-info/RECORD";
    let evidence = [
        (python.as_str(), json),
        (&libgcc, other),
        // conda's word goes before Python's.
        (record, "pip/__init__.py,,\nREADME.txt,,\n"),
        ("var/lib/dpkg/info/a.list", "/opt/conda/lib/libgcc_s.so.1\n"),
    ];
    let read = |files: &[(&str, &str)]| {
        let files: Vec<(TarPath, &str)> = files.iter().map(|(at, content)| (path(at), *content)).collect();
        assert!(files.iter().all(|(path, _)| is_evidence(path)), "{files:?}");
        let (owners, warnings) = Owners::read(files.iter().map(|(path, content)| (path, content.as_bytes())));
        (owners, warnings.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let (owners, warnings) = read(&evidence);
    assert!(warnings.is_empty(), "{warnings:?}");
    for (at, expected) in [
        ("opt/conda/bin/python3.13", "conda:python"),
        ("opt/conda/lib/python3.13/__pycache__/os.cpython-313.pyc", "conda:python"),
        ("opt/conda/lib/python3.13/site-packages/README.txt", "conda:python"),
        ("opt/conda/lib/python3.13/site-packages/pip/__init__.py", "python:pip"),
        ("opt/conda/lib/libgcc_s.so.1", "dpkg:a"),
        ("opt/conda/lib/both", "-"),
        ("opt/conda/bin/no", "-"),
        (&libgcc, "conda:libgcc-ng"),
        ("bin/python3.13", "-"),
    ] {
        assert_eq!(owner(&owners, at), expected, "{at}");
    }
    for bad in ["", "{}", "[", r#"{"files": ["/opt/x", 1]}"#, r#"{"files": {"a": "b"}}"#, r#"{"files": ["/opt/x"]}}"#] {
        let (owners, warnings) = read(&[(&broken, bad), (&meta("more-1-0"), bad), (&python, json)]);
        let says = format!("/{broken}: not read, as in 1 more files of package databases: expected JSON with a list");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&says), "{warnings:?}");
        assert_eq!(owner(&owners, "opt/conda/opt/x"), "-");
        assert_eq!(owner(&owners, "opt/conda/bin/python3.13"), "conda:python");
    }
}
