//! Debuggers: their ports published, or listening for anybody.

use std::collections::HashSet;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node};
use nightlatch_netpol::Verdict;

use super::published_port::{cause, subject};
use crate::{Context, Found, Sink};

/// Ports of debuggers and profilers, and whether the port alone is enough.
const PORTS: [(u16, &str, bool); 7] = [
    (5005, "the Java debugger", true),
    (9229, "the Node.js debugger", true),
    (2345, "the Delve debugger", true),
    (5678, "the Python debugger", false),
    (6060, "the Go profiler", false),
    (9010, "Java management (JMX)", false),
    (1099, "Java management (RMI)", false),
];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut seen = HashSet::new();
    for way in &context.ways().list {
        let known = way.ports().find_map(|port| PORTS.iter().find(|(own, _, _)| *own == port));
        let Some((port, what, alone)) = known else {
            sink.pass();
            continue;
        };
        if !seen.insert((std::ptr::from_ref(way.at.document()), way.at.id(), *port)) {
            continue;
        }
        let severity = match (way.verdict, alone) {
            (Verdict::Denied, _) => Severity::Low,
            (_, true) => Severity::High,
            (_, false) => Severity::Medium,
        };
        let message = format!("port {port}, usually {what}, is published by {}", way.words());
        sink.fail(
            Found::new(subject(context, way), way.at, message).severity(severity).cause(cause(way, *port)),
        );
    }
    for workload in &context.workloads {
        for container in workload.containers() {
            let Some((node, what)) = listening(&container) else { continue };
            let message = format!("{what} listens for every address");
            sink.fail(Found::new(context.container_subject(workload, &container), node, message));
        }
    }
}

/// The word that makes a debugger listen on every address.
fn listening<'a>(container: &Container<'a>) -> Option<(Node<'a>, &'static str)> {
    let words: Vec<Node<'a>> = ["command", "args"]
        .into_iter()
        .filter_map(|key| container.node.get(key))
        .flat_map(Node::items)
        .collect();
    let values = container
        .node
        .get("env")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|variable| variable.get("value"));
    let is_delve = words.iter().any(|word| word.text().rsplit('/').next() == Some("dlv"));
    let is_debugpy = words.iter().any(|word| word.text() == "debugpy");
    let listens = |text: &str| text.split_whitespace().find_map(|word| debugger(word, is_delve, is_debugpy));
    words.iter().copied().chain(values).find_map(|node| Some((node, listens(node.text())?)))
}

fn debugger(word: &str, is_delve: bool, is_debugpy: bool) -> Option<&'static str> {
    let everywhere = |address: &str| {
        address.starts_with("0.0.0.0")
            || address.starts_with("[::]")
            || address.starts_with('*')
            || address.starts_with(':')
    };
    if let Some(options) = word.strip_prefix("-agentlib:jdwp=").or_else(|| word.strip_prefix("-Xrunjdwp:")) {
        let address = options.split(',').find_map(|option| option.strip_prefix("address="))?;
        let is_server = options.split(',').any(|option| option == "server=y");
        // From Java 9 on a bare port is loopback; before that it was every address.
        return (is_server && everywhere(address)).then_some("the Java debugger");
    }
    for flag in ["--inspect=", "--inspect-brk=", "--inspect-wait="] {
        if let Some(address) = word.strip_prefix(flag) {
            return everywhere(address).then_some("the Node.js debugger");
        }
    }
    if let Some(address) = word.strip_prefix("--listen=") {
        let known =
            if is_delve { Some("the Delve debugger") } else { is_debugpy.then_some("the Python debugger") };
        return known.filter(|_| everywhere(address));
    }
    (word == "-Dcom.sun.management.jmxremote.authenticate=false")
        .then_some("Java management without a password")
}

#[cfg(test)]
mod tests {
    use super::debugger;

    #[test]
    fn words() {
        let found = |word| debugger(word, true, false).is_some();
        for word in [
            "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005",
            "--inspect=0.0.0.0:9229",
            "--listen=:2345",
        ] {
            assert!(found(word), "{word}");
        }
        for word in [
            "-agentlib:jdwp=transport=dt_socket,server=y,address=localhost:5005",
            "-agentlib:jdwp=transport=dt_socket,server=y,address=5005",
            "--inspect",
            "--inspect=127.0.0.1:9229",
            "--listen=127.0.0.1:2345",
            "--listen=:80x",
        ] {
            assert_eq!(found(word), word.starts_with("--listen=:80"), "{word}");
        }
    }
}
