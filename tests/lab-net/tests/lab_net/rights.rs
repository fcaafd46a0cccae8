//! Who may not send packets of his own connects, and who may does not stay who may.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use nightlatch_lab_net::{Lab, Running, Scanner, Sky, binary, run, start};
use rustix::process::Signal;

use crate::{
    Case,
    found::{FAST_SENDERS, SENDERS, block, lab, open, prepare},
};

pub(crate) const CASES: &[Case] = &[
    ("rights/none-connects-and-says-so", none_connects),
    ("rights/none-and-asked-for-is-refused", none_is_refused),
    ("rights/without-net-admin", without_net_admin),
    ("rights/root-goes-on-as-nobody", goes_on_as_nobody),
    ("rights/sudo-goes-on-as-who-called-it", goes_on_as_caller),
    ("rights/user-is-named", user_is_named),
    ("rights/what-cannot-be-handed-over", not_handed_over),
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

fn without_net_admin() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let few = ["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"];
    let mut command = scanner.wrapped(&lab, "setpriv", &few);
    command.args(["scan", "10.0.0.0/22", "--ports", "80", "--discover-only", "--rate", "5000"]);
    let done = run(command.args(["--rate-per-network", "100000"]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(open(&done), block([10, 0, 0, 0], 1024, &[80], Sky::Dense));
    assert!(done.stderr.contains("without CAP_NET_ADMIN no rule"), "{}", done.stderr);
    prepare(&lab, "live");
    // Live frames need more than that, and the one command that grants it is told.
    let mut command = scanner.wrapped(&lab, "setpriv", &few);
    let done = run(command.args(["scan", "10.0.0.0/28", "--ports", "80", "--sender", "live"]));
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep"), "{flat}");
}

/// What `/proc` says of a thread.
#[derive(Debug)]
struct Thread {
    name: String,
    fields: Vec<(String, String)>,
}

impl Thread {
    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|row| row.0 == name);
        found.map_or_else(|| panic!("no {name} in {self:?}"), |row| &row.1)
    }
}

/// All threads of a process, some time after it was started.
fn threads(running: &mut Running) -> Vec<Thread> {
    thread::sleep(Duration::from_millis(2500));
    assert!(!running.ended(), "it is over before it was looked at");
    let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    let status = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
    let thread = |text: String| {
        let rows = text.lines().filter_map(|line| line.split_once(':'));
        let fields: Vec<_> = rows
            .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect();
        Thread { name: fields[0].1.clone(), fields }
    };
    let threads: Vec<Thread> = status.map(thread).collect();
    for name in ["listener", "sender"] {
        assert!(threads.iter().any(|thread| thread.name == name), "no {name} in {threads:?}");
    }
    threads
}

/// Every thread is `uid`'s, and none may do anything that others may not.
fn check_ordinary(threads: &[Thread], uid: u32, gid: u32) {
    for thread in threads {
        let four = |id: u32| [id.to_string().as_str()].repeat(4).join(" ");
        assert_eq!(thread.field("Uid"), four(uid), "{}", thread.name);
        assert_eq!(thread.field("Gid"), four(gid), "{}", thread.name);
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(u64::from_str_radix(thread.field(set), 16), Ok(0), "{set} of {}", thread.name);
        }
        assert_eq!(thread.field("NoNewPrivs"), "1", "{}", thread.name);
        // A filter of system calls.
        if ["sender", "live-frames"].contains(&thread.name.as_str()) {
            assert_eq!(thread.field("Seccomp"), "2", "{}", thread.name);
        }
    }
}

/// A scan that takes some seconds.
fn slow(scanner: &Scanner, lab: &Lab, more: &[&str]) -> Command {
    scanner.scan(lab, &[&["10.0.0.0/16", "--ports", "80", "--rate", "3000"], more].concat())
}

fn interrupt(running: Running) -> String {
    running.signal(Signal::INT);
    let done = running.wait(Duration::from_secs(30));
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    done.stderr
}

/// Who has the folder and everything in it but the scope.
fn owners(folder: &Path) -> Vec<u32> {
    let mut owners = vec![fs::metadata(folder).unwrap().uid()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            owners.extend(self::owners(&path));
        } else if !path.ends_with("scope.toml") {
            owners.push(fs::metadata(path).unwrap().uid());
        }
    }
    owners.sort_unstable();
    owners.dedup();
    owners
}

fn number(name: &str, option: &str) -> u32 {
    let shown = Command::new("id").args([option, name]).output().unwrap().stdout;
    String::from_utf8(shown).unwrap().trim().parse().unwrap()
}

