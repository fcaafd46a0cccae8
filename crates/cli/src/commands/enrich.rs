use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nightlatch_enrich::{Dating, FileKind, Loaded, SUFFIX_LIST, SUFFIX_LIST_RELEASED};
use nightlatch_untrusted::terminal;
use serde_json::json;

use crate::{config::Config, exit::Exit, failure::Failure, session::Session};

/// The files that say where an address is and whose: what is loaded, and how old it is
///
/// Name them in nightlatch.toml in the data directory:
///   [enrich]
///   geo = ["GeoLite2-City.mmdb"]
///   asn = ["GeoLite2-ASN.mmdb"]
///   cloud = [{ provider = "aws", file = "ip-ranges.json" }]
///   [names]
///   resolver = "system"     # ask for PTR names; off when left out
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Enrich {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say which files are loaded, what they hold and how old they are
    Status {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Read every record of every database
        #[arg(long)]
        verify: bool,
    },
}

impl Enrich {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let Action::Status { json, verify } = &self.action;
        let data = session.data_dir()?;
        let config = Config::read(&data)?;
        let (enricher, resolver) = (config.enricher()?, config.names.resolver()?);
        if *verify {
            enricher.verify().map_err(|e| Failure::from_error(Exit::Usage, &e))?;
        }
        let now = Timestamp::now();
        let status = Status {
            loaded: enricher.status(now),
            suffix_list_days: suffix_list_days(now),
            resolver: resolver.map(|resolver| resolver.to_string()),
            missing: missing(&config),
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        if *json {
            status.write_json(&mut out)?;
        } else {
            status.write_text(&mut out)?;
            if !status.missing.is_empty() {
                let place = data.join("nightlatch.toml");
                writeln!(out, "name what is missing in {}", terminal(&place.display().to_string()))?;
            }
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}

/// What is there, and what is not.
struct Status {
    loaded: Vec<Loaded>,
    /// Days since the release with the list was published.
    suffix_list_days: Option<i64>,
    /// Whom names of addresses are asked of.
    resolver: Option<String>,
    missing: Vec<Missing>,
}

/// Something that the configuration does not name, and what stays empty without it.
struct Missing {
    key: &'static str,
    empty: &'static str,
}

fn missing(config: &Config) -> Vec<Missing> {
    // A file may hold places and networks and stand in either list; only where there is none at all is it sure
    // that the fields stay empty.
    let databases = !(config.enrich.geo.is_empty() && config.enrich.asn.is_empty());
    let all = [
        (!config.enrich.geo.is_empty(), "geo", "country, region, city, position"),
        (!config.enrich.asn.is_empty(), "asn", "asn, org, isp"),
        (!config.enrich.cloud.is_empty(), "cloud", "cloud provider, region, service; tag cloud"),
        (config.names.resolver.is_some(), "resolver", "host names by PTR, and their domains"),
    ];
    let sure = |key: &str| !databases || !matches!(key, "geo" | "asn");
    let absent = all.into_iter().filter(|(there, ..)| !there);
    absent
        .map(
            |(_, key, empty)| {
                if sure(key) { Missing { key, empty } } else { Missing { key, empty: maybe(key) } }
            },
        )
        .collect()
}

/// What stays empty unless the other list's files know it.
fn maybe(key: &str) -> &'static str {
    match key {
        "geo" => "country, region, city, position, unless a file of asn holds them",
        _ => "asn, org, isp, unless a file of geo holds them",
    }
}

fn suffix_list_days(now: Timestamp) -> Option<i64> {
    let released: Timestamp = format!("{SUFFIX_LIST_RELEASED}T00:00:00Z").parse().ok()?;
    Some(now.duration_since(released).as_hours().max(0) / 24)
}

impl Status {
    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = |value: serde_json::Value| super::json_line(&value, out);
        for file in &self.loaded {
            let built = file.built.as_ref().map(|(at, _)| at.to_string());
            let dated_by = file.built.as_ref().map(|(_, dating)| match dating {
                Dating::Content => "content",
                Dating::FileName => "file-name",
                Dating::FileTime => "file-time",
            });
            let days = file.age.map(|age| age.as_hours() / 24);
            line(json!({ "path": file.path, "kind": file.kind.to_string(), "records": file.records,
                "built": built, "dated_by": dated_by, "age_days": days }))?;
        }
        line(json!({ "path": null, "kind": format!("public suffix list, {SUFFIX_LIST}"),
            "built": SUFFIX_LIST_RELEASED, "dated_by": "release", "age_days": self.suffix_list_days }))?;
        if let Some(resolver) = &self.resolver {
            line(json!({ "resolver": resolver }))?;
        }
        for Missing { key, empty } in &self.missing {
            line(json!({ "missing": key, "stays_empty": empty }))?;
        }
        Ok(())
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for file in &self.loaded {
            let age = match (&file.built, file.age) {
                (Some((built, dating)), Some(age)) => {
                    // The time of a file is when it was copied here, at best when it was downloaded.
                    let verb = match dating {
                        Dating::Content => "made",
                        Dating::FileName => "by its name of",
                        Dating::FileTime => "says no date; file written",
                    };
                    format!("{verb} {}, {} days old", built.strftime("%Y-%m-%d"), age.as_hours() / 24)
                }
                _ => "age unknown".to_owned(),
            };
            writeln!(out, "{}", terminal(&file.path.display().to_string()))?;
            writeln!(
                out,
                "  {}, {} {}, {age}",
                terminal(&file.kind.to_string()),
                file.records,
                unit(&file.kind)
            )?;
        }
        let days = self.suffix_list_days.map_or_else(String::new, |days| format!(", {days} days old"));
        writeln!(
            out,
            "registrable domains: public suffix list of {SUFFIX_LIST}, released {SUFFIX_LIST_RELEASED}{days}"
        )?;
        if let Some(resolver) = &self.resolver {
            writeln!(out, "names of addresses: asked of {}", terminal(resolver))?;
        }
        for Missing { key, empty } in &self.missing {
            writeln!(out, "missing: {key}; stays empty: {empty}")?;
        }
        Ok(())
    }
}

