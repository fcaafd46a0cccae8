//! Embeds `rules/`: every folder with a `rule.toml` becomes a constant, checked here for its shape, so that starting
//! costs nothing and a rule with a mistake does not build.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    id: String,
    title: String,
    severity: String,
    tier: u8,
    rationale: String,
    remediation: String,
    references: Vec<String>,
    #[serde(default)]
    contested: bool,
    #[serde(default)]
    only_in: Vec<String>,
    #[serde(default)]
    also_in: Vec<String>,
    #[serde(default)]
    hidden_by: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    example: String,
    check: CheckFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckFile {
    native: Option<String>,
    on: Option<String>,
    #[serde(default)]
    kinds: Vec<String>,
    path: Option<String>,
    flag: Option<String>,
    fails_when: Option<ConditionFile>,
    #[serde(default)]
    absent: Option<String>,
    message: Option<String>,
    fix: Option<FixFile>,
    #[serde(default)]
    windows: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionFile {
    is: Option<toml::Value>,
    is_not: Option<toml::Value>,
    #[serde(default)]
    one_of: Vec<toml::Value>,
    #[serde(default)]
    none_of: Vec<toml::Value>,
    matches: Option<String>,
    present: Option<bool>,
    below: Option<i64>,
    above: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixFile {
    set: Option<toml::Value>,
    remove: Option<bool>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../rules").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut rules = BTreeMap::new();
    for family in folders(&root)? {
        println!("cargo::rerun-if-changed={}", family.display());
        for folder in folders(&family)? {
            let file = folder.join("rule.toml");
            println!("cargo::rerun-if-changed={}", folder.display());
            if !file.is_file() {
                continue;
            }
            println!("cargo::rerun-if-changed={}", file.display());
            let name = format!("{}/{}", base(&family), base(&folder));
            let rule: RuleFile = toml::from_str(&fs::read_to_string(&file)?)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let text = rule_literal(&name, &rule).map_err(|error| format!("{}: {error}", file.display()))?;
            if rules.insert(rule.id.clone(), text).is_some() {
                return Err(format!("{}: identifier {} is used twice", file.display(), rule.id).into());
            }
        }
    }
    let mut out = String::from("pub(crate) static RULES: &[Rule] = &[\n");
    for text in rules.values() {
        out.push_str(text);
    }
    out.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("rules.rs"), out)?;
    Ok(())
}

fn rule_literal(name: &str, rule: &RuleFile) -> Result<String, String> {
    let (family, number) = rule.id.split_once('-').ok_or("an identifier is FAMILY-NUMBER")?;
    if family.len() != 3 || number.len() != 3 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{}` is no identifier such as POD-001", rule.id));
    }
    let severity = match rule.severity.as_str() {
        "info" => "Info",
        "low" => "Low",
        "medium" => "Medium",
        "high" => "High",
        "critical" => "Critical",
        other => return Err(format!("unknown severity `{other}`")),
    };
    if !(1..=3).contains(&rule.tier) {
        return Err("tier is 1, 2 or 3".into());
    }
    for (what, text) in
        [("title", &rule.title), ("rationale", &rule.rationale), ("remediation", &rule.remediation)]
    {
        if text.trim().is_empty() {
            return Err(format!("{what} is empty"));
        }
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "    Rule {{ id: {:?}, name: {name:?}, title: {:?}, severity: Severity::{severity}, tier: {}, rationale: {:?}, \
         remediation: {:?}, references: &{:?}, contested: {}, only_in: &{:?}, also_in: &{:?}, hidden_by: &{:?}, \
         aliases: &{:?}, example: {:?}, check: {} }},",
        rule.id,
        rule.title,
        rule.tier,
        rule.rationale.trim(),
        rule.remediation.trim(),
        rule.references,
        rule.contested,
        rule.only_in,
        rule.also_in,
        rule.hidden_by,
        rule.aliases,
        rule.example.trim(),
        check_literal(&rule.check)?,
    );
    Ok(out)
}

fn check_literal(check: &CheckFile) -> Result<String, String> {
    if let Some(native) = &check.native {
        if check.on.is_some() || check.path.is_some() || check.flag.is_some() || check.fails_when.is_some() {
            return Err("a native check has no `on`, `path`, `flag` or `fails_when`".into());
        }
        return Ok(format!("Check::Native({native:?})"));
    }
    let on = match check.on.as_deref().ok_or("check.on or check.native is missing")? {
        "pod-spec" => "On::PodSpec".to_owned(),
        "container" => "On::Container".to_owned(),
        "object" if !check.kinds.is_empty() => format!("On::Object(&{:?})", check.kinds),
        "object" => return Err("check.on = \"object\" needs check.kinds".into()),
        "compose-service" => "On::ComposeService".to_owned(),
        "docker-daemon" => "On::DockerDaemon".to_owned(),
        "component" if check.kinds.len() == 1 => format!("On::Component({:?})", check.kinds[0]),
        "component" => return Err("check.on = \"component\" needs one name in check.kinds".into()),
        other => return Err(format!("unknown check.on `{other}`")),
    };
    let target = match (&check.path, &check.flag) {
        (Some(path), None) => format!("Target::Path({path:?})"),
        (None, Some(flag)) => format!("Target::Flag({flag:?})"),
        _ => return Err("one of check.path and check.flag is needed".into()),
    };
    let absent = match check.absent.as_deref().unwrap_or("pass") {
        "pass" => "Absent::Pass",
        "fail" => "Absent::Fail",
        "unknown" => "Absent::Unknown",
        other => return Err(format!("unknown check.absent `{other}`")),
    };
    let windows = match check.windows.as_deref() {
        None => false,
        Some("exempt") => true,
        Some(other) => return Err(format!("unknown check.windows `{other}`")),
    };
    let condition = condition_literal(check.fails_when.as_ref().ok_or("check.fails_when is missing")?)?;
    let message = check.message.as_deref().ok_or("check.message is missing")?;
    let fix = match &check.fix {
        None => "None".to_owned(),
        Some(FixFile { set: Some(value), remove: None }) => {
            format!("Some(DeclaredFix::Set({:?}))", scalar(value)?)
        }
        Some(FixFile { set: None, remove: Some(true) }) => "Some(DeclaredFix::Remove)".to_owned(),
        Some(_) => return Err("check.fix is { set = VALUE } or { remove = true }".into()),
    };
    Ok(format!(
        "Check::Declared(Declared {{ on: {on}, target: {target}, fails_when: {condition}, absent: {absent}, message: {message:?}, \
         fix: {fix}, windows_exempt: {windows} }})"
    ))
}

fn condition_literal(condition: &ConditionFile) -> Result<String, String> {
    let list = |values: &[toml::Value]| values.iter().map(scalar).collect::<Result<Vec<_>, _>>();
    let mut found = Vec::new();
    if let Some(value) = &condition.is {
        found.push(format!("Condition::Is(&{:?})", [scalar(value)?]));
    }
    if let Some(value) = &condition.is_not {
        found.push(format!("Condition::IsNot(&{:?})", [scalar(value)?]));
    }
    if !condition.one_of.is_empty() {
        found.push(format!("Condition::Is(&{:?})", list(&condition.one_of)?));
    }
    if !condition.none_of.is_empty() {
        found.push(format!("Condition::IsNot(&{:?})", list(&condition.none_of)?));
    }
    if let Some(pattern) = &condition.matches {
        found.push(format!("Condition::Matches({pattern:?})"));
    }
    if condition.present == Some(true) {
        found.push("Condition::Present".to_owned());
    }
    if let Some(bound) = condition.below {
        found.push(format!("Condition::Below({bound})"));
    }
    if let Some(bound) = condition.above {
        found.push(format!("Condition::Above({bound})"));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err("check.fails_when needs exactly one condition".into()),
    }
}

/// A scalar as the text that the node of a manifest has.
fn scalar(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Boolean(value) => Ok(value.to_string()),
        toml::Value::Integer(value) => Ok(value.to_string()),
        other => Err(format!("`{other}` is no string, boolean or whole number")),
    }
}

fn folders(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn base(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
