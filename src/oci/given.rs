//! A config that the user gives to a root file system: an OCI config, or what `podman inspect` prints.

use serde_json::{Map, Value, json};

use super::{Config, OciError, json};

/// How a field of the container part is written.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Texts,
    /// Texts by name.
    Named,
    /// Objects by name; only the names count.
    Set,
    Object,
    Flag,
    Number,
}

use Shape::{Flag, Named, Number, Object, Set, Text, Texts};

/// What OCI and docker define. `inspect` prints more, which belongs to no image.
const FIELDS: [(&str, Shape); 14] = [
    ("User", Text),
    ("ExposedPorts", Set),
    ("Env", Texts),
    ("Entrypoint", Texts),
    ("Cmd", Texts),
    ("Volumes", Set),
    ("WorkingDir", Text),
    ("Labels", Named),
    ("StopSignal", Text),
    ("StopTimeout", Number),
    ("ArgsEscaped", Flag),
    ("Healthcheck", Object),
    ("OnBuild", Texts),
    ("Shell", Texts),
];

impl Config {
    /// `what` names the file in messages. The layers that it speaks of are left out.
    pub fn given(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        let value = serde_json::from_slice(bytes).map_err(|source| OciError::Json { what: what.to_owned(), source })?;
        let found = |value: &Value| json::wrong(what, "the document", EXPECTED, Some(value));
        let map = match value {
            Value::Object(map) => map,
            Value::Array(mut list) if list.len() == 1 => match list.remove(0) {
                Value::Object(map) => map,
                other => return Err(found(&other)),
            },
            other => return Err(found(&other)),
        };
        let mut config = match map.get("Config") {
            Some(container) => inspected(&map, container, what)?,
            None if ["config", "rootfs", "os", "architecture"].iter().any(|key| map.contains_key(*key)) => map,
            None => return Err(json::wrong(what, "config", EXPECTED, None)),
        };
        config.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}));
        check(config.get("config"), what)?;
        Self::parse(Value::Object(config).to_string().as_bytes(), what)
    }
}

const EXPECTED: &str = "an image config, or what podman inspect prints of one image";

/// The config of an image that `podman inspect` or `docker inspect` printed.
fn inspected(map: &Map<String, Value>, container: &Value, what: &str) -> Result<Map<String, Value>, OciError> {
    let container = container.as_object().ok_or_else(|| json::wrong(what, "Config", "an object", Some(container)))?;
    let mut config = Map::new();
    for (from, to) in [
        ("Created", "created"),
        ("Author", "author"),
        ("Architecture", "architecture"),
        ("Variant", "variant"),
        ("Os", "os"),
    ] {
        let text = json::text(map, from, what)?;
        if !text.is_empty() {
            config.insert(to.to_owned(), Value::from(text));
        }
    }
    let mut kept = Map::new();
    for (key, _) in FIELDS {
        // podman prints the health check beside the rest.
        let value = container.get(key).or_else(|| map.get(key).filter(|_| key == "Healthcheck"));
        if let Some(value) = value.filter(|value| !value.is_null()) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    config.insert("config".to_owned(), Value::Object(kept));
    Ok(config)
}

fn check(container: Option<&Value>, what: &str) -> Result<(), OciError> {
    let container = match container {
        None | Some(Value::Null) => return Ok(()),
        Some(container) => {
            container.as_object().ok_or_else(|| json::wrong(what, "config", "an object", Some(container)))?
        }
    };
    for (key, shape) in FIELDS {
        let Some(value) = container.get(key).filter(|value| !value.is_null()) else { continue };
        shape.check(value).map_err(|expected| json::wrong(what, key, expected, Some(value)))?;
    }
    Ok(())
}

impl Shape {
    /// What was expected in place of the value.
    fn check(self, value: &Value) -> Result<(), &'static str> {
        let are = |fits: fn(&Value) -> bool| value.as_object().is_some_and(|map| map.values().all(fits));
        let (fits, expected) = match self {
            Text => (value.is_string(), "a string"),
            Texts => (value.as_array().is_some_and(|list| list.iter().all(Value::is_string)), "a list of strings"),
            Named => (are(Value::is_string), "an object of strings"),
            Set => (are(|value| value.is_object() || value.is_null()), "an object of empty objects"),
            Object => (value.is_object(), "an object"),
            Flag => (value.is_boolean(), "true or false"),
            Number => (value.is_i64() || value.is_u64(), "a whole number"),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &Value) -> Result<Value, String> {
        let config = Config::given(value.to_string().as_bytes(), "c.json").map_err(|error| error.to_string())?;
        Ok(Value::Object(config.value().clone()))
    }

    #[test]
    fn an_oci_config_stays_but_for_its_layers() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let config = json!({
            "architecture": "arm64", "os": "linux", "x-unknown": 1,
            "config": {"Env": ["A=1"], "Labels": null, "X": [null]},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            "history": [{"created_by": "x"}],
        });
        let mut expected = config.clone();
        expected["rootfs"]["diff_ids"] = json!([]);
        assert_eq!(given(&config).unwrap(), expected);
    }

    #[test]
    fn what_inspect_prints_becomes_a_config() {
        let inspected = json!([{
            "Id": "ab", "RepoTags": ["x"], "Created": "2024-01-01T00:00:00Z", "Author": "", "Os": "linux",
            "Architecture": "amd64", "Healthcheck": {"Test": ["NONE"]},
            "Config": {"Env": ["A=1"], "Cmd": ["sh"], "Labels": {"a": "b"}, "Hostname": "h", "OnBuild": null,
                       "ExposedPorts": {"80/tcp": {}}},
        }]);
        assert_eq!(
            given(&inspected).unwrap(),
            json!({
                "created": "2024-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
                "config": {"ExposedPorts": {"80/tcp": {}}, "Env": ["A=1"], "Cmd": ["sh"], "Labels": {"a": "b"},
                           "Healthcheck": {"Test": ["NONE"]}},
                "rootfs": {"type": "layers", "diff_ids": []},
            })
        );
    }

    #[test]
    fn what_runtimes_would_refuse_is_refused() {
        for (value, says) in [
            (json!({"a": 1}), "expected an image config, or what podman inspect prints of one image, found nothing"),
            (json!([{"Config": {}}, {"Config": {}}]), "found a list"),
            (json!("secret"), "found a string"),
            (json!({"Config": []}), "Config: expected an object, found a list"),
            (json!({"config": {"Env": "A=1"}}), "Env: expected a list of strings, found a string"),
            (json!({"config": {"Cmd": [1]}}), "Cmd: expected a list of strings"),
            (json!({"config": {"Labels": {"a": 1}}}), "Labels: expected an object of strings"),
            (json!({"config": {"Volumes": ["/x"]}}), "Volumes: expected an object of empty objects"),
            (json!({"Config": {"StopTimeout": 1.5}}), "StopTimeout: expected a whole number"),
        ] {
            let error = given(&value).unwrap_err();
            assert!(error.starts_with("c.json: ") && error.contains(says) && !error.contains("secret"), "{error}");
        }
        assert!(Config::given(b"root:x:0", "c.json").unwrap_err().to_string().contains("expected JSON"));
    }
}
