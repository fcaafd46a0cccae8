use std::{collections::BTreeSet, path::Path};

use proptest::prelude::*;

use super::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/port_list").join(name)).unwrap()
}

fn read(tool: Tool, text: impl AsRef<[u8]>, ports: &[u16]) -> Result<PortList, PortListError> {
    read_ports(tool, text.as_ref(), Path::new("f"), &ports.iter().copied().collect())
}

fn endpoints(list: &PortList) -> BTreeSet<SocketAddr> {
    list.open.iter().map(|port| port.socket).collect()
}

/// Addresses 10.0.0.0 to 10.0.0.`last` on each port.
fn block(last: u8, ports: &[u16]) -> BTreeSet<SocketAddr> {
    let each =
        |port: &u16| (0..=last).map(|n| SocketAddr::new([10, 0, 0, n].into(), *port)).collect::<Vec<_>>();
    ports.iter().flat_map(each).collect()
}

const ALL: &[(Tool, &str, &[u16])] = &[
    (Tool::Masscan, "masscan-1.3.2.list", &[]),
    (Tool::Masscan, "masscan-1.3.2.xml", &[]),
    (Tool::Masscan, "masscan-1.3.2.json", &[]),
    (Tool::Masscan, "masscan-1.3.2.ndjson", &[]),
    (Tool::Masscan, "masscan-1.3.2.gnmap", &[]),
    (Tool::Masscan, "masscan-1.0-commas.json", &[]),
    (Tool::Zmap, "zmap-2.1.1.list", &[80]),
    (Tool::Zmap, "zmap-2.1.1.csv", &[]),
    (Tool::Zmap, "zmap-2.1.1.ndjson", &[]),
    (Tool::Zmap, "zmap-2.1.1-addresses.ndjson", &[80]),
    (Tool::Nmap, "nmap-7.93.xml", &[]),
    (Tool::Nmap, "nmap-7.93.gnmap", &[]),
    (Tool::Nmap, "nmap-7.93-ipv6.xml", &[]),
    (Tool::Nmap, "nmap-7.93-udp.xml", &[]),
    (Tool::Nmap, "nmap-7.93-udp.gnmap", &[]),
    (Tool::Nmap, "nmap-7.93-name.xml", &[]),
];

#[test]
fn what_the_scanners_wrote_is_read() {
    for (tool, name, ports) in ALL {
        let list = read(*tool, file(name), ports).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = match *name {
            "masscan-1.0-commas.json" => {
                ["10.0.0.1:80", "10.0.0.2:80"].iter().map(|text| text.parse().unwrap()).collect()
            }
            "nmap-7.93-ipv6.xml" => {
                ["[fd00:2::1]:80", "[fd00:2::2]:80"].iter().map(|text| text.parse().unwrap()).collect()
            }
            "nmap-7.93-name.xml" => BTreeSet::new(),
            name if name.starts_with("nmap-7.93-udp") => block(1, &[80]),
            name if name.starts_with("nmap") => block(3, &[80, 443]),
            name if name.starts_with("zmap") => block(7, &[80]),
            // It lost replies: as many as it wrote down, all of them from what it scanned.
            _ => {
                let (got, text) = (endpoints(&list), String::from_utf8(file(name)).unwrap());
                assert!(got.is_subset(&block(7, &[80, 443])), "{name}");
                let written = text.lines().filter(|line| line.contains("10.0.0.")).count();
                assert_eq!((list.open.len(), got.len() > 10), (written, true), "{name}");
                got
            }
        };
        assert_eq!(endpoints(&list), expected, "{name}");
        assert_eq!(list.cut_off, None, "{name}");
        let udp = if name.contains("udp") { 2 } else { 0 };
        assert_eq!(list.not_tcp, udp, "{name}");
    }
    assert_eq!(read(Tool::Nmap, file("nmap-7.93.xml"), &[]).unwrap().not_open, 4);
    assert_eq!(read(Tool::Masscan, file("masscan-1.0-commas.json"), &[]).unwrap().not_open, 1);
}

