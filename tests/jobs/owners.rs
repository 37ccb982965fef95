//! Package databases outside of /var: layers are split as if they were there.

use std::sync::Arc;

use restrata::diff::{Choice, Mostly, Request as DiffRequest, diff};
use restrata::job::JobOptions;
use restrata::owner::Named;
use restrata::progress::Progress;
use restrata::rechunk::{Request, rechunk};
use restrata::tar::EntryKind::Symlink;
use tempfile::TempDir;

use super::image::{Entry, file, link, noise, options, plain};

const PACKAGES: [&str; 3] = ["bash", "glibc", "perl"];

/// Files of packages, 1.2 MB each, in directories that they share.
fn files() -> Vec<Entry> {
    let content = noise(PACKAGES.len() * 1_200_000);
    let parts = content.chunks(600_000).enumerate();
    parts.map(|(n, part)| file(&format!("usr/{}/{}-{n}", ["bin", "lib"][n % 2], PACKAGES[n / 2]), part)).collect()
}

fn listed(package: &str) -> impl Iterator<Item = String> {
    files()
        .into_iter()
        .map(|(header, _)| String::from_utf8(header.name).unwrap())
        .filter(move |at| at.contains(package))
}

fn dpkg(home: &str) -> Vec<Entry> {
    let mut status = String::new();
    let mut entries = Vec::new();
    for package in PACKAGES {
        status += &format!("Package: {package}\nStatus: install ok installed\n\n");
        let list: String = listed(package).map(|path| format!("/{path}\n")).collect();
        entries.push(file(&format!("{home}/info/{package}.list"), list.as_bytes()));
    }
    entries.push(file(&format!("{home}/status"), status.as_bytes()));
    entries
}

fn pacman(home: &str) -> Vec<Entry> {
    let package = |name: &str| {
        let files: String = listed(name).map(|path| path + "\n").collect();
        let file = |of: &str, content: String| file(&format!("{home}/local/{name}-1-1/{of}"), content.as_bytes());
        [file("desc", format!("%NAME%\n{name}\n")), file("files", format!("%FILES%\n{files}"))]
    };
    PACKAGES.into_iter().flat_map(package).collect()
}

/// The owners of each layer that has some, and those that `diff` tells of a change in all files.
fn owners(database: Vec<Entry>) -> (Vec<Vec<String>>, Vec<String>) {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "new", &[files().into_iter().chain(database).collect()]);
    let empty = plain(dir.path(), "empty", &[vec![file("a", b"a")]]);
    let dest = format!("oci:{}:v1", dir.path().join("out").display());
    let request = Request::new(new.parse().unwrap(), dest.parse().unwrap(), options());
    let outcome = rechunk(&request, &Progress::new()).unwrap();
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    let layers = outcome.images[0].layers.iter().map(|layer| layer.planned.owners.clone());
    // The link and pacman's configuration are nobody's.
    let layers = layers.filter(|owners| !owners.is_empty());
    let request = DiffRequest {
        olds: vec![empty.parse().unwrap()],
        new: dest.parse().unwrap(),
        platform: None,
        choice: Choice::default(),
        resources: options(),
    };
    let told = diff(&request, &Progress::new()).unwrap().diffs.remove(0).owner_names;
    (layers.collect(), told)
}

#[test]
fn a_database_elsewhere_splits_layers_as_one_in_var() {
    let (layers, told) = owners(dpkg("var/lib/dpkg"));
    assert!(PACKAGES.iter().all(|name| layers.contains(&vec![format!("dpkg:{name}")])), "{layers:?}");
    assert!(PACKAGES.iter().all(|name| told.contains(&format!("dpkg:{name}"))), "{told:?}");
    for home in ["usr/lib/sysimage/dpkg", "usr/share/dpkg/database", "opt/state/packages"] {
        let mut database = dpkg(home);
        database.push(link("var/lib/dpkg", Symlink, &format!("../../{home}")));
        assert_eq!(owners(database).0, layers, "{home}");
        let (without_link, also_told) = owners(dpkg(home));
        assert_eq!(without_link, layers, "{home}");
        assert!(told.iter().all(|owner| also_told.contains(owner)), "{also_told:?}");
    }
}

#[test]
fn pacmans_database_is_where_its_configuration_says() {
    let (layers, _) = owners(pacman("var/lib/pacman"));
    assert!(PACKAGES.iter().all(|name| layers.contains(&vec![format!("alpm:{name}")])), "{layers:?}");
    for home in ["usr/lib/sysimage/lib/pacman", "opt/db"] {
        let mut database = pacman(home);
        database.push(file("etc/pacman.conf", format!("[options]\nDBPath = /{home}/\n").as_bytes()));
        assert_eq!(owners(database).0, layers, "{home}");
    }
}

