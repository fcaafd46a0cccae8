//! Charts and kustomizations, rendered by the real programs.

use std::{fs, path::Path, time::Duration};

use libtest_mimic::Failed;
use nightlatch_e2e::{
    lab::home,
    nightlatch::{Run, run_beside},
};
use serde_json::Value;

use crate::{Case, Needs};

const RUN_MAX: Duration = Duration::from_secs(120);

pub(super) const CASES: &[Case] = &[
    Case { name: "render/helm", needs: Needs::Helm, run: helm },
    Case { name: "render/kustomize", needs: Needs::Lab, run: kustomize },
];

const CHART: [(&str, &str); 5] = [
    ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
    ("shop/values.yaml", "privileged: false\nimage: registry.example/shop:1.2\n"),
    (
        "shop/templates/pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-web\nspec:\n  containers:\n    - name: web\n      \
         image: {{ .Values.image | quote }}\n      securityContext:\n        privileged: {{ .Values.privileged }}\n",
    ),
    ("shop/templates/_names.tpl", "{{- define \"names\" }}x{{ end -}}\n"),
    ("open.yaml", "privileged: true\n"),
];

const KUSTOMIZATION: [(&str, &str); 4] = [
    ("base/kustomization.yaml", "resources:\n- pod.yaml\n"),
    (
        "base/pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: a:1\n",
    ),
    (
        "prod/kustomization.yaml",
        "bases:\n- ../base\nnamePrefix: prod-\npatchesStrategicMerge:\n- open.yaml\n",
    ),
    (
        "prod/open.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    securityContext:\n      \
         privileged: true\n",
    ),
];

fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failed> {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::write(path, text)?;
    }
    Ok(())
}

fn audit(folder: &Path, more: &[&str]) -> (Run, Value) {
    let folder = folder.display().to_string();
    let arguments = [&["audit", "--json", "--all", "--render", folder.as_str()], more].concat();
    let run = run_beside(&arguments, RUN_MAX, home().as_deref());
    let report = serde_json::from_str(&run.stdout).unwrap_or_default();
    (run, report)
}

/// The objects on which a privileged container is found.
fn privileged(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = findings.iter().filter(|finding| finding["rule"] == "POD-001");
    found.filter_map(|finding| finding["subject"]["name"].as_str()).collect()
}

fn expect(holds: bool, what: &str, run: &Run) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}\n{run:#?}").into()) }
}

fn helm() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), &CHART)?;
    let chart = folder.path().join("shop");
    let (run, report) = audit(&chart, &[]);
    expect(run.code == Some(0) && privileged(&report).is_empty(), "the chart is in order as it comes", &run)?;
    expect(
        report["input"]["workloads"] == 1,
        "the pod of the chart is there once, its template is not read",
        &run,
    )?;
    let values = folder.path().join("open.yaml").display().to_string();
    let (run, report) = audit(&chart, &["--values", &values]);
    expect(privileged(&report) == ["release-name-web"], "values decide", &run)?;
    fs::write(chart.join("templates/pod.yaml"), "{{ fail \"no\" }}\n")?;
    let (run, report) = audit(&chart, &[]);
    let notices = report["notices"].to_string();
    expect(run.code == Some(2) && notices.contains("helm"), "a chart that helm refuses is named", &run)
}

fn kustomize() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), &KUSTOMIZATION)?;
    let (run, report) = audit(&folder.path().join("prod"), &[]);
    expect(run.code == Some(0), "the kustomization is rendered", &run)?;
    expect(privileged(&report) == ["prod-web"], "the patch and the prefix count", &run)?;
    let (run, report) = audit(&folder.path().join("base"), &[]);
    expect(run.code == Some(0) && privileged(&report).is_empty(), "the base is in order", &run)
}
