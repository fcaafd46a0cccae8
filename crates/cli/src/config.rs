//! `nightlatch.toml` in the data directory: what is not said on the command line. Every setting can also be given by
//! the environment: `NIGHTLATCH__SERVER__LISTEN=127.0.0.1:9000` is `listen` of `[server]`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use nightlatch_app::{Schedule, Watch};

use nightlatch_enrich::{Config as EnrichConfig, Enricher};
use serde::Deserialize;

use crate::{exit::Exit, failure::Failure};

/// Largest configuration file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// A file with every setting, its meaning and its usual value, all commented out.
pub(crate) const TEMPLATE: &str = include_str!("nightlatch.toml");
/// Its name in the data directory.
const CONFIG_FILE: &str = "nightlatch.toml";

/// The configuration. Unknown keys are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Files that say where an address is and whose.
    pub(crate) enrich: EnrichConfig,
    /// Whether and whom to ask for the names of addresses.
    pub(crate) names: Names,
    /// Where the server listens and what it allows.
    pub(crate) server: nightlatch_gate::Settings,
    /// What the server does about what changed.
    pub(crate) watch: Watch,
    /// How people are told.
    pub(crate) notify: nightlatch_notify::Settings,
    /// What the server scans again and again.
    pub(crate) schedule: Vec<Schedule>,
}

/// Names of addresses (PTR records). Off unless a resolver is named: the questions tell it what is scanned.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Names {
    /// `"system"` for the first of /etc/resolv.conf, or an address with or without a port.
    pub(crate) resolver: Option<Resolver>,
}

/// Whom to ask for names.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Resolver {
    /// The first of /etc/resolv.conf.
    System,
    /// This one.
    At(SocketAddr),
}

impl TryFrom<String> for Resolver {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "system" {
            return Ok(Self::System);
        }
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        parsed.map(Self::At).map_err(|_| {
            let shown = nightlatch_untrusted::terminal_cut(&text, 60);
            format!("`{shown}` is no resolver, expected \"system\" or an address such as 192.0.2.53 or 192.0.2.53:5353")
        })
    }
}

impl Names {
    /// The resolver to ask, if any.
    pub(crate) fn resolver(&self) -> Result<Option<SocketAddr>, Failure> {
        match self.resolver {
            None => Ok(None),
            Some(Resolver::At(address)) => Ok(Some(address)),
            Some(Resolver::System) => {
                let path = Path::new("/etc/resolv.conf");
                let text = crate::commands::read_text(path, CONFIG_BYTES_MAX)?;
                let first = nightlatch_enrich::ptr::nameservers(&text).into_iter().next();
                first.map(Some).ok_or_else(|| {
                    Failure::usage("/etc/resolv.conf names no resolver")
                        .hint("name one: resolver = \"192.0.2.53\"")
                })
            }
        }
    }
}

/// What begins a variable that is a setting.
const VARIABLE: &str = "NIGHTLATCH__";

impl Config {
    /// Reads the file of a data directory and the environment; without either, everything is as usual.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        Self::read_file(&Self::path(data), false)
    }

    /// Where the file of a data directory is.
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join(CONFIG_FILE)
    }

    /// Reads a file and the environment.
    ///
    /// - `must_exist`: somebody named it.
    pub(crate) fn read_file(path: &Path, must_exist: bool) -> Result<Self, Failure> {
        let text = if must_exist {
            Some(crate::commands::read_text(path, CONFIG_BYTES_MAX)?)
        } else {
            crate::commands::read_text_if_there(path, CONFIG_BYTES_MAX)?
        };
        let config = match &text {
            None => Self::default(),
            Some(text) => toml::from_str(text).map_err(|error| misread(&error, text, path))?,
        };
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(VARIABLE))
            .collect();
        let config = match variables.is_empty() {
            true => config,
            false => with_variables(text.as_deref().unwrap_or_default(), &variables)?,
        };
        Ok(config.relative_to(path.parent().unwrap_or(Path::new("."))))
    }

    /// Takes relative paths as relative to `folder`: that of the file in which they are written.
    fn relative_to(mut self, folder: &Path) -> Self {
        let notify = &mut self.notify;
        let mut paths = vec![
            &mut self.server.tls_certificate,
            &mut self.server.tls_key,
            &mut notify.webhook.ca_file,
            &mut notify.webhook.secret_file,
        ];
        paths.extend(notify.smtp.iter_mut().flat_map(|smtp| [&mut smtp.password_file, &mut smtp.ca_file]));
        paths.extend(notify.syslog.iter_mut().map(|syslog| &mut syslog.ca_file));
        paths.into_iter().flatten().for_each(|path| *path = folder.join(&*path));
        notify.file.iter_mut().for_each(|file| file.directory = folder.join(&file.directory));
        self.enrich = self.enrich.relative_to(folder);
        self
    }

    /// Loads the files that the configuration names.
    pub(crate) fn enricher(&self) -> Result<Enricher, Failure> {
        Enricher::open(&self.enrich).map_err(|error| Failure::from_error(Exit::Usage, &error))
    }
}

fn misread(error: &toml::de::Error, text: &str, path: &Path) -> Failure {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Failure::usage(format!("{}:{line}:{column}: {}", path.display(), error.message()))
        .excerpt(crate::commands::excerpt(text, line, column))
}