fn goes_on_as_nobody() {
    let lab = lab(Sky::Dense);
    let (uid, gid) = (number("nobody", "-u"), number("nobody", "-g"));
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let scanner = Scanner::new();
        let mut running = start(&mut slow(&scanner, &lab, &["--sender", sender]));
        let threads = threads(&mut running);
        check_ordinary(&threads, uid, gid);
        assert_eq!(sender == "live", threads.iter().any(|thread| thread.name == "live-frames"));
        let told = interrupt(running);
        assert!(told.contains("goes on as nobody"), "{told}");
        assert_eq!(owners(scanner.folder()), [uid], "{sender}");
        let scope = fs::metadata(scanner.folder().join("scope.toml")).unwrap();
        assert_eq!(scope.uid(), 0, "what no scan writes stays root's");
    }
    // Conversations and the store, too, are nobody's; and what root has left there meanwhile is no obstacle.
    let scanner = Scanner::new();
    let _listeners = lab.listen(&[80]);
    for _ in 0..2 {
        let done = run(&mut scanner.command(&lab, &["10.0.0.0/30", "--ports", "80"]));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(owners(scanner.folder()), [uid], "{}", done.stderr);
        let connected =
            run(scanner.data_command(&lab).args(["scan", "127.0.0.1", "--ports", "9", "--user", "root"]));
        assert_eq!(connected.code, Some(0), "{}", connected.stderr);
        assert!(owners(scanner.folder()).contains(&0));
    }
}

fn goes_on_as_caller() {
    const CALLER: u32 = 54_321;
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let as_caller = |command: &mut Command| {
        command.env("SUDO_UID", CALLER.to_string()).env("SUDO_GID", "54322");
    };
    let mut command = slow(&scanner, &lab, &[]);
    as_caller(&mut command);
    let mut running = start(&mut command);
    check_ordinary(&threads(&mut running), CALLER, 54_322);
    interrupt(running);
    assert_eq!(owners(scanner.folder()), [CALLER]);
    // Where it connects as well: the next one is without `sudo`.
    let scanner = Scanner::new();
    let mut command = scanner.command(&lab, &["10.0.0.0/30", "--ports", "80", "--sender", "connect"]);
    as_caller(&mut command);
    let done = run(&mut command);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(owners(scanner.folder()), [CALLER]);
}

fn user_is_named() {
    let lab = lab(Sky::Dense);
    let scanner = Scanner::new();
    let mut running = start(&mut slow(&scanner, &lab, &["--user", "daemon"]));
    check_ordinary(&threads(&mut running), number("daemon", "-u"), number("daemon", "-g"));
    interrupt(running);
    // Root that stays root may do no more than its files let it.
    let scanner = Scanner::new();
    let mut running = start(&mut slow(&scanner, &lab, &["--user", "root"]));
    check_ordinary(&threads(&mut running), 0, 0);
    interrupt(running);
    let none = run(&mut slow(&scanner, &lab, &["--user", "no-such-user"]));
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    let mut other = scanner.wrapped(&lab, "setpriv", &["--reuid", "daemon", "--clear-groups", "--"]);
    let other =
        run(other.args(["scan", "127.0.0.1", "--user", "nobody"]).env("NIGHTLATCH_DATA", "/nonexistent"));
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("only root"), "{}", other.stderr);
}

fn not_handed_over() {
    let lab = lab(Sky::Dense);
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let scanner = Scanner::new();
    let scope_file = scanner.folder().join("scope.toml");
    let within = |folder: &Path, more: &[&str]| {
        let mut command = slow(&scanner, &lab, more);
        command.args(["--scope"]).arg(&scope_file).env("NIGHTLATCH_DATA", folder);
        command
    };
    // Nobody may look into what only root may look into.
    let hidden = outer.path().join("data");
    let mut running = start(&mut within(&hidden, &[]));
    check_ordinary(&threads(&mut running), 0, 0);
    let told = interrupt(running);
    assert!(told.contains("goes on as root without its rights"), "{told}");
    assert!(told.contains("--data") && told.contains("--user"), "{told}");
    let refused = run(&mut within(&hidden, &["--user", "nobody"]));
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    // A folder of something else is not given away, nor is what lies in it.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("thesis.tex"), "years of work").unwrap();
    let mut running = start(&mut within(other.path(), &[]));
    check_ordinary(&threads(&mut running), 0, 0);
    interrupt(running);
    assert_eq!(fs::metadata(other.path()).unwrap().uid(), 0);
    assert_eq!(fs::metadata(other.path().join("thesis.tex")).unwrap().uid(), 0);
}
