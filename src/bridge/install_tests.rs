use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::bridge::Listen;

fn config(host: &str) -> ClientConfig {
    ClientConfig::new(&Listen::default(), &[host.to_owned()], None).unwrap()
}

/// All files below, with their text.
fn below(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false => found.push((path.strip_prefix(dir).unwrap().to_owned(), fs::read_to_string(path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn files_are_written_whole_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("home/containers");
    for host in ["ghcr.io", "quay.io"] {
        let installed = install(&at, &config(host)).unwrap();
        assert_eq!(installed.storage, Storage::Absent);
        let expected = [
            ("registries.conf.d/60-restrata-bridge.conf", config(host).registries()),
            ("storage.conf.d/60-restrata-bridge.conf", ClientConfig::storage()),
        ];
        assert_eq!(below(&at), expected.map(|(path, text)| (PathBuf::from(path), text)));
        for file in &installed.files {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644);
            assert!(installed.to_string().contains(&format!("written: {}\n", file.display())));
        }
        let remove = installed.to_string().lines().last().unwrap().to_owned();
        let files = installed.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(remove, format!("To remove the bridge: rm {files}"));
    }
}

#[test]
fn another_entry_for_the_registry_stays_in_force() {
    for (name, text, is_taken) in [
        ("registries.conf", "[[registry]]\nlocation = 'ghcr.io'\nblocked = true\n", true),
        ("registries.conf.d/50-mine.conf", "[[registry]]\nprefix = 'ghcr.io'\nlocation = 'a.io'\n", true),
        ("registries.conf.d/70-mine.conf", "[[registry]]\nlocation = 'ghcr.io'\n", true),
        ("registries.conf.d/70-mine.conf", "[[registry]]\nlocation = 'ghcr.io/team'\n", false),
        ("registries.conf.d/70-mine.conf", "[[registry]]\nprefix = 'a.io'\nlocation = 'ghcr.io'\n", false),
        ("registries.conf.d/notes", "[[registry]]\nlocation = 'ghcr.io'\n", false),
        ("registries.conf.d/broken.conf", "[[registry", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let found = install(dir.path(), &config("ghcr.io"));
        assert_eq!(found.is_err(), is_taken, "{name}: {text}");
        if let Err(error) = found {
            let says = format!("{path:?}: it has an entry for ghcr.io already");
            assert!(error.to_string().starts_with(&says), "{error}");
            assert_eq!(below(dir.path()).len(), 1);
        }
    }
}

#[test]
fn what_is_not_its_own_stays() {
    for name in ["registries.conf.d/60-restrata-bridge.conf", "storage.conf.d/60-restrata-bridge.conf"] {
        for kind in ["file", "empty", "link", "directory"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match kind {
                "file" => fs::write(&path, "# mine\n").unwrap(),
                "empty" => fs::write(&path, "").unwrap(),
                "link" => symlink("/etc/hostname", &path).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let before = below(dir.path());
            let error = install(dir.path(), &config("ghcr.io")).unwrap_err();
            assert!(matches!(&error, InstallError::NotOurs { path: found } if *found == path), "{kind}: {error}");
            assert_eq!(below(dir.path()), before, "{kind}");
        }
    }
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("storage.conf.d"), "a file in the way").unwrap();
    let error = install(dir.path(), &config("ghcr.io")).unwrap_err().to_string();
    assert!(error.contains("storage.conf.d") && error.contains("looking at it"), "{error}");
    assert_eq!(below(dir.path()).len(), 1);
}

#[test]
fn what_is_left_to_do_depends_on_storage_conf() {
    let on = format!("[storage]\ndriver = \"overlay\"\n[storage.options]\n{PULL_OPTIONS}\n");
    for (conf, storage, says, says_not) in [
        (None, Storage::Absent, "runroot", "already"),
        (Some("[storage]\ndriver = \"overlay\"\n"), Storage::WholeLayers, "of the storage.conf", "runroot"),
        (Some("not = [toml"), Storage::WholeLayers, "of the storage.conf", "runroot"),
        (Some(&on.replace("\"true\"", "\"false\"")), Storage::WholeLayers, "of the storage.conf", "runroot"),
        (Some(&on), Storage::PartialPulls, "already", PULL_OPTIONS),
        (Some(&on.replace("\"true\"", "\"True\"")), Storage::PartialPulls, "already", PULL_OPTIONS),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storage.conf");
        if let Some(conf) = conf {
            fs::write(&path, conf).unwrap();
        }
        let installed = install(dir.path(), &config("ghcr.io")).unwrap();
        assert_eq!(installed.storage, storage, "{conf:?}");
        let text = installed.to_string().replace(&path.display().to_string(), "the storage.conf");
        assert!(text.contains(says) && !text.contains(says_not), "{text}");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), conf);
    }
}
