use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};

use crate::{
    commands::{audit, fingerprint},
    exit,
    exit::Exit,
    failure::Failure,
    session::Session,
};

/// Write the reference pages of the documentation into a directory
#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// Directory to write to, docs/reference in the source tree
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

impl Reference {
    pub(crate) fn run(&self, _: &Session) -> Result<Exit, Failure> {
        let failed =
            |e: std::io::Error| Failure::from(e).while_doing(format!("cannot write {}", self.dir.display()));
        fs::create_dir_all(&self.dir).map_err(failed)?;
        for (name, text) in pages() {
            let path = self.dir.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
            fs::write(path, text).map_err(failed)?;
        }
        Ok(Exit::Clean)
    }
}

/// Every generated page: file name and text.
pub(crate) fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = [
        ("commands.md", commands()),
        ("configuration.md", configuration()),
        ("exit-codes.md", exit_codes()),
        ("fingerprints.md", fingerprint::reference()),
        ("query.md", nightlatch_query::reference()),
        ("rules.md", audit::rule_index()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec();
    pages.extend(audit::rule_pages());
    pages
}

fn configuration() -> String {
    format!(
        "# Configuration\n\nEvery setting of `nightlatch.toml`, as `nightlatch config init` writes it.\n\n```toml\n{}```\n",
        crate::config::TEMPLATE
    )
}

fn exit_codes() -> String {
    let mut text = String::from("# Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (exit, meaning) in exit::TABLE {
        text.push_str(&format!("| {} | {meaning} |\n", *exit as u8));
    }
    text
}

/// Every command with its full help, as it is printed.
fn commands() -> String {
    let mut text =
        String::from("# Commands\n\nWritten by `nightlatch reference`; the same text as `--help`.\n");
    let mut tree = crate::command_tree().term_width(100).color(clap::ColorChoice::Never);
    tree.build();
    describe(&mut tree, "", &mut text);
    text
}

fn describe(command: &mut clap::Command, parents: &str, text: &mut String) {
    let name = format!("{parents}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim()));
    for child in command.get_subcommands_mut().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        describe(child, &format!("{name} "), text);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn committed_pages_are_what_the_code_says() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
        for (name, text) in super::pages() {
            let committed = std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert!(committed == text, "{name} is stale: run `cargo run -- reference docs/reference`");
        }
    }

    #[test]
    fn no_page_is_about_a_rule_that_is_gone() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/rules");
        let pages: Vec<String> = super::pages().into_iter().map(|(name, _)| name).collect();
        for entry in std::fs::read_dir(dir).expect("the pages are committed") {
            let name =
                format!("rules/{}", entry.expect("a folder can be listed").file_name().to_string_lossy());
            assert!(pages.contains(&name), "{name} is about no rule");
        }
    }
}
