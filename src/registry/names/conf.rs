//! One file of registries.conf(5).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::shown::{shown, shown_place};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfFault {
    #[error("expected UTF-8, found something else")]
    Encoding,
    #[error("{place}expected TOML as registries.conf(5) has it: {message}")]
    Toml { place: String, message: String },
    #[error("expected [[registry]] tables, found the old form [registries...], which only the main file may have")]
    OldDropIn,
    #[error("expected [[registry]] tables or the old form [registries...], found both")]
    Mixed,
    #[error("{location}: expected a location without http:// and https://")]
    Scheme { location: String },
    #[error("expected a location or a prefix in each [[registry]], found one without both")]
    Nothing,
    #[error("{prefix}: expected a location beside this prefix; only *.DOMAIN needs none")]
    NoLocation { prefix: String },
    #[error("{prefix}: expected *.DOMAIN, without a port or a repository behind it")]
    Wildcard { prefix: String },
    #[error("{prefix}: expected a location in each mirror, found one without")]
    NoMirrorLocation { prefix: String },
    #[error("{prefix}: expected pull-from-mirror in mirrors only")]
    PullOfRegistry { prefix: String },
    #[error("{prefix}: expected mirror-by-digest-only or pull-from-mirror of its mirrors, found both")]
    PullTwice { prefix: String },
    #[error("{prefix}: expected all, digest-only or tag-only as pull-from-mirror, found {found}")]
    Pull { prefix: String, found: String },
    #[error("{location}: expected one value of \"{key}\" for this location, found two")]
    Conflict { location: String, key: &'static str },
}

/// What images a mirror is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    All,
    ByDigest,
    ByTag,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    pub location: String,
    pub insecure: bool,
    pub pull: Pull,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    pub prefix: String,
    /// None leaves the name as it is.
    pub location: Option<String>,
    pub insecure: bool,
    pub blocked: bool,
    pub mirrors: Vec<Mirror>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    /// By prefix.
    pub registries: BTreeMap<String, Registry>,
    /// None where the file says nothing of it.
    pub helpers: Option<Vec<String>>,
}

/// Other keys are read past, as podman does.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawConf {
    #[serde(default)]
    registry: Vec<RawRegistry>,
    credential_helpers: Option<Vec<String>>,
    unqualified_search_registries: Option<IgnoredAny>,
    short_name_mode: Option<IgnoredAny>,
    aliases: Option<IgnoredAny>,
    #[serde(default)]
    registries: OldConf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawRegistry {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    pull_from_mirror: Option<String>,
    #[serde(default)]
    mirror: Vec<RawMirror>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawMirror {
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: String,
}

/// The form of 2018: lists of registries.
#[derive(Default, Deserialize)]
struct OldConf {
    search: Option<OldList>,
    insecure: Option<OldList>,
    block: Option<OldList>,
}

#[derive(Deserialize)]
struct OldList {
    #[serde(default)]
    registries: Vec<String>,
}

impl Conf {
    pub(super) fn parse(bytes: &[u8], is_drop_in: bool) -> Result<Self, ConfFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| ConfFault::Encoding)?;
        let raw: RawConf = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            ConfFault::Toml { place, message: shown(error.message()) }
        })?;
        let is_old =
            raw.registries.search.is_some() || raw.registries.insecure.is_some() || raw.registries.block.is_some();
        let is_new = !raw.registry.is_empty()
            || raw.credential_helpers.is_some()
            || raw.unqualified_search_registries.is_some()
            || raw.short_name_mode.is_some()
            || raw.aliases.is_some();
        match (is_old, is_new) {
            (true, _) if is_drop_in => Err(ConfFault::OldDropIn),
            (true, true) => Err(ConfFault::Mixed),
            (true, false) => old(raw.registries),
            (false, _) => new(raw),
        }
    }
}

