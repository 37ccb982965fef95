//! The keys that clients know in manifests, indexes and configs, from the structs of opencontainers/image-spec, docker,
//! containerd and containers/image.

use crate::json::Known;

use Known::{Each, Nothing, Object};

/// A manifest or an index: which of the two a document is, clients tell by its keys. The last three are those of docker's
/// schema 1.
pub(super) static DOCUMENT: Known = Object(&[
    ("schemaVersion", &Nothing),
    ("mediaType", &Nothing),
    ("artifactType", &Nothing),
    ("config", &DESCRIPTOR),
    ("layers", &Each(&DESCRIPTOR)),
    ("manifests", &Each(&DESCRIPTOR)),
    ("blobs", &Each(&DESCRIPTOR)),
    ("subject", &DESCRIPTOR),
    ("annotations", &Nothing),
    ("fsLayers", &Nothing),
    ("history", &Nothing),
    ("signatures", &Nothing),
]);

static DESCRIPTOR: Known = Object(&[
    ("mediaType", &Nothing),
    ("digest", &Nothing),
    ("size", &Nothing),
    ("urls", &Nothing),
    ("annotations", &Nothing),
    ("data", &Nothing),
    ("platform", &PLATFORM),
    ("artifactType", &Nothing),
]);

static PLATFORM: Known = Object(&[
    ("architecture", &Nothing),
    ("os", &Nothing),
    ("os.version", &Nothing),
    ("os.features", &Nothing),
    ("variant", &Nothing),
    ("features", &Nothing),
]);

pub(super) static CONFIG: Known = Object(&[
    ("created", &Nothing),
    ("author", &Nothing),
    ("architecture", &Nothing),
    ("variant", &Nothing),
    ("os", &Nothing),
    ("os.version", &Nothing),
    ("os.features", &Nothing),
    ("config", &CONTAINER),
    ("container_config", &CONTAINER),
    ("rootfs", &ROOTFS),
    ("history", &Each(&STEP)),
    ("id", &Nothing),
    ("parent", &Nothing),
    ("comment", &Nothing),
    ("container", &Nothing),
    ("docker_version", &Nothing),
    ("Size", &Nothing),
]);

static CONTAINER: Known = Object(&[
    ("Hostname", &Nothing),
    ("Domainname", &Nothing),
    ("User", &Nothing),
    ("AttachStdin", &Nothing),
    ("AttachStdout", &Nothing),
    ("AttachStderr", &Nothing),
    ("ExposedPorts", &Nothing),
    ("Tty", &Nothing),
    ("OpenStdin", &Nothing),
    ("StdinOnce", &Nothing),
    ("Env", &Nothing),
    ("Cmd", &Nothing),
    ("Healthcheck", &HEALTHCHECK),
    ("ArgsEscaped", &Nothing),
    ("Image", &Nothing),
    ("Volumes", &Nothing),
    ("WorkingDir", &Nothing),
    ("Entrypoint", &Nothing),
    ("NetworkDisabled", &Nothing),
    ("MacAddress", &Nothing),
    ("OnBuild", &Nothing),
    ("Labels", &Nothing),
    ("StopSignal", &Nothing),
    ("StopTimeout", &Nothing),
    ("Shell", &Nothing),
    ("Memory", &Nothing),
    ("MemorySwap", &Nothing),
    ("CpuShares", &Nothing),
    ("Cpuset", &Nothing),
    ("PortSpecs", &Nothing),
    ("VolumesFrom", &Nothing),
    ("ExecIDs", &Nothing),
]);

static HEALTHCHECK: Known = Object(&[
    ("Test", &Nothing),
    ("Interval", &Nothing),
    ("Timeout", &Nothing),
    ("StartPeriod", &Nothing),
    ("StartInterval", &Nothing),
    ("Retries", &Nothing),
]);

static ROOTFS: Known = Object(&[("type", &Nothing), ("diff_ids", &Nothing)]);

static STEP: Known = Object(&[
    ("created", &Nothing),
    ("created_by", &Nothing),
    ("author", &Nothing),
    ("comment", &Nothing),
    ("empty_layer", &Nothing),
]);

/// `oci-layout`.
pub(super) static LAYOUT: Known = Object(&[("imageLayoutVersion", &Nothing)]);

/// `manifest.json` of a docker-archive.
pub static DOCKER_ARCHIVE: Known = Each(&Object(&[
    ("Config", &Nothing),
    ("RepoTags", &Nothing),
    ("Layers", &Nothing),
    ("Parent", &Nothing),
    ("LayerSources", &Each(&DESCRIPTOR)),
]));

#[cfg(test)]
mod tests {
    use super::*;

    /// The fold goes by it.
    #[test]
    fn known_keys_are_ascii_and_no_two_are_alike() {
        fn look(known: &Known) {
            match known {
                Nothing => {}
                Each(below) => look(below),
                Object(keys) => {
                    for (at, (key, below)) in keys.iter().enumerate() {
                        assert!(key.is_ascii() && keys[..at].iter().all(|(other, _)| !other.eq_ignore_ascii_case(key)));
                        look(below);
                    }
                }
            }
        }
        [&DOCUMENT, &CONFIG, &LAYOUT, &DOCKER_ARCHIVE].into_iter().for_each(look);
    }
}