/// What [`Loaded::records`] counts.
fn unit(kind: &FileKind) -> &'static str {
    match kind {
        FileKind::Database(_) => "nodes",
        FileKind::Ranges(_) => "blocks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<&'static str> {
        missing(&toml::from_str(toml).unwrap()).iter().map(|missing| missing.key).collect()
    }

    #[test]
    fn what_is_not_named_is_missing() {
        assert_eq!(keys(""), ["geo", "asn", "cloud", "resolver"]);
        assert_eq!(keys("[enrich]\ngeo = [\"x.mmdb\"]"), ["asn", "cloud", "resolver"]);
        let all = "[enrich]\ngeo = [\"x\"]\nasn = [\"x\"]\ncloud = [{ provider = \"aws\", file = \"y\" }]\n\
                   [names]\nresolver = \"192.0.2.53\"";
        assert_eq!(keys(all), [""; 0]);
    }

    #[test]
    fn status_says_where_each_date_is_from_and_what_is_missing() {
        let built: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
        let file = |kind, dating| Loaded {
            path: "x".into(),
            kind,
            records: 7,
            built: Some((built, dating)),
            age: Some(jiff::SignedDuration::from_hours(50)),
            damaged: 0,
        };
        let status = Status {
            loaded: vec![
                file(FileKind::Database("GeoLite2-City".into()), Dating::Content),
                file(FileKind::Ranges("list"), Dating::FileTime),
            ],
            suffix_list_days: Some(3),
            resolver: None,
            missing: missing(&Config::default()),
        };
        let mut text = Vec::new();
        status.write_text(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("GeoLite2-City, 7 nodes, made 2026-09-01, 2 days old\n"), "{text}");
        assert!(
            text.contains("list, 7 blocks, says no date; file written 2026-09-01, 2 days old\n"),
            "{text}"
        );
        assert!(text.contains(&format!("released {SUFFIX_LIST_RELEASED}, 3 days old\n")), "{text}");
        assert!(text.contains("missing: asn; stays empty: asn, org, isp\n"), "{text}");
        let mut lines = Vec::new();
        status.write_json(&mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let values: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values.len(), 2 + 1 + 4);
        assert_eq!(
            (&values[1]["dated_by"], &values[6]["missing"]),
            (&json!("file-time"), &json!("resolver"))
        );
    }
}
