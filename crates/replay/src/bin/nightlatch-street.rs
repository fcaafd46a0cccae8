//! Serves one recording until standard input ends: `nightlatch-street RECORDING ADDRESS[:FIRST[-LAST]] [PORT]`.
//!
//! Prints `ready COUNT` when all sockets listen, and `served CONNECTIONS REQUESTS` at the end. PORT chooses among the recorded ports; FIRST-LAST opens one socket for each
//! port of the range. The benchmarks and the tests use it, because a server in a process of its own can be measured.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    process::ExitCode,
};

use nightlatch_replay::{House, Recording, Street};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const USAGE: &str = "usage: nightlatch-street RECORDING ADDRESS:FIRST[-LAST] [RECORDED-PORT]";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(path), Some(place)) = (arguments.next(), arguments.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&path, &place, arguments.next().as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nightlatch-street: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  {cause}");
                source = cause.source();
            }
            ExitCode::from(3)
        }
    }
}

fn run(path: &str, place: &str, recorded_port: Option<&str>) -> Result<(), Box<dyn Error>> {
    let recording = Recording::read(path, &fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?)?;
    let recorded_port = recorded_port.map(str::parse).transpose()?;
    let (address, first, last) = parse_place(place).ok_or(USAGE)?;
    let mut houses = Vec::new();
    for port in first..=last {
        houses.push(House::on_port(&recording, recorded_port, SocketAddr::new(address, port))?);
    }
    raise_descriptor_limit()?;
    let street = Street::open(houses)?;
    let mut out = io::stdout();
    writeln!(out, "ready {}", street.endpoints().len())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    writeln!(out, "served {} {}", street.connections(), street.requests())?;
    Ok(())
}

/// A range of ports needs a descriptor for each; the hard limit is the most that the user was given.
fn raise_descriptor_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn parse_place(place: &str) -> Option<(IpAddr, u16, u16)> {
    let (address, ports) = place.rsplit_once(':')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let address = address.trim_matches(['[', ']']).parse().ok()?;
    Some((address, first.parse().ok()?, last.parse().ok()?))
}
