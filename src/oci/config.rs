//! An image's config: what runs, and the DiffIDs of its layers.

use serde_json::{Map, Value, json};

use super::{OciError, Platform, json, known};
use crate::digest::DiffId;
use crate::limits;
use crate::tar::Time;
use crate::toc::{from_rfc3339, to_rfc3339};

/// In a line of history for a layer.
const CREATED_BY: &str = "restrata";

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    value: Map<String, Value>,
    diff_ids: Vec<DiffId>,
}

impl Config {
    /// `what` names the config in messages.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        let value = json::object(bytes, &known::CONFIG, what)?;
        let rootfs = value.get("rootfs");
        let rootfs =
            rootfs.and_then(Value::as_object).ok_or_else(|| json::wrong(what, "rootfs", "an object", rootfs))?;
        let diff_ids = json::list(rootfs, "diff_ids", limits::LAYERS, what)?
            .iter()
            .enumerate()
            .map(|(i, id)| {
                let field = format!("rootfs.diff_ids[{i}]");
                let text = id.as_str().ok_or_else(|| json::wrong(what, &field, "a digest", Some(id)))?;
                text.parse().map_err(|source| OciError::Digest { what: what.to_owned(), field, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { value, diff_ids })
    }

    /// The least config for `platform`, for a tree that is no image yet. No `created`: it would change every run.
    pub fn minimal(platform: &Platform) -> Self {
        let mut value = Map::new();
        value.insert("architecture".to_owned(), Value::from(platform.architecture.as_str()));
        value.insert("os".to_owned(), Value::from(platform.os.as_str()));
        value.insert("config".to_owned(), json!({}));
        value.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}));
        Self { value, diff_ids: Vec::new() }
    }

    /// The same config for this platform.
    pub fn on(&self, platform: &Platform) -> Self {
        let mut config = self.clone();
        if let Value::Object(fields) = platform.to_value() {
            config.value.extend(fields);
        }
        config
    }

    pub fn diff_ids(&self) -> &[DiffId] {
        &self.diff_ids
    }

    /// The steps that made the image, as they stand.
    pub fn history(&self) -> &[Value] {
        self.value.get("history").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// When it was made, as far as it says so in a way that can be read.
    pub fn created(&self) -> Option<Time> {
        self.value.get("created")?.as_str().and_then(from_rfc3339)
    }

    pub fn platform(&self) -> Option<Platform> {
        Platform::from_fields(&self.value)
    }

    /// The whole config.
    pub fn value(&self) -> &Map<String, Value> {
        &self.value
    }

    /// The same config over other layers, each with a line of history.
    ///
    /// The steps that were there tell how the files came to be, and no longer which layer is whose: they stay as
    /// steps without a layer. Those that this put there for an earlier layout tell nothing, and go. A config without
    /// history gets none.
    pub fn with_layers(&self, layers: &[(DiffId, String)]) -> Self {
        let diff_ids: Vec<DiffId> = layers.iter().map(|(diff_id, _)| *diff_id).collect();
        let mut config = self.with_diff_ids(&diff_ids);
        let created = self.value.get("created").cloned();
        if let Some(history) = config.value.get_mut("history").and_then(Value::as_array_mut) {
            history.retain(|step| step.get("created_by").and_then(Value::as_str) != Some(CREATED_BY));
            for step in history.iter_mut().filter_map(Value::as_object_mut) {
                step.insert("empty_layer".to_owned(), Value::Bool(true));
            }
            history.extend(layers.iter().map(|(_, comment)| {
                let mut step = Map::new();
                step.extend(created.clone().map(|created| ("created".to_owned(), created)));
                step.insert("created_by".to_owned(), Value::from(CREATED_BY));
                step.insert("comment".to_owned(), Value::from(comment.as_str()));
                Value::Object(step)
            }));
        }
        config
    }

    /// The same config with no time later than `epoch`, as BuildKit does it: earlier times tell something and stay. An
    /// image that does not say when it was made was made then.
    pub fn clamped(&self, epoch: Time) -> Self {
        let mut config = self.clone();
        let Some(text) = to_rfc3339(epoch) else { return config };
        config.value.entry("created").or_insert_with(|| Value::from(text.as_str()));
        let clamp = |time: &mut Value| {
            if time.as_str().and_then(from_rfc3339).is_some_and(|time| time > epoch) {
                *time = Value::from(text.as_str());
            }
        };
        config.value.get_mut("created").into_iter().for_each(clamp);
        let history = config.value.get_mut("history").and_then(Value::as_array_mut);
        history.into_iter().flatten().filter_map(|step| step.get_mut("created")).for_each(clamp);
        config
    }

    /// The same config over other layers. The history stays.
    pub fn with_diff_ids(&self, diff_ids: &[DiffId]) -> Self {
        let mut value = self.value.clone();
        let list = diff_ids.iter().map(|id| Value::from(id.to_string())).collect();
        if let Some(rootfs) = value.get_mut("rootfs").and_then(Value::as_object_mut) {
            rootfs.insert("diff_ids".to_owned(), Value::Array(list));
        }
        Self { value, diff_ids: diff_ids.to_vec() }
    }

    /// A label of the containers that run it.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.value.get("config")?.get("Labels")?.get(key)?.as_str()
    }

    /// `KEY=VALUE`, as containers that run it get them.
    pub fn environment(&self) -> impl Iterator<Item = &str> {
        let list = self.value.get("config").and_then(|container| container.get("Env")).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// All labels that are texts.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.value.get("config").and_then(|container| container.get("Labels")).and_then(Value::as_object);
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// The same config with this environment.
    pub fn with_environment(&self, variables: &[String]) -> Self {
        let mut config = self.clone();
        let list = variables.iter().map(|variable| Value::from(variable.as_str())).collect();
        json::object_at(&mut config.value, "config").insert("Env".to_owned(), Value::Array(list));
        config
    }

    /// The same config with these steps. One without any gets no list.
    pub fn with_history(&self, steps: Vec<Value>) -> Self {
        let mut config = self.clone();
        if !steps.is_empty() {
            config.value.insert("history".to_owned(), Value::Array(steps));
        }
        config
    }

    /// The same config with labels set, or removed where there is no value; one after the other.
    pub fn with_labels(&self, edits: &[(String, Option<String>)]) -> Self {
        let mut config = self.clone();
        for (key, value) in edits {
            match value {
                Some(value) => {
                    let container = json::object_at(&mut config.value, "config");
                    json::object_at(container, "Labels").insert(key.clone(), Value::from(value.as_str()));
                }
                None => {
                    let labels = config.value.get_mut("config").and_then(|container| container.get_mut("Labels"));
                    labels.and_then(Value::as_object_mut).map(|labels| labels.shift_remove(key));
                }
            }
        }
        config
    }

    /// Fails when the manifest's layers and the DiffIDs do not pair up.
    pub fn check_layers(&self, layers: usize, what: &str) -> Result<(), OciError> {
        if layers != self.diff_ids.len() {
            return Err(OciError::LayerCount { what: what.to_owned(), layers, diff_ids: self.diff_ids.len() });
        }
        Ok(())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.value.clone()).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = r#"{"architecture":"arm64","variant":"v8","config":{"Healthcheck":{"Test":["NONE"]},"OnBuild":["RUN x"],"Shell":["sh"],"StopTimeout":3},"container_config":{"Cmd":null},"history":[{"created_by":"x","empty_layer":true}],"moby.buildkit.buildinfo.v1":"e30=","os":"linux","rootfs":{"diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"],"type":"layers"}}"#;

    #[test]
    fn drops_nothing() {
        let config = Config::parse(DOCKER.as_bytes(), "config c").unwrap();
        assert_eq!(String::from_utf8(config.to_bytes()).unwrap(), DOCKER);
        assert_eq!(config.platform().unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(config.history().len(), 1);
    }

    #[test]
    fn keeps_numbers_digit_for_digit() {
        let rebuilt = |numbers: &str| {
            let text = format!(r#"{{"os":"linux","x":{numbers},"rootfs":{{"diff_ids":[]}}}}"#);
            let config = Config::parse(text.as_bytes(), "config c").unwrap();
            let written = String::from_utf8(config.with_diff_ids(&[]).to_bytes()).unwrap();
            written.replace(r#"{"os":"linux","x":"#, "").replace(r#","rootfs":{"diff_ids":[]}}"#, "")
        };
        let numbers = "[18446744073709551616,-9223372036854775809,1.50,-0,1e+05,2e-7,0.1000000000000000055511]";
        assert_eq!(rebuilt(numbers), numbers);
        // serde_json spells exponents its own way; the digits stay.
        assert_eq!(rebuilt("[1E05]"), "[1e+05]");
    }

    #[test]
    fn says_when_it_was_made() {
        let created = |value: &str| {
            let text = format!(r#"{{"os":"linux","created":{value},"rootfs":{{"diff_ids":[]}}}}"#);
            Config::parse(text.as_bytes(), "config c").unwrap().created().map(|time| time.secs)
        };
        assert_eq!(
            (created(r#""1970-01-02T00:00:00Z""#), created(r#""1970-01-02T01:00:00+01:00""#)),
            (Some(86_400), Some(86_400))
        );
        for none in ["null", "1", r#""""#, r#""yesterday""#, r#""0001-01-01T00:00:00Z""#] {
            assert_eq!(created(none), None, "{none}");
        }
    }

    #[test]
    fn changes_only_the_diff_ids() {
        let config = Config::parse(DOCKER.as_bytes(), "config c").unwrap();
        let ids = [DiffId::from_bytes([1; 32]), DiffId::from_bytes([2; 32])];
        let changed = config.with_diff_ids(&ids);
        let again = Config::parse(&changed.to_bytes(), "config c").unwrap();
        assert_eq!(again.diff_ids(), ids);
        assert_eq!(again, changed);
        let back = again.with_diff_ids(config.diff_ids());
        assert_eq!(String::from_utf8(back.to_bytes()).unwrap(), DOCKER);
    }

    #[test]
    fn history_pairs_up_with_the_layers() {
        let config = Config::parse(DOCKER.as_bytes(), "config c").unwrap();
        let layers =
            [(DiffId::from_bytes([1; 32]), "kept".to_owned()), (DiffId::from_bytes([2; 32]), "fresh".to_owned())];
        let config = config.with_layers(&layers);
        let with_layer = |step: &&Value| step.get("empty_layer") != Some(&Value::Bool(true));
        assert_eq!((config.history().len(), config.history().iter().filter(with_layer).count()), (3, 2));
        assert_eq!(config.history()[2]["comment"], "fresh");
        // An image that was laid out before.
        assert_eq!(config.with_layers(&layers[..1]).history().len(), 2);
        assert_eq!(config.with_layers(&layers), config);
        assert!(Config::minimal(&Platform::host()).with_layers(&layers).history().is_empty());
    }

    #[test]
    fn no_time_is_later_than_the_epoch() {
        let clamped = |rest: &str| {
            let text = format!(r#"{{{rest}"os":"linux","rootfs":{{"diff_ids":[]}}}}"#);
            let config = Config::parse(text.as_bytes(), "c").unwrap();
            config.clamped(Time { secs: 1_600_000_000, nanos: 0 }).value
        };
        let late = r#""created":"2030-05-05T00:00:00.5+02:00","history":[{"created":"2019-01-01T00:00:00Z"},
            {"created":"2030-05-06T00:00:00Z"},{"created_by":"x"},{"created":"soon"},{"created":"0001-01-01T00:00:00Z"}],"#;
        let late = clamped(late);
        assert_eq!(late["created"], "2020-09-13T12:26:40Z");
        let history = late["history"].as_array().unwrap();
        let times: Vec<Option<&str>> = history.iter().map(|step| step.get("created").and_then(Value::as_str)).collect();
        let expected = ["2019-01-01T00:00:00Z", "2020-09-13T12:26:40Z", "", "soon", "0001-01-01T00:00:00Z"];
        assert_eq!(times, expected.map(|time| (!time.is_empty()).then_some(time)));
        assert_eq!(clamped(r#""created":"2019-01-01T00:00:00Z","#)["created"], "2019-01-01T00:00:00Z");
        assert_eq!(clamped("")["created"], "2020-09-13T12:26:40Z");
        assert_eq!(clamped(r#""history":[7,{"created":7}],"#)["history"], json!([7, {"created": 7}]));
    }

    #[test]
    fn says_both_counts() {
        let message =
            Config::parse(DOCKER.as_bytes(), "c").unwrap().check_layers(3, "config c").unwrap_err().to_string();
        assert!(message.contains("(3)") && message.contains("found 1"), "{message}");
    }

    #[test]
    fn refuses_what_has_no_layers() {
        assert!(matches!(Config::parse(b"{}", "config c"), Err(OciError::Field { .. })));
        assert!(matches!(Config::parse(b"[]", "config c"), Err(OciError::Field { .. })));
        assert!(matches!(Config::parse(b"{", "config c"), Err(OciError::Json { .. })));
        let minimal = Config::minimal(&Platform::host());
        assert_eq!(Config::parse(&minimal.to_bytes(), "c").unwrap(), minimal);
    }
}
