//! Lists of open ports that other scanners wrote: masscan, ZMap and Nmap.
//!
//! One file for each format. All of them read as they go, so a file of any length costs what its ports cost; a file
//! that was cut off gives what was whole in it, and says so. What another scanner calls open is only a target here:
//! whether it may be sent to is decided by the scope like that of every other target.

mod grepable;
mod json;
mod masscan_list;
mod source;
#[cfg(test)]
mod tests;
mod xml;
mod zmap;

use std::{
    fmt,
    io::{self, BufRead, BufReader, Cursor, Read},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{HostName, PortSet, TARGETS_MAX};
use source::{Mistake, Source};

/// Largest file that is read, in bytes.
pub const PORT_LIST_BYTES_MAX: u64 = 4 << 30;
/// Bytes that are looked at to tell formats apart.
const HEAD_BYTES: u64 = 4096;

/// A scanner whose lists are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// masscan: `-oL`, `-oX`, `-oJ`, `-oD`, `-oG`.
    Masscan,
    /// ZMap: addresses, CSV with a header, JSON lines.
    Zmap,
    /// Nmap: `-oX`, `-oG`.
    Nmap,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Masscan => "masscan",
            Self::Zmap => "ZMap",
            Self::Nmap => "Nmap",
        })
    }
}

/// A port that a list calls open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedPort {
    /// Where.
    pub socket: SocketAddr,
    /// The name that the person who ran the scanner gave for the address; never one from reverse DNS.
    pub name: Option<HostName>,
}

/// What a list held.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PortList {
    /// Open TCP ports in the order of the list; scanners may name one twice.
    pub open: Vec<ListedPort>,
    /// TCP ports that were listed as anything but open: closed, filtered, `open|filtered`.
    pub not_open: u64,
    /// Ports of other protocols, in any state.
    pub not_tcp: u64,
    /// The line at which the list ends before its end.
    pub cut_off: Option<u32>,
}

/// Why a list of ports was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortListError {
    /// The text is not what it should be.
    #[error("{}:{line}:{column}: {what}, expected {expected}", path.display())]
    Syntax {
        /// The file, or a word such as `standard input`.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
        /// What is wrong.
        what: String,
        /// What would have been right.
        expected: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads a list of open ports; which format of the tool it is, its first bytes tell.
///
/// - `path`: where the text came from, for messages.
/// - `ports`: for lists of addresses alone, which only ZMap writes: the ports that were found open on each. Empty
///   for all others.
///
/// # Errors
/// The first mistake, with its line and column; a list that is longer than [`PORT_LIST_BYTES_MAX`] or names more than
/// [`TARGETS_MAX`] ports; and what the reader says.
pub fn read_ports(
    tool: Tool,
    mut input: impl Read,
    path: &Path,
    ports: &PortSet,
) -> Result<PortList, PortListError> {
    let failed = |source| PortListError::Read { path: path.to_owned(), source };
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
    if head.starts_with("\u{feff}".as_bytes()) {
        head.drain(..3);
    }
    let format = Format::of(tool, &head);
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(input));
    let mut source = Source::new(whole, PORT_LIST_BYTES_MAX);
    let mut list = Listing::default();
    let read = match format {
        _ if !ports.is_empty() && tool != Tool::Zmap => Err(source.mistake(
            format!("the lists of {tool} name their ports themselves"),
            "no port beside them; ports are for lists of addresses",
        )),
        Ok(Format::Empty) => Ok(()),
        Ok(Format::Xml) => xml::read(&mut source, &mut list),
        Ok(Format::Json) => json::read(&mut source, ports, &mut list),
        Ok(Format::Grepable) => grepable::read(&mut source, &mut list),
        Ok(Format::MasscanList) => masscan_list::read(&mut source, &mut list),
        Ok(Format::Zmap) => zmap::read(&mut source, ports, &mut list),
        Err(expected) => Err(source.mistake(format!("this is no list of {tool} that is known"), expected)),
    };
    match read {
        Ok(()) => Ok(list.0),
        Err(Mistake::Read(error)) => Err(failed(error)),
        Err(Mistake::Syntax { line, column, what, expected }) => {
            Err(PortListError::Syntax { path: path.to_owned(), line, column, what, expected })
        }
    }
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Empty,
    Xml,
    Json,
    Grepable,
    MasscanList,
    Zmap,
}

