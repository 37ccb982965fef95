//! The config of the result.

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
    let mut keys: Vec<&str> = Vec::new();
    for variable in inputs.iter().flat_map(|config| config.environment()) {
        if !keys.contains(&key(variable)) {
            keys.push(key(variable));
        }
    }
    let ranked: Vec<&str> = ranked.flat_map(Config::environment).collect();
    let value = |name: &str| match name {
        "PATH" => format!("PATH={}", search_path(inputs)),
        _ => ranked.iter().rev().find(|variable| key(variable) == name).copied().unwrap_or_default().to_owned(),
    };
    keys.into_iter().map(value).collect()
}

/// Each directory once.
fn search_path(inputs: &[&Config]) -> String {
    let paths = inputs.iter().flat_map(|config| config.environment()).filter_map(|it| it.strip_prefix("PATH="));
    let mut dirs: Vec<&str> = Vec::new();
    for dir in paths.flat_map(|path| path.split(':')) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs.join(":")
}

/// A step that inputs have in common, such as those of a base, is told once.
fn history(inputs: &[&Config]) -> Vec<Value> {
    let mut steps: Vec<Value> = Vec::new();
    for config in inputs {
        // One input may have a step several times.
        let before = steps.len();
        let is_new = |step: &&Value| !steps[..before].contains(step);
        let new: Vec<Value> = config.history().iter().filter(is_new).cloned().collect();
        steps.extend(new);
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
