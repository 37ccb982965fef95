//! Completions and manual pages, from the definitions that the command line is parsed by.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

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
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let mut restrata = command().disable_help_subcommand(true);
    // Gives each command its full name and the options that all have.
    restrata.build();
    let commands = restrata.get_subcommands().cloned();
    for command in commands.chain([restrata.clone()]) {
        let after = command.get_after_long_help().or_else(|| command.get_after_help());
        let after = after.map(ToString::to_string).unwrap_or_default();
        let has_commands = command.has_subcommands();
        let man = Man::new(command).source(concat!("restrata ", env!("CARGO_PKG_VERSION"))).manual("restrata");
        let path = dir.join(man.get_filename());
        let page = page(&man, has_commands, &after).context("manual page")?;
        fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// As `Man::render`, which would fill the lines of examples into a paragraph.
fn page(man: &Man, has_commands: bool, after: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    sections(after).to_writer(&mut page)?;
    Ok(page)
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
