//! Who may not send packets of his own connects.

use nightlatch_lab_net::{Scanner, Sky, binary, run};

use crate::{Case, found::lab};

pub(crate) const CASES: &[Case] = &[
    ("rights/none-connects-and-says-so", none_connects),
    ("rights/none-and-asked-for-is-refused", none_is_refused),
];

const NO_RIGHTS: &[&str] =
    &["--bounding-set=-net_raw,-net_admin,-bpf", "--inh-caps=-net_raw,-net_admin,-bpf", "--"];

fn none_connects() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let mut command = scanner.wrapped(&lab, "setpriv", NO_RIGHTS);
    command.args(["scan", "10.0.0.0/28", "--ports", "80", "--json"]);
    let done = run(&mut command);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 16, "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("cap_net_raw") || done.stderr.contains("CAP_NET_RAW"), "{}", done.stderr);
}

fn none_is_refused() {
    let lab = lab(Sky::Dense);
    let scanner = Scanner::new();
    let mut command = scanner.wrapped(&lab, "setpriv", NO_RIGHTS);
    command.args(["scan", "10.0.0.0/28", "--ports", "80", "--sender", "packet"]);
    let done = run(&mut command);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let told = format!("setcap cap_net_raw,cap_net_admin+ep {}", binary().display());
    // Long lines are broken at the width of the terminal.
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("setcap") && flat.contains("cap_net_raw"), "{told}: {}", done.stderr);
}
