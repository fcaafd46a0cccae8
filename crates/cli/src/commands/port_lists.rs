use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use nightlatch_scope::{ListedPort, PortList, PortListError, PortSet, Tool, read_ports};
use nightlatch_untrusted::terminal;

use super::scan::{How, Scan};
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// The lists of open ports that other scanners write.
#[derive(Debug, Subcommand)]
pub(crate) enum PortLists {
    /// Scan what masscan found open (-oL, -oX, -oJ, -oD, -oG), and nothing else
    Masscan(Lists),
    /// Scan what ZMap found open (addresses, CSV with a header, JSON lines), and nothing else
    Zmap {
        /// The port that was scanned, for lists that hold addresses alone
        #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
        port: Vec<u16>,
        #[command(flatten)]
        lists: Lists,
    },
    /// Scan what Nmap found open (-oX, -oG), and nothing else
    Nmap(Lists),
}

/// Which files, and how they are scanned.
#[derive(Debug, Args)]
pub(crate) struct Lists {
    /// Lists of open ports; - for standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
}

impl PortLists {
    /// Reads the lists and scans what is open in them.
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (tool, lists, ports) = match self {
            Self::Masscan(lists) => (Tool::Masscan, lists, PortSet::default()),
            Self::Zmap { port, lists } => (Tool::Zmap, lists, port.iter().copied().collect()),
            Self::Nmap(lists) => (Tool::Nmap, lists, PortSet::default()),
        };
        let mut open: Vec<ListedPort> = Vec::new();
        let mut asked = Vec::new();
        for file in &lists.files {
            let list = read(tool, file, &ports)?;
            told(file, &list, session.chatty());
            asked.push(format!("what {tool} found open in {}", file.display()));
            open.extend(list.open);
        }
        if open.is_empty() {
            return Err(Failure::usage(format!("{tool} found no open TCP port; there is nothing to scan")));
        }
        Scan::of_list(asked, open, lists.how.clone()).run(session)
    }
}

/// Reads one list.
fn read(tool: Tool, file: &Path, ports: &PortSet) -> Result<PortList, Failure> {
    let list = if file.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            say(format_args!("reading a list of {tool} from standard input; end with Ctrl-D"));
        }
        read_ports(tool, io::stdin().lock(), Path::new("standard input"), ports)
    } else {
        fs::File::open(file)
            .map_err(|source| PortListError::Read { path: file.to_owned(), source })
            .and_then(|input| read_ports(tool, input, file, ports))
    };
    list.map_err(|error| Failure::from_error(Exit::Usage, &error))
}

/// Says what is in a list; that it is cut off is said in any case.
fn told(file: &Path, list: &PortList, chatty: bool) {
    let name = terminal(&file.display().to_string());
    if chatty {
        say(format_args!(
            "{name}: {} open TCP ports; left out: {} not open, {} not TCP",
            list.open.len(),
            list.not_open,
            list.not_tcp
        ));
    }
    if let Some(line) = list.cut_off {
        say(format_args!(
            "warning: {name} is cut off at line {line}: what was whole before it is scanned, the rest is not known"
        ));
    }
}
