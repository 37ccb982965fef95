//! Completions and manual pages, from the definitions that the command line is parsed by.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Arg, ArgAction};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Shell, command};

pub fn completions(shell: Shell) -> anyhow::Result<String> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "restrata", &mut script);
    Ok(String::from_utf8(script)?)
}

/// Writes `restrata.1` and one page for each command.
pub fn pages(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("the directory {} can't be made", dir.display()))?;
    let mut restrata = command().disable_help_subcommand(true);
    // Gives each command its full name and the options that all have.
    restrata.build();
    let commands = restrata.get_subcommands().cloned();
    for command in commands.chain([restrata.clone()]) {
        let after = command.get_after_long_help().or_else(|| command.get_after_help());
        let after = after.map(ToString::to_string).unwrap_or_default();
        let has_commands = command.has_subcommands();
        let synopsis = synopsis(&command);
        let man = Man::new(command).source(concat!("restrata ", env!("CARGO_PKG_VERSION"))).manual("restrata");
        let path = dir.join(man.get_filename());
        let page = page(&man, &synopsis, has_commands, &after).context("manual page")?;
        fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Not `Man::render`: it leaves values out of the synopsis and fills the lines of examples into a paragraph.
fn page(man: &Man, synopsis: &Roff, has_commands: bool, after: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    sections(after).to_writer(&mut page)?;
    Ok(page)
}

/// Options with their values, then the positional arguments.
fn synopsis(command: &clap::Command) -> Roff {
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    let named = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    for arg in named {
        let Some(long) = arg.get_long() else { continue };
        line.extend([roman(" ["), bold(format!("--{long}"))]);
        match arg.is_require_equals_set() {
            true => line.extend(values(arg).into_iter().flat_map(|value| [roman("[="), value, roman("]")])),
            false => line.extend(values(arg).into_iter().flat_map(|value| [roman(" "), value])),
        }
        line.push(roman(if matches!(arg.get_action(), ArgAction::Append) { "]..." } else { "]" }));
    }
    for arg in command.get_positionals() {
        let more = if arg.get_num_args().is_some_and(|count| count.max_values() > 1) { "..." } else { "" };
        line.extend(values(arg).into_iter().flat_map(|value| [roman(" "), value]));
        line.push(roman(more));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text(line);
    roff
}

fn values(arg: &Arg) -> Vec<Inline> {
    let takes_values = arg.is_positional() || arg.get_action().takes_values();
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().filter(|_| takes_values).map(|name| italic(name.to_string())).collect()
}

/// Headings as sections, what stands below them line by line.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    for block in text.split("\n\n") {
        let (heading, lines) = block.split_once(":\n").unwrap_or(("notes", block));
        roff.control("SH", [heading.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}