impl Format {
    /// Tells it from the first bytes; else says what would have been right.
    fn of(tool: Tool, head: &[u8]) -> Result<Self, &'static str> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start();
        let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        match tool {
            _ if text.is_empty() => Ok(Self::Empty),
            Tool::Masscan | Tool::Nmap if text.starts_with('<') => Ok(Self::Xml),
            Tool::Masscan | Tool::Zmap if starts(&["[", "{"]) => Ok(Self::Json),
            Tool::Masscan if starts(&["masscan/1"]) => {
                Err("text; `masscan --readscan FILE -oL LIST` makes it of this binary file (-oB)")
            }
            Tool::Masscan if starts(&["# Masscan", "Host:", "Timestamp:"]) => Ok(Self::Grepable),
            Tool::Masscan if starts(&["#", "open ", "closed ", "banner ", "unknown "]) => {
                Ok(Self::MasscanList)
            }
            Tool::Masscan => Err("what masscan writes with -oL, -oX, -oJ, -oD or -oG"),
            Tool::Nmap if text.contains("Nmap scan report for") => {
                Err("what Nmap writes with -oX or -oG; this is for people (-oN)")
            }
            Tool::Nmap if starts(&["#", "Host:"]) => Ok(Self::Grepable),
            Tool::Nmap => Err("what Nmap writes with -oX or -oG"),
            Tool::Zmap => Ok(Self::Zmap),
        }
    }
}

/// A list that is being filled.
#[derive(Default)]
struct Listing(PortList);

impl Listing {
    /// Adds what a list says of one port.
    ///
    /// - `state`: `open` alone is open.
    fn add(
        &mut self,
        source: &Source<impl BufRead>,
        (ip, name): (IpAddr, Option<&HostName>),
        (port, protocol, state): (&str, &str, &str),
    ) -> Result<(), Mistake> {
        if protocol != "tcp" {
            self.0.not_tcp += 1;
            return Ok(());
        }
        if state != "open" {
            self.0.not_open += 1;
            return Ok(());
        }
        let port = port_of(source, port)?;
        self.open(source, ip, name, port)
    }

    /// Adds an open port.
    fn open(
        &mut self,
        source: &Source<impl BufRead>,
        ip: IpAddr,
        name: Option<&HostName>,
        port: u16,
    ) -> Result<(), Mistake> {
        if self.0.open.len() == TARGETS_MAX {
            return Err(
                source.mistake(format!("more than {TARGETS_MAX} open ports"), "fewer; split the list")
            );
        }
        self.0
            .open
            .push(ListedPort { socket: SocketAddr::new(ip.to_canonical(), port), name: name.cloned() });
        Ok(())
    }

    /// Notes that the list ends before its end.
    fn cut_off(&mut self, source: &Source<impl BufRead>) {
        self.0.cut_off.get_or_insert(source.line());
    }
}

/// Reads an address of a list.
fn address(source: &Source<impl BufRead>, text: &str) -> Result<IpAddr, Mistake> {
    IpAddr::from_str(text)
        .map_err(|_| source.mistake(format!("`{}` is no address", start(text)), "an IPv4 or IPv6 address"))
}

/// Reads a port of a list.
fn port_of(source: &Source<impl BufRead>, text: &str) -> Result<u16, Mistake> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|port| *port > 0)
        .ok_or_else(|| source.mistake(format!("`{}` is no port", start(text)), "a number from 1 to 65535"))
}

/// The first characters of something foreign, for a message; whoever prints it escapes it.
fn start(text: &str) -> String {
    text.chars().take(40).collect()
}