/// Puts the settings of the environment into those of the file, one by one, so that the one that is wrong is named.
fn with_variables(text: &str, variables: &BTreeMap<String, String>) -> Result<Config, Failure> {
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| Failure::bug(format!("read before: {error}")))?;
    for (name, value) in variables {
        let path: Vec<String> =
            name[VARIABLE.len()..].split("__").map(|part| part.to_ascii_lowercase()).collect();
        let wrong = |why: &str| {
            Failure::usage(format!("environment variable {name}: {why}"))
                .hint("the name is the path of the setting, such as NIGHTLATCH__SERVER__LISTEN")
        };
        let Some((last, sections)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty()))
        else {
            return Err(wrong("names no setting"));
        };
        // A value is TOML where it reads as TOML, else text: `8`, `true`, `["a"]`, and `127.0.0.1:9000`.
        let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
            .ok()
            .and_then(|mut read| read.remove("v").filter(|_| read.is_empty()))
            .unwrap_or_else(|| toml::Value::String(value.clone()));
        let mut at = &mut table;
        for section in sections {
            let entry = at.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            at = entry.as_table_mut().ok_or_else(|| wrong(&format!("`{section}` is no section")))?;
        }
        at.insert(last.clone(), value);
        // The value is not repeated: it may be a secret.
        Config::deserialize(table.clone()).map_err(|error: toml::de::Error| wrong(error.message()))?;
    }
    Config::deserialize(table).map_err(|error: toml::de::Error| Failure::usage(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The template with every line switched on.
    fn all_settings() -> String {
        let switched = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        };
        TEMPLATE.lines().map(switched).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_template_is_right_and_shows_the_usual_values() {
        let usual: Config = toml::from_str(TEMPLATE).unwrap();
        assert_eq!(format!("{usual:?}"), format!("{:?}", Config::default()));
        let all: Config = toml::from_str(&all_settings()).unwrap();
        assert!(all.notify.smtp.is_some() && all.schedule.len() == 1);
        assert_eq!(all.watch.recheck_seconds, Watch::default().recheck_seconds);
        assert_eq!(all.server.requests_per_minute, nightlatch_gate::Settings::default().requests_per_minute);
    }

    #[test]
    fn the_template_has_every_setting() {
        let table: toml::Table = toml::from_str(&all_settings()).unwrap();
        let mut sections = vec![Vec::<String>::new()];
        let mut seen = 0;
        while let Some(section) = sections.pop() {
            let mut at = toml::Value::Table(table.clone());
            for part in &section {
                at = at.get(part).unwrap().clone();
                if let toml::Value::Array(mut items) = at {
                    at = items.remove(0);
                }
            }
            let toml::Value::Table(here) = at else { continue };
            // What a section takes is what it says when it is given something else.
            let mut wrong = here.clone();
            wrong.insert("zzz".to_owned(), true.into());
            let mut whole = toml::Value::Table(wrong);
            for (depth, part) in section.iter().enumerate().rev() {
                let is_list = depth == 0 && part == "schedule";
                let inner = if is_list { toml::Value::Array(vec![whole]) } else { whole };
                whole = toml::Value::Table([(part.clone(), inner)].into_iter().collect());
            }
            let said = Config::deserialize(whole).unwrap_err().to_string();
            let known = said.split("expected").nth(1).unwrap_or_else(|| panic!("{section:?}: {said}"));
            for key in known.lines().next().unwrap_or_default().split('`').skip(1).step_by(2) {
                assert!(here.contains_key(key), "[{}] lacks `{key}`", section.join("."));
                seen += 1;
            }
            let tables = here.iter().filter(|(key, value)| value.is_table() || *key == "schedule");
            sections.extend(tables.map(|(key, _)| [section.clone(), vec![key.clone()]].concat()));
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\nsessions_hours = 3\n";
        let given = variables(&[
            ("NIGHTLATCH__SERVER__LISTEN", "127.0.0.1:9000"),
            ("NIGHTLATCH__SERVER__BEHIND_PROXY", "true"),
            ("NIGHTLATCH__SERVER__HOSTS", "[\"a.example\"]"),
            ("NIGHTLATCH__WATCH__RECHECK_SECONDS", "7"),
        ]);
        let config = with_variables(file, &given).unwrap();
        assert_eq!(config.server.listen.port(), 9000);
        assert!(config.server.behind_proxy);
        assert_eq!(config.server.hosts, ["a.example"]);
        assert_eq!((config.server.sessions_hours, config.watch.recheck_seconds), (3, 7));
    }

    #[test]
    fn a_variable_that_is_no_setting_is_named_and_its_value_is_not() {
        for name in ["NIGHTLATCH__SERVER__LISTENN", "NIGHTLATCH__", "NIGHTLATCH__SERVER__LISTEN"] {
            let failure = with_variables("", &variables(&[(name, "geheim")])).unwrap_err();
            let said = format!("{failure:?}");
            assert!(said.contains(name), "{said}");
        }
        let failure =
            with_variables("", &variables(&[("NIGHTLATCH__SERVER__HOSTSS", "geheim")])).unwrap_err();
        assert!(!format!("{failure:?}").contains("geheim"));
    }
}
