//! Lists of open ports of other scanners: any bytes are read or refused, in bounds; the first byte chooses the scanner.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_scope::{PortSet, Tool, read_ports};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else { return };
    let tool = [Tool::Masscan, Tool::Zmap, Tool::Nmap][usize::from(first % 3)];
    let ports: PortSet = if first & 0x80 == 0 { [].into_iter().collect() } else { [80, 443].into_iter().collect() };
    if let Ok(list) = read_ports(tool, text, "f".as_ref(), &ports) {
        assert!(list.open.len() <= text.len().max(1) * ports.as_slice().len().max(1));
        assert!(list.open.iter().all(|port| port.socket.port() > 0));
    }
});
