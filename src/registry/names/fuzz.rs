//! Bodies of the fuzz targets: no bytes make a parser panic, and what a password file holds stands in no output.

use super::auth_file::{AuthFile, Format};
use super::conf::Conf;
use super::name::Name;

/// A name that is accepted is read again from its own text.
pub fn fuzz_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Name>() {
        Ok(name) => {
            assert_eq!(name.to_string().parse::<Name>().as_ref(), Ok(&name));
            assert!(name.place().len() <= Name::MOST);
        }
        Err(error) => assert!(error.to_string().len() < 4000),
    }
}

pub fn fuzz_auth(data: &[u8]) {
    for format in [Format::Current, Format::Old] {
        let file = AuthFile::parse(data, format);
        for place in ["docker.io/library/alpine", "quay.io/user/app", "localhost:5000/a"] {
            let found = file.as_ref().map_err(Clone::clone).and_then(|file| file.find(place));
            // Faults are made of fixed words, numbers and the place.
            let shown = found.map_or_else(|fault| fault.to_string(), |_| String::new());
            assert!(shown.is_ascii() && shown.len() < 300, "{shown}");
        }
    }
}

pub fn fuzz_registries(data: &[u8]) {
    for is_drop_in in [false, true] {
        let Ok(conf) = Conf::parse(data, is_drop_in) else { continue };
        assert!(conf.registries.iter().all(|(prefix, registry)| *prefix == registry.prefix));
    }
}
