//! Embeds what remedies are made of: the steps and references of every fingerprint, and `remedies/`. Only these
//! parts: naming a remedy must not cost compiling a catalogue.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// The parts of a fingerprint file that this crate reads; the crate `fingerprint` checks all of it.
#[derive(Deserialize)]
struct Fingerprint {
    id: String,
    name: String,
    product: Option<String>,
    group: String,
    #[serde(default)]
    aliases: Vec<String>,
    references: BTreeMap<String, Vec<String>>,
    remediation: Remediation,
}

#[derive(Deserialize)]
struct Remediation {
    steps: Vec<String>,
    summary: String,
}

#[derive(Deserialize)]
struct References {
    attack: BTreeMap<String, String>,
    cwe: BTreeMap<String, String>,
    documents: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Findings {
    findings: BTreeMap<String, String>,
}

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../../fingerprints").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed={}", here.join("remedies").display());
    let references: References = read(&here.join("remedies/references.toml"))?;
    let findings: Findings = read(&here.join("remedies/findings.toml"))?;
    let mut out = String::from("pub(super) static PRODUCTS: &[Product] = &[\n");
    let mut folders = fs::read_dir(&root)?
        .map(|entry| entry.map(|entry| entry.path().join("fingerprint.toml")))
        .collect::<io::Result<Vec<_>>>()?;
    folders.retain(|file| file.is_file());
    folders.sort();
    for file in folders {
        println!("cargo::rerun-if-changed={}", file.display());
        let product: Fingerprint = read(&file)?;
        let name = product.product.as_ref().unwrap_or(&product.name);
        let Remediation { summary, steps } = &product.remediation;
        let _ = writeln!(
            out,
            "Product {{ id: {:?}, name: {name:?}, group: {:?}, aliases: &{:?}, summary: {summary:?}, steps: &{steps:?}, \
             references: &{:?} }},",
            product.id,
            product.group,
            product.aliases,
            named(&product, &references),
        );
    }
    let findings: Vec<_> = findings.findings.into_iter().collect();
    let _ = writeln!(out, "];\npub(super) const FINDINGS: &[(&str, &str)] = &{findings:?};");
    fs::write(Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("products.rs"), out)
}

/// Title and address (empty: none) of each reference: documents first, they are what people read.
fn named(product: &Fingerprint, references: &References) -> Vec<(String, String)> {
    let list = |kind: &str| product.references.get(kind).map(Vec::as_slice).unwrap_or_default();
    let mut named = Vec::new();
    for document in list("docs") {
        let home = document.split(':').next().unwrap_or_default();
        named.push((document.clone(), references.documents.get(home).cloned().unwrap_or_default()));
    }
    let mut benchmark = "";
    for section in list("cis") {
        // `CIS Kubernetes 1.12: 1.2.1`; those after it may be the bare number.
        let title = match section.split_once(": ") {
            Some((name, _)) => {
                benchmark = name;
                section.clone()
            }
            None => format!("{benchmark}: {section}"),
        };
        named.push((title, String::new()));
    }
    for id in list("cwe") {
        let number = id.trim_start_matches("CWE-");
        let url = format!("https://cwe.mitre.org/data/definitions/{number}.html");
        named.push((with_name(id, &references.cwe), url));
    }
    for id in list("attack") {
        let url = format!("https://attack.mitre.org/techniques/{}/", id.replace('.', "/"));
        named.push((with_name(&format!("ATT&CK {id}"), &references.attack), url));
    }
    named
}

fn with_name(title: &str, names: &BTreeMap<String, String>) -> String {
    let id = title.rsplit(' ').next().unwrap_or(title);
    names.get(id).map_or_else(|| title.to_owned(), |name| format!("{title}: {name}"))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<T> {
    let text = fs::read_to_string(path)?;
    toml::from_str(&text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}