#[test]
fn a_list_that_is_cut_off_gives_what_is_whole() {
    for (tool, name, ports) in ALL {
        let whole = file(name);
        let all = endpoints(&read(*tool, &whole, ports).unwrap());
        let mut most = 0;
        for end in 0..whole.len() - 1 {
            let list = read(*tool, &whole[..end], ports)
                .unwrap_or_else(|error| panic!("{name} cut off at {end}: {error}"));
            let got = endpoints(&list);
            assert!(got.is_subset(&all), "{name} cut off at {end}: {got:?}");
            assert!(got.len() >= most, "{name} cut off at {end}: fewer than before");
            most = got.len();
            // Formats without an end mark do not show it when nothing is missing but lines.
            let marked = name.contains("masscan") && !name.contains("ndjson") || name.contains("nmap-");
            let shown = !marked || end < 20 || end + 12 > whole.len() || list.cut_off.is_some();
            assert!(shown, "{name} cut off at {end} is not told");
        }
        assert!(most + 1 >= all.len(), "{name}");
    }
}

#[test]
fn names_that_were_typed_are_kept_and_those_of_strangers_are_not() {
    let text = r#"<nmaprun><host><address addr="192.0.2.1" addrtype="ipv4"/><address addr="00:11:22:33:44:55"
        addrtype="mac"/><hostnames><hostname name="shop.example" type="user"/><hostname name="evil.example" type="PTR"/>
        </hostnames><ports><port protocol="tcp" portid="443"><state state="open"/></port>
        <port protocol="tcp" portid="81"><state state="open|filtered"/></port></ports></host>
        <host><address addr="192.0.2.2"/><hostnames><hostname name="p.example" type="PTR"/></hostnames>
        <ports><port protocol="tcp" portid="80"><state state="open"/></port></ports></host></nmaprun>"#;
    let list = read(Tool::Nmap, text, &[]).unwrap();
    let names: Vec<_> = list.open.iter().map(|port| port.name.as_ref().map(HostName::as_str)).collect();
    assert_eq!(names, [Some("shop.example"), None]);
    assert_eq!((list.open[0].socket.to_string().as_str(), list.not_open), ("192.0.2.1:443", 1));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let bomb = "<!DOCTYPE nmaprun [<!ENTITY a \"aaaa\">]><nmaprun>&a;</nmaprun>";
    let deep = format!("<nmaprun>{}", "<a>".repeat(100));
    let nested = format!("[\n{}", r#"{"a":"#.repeat(50));
    let host = "<nmaprun>\n <host><address addr='";
    for (tool, text, ports, told) in [
        (Tool::Masscan, "open tcp 80 10.0.0.1 1\nopen tcp x 10.0.0.1 1\n", &[][..], "f:2:1: `x` is no port"),
        (Tool::Masscan, "open tcp 80 10.0.0.256 1\n", &[], "f:1:1: `10.0.0.256` is no address"),
        (Tool::Masscan, "open tcp 0 10.0.0.1 1\n", &[], "`0` is no port"),
        (Tool::Masscan, "open tcp\n", &[], "f:1:1: the line is too short"),
        (Tool::Masscan, "masscan/1.1\n\0\0", &[], "--readscan"),
        (Tool::Masscan, "10.0.0.1\n", &[], "this is no list of masscan"),
        (Tool::Masscan, "open tcp 80 10.0.0.1 1\n", &[80], "name their ports themselves"),
        (Tool::Masscan, "[\n{\"ip\": 7}\n]", &[], "f:2:1: this object names no host"),
        (Tool::Masscan, "[\n  {\"ip\": \"10.0.0.1\", }\n]", &[], "f:2:3: no JSON"),
        (Tool::Masscan, "[ x", &[], "f:1:3: something between"),
        (Tool::Masscan, &nested, &[], "nested more than 16 deep"),
        (Tool::Masscan, bomb, &[], "declares things of its own"),
        (Tool::Nmap, &deep, &[], "nested more than 64 deep"),
        (Tool::Nmap, "<html></html>", &[], "f:1:1: this is another kind of XML"),
        (Tool::Nmap, "<nmaprun>\n <a></b>", &[], "f:2:5: no XML"),
        (Tool::Nmap, &format!("{host}&x;'/>"), &[], "f:2:8: no XML"),
        (Tool::Nmap, &format!("{host}ü\u{1b}'/>"), &[], "is no address"),
        (Tool::Nmap, "hello", &[], "this is no list of Nmap"),
        (Tool::Nmap, "# Nmap\nHost: x ()\tPorts: 1/open/tcp/\n", &[], "f:2:1: `x` is no address"),
        (Tool::Zmap, "10.0.0.1\n10.0.0.2\n", &[], "f:1:1: this list has no ports, expected `--port`"),
        (Tool::Zmap, "10.0.0.1\nx\n", &[80], "f:2:1: `x` is no address"),
        (Tool::Zmap, "10.0.0.1,80\n", &[], "the columns have no names"),
        (Tool::Zmap, "saddr,sport\n10.0.0.1\n", &[], "f:2:1: 1 columns instead of 2"),
        (Tool::Zmap, "saddr,sport\n10.0.0.1,80\n", &[80], "no `--port`"),
    ] {
        let error = read(tool, text, ports).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    assert!(read(Tool::Nmap, file("nmap-7.93.nmap"), &[]).unwrap_err().to_string().contains("(-oN)"));
}

#[test]
fn only_what_zmap_calls_a_success_is_taken() {
    let text = "classification,saddr,sport,success\nsynack,10.0.0.1,80,1\nrst,10.0.0.2,80,0\n\"synack\",10.0.0.3,81,1\n";
    let list = read(Tool::Zmap, text, &[]).unwrap();
    assert_eq!((list.open.len(), list.not_open), (2, 1));
    let text = "{\"saddr\":\"10.0.0.1\",\"sport\":80,\"success\":true}\n{\"saddr\":\"10.0.0.2\",\"sport\":80,\"success\":false}\n";
    assert_eq!(read(Tool::Zmap, text, &[]).unwrap().open.len(), 1);
}

#[test]
fn what_never_ends_is_refused() {
    struct Endless(&'static [u8]);
    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if !self.0.is_empty() {
                return self.0.read(into);
            }
            into.fill(b'a');
            Ok(into.len())
        }
    }
    for (tool, start) in [
        (Tool::Zmap, &b"1"[..]),
        (Tool::Masscan, b"{\"ip\":\""),
        (Tool::Nmap, b"<nmaprun><a b='"),
        (Tool::Nmap, b"<nmaprun>"),
        (Tool::Nmap, b"# Nmap "),
        (Tool::Masscan, b"open tcp "),
    ] {
        let error = read_ports(tool, Endless(start), Path::new("f"), &PortSet::default()).unwrap_err();
        assert!(error.to_string().contains("goes on for more than"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(
        tool in prop::sample::select(vec![Tool::Masscan, Tool::Zmap, Tool::Nmap]),
        start in prop::sample::select(vec!["", "<nmaprun><host>", "[{", "# Nmap\nHost: ", "open ", "saddr,sport\n", "1"]),
        text in any::<Vec<u8>>(),
    ) {
        let _ = read(tool, [start.as_bytes(), &text].concat(), &[]);
    }

    /// A changed byte gives the list, less or other of it, or a mistake; never an end of the program.
    #[test]
    fn changed_files_are_survived(at in any::<prop::sample::Index>(), file_at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (tool, name, ports) = file_at.get(ALL);
        let mut text = file(name);
        let place = at.index(text.len());
        text[place] = byte;
        let _ = read(*tool, &text, ports);
    }

    #[test]
    fn lists_are_read_as_they_were_written(hosts in prop::collection::vec((any::<IpAddr>(), 1u16..), 1..40)) {
        let list: String = hosts.iter().map(|(ip, port)| format!("open tcp {port} {ip} 1\n")).collect();
        let grepable: String = hosts.iter().map(|(ip, port)| format!("Host: {ip} ()\tPorts: {port}/open/tcp//x//\n")).collect();
        let json: String = hosts.iter().map(|(ip, port)| format!("{{\"ip\":\"{ip}\",\"ports\":[{{\"port\":{port},\"proto\":\"tcp\",\"status\":\"open\"}}]}}\n")).collect();
        let csv: String = std::iter::once("saddr,sport\n".to_owned()).chain(hosts.iter().map(|(ip, port)| format!("{ip},{port}\n"))).collect();
        let ports: String = hosts.iter().map(|(ip, port)| format!("<host><address addr='{ip}'/><ports><port protocol='tcp' portid='{port}'><state state='open'/></port></ports></host>")).collect();
        let xml = format!("<nmaprun>{ports}</nmaprun>");
        let expected: Vec<_> = hosts.iter().map(|(ip, port)| SocketAddr::new(ip.to_canonical(), *port)).collect();
        for (tool, text) in [(Tool::Masscan, &list), (Tool::Nmap, &grepable), (Tool::Masscan, &json), (Tool::Zmap, &csv), (Tool::Nmap, &xml)] {
            let got = read(tool, text, &[]).unwrap();
            prop_assert_eq!(got.open.iter().map(|port| port.socket).collect::<Vec<_>>(), expected.clone());
        }
    }
}
