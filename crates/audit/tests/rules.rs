//! Runs the cases of every rule: one test for each file or folder in `rules/<family>/<rule>/cases/`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::{Arguments, Failed, Trial};
use nightlatch_audit::{KubernetesVersion, Profile, Rule, Settings, audit, rules};
use nightlatch_finding::audit::{AuditFinding, AuditReport};
use nightlatch_manifest::{Corpus, Input, View};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let mut trials = Vec::new();
    for rule in rules() {
        let folder = root.join(rule.name).join("cases");
        let cases = entries(&folder);
        let kinds = ["fires", "silent"].map(|kind| cases.iter().any(|case| base(case).starts_with(kind)));
        trials.push(Trial::test(format!("{} {} has cases", rule.id, rule.name), move || match kinds {
            [true, true] => Ok(()),
            _ => Err("a rule has at least one case that fires and one that is silent".into()),
        }));
        for case in cases.into_iter().filter(|case| !base(case).ends_with(".expect")) {
            trials.push(Trial::test(format!("{} {} {}", rule.id, rule.name, base(&case)), move || {
                run(rule, &case)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// What a case sets and expects.
#[derive(Default)]
struct Case {
    facts: BTreeMap<String, String>,
    inputs: Vec<Input>,
    /// File and line of each finding, with a severity when it is not the rule's.
    expected: Vec<(String, u32, Option<String>)>,
}

fn run(rule: &'static Rule, path: &Path) -> Result<(), Failed> {
    let case = read(path)?;
    let mut settings = Settings::new(jiff::civil::date(2026, 11, 1));
    settings.only = vec![rule.id];
    let mut view = View::Partial;
    let mut namespace = None;
    for (fact, value) in &case.facts {
        match fact.as_str() {
            "view" if value == "full" => view = View::Full,
            "namespace" => namespace = Some(value.clone()),
            "kubernetes" => settings.kubernetes = KubernetesVersion::parse(value),
            "pss" => settings.pss = KubernetesVersion::parse(value).ok_or("pss= wants a version")?,
            "profile" => settings.profile = value.parse::<Profile>().map_err(|error| error.to_string())?,
            "outside" => settings.outside.push(outside(value)?),
            "today" => settings.today = value.parse().map_err(|_| "today= wants a day")?,
            _ => return Err(format!(
                "a case sets view=full, namespace, kubernetes, pss, profile, outside or today, not `{fact}={value}`"
            )
            .into()),
        }
    }
    let mut corpus = Corpus::read(case.inputs);
    corpus.view = view;
    corpus.namespace = namespace;
    let report = audit(&corpus, &settings);
    judge(rule, path, &case.expected, &report)
}

/// `ADDRESS:PORT`: an endpoint that a scan saw readable.
fn outside(value: &str) -> Result<nightlatch_audit::Outside, Failed> {
    let endpoint: std::net::SocketAddr = value.parse().map_err(|_| "outside= wants ADDRESS:PORT")?;
    Ok(nightlatch_audit::Outside {
        address: endpoint.ip(),
        port: endpoint.port(),
        product: "http".to_owned(),
        exposure: "readable".to_owned(),
        severity: nightlatch_finding::Severity::Critical,
        seen: "2026-11-01".to_owned(),
    })
}

fn judge(
    rule: &Rule,
    path: &Path,
    expected: &[(String, u32, Option<String>)],
    report: &AuditReport,
) -> Result<(), Failed> {
    let name = base(path);
    let findings: Vec<&AuditFinding> = report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule.id && finding.suppressed.is_none())
        .collect();
    if name.starts_with("silent") || name.starts_with("unknown") {
        if !findings.is_empty() {
            return Err(format!("must give no finding, gave:\n{}", shown(&findings)).into());
        }
        if name.starts_with("unknown") && report.rules.iter().all(|outcome| outcome.unknown == 0) {
            return Err("must give at least one unknown".into());
        }
        return Ok(());
    }
    if !name.starts_with("fires") {
        return Err("a case is named fires-*, silent-* or unknown-*".into());
    }
    if expected.is_empty() {
        return Err(format!("no line is marked `# expect: finding`; findings:\n{}", shown(&findings)).into());
    }
    let mut got: Vec<(String, u32, String)> = findings
        .iter()
        .map(|finding| {
            let (file, line) = finding
                .location
                .as_ref()
                .map_or((String::new(), 0), |at| (at.file.raw().to_owned(), at.line));
            (file, line, finding.severity.to_string())
        })
        .collect();
    let mut wanted: Vec<(String, u32, String)> = expected
        .iter()
        .map(|(file, line, severity)| {
            (file.clone(), *line, severity.clone().unwrap_or_else(|| rule.severity.to_string()))
        })
        .collect();
    got.sort();
    wanted.sort();
    if got == wanted {
        return Ok(());
    }
    Err(format!("expected {wanted:?}\ngot:\n{}\nnotices: {:?}", shown(&findings), report.notices).into())
}

fn shown(findings: &[&AuditFinding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let at = finding.location.as_ref();
        text += &format!(
            "  {}:{} {} {:?}\n",
            at.map_or("?", |at| at.file.raw()),
            at.map_or(0, |at| at.line),
            finding.severity,
            finding.message.raw()
        );
    }
    text
}

fn read(path: &Path) -> Result<Case, Failed> {
    let mut case = Case::default();
    let files = if path.is_dir() { files_below(path) } else { vec![path.to_owned()] };
    for file in files {
        let name = file
            .strip_prefix(if path.is_dir() { path } else { path.parent().unwrap_or(path) })?
            .to_string_lossy()
            .into_owned();
        let bytes = fs::read(&file)?;
        if name == "case.toml" {
            let facts: BTreeMap<String, String> = toml::from_str(&String::from_utf8_lossy(&bytes))?;
            case.facts.extend(facts);
            continue;
        }
        if let Some(of) = name.strip_suffix(".expect") {
            sidecar(of, &String::from_utf8_lossy(&bytes), &mut case)?;
            continue;
        }
        marks(&name, &String::from_utf8_lossy(&bytes), &mut case)?;
        case.inputs.push(Input { name: name.into(), bytes });
    }
    let beside = PathBuf::from(format!("{}.expect", path.display()));
    if beside.is_file() {
        sidecar(&base(path), &fs::read_to_string(&beside)?, &mut case)?;
    }
    Ok(case)
}

fn marks(name: &str, text: &str, case: &mut Case) -> Result<(), Failed> {
    for (index, line) in text.lines().enumerate() {
        if let Some((_, facts)) = line.split_once("# case:")
            && index < 5
        {
            for fact in facts.split_whitespace() {
                let (key, value) = fact.split_once('=').ok_or("a fact is KEY=VALUE")?;
                case.facts.insert(key.to_owned(), value.to_owned());
            }
        }
        if let Some((_, rest)) = line.split_once("# expect: finding") {
            let severity = rest.split_whitespace().next().map(str::to_owned);
            case.expected.push((name.to_owned(), index as u32 + 1, severity));
        }
    }
    Ok(())
}

fn sidecar(of: &str, text: &str, case: &mut Case) -> Result<(), Failed> {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let place = words.next().unwrap_or("");
        let (file, number) = place.rsplit_once(':').unwrap_or((of, place));
        case.expected.push((file.to_owned(), number.parse()?, words.next().map(str::to_owned)));
    }
    Ok(())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in entries(folder) {
        if entry.is_dir() {
            found.extend(files_below(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn base(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
