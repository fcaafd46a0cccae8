use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::Lab;

/// Where the binary is: `NIGHTLATCH_BIN`, or beside the test.
pub fn binary() -> PathBuf {
    let path = env::var_os("NIGHTLATCH_BIN").map_or_else(
        || {
            let test = env::current_exe().unwrap();
            test.parent().and_then(Path::parent).unwrap().join("nightlatch")
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is missing; build it, or run ./test lab-net", path.display());
    path
}

/// The program under test, with a data directory and a scope of its own.
#[derive(Debug)]
pub struct Scanner {
    folder: tempfile::TempDir,
}

const SCOPE: &str = r#"
contact = "lab@example.org"
[[block]]
net = ["10.0.0.0/10", "fd00:a::/64"]
owner = "lab"
"#;

impl Scanner {
    /// A fresh one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scope.toml"), SCOPE).unwrap();
        Self { folder }
    }

    /// Its data directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `nightlatch scan ARGUMENTS --discover-only` in the near namespace, without the caps per network, as NDJSON.
    pub fn scan(&self, lab: &Lab, arguments: &[&str]) -> Command {
        let mut command = self.command(lab, arguments);
        command.args(["--discover-only", "--rate-per-network", "10000000"]);
        command
    }

    /// `nightlatch scan ARGUMENTS` in the near namespace.
    pub fn command(&self, lab: &Lab, arguments: &[&str]) -> Command {
        let mut command = self.data_command(lab);
        command.arg("scan").args(arguments);
        command
    }

    /// `nightlatch`, with the data directory of this one.
    pub fn data_command(&self, lab: &Lab) -> Command {
        let mut command = lab.near(&binary().display().to_string());
        self.surround(&mut command);
        command
    }

    /// `nightlatch` as `program`, which changes what it may do, starts it.
    pub fn wrapped(&self, lab: &Lab, program: &str, arguments: &[&str]) -> Command {
        let mut command = lab.near(program);
        command.args(arguments).arg(binary());
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        command.env("NIGHTLATCH_DATA", self.folder.path()).env("LANG", "C.UTF-8").env("COLUMNS", "80");
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// The port hits of NDJSON, each once; one that is told twice fails the test.
pub fn hits(ndjson: &str) -> BTreeMap<SocketAddr, String> {
    let mut hits = BTreeMap::new();
    for line in ndjson.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (Some(ip), Some(port), Some(state)) =
            (value["ip"].as_str(), value["port"].as_u64(), value["state"].as_str())
        else {
            panic!("no port hit: {line}")
        };
        let socket = SocketAddr::new(ip.parse().unwrap(), u16::try_from(port).unwrap());
        let before = hits.insert(socket, state.to_owned());
        assert_eq!(before, None, "{socket} is told twice");
    }
    hits
}
