//! A real Kubernetes as the judge: of the scanner, of the offline authoriser, of what the audit believes about defaults.
//!
//! `./test lab` builds the programs and runs this; without `NIGHTLATCH_LAB` everything here counts as ignored. Run one with
//! `NIGHTLATCH_LAB=target/lab cargo test -p nightlatch-e2e --test lab -- scan/default`. What this machine cannot start counts
//! as ignored too, and the reason is printed before and after the run.

#[path = "lab/can_i.rs"]
mod can_i;
#[path = "lab/cluster.rs"]
mod cluster;
#[path = "lab/defaults.rs"]
mod defaults;
#[path = "lab/estate.rs"]
mod estate;
#[path = "lab/rbac.rs"]
mod rbac;
#[path = "lab/render.rs"]
mod render;
#[path = "lab/scan.rs"]
mod scan;
#[path = "lab/yaml.rs"]
mod yaml;

use libtest_mimic::{Arguments, Failed, Trial};
use nightlatch_e2e::lab::{HOME_VARIABLE, home, kubelet_impossible, ports_taken, program};

/// One test, and what the machine must offer for it.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn() -> Result<(), Failed>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Needs {
    Lab,
    Kubelet,
    Helm,
    Ports,
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One control plane at a time and something beside it: machines with two cores must pass as well.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let no_lab =
        home().is_none().then(|| format!("{HOME_VARIABLE} is not set; ./test lab builds what it needs"));
    let no_kubelet = kubelet_impossible();
    let mut skipped = Vec::new();
    let mut trials = Vec::new();
    for case in
        [scan::CASES, rbac::CASES, can_i::CASES, defaults::CASES, yaml::CASES, cluster::CASES, render::CASES]
            .concat()
    {
        let lacks = match case.needs {
            Needs::Lab => None,
            Needs::Kubelet => no_kubelet.clone(),
            Needs::Ports => ports_taken(),
            Needs::Helm => program("helm").is_none().then(|| "helm could not be built".to_owned()),
        };
        let reason = no_lab.clone().or(lacks);
        if let Some(reason) = &reason {
            skipped.push(format!("NOT RUN: {}: {reason}", case.name));
        }
        trials.push(Trial::test(case.name, case.run).with_ignored_flag(reason.is_some()));
    }
    for line in &skipped {
        eprintln!("{line}");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for line in &skipped {
        eprintln!("{line}");
    }
    conclusion.exit();
}
