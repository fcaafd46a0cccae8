use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    ops::RangeInclusive,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

/// Ports of a block.
const BLOCK: u16 = 1024;
/// The lowest port that is taken: below are the services of this world.
const LOWEST: u16 = 16_384;
/// Longest line of `/proc/net/tcp` that is looked at.
const LINE_BYTES_MAX: usize = 4096;

/// A block of source ports that belongs to this scan as long as the value lives.
///
/// The block is outside the range from which the kernel gives ports to connections, nobody listens in it, and no other
/// scan on this machine (in this network namespace) has it.
#[derive(Debug)]
pub struct SourcePorts {
    range: RangeInclusive<u16>,
    /// A name that only one process can have; it goes with the process.
    _claim: UnixListener,
}

impl SourcePorts {
    /// The ports: 1,024 of them, beginning at a multiple of 1,024.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.range.clone()
    }
}

/// Finds and claims a block of source ports. Needs no right.
///
/// # Errors
/// When no block is free, in plain words.
pub fn source_ports() -> io::Result<SourcePorts> {
    let mut taken = Taken::default();
    let given = "/proc/sys/net/ipv4/ip_local_port_range";
    let range = fs::read_to_string(given)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {given}: {error}")))?;
    let range: Vec<u16> = range.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if let [first, last] = range[..] {
        taken.add(first, last);
    }
    if let Ok(reserved) = fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports") {
        taken.add_list(&reserved);
    }
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        // Without IPv6 there is no such file.
        if let Ok(file) = File::open(table) {
            taken.add_sockets(BufReader::new(file))?;
        }
    }
    for first in taken.free_blocks() {
        let name = SocketAddr::from_abstract_name(format!("nightlatch-syn-ports-{first}"))?;
        match UnixListener::bind_addr(&name) {
            Ok(claim) => return Ok(SourcePorts { range: first..=first + (BLOCK - 1), _claim: claim }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    let given = range.iter().map(u16::to_string).collect::<Vec<_>>().join("-");
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!(
            "no block of {BLOCK} free source ports above {LOWEST}: the kernel gives {given} to connections, and the \
             rest is in use; narrow it, as in `sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"`"
        ),
    ))
}

/// Ports that others use.
#[derive(Debug, Default)]
struct Taken(Vec<(u16, u16)>);

impl Taken {
    fn add(&mut self, first: u16, last: u16) {
        self.0.push((first, last));
    }

    /// Adds `8080,9148-9200`.
    fn add_list(&mut self, text: &str) {
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                self.add(first, last);
            }
        }
    }

    /// Adds the local ports of `/proc/net/tcp`: the second column, an address and a port in hexadecimal.
    fn add_sockets(&mut self, mut table: impl BufRead) -> io::Result<()> {
        let mut used = [false; 64];
        let mut line = Vec::new();
        loop {
            line.clear();
            if io::Read::take(&mut table, LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let port = text.split_whitespace().nth(1).and_then(|local| local.rsplit_once(':'));
            if let Some(port) = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok()) {
                used[usize::from(port / BLOCK)] = true;
            }
        }
        let blocks = used.iter().zip(0u16..).filter(|row| *row.0);
        self.0.extend(blocks.map(|(_, block)| (block * BLOCK, block * BLOCK + (BLOCK - 1))));
        Ok(())
    }

    /// First ports of blocks that nobody uses, highest first.
    fn free_blocks(&self) -> impl Iterator<Item = u16> {
        let blocks = (LOWEST / BLOCK..=u16::MAX / BLOCK).rev().map(|block| block * BLOCK);
        blocks.filter(|&first| {
            let last = first + (BLOCK - 1);
            self.0.iter().all(|&(from, to)| to < first || from > last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_avoid_what_others_use() {
        let mut taken = Taken::default();
        taken.add(32_768, 60_999);
        taken.add_list("63000,61500-61600\n");
        let table = "  sl  local_address rem_address\n   0: 0100007F:FFFF 00000000:0000 0A\n";
        taken.add_sockets(table.as_bytes()).unwrap();
        let free: Vec<u16> = taken.free_blocks().collect();
        // 64512 has a listener, 62464 and 61440 have reserved ports, 60416 is given to connections in part.
        assert_eq!(free[..2], [63_488, 31_744]);
        assert_eq!(free.last(), Some(&LOWEST));
    }

    #[test]
    fn two_scans_have_different_blocks() {
        let one = source_ports().unwrap();
        let two = source_ports().unwrap();
        assert_ne!(one.range(), two.range());
        assert_eq!(one.range().len(), usize::from(BLOCK));
    }
}
