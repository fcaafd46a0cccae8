//! Reference pages of the rules.

use nightlatch_audit::{Rule, rules};
use nightlatch_report::audit::reference_url;

use super::profiles_of;

/// The index: every rule, family by family.
pub(crate) fn rule_index() -> String {
    let mut text = String::from(
        "# Rules of the audit\n\nWritten by `nightlatch reference`. `nightlatch audit --explain RULE` tells the same. How to add \
         one: [how to write a rule](../guide/writing-rules.md).\n",
    );
    let mut families: Vec<&str> = rules().iter().map(Rule::family).collect();
    families.sort_unstable();
    families.dedup();
    text.push_str(&format!("\n{} rules in {} families.\n", rules().len(), families.len()));
    for family in families {
        text.push_str(&format!(
            "\n## {family}\n\n| rule | name | severity | tier | problem |\n| --- | --- | --- | ---: | --- |\n"
        ));
        for rule in rules().iter().filter(|rule| rule.family() == family) {
            let contested = if rule.contested { ", contested" } else { "" };
            text.push_str(&format!(
                "| [{0}](rules/{0}.md) | `{1}` | {2} | {3}{contested} | {4} |\n",
                rule.id,
                rule.name,
                rule.severity,
                rule.tier,
                cell(rule.title)
            ));
        }
    }
    text
}

/// One page for each rule: file name and text.
pub(crate) fn rule_pages() -> Vec<(String, String)> {
    rules().iter().map(|rule| (format!("rules/{}.md", rule.id), page(rule))).collect()
}

fn page(rule: &Rule) -> String {
    let mut text = format!(
        "# {} {}\n\n| | |\n| --- | --- |\n| name | `{}` |\n| severity | {} |\n| tier | {} |\n| profiles | {} |\n",
        rule.id,
        rule.title,
        rule.name,
        rule.severity,
        rule.tier,
        profiles_of(rule).join(", ")
    );
    if !rule.aliases.is_empty() {
        text.push_str(&format!("| formerly | {} |\n", rule.aliases.join(", ")));
    }
    if !rule.hidden_by.is_empty() {
        text.push_str(&format!("| said already by | {} |\n", rule.hidden_by.join(", ")));
    }
    text.push_str(&format!("\n{}\n\n## Fix\n\n{}\n", rule.rationale, rule.remediation));
    if !rule.example.is_empty() {
        text.push_str(&format!("\n```yaml\n{}\n```\n", rule.example));
    }
    if !rule.references.is_empty() {
        text.push_str("\n## References\n\n");
    }
    for reference in rule.references {
        match reference_url(reference) {
            Some(url) => text.push_str(&format!("- [{reference}]({url})\n")),
            None => text.push_str(&format!("- {reference}\n")),
        }
    }
    text.push_str(&format!(
        "\n## Exempting\n\n```yaml\n# nightlatch:ignore {} until=2027-01-31 why it may be so\n```\n",
        rule.id
    ));
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
