//! The config of the result.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::oci::Config;

/// The config of input `donor`, with environment, labels and history of all. `inputs` are in order; one without a config of
/// its own is none of them.
///
/// Of a variable or a label that several set, the donor's value counts, else the last one's. `PATH` has the directories of
/// all, in order.
pub fn config(inputs: &[&Config], donor: usize) -> Option<Config> {
    let own = *inputs.get(donor)?;
    let others = || inputs.iter().enumerate().filter(|(at, _)| *at != donor).map(|(_, config)| *config);
    let mut config = own.clone();
    let variables = environment(inputs, others().chain([own]));
    if !variables.is_empty() {
        config = config.with_environment(&variables);
    }
    let labels = others().chain([own]).flat_map(Config::labels);
    let labels: Vec<(String, Option<String>)> =
        labels.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).collect();
    Some(config.with_labels(&labels).with_history(history(inputs)))
}

/// `KEY=VALUE`, in the order in which keys first come up. The last one of `ranked` counts.
fn environment<'a>(inputs: &[&'a Config], ranked: impl Iterator<Item = &'a Config>) -> Vec<String> {
    let key = |variable: &'a str| variable.split_once('=').map_or(variable, |(key, _)| key);
    let mut values: HashMap<&str, &str> = HashMap::new();
    values.extend(ranked.flat_map(Config::environment).map(|variable| (key(variable), variable)));
    let mut seen = HashSet::new();
    let keys = inputs.iter().flat_map(|config| config.environment()).map(key).filter(|key| seen.insert(*key));
    let value = |key: &str| match key {
        "PATH" => format!("PATH={}", search_path(inputs)),
        key => values.get(key).copied().unwrap_or_default().to_owned(),
    };
    keys.map(value).collect()
}

/// Each directory once.
fn search_path(inputs: &[&Config]) -> String {
    let paths = inputs.iter().flat_map(|config| config.environment()).filter_map(|it| it.strip_prefix("PATH="));
    let mut seen = HashSet::new();
    let dirs: Vec<&str> = paths.flat_map(|path| path.split(':')).filter(|dir| seen.insert(*dir)).collect();
    dirs.join(":")
}

/// A step that inputs have in common, such as those of a base, is told once.
fn history(inputs: &[&Config]) -> Vec<Value> {
    let (mut steps, mut told): (Vec<Value>, HashSet<String>) = Default::default();
    for config in inputs {
        let texts: Vec<String> = config.history().iter().map(Value::to_string).collect();
        let new = config.history().iter().zip(&texts).filter(|(_, text)| !told.contains(*text));
        steps.extend(new.map(|(step, _)| step.clone()));
        // One input may have a step several times.
        told.extend(texts);
    }
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Config {
        let mut value = value;
        value["os"] = json!("linux");
        value["rootfs"] = json!({"diff_ids": []});
        Config::parse(value.to_string().as_bytes(), "c").unwrap()
    }

    #[test]
    fn environment_labels_and_history_are_of_all() {
        let step = |by: &str| json!({"created_by": by});
        let one = of(json!({
            "config": {"Env": ["PATH=/bin:/usr/bin", "A=1", "B=1"], "Cmd": ["one"], "Labels": {"l": "1", "m": "1"}},
            "history": [step("base"), step("RUN x"), step("RUN x")]
        }));
        let two = of(json!({
            "config": {"Env": ["B=2", "PATH=/opt/bin:/bin", "C"], "Cmd": ["two"], "Labels": {"l": "2"}},
            "history": [step("base"), step("RUN y")]
        }));
        let united = config(&[&one, &two], 1).unwrap();
        let container = &united.value()["config"];
        assert_eq!(container["Env"], json!(["PATH=/bin:/usr/bin:/opt/bin", "A=1", "B=2", "C"]));
        assert_eq!((&container["Cmd"], &container["Labels"]), (&json!(["two"]), &json!({"l": "2", "m": "1"})));
        assert_eq!(united.history(), [step("base"), step("RUN x"), step("RUN x"), step("RUN y")]);
        // What the donor says goes before what a later one says.
        let united = config(&[&one, &two], 0).unwrap();
        let container = &united.value()["config"];
        assert_eq!(container["Env"], json!(["PATH=/bin:/usr/bin:/opt/bin", "A=1", "B=1", "C"]));
        assert_eq!((&container["Cmd"], &container["Labels"]), (&json!(["one"]), &json!({"l": "1", "m": "1"})));
    }

    #[test]
    fn one_input_stays_as_it_is() {
        let one = of(json!({"config": {"Env": ["PATH=/bin"], "Labels": {"l": "1"}}, "x": 7}));
        assert_eq!(config(&[&one], 0).unwrap(), one);
        let bare = of(json!({"architecture": "amd64"}));
        assert_eq!(config(&[&bare], 0).unwrap(), bare);
        assert!(config(&[], 0).is_none());
    }
}
