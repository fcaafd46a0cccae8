//! How much is said about ordinary manifests: the findings of the default profile over `tests/corpus/`, counted by rule
//! and severity, against `tests/corpus/counts.txt`. A change that turns twelve findings into four thousand is seen here.
//! `UPDATE=1` writes the counts anew; the difference is to be read in review.

use std::{collections::BTreeMap, fs, path::Path};

use nightlatch_audit::{Settings, audit};
use nightlatch_manifest::{Corpus, Input};

#[test]
fn ordinary_manifests_give_the_counted_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "{}", files.len());
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut workloads = 0;
    for file in &files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = fs::read(file).expect("it can be read");
        // One by one, as somebody audits one chart.
        let corpus = Corpus::read(vec![Input { name: name.as_str().into(), bytes }]);
        assert!(corpus.diagnostics.is_empty(), "{name}: {:?}", corpus.diagnostics);
        let report = audit(&corpus, &Settings::new(jiff::civil::date(2026, 11, 1)));
        workloads += report.input.workloads;
        for finding in &report.findings {
            *counts.entry(format!("{} {}", finding.rule, finding.severity)).or_default() += 1;
        }
    }
    let mut text = format!(
        "# {} files, {workloads} workloads; rule, severity, findings. UPDATE=1 writes this anew.\n",
        files.len()
    );
    for (rule, count) in &counts {
        text += &format!("{rule} {count}\n");
    }
    let expected = folder.join("counts.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &text).expect("it can be written");
    }
    let before = fs::read_to_string(&expected).expect("counts.txt is there; UPDATE=1 writes it");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, now) = (lines(&before), lines(&text));
    let gone: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
    let new: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
    assert!(gone.is_empty() && new.is_empty(), "were: {gone:#?}\nare: {new:#?}");
}