/// An application that no package owns is named, and by its bytes before a package that is beside it in the layer.
#[test]
fn files_of_no_package_are_an_owner_by_bytes() {
    let dir = TempDir::new().unwrap();
    let mut entries = dpkg("var/lib/dpkg");
    entries.push(file("usr/bin/bash-0", &noise(5_000)));
    let old = plain(dir.path(), "old", &[entries.clone()]);
    entries.push(file("usr/bin/perl-4", &noise(9_000)[4_000..]));
    entries.push(file("opt/app/models/a", &noise(40_000)[10_000..]));
    entries.push(file("opt/app/b", &noise(41_000)[40_000..]));
    let new = plain(dir.path(), "new", &[entries]);
    let dest = |tag: &str| format!("oci:{}:{tag}", dir.path().join("out").display());
    let run = |new: &str, tag: &str, change: &dyn Fn(&mut Request)| {
        let mut request = Request::new(new.parse().unwrap(), dest(tag).parse().unwrap(), options());
        change(&mut request);
        rechunk(&request, &Progress::new()).unwrap()
    };
    run(&old, "v1", &|_| ());
    let update = run(&new, "v2", &|request| request.previous.push(dest("v1").parse().unwrap()));
    let layers = &update.images[0].layers;
    let layer = layers.iter().find(|layer| layer.planned.owners == ["dpkg:perl"]).unwrap();
    let unowned = layer.planned.unowned.as_ref().unwrap();
    assert_eq!((unowned.dir.to_string().as_str(), unowned.rank), ("/opt/app", 0));
    assert!(unowned.bytes > 31_000 && unowned.bytes < 32_000, "{unowned:?}");
    // The page says the same, since that is more than half.
    let request = DiffRequest {
        olds: vec![dest("v1").parse().unwrap()],
        new: dest("v2").parse().unwrap(),
        platform: None,
        choice: Choice::default(),
        resources: options(),
    };
    let told = diff(&request, &Progress::new()).unwrap();
    let at = layers.iter().position(|other| other.digest == layer.digest).unwrap();
    assert_eq!(told.layers[at].mostly, Some(Mostly::NoPackage(unowned.dir.clone())));
}

/// The user's file goes before package databases and before what paths say of caches.
#[test]
fn the_users_word_goes_first() {
    let dir = TempDir::new().unwrap();
    let mut entries = dpkg("var/lib/dpkg");
    entries.extend(files());
    entries.push(file("var/cache/app/index", &noise(800_000)[50_000..]));
    let new = plain(dir.path(), "new", &[entries]);
    let empty = plain(dir.path(), "empty", &[vec![file("a", b"a")]]);
    let text = "usr/*/perl-* language\n/usr/lib/perl-5 last\nvar/cache/app app\nno/where typo\n\
        /var/lib/dpkg/info/perl.* language\n";
    let resources = JobOptions { named: Arc::new(Named::parse(text.as_bytes()).unwrap()), ..options() };
    let dest = format!("oci:{}:v1", dir.path().join("out").display());
    let request = Request::new(new.parse().unwrap(), dest.parse().unwrap(), resources.clone());
    let outcome = rechunk(&request, &Progress::new()).unwrap();
    assert_eq!(outcome.notes, ["--owners: no file in the image belongs to typo; check the globs"]);
    assert_eq!(outcome.degraded, []);
    let layers: Vec<Vec<String>> = outcome.images[0].layers.iter().map(|layer| layer.planned.owners.clone()).collect();
    for owner in ["user:language", "user:last", "user:app", "dpkg:bash", "dpkg:glibc"] {
        assert!(layers.contains(&vec![owner.to_owned()]), "{owner}: {layers:?}");
    }
    assert!(!layers.concat().contains(&"dpkg:perl".to_owned()), "{layers:?}");
    let request = DiffRequest {
        olds: vec![empty.parse().unwrap()],
        new: dest.parse().unwrap(),
        platform: None,
        choice: Choice::default(),
        resources,
    };
    let told = diff(&request, &Progress::new()).unwrap().diffs.remove(0).owner_names;
    assert!(told.contains(&"user:language".to_owned()) && !told.contains(&"dpkg:perl".to_owned()), "{told:?}");
}