fn old(raw: OldConf) -> Result<Conf, ConfFault> {
    let mut conf = Conf::default();
    let list = |list: Option<OldList>| list.map(|list| list.registries).unwrap_or_default();
    let mut set = |name: String, change: fn(&mut Registry)| {
        let location = location(&name)?;
        let new = Registry {
            prefix: location.clone(),
            location: Some(location.clone()),
            insecure: false,
            blocked: false,
            mirrors: Vec::new(),
        };
        change(conf.registries.entry(location).or_insert(new));
        Ok(())
    };
    list(raw.block).into_iter().try_for_each(|name| set(name, |registry| registry.blocked = true))?;
    list(raw.insecure).into_iter().try_for_each(|name| set(name, |registry| registry.insecure = true))?;
    Ok(conf)
}

fn new(raw: RawConf) -> Result<Conf, ConfFault> {
    let registries = raw.registry.into_iter().map(registry).collect::<Result<Vec<_>, _>>()?;
    let mut by_location: BTreeMap<&str, &Registry> = BTreeMap::new();
    for registry in &registries {
        let location = registry.location.as_deref().unwrap_or(&registry.prefix);
        let first = *by_location.entry(location).or_insert(registry);
        let conflict = |key| ConfFault::Conflict { location: shown_place(location), key };
        if first.insecure != registry.insecure {
            return Err(conflict("insecure"));
        }
        if first.blocked != registry.blocked {
            return Err(conflict("blocked"));
        }
    }
    let mut conf = Conf { registries: BTreeMap::new(), helpers: raw.credential_helpers };
    // Of two with one prefix the first counts.
    for registry in registries {
        conf.registries.entry(registry.prefix.clone()).or_insert(registry);
    }
    Ok(conf)
}

fn registry(raw: RawRegistry) -> Result<Registry, ConfFault> {
    let (place, given) = (location(&raw.location)?, location(&raw.prefix)?);
    let prefix = if given.is_empty() { place.clone() } else { given };
    let named = || shown_place(&prefix);
    let is_wildcard = prefix.starts_with("*.");
    if prefix.is_empty() {
        return Err(ConfFault::Nothing);
    }
    if place.is_empty() && !is_wildcard {
        return Err(ConfFault::NoLocation { prefix: named() });
    }
    if is_wildcard && prefix.contains(['/', '@', ':']) {
        return Err(ConfFault::Wildcard { prefix: named() });
    }
    if raw.pull_from_mirror.is_some_and(|pull| !pull.is_empty()) {
        return Err(ConfFault::PullOfRegistry { prefix: named() });
    }
    let mirror = |mirror: RawMirror| {
        let place = location(&mirror.location)?;
        if place.is_empty() {
            return Err(ConfFault::NoMirrorLocation { prefix: named() });
        }
        let pull = match (mirror.pull_from_mirror.as_str(), raw.mirror_by_digest_only) {
            ("", true) => Pull::ByDigest,
            (_, true) => return Err(ConfFault::PullTwice { prefix: named() }),
            ("" | "all", false) => Pull::All,
            ("digest-only", false) => Pull::ByDigest,
            ("tag-only", false) => Pull::ByTag,
            (found, false) => return Err(ConfFault::Pull { prefix: named(), found: shown(found) }),
        };
        Ok(Mirror { location: place, insecure: mirror.insecure, pull })
    };
    let mirrors = raw.mirror.into_iter().map(mirror).collect::<Result<_, _>>()?;
    let location = (!place.is_empty()).then_some(place);
    Ok(Registry { location, insecure: raw.insecure, blocked: raw.blocked, mirrors, prefix })
}

/// A place of a name's beginning. What a wrong one is shows when a name is built from it.
fn location(text: &str) -> Result<String, ConfFault> {
    let trimmed = text.trim_end_matches('/');
    match trimmed.starts_with("http://") || trimmed.starts_with("https://") {
        true => Err(ConfFault::Scheme { location: shown_place(trimmed) }),
        false => Ok(trimmed.to_owned()),
    }
}
