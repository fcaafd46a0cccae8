//! Policies for what the manifests say is needed.

use std::io::{self, Write};

use clap::Args;
use nightlatch_netpol::{Engine, Need, Network, Source, Suggestion};
use serde_json::{Value, json};

use super::input::Input;
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// A default deny for every namespace and the allow rules that the manifests say are needed, as YAML
///
/// Needs are read from Services named in environments, arguments and ConfigMaps, from Ingresses, routes, load balancers and node
/// ports, and name resolution is allowed. Hosts outside the cluster and the API server cannot be read from manifests: add them.
/// The engine checks the policies before they are written.
///
/// Examples:
///   nightlatch net suggest deploy/ > policies.yaml
///   nightlatch net suggest deploy/ | nightlatch net diff deploy/ - deploy/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Suggest {
    #[command(flatten)]
    input: Input,
    /// As a JSON object: the needs and the YAML
    #[arg(long)]
    json: bool,
}

impl Suggest {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (_, network) = self.input.read(session)?;
        let suggestion = Engine::new(&network).suggest();
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::super::json_line(&as_json(&network, &suggestion), &mut out)?;
        } else {
            out.write_all(suggestion.yaml().as_bytes())?;
        }
        out.flush()?;
        if session.chatty() {
            tell(&network, &suggestion);
        }
        Ok(if suggestion.unmet.is_empty() { Exit::Clean } else { Exit::Findings })
    }
}

fn tell(network: &Network, suggestion: &Suggestion) {
    for need in &suggestion.needs {
        say(format_args!("allowed: {}", need_text(network, need)));
    }
    for need in suggestion.unmet.iter().filter_map(|&at| suggestion.needs.get(at)) {
        say(format_args!("warning: still denied, by a cluster policy: {}", need_text(network, need)));
    }
    for &pod in &suggestion.ambiguous {
        say(format_args!(
            "warning: no labels tell {} from other workloads: its rules hold for them as well",
            network.pod_name(pod)
        ));
    }
    say(
        "note: hosts outside the cluster and the API server are not allowed: no manifest says who needs them",
    );
}

fn need_text(network: &Network, need: &Need) -> String {
    let from = match &need.source {
        Source::Pod(pod) => network.pod_name(*pod),
        Source::Outside(None) => "the Internet".to_owned(),
        Source::Outside(Some(blocks)) => {
            blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        Source::AnyPod => "every pod, as the controller is not in the input".to_owned(),
    };
    let ports: Vec<String> =
        need.ports.iter().map(|(protocol, number)| format!("{protocol} {number}")).collect();
    let why = need.service.and_then(|at| network.services.get(at));
    let why =
        why.map_or(String::new(), |service| format!(" (Service {}/{})", service.namespace, service.name));
    format!("{from} -> {} on {}{why}", network.pod_name(need.target), ports.join(", "))
}

fn as_json(network: &Network, suggestion: &Suggestion) -> Value {
    json!({
        "needs": suggestion.needs.iter().map(|need| need_text(network, need)).collect::<Vec<_>>(),
        "unmet": suggestion.unmet,
        "ambiguous": suggestion.ambiguous.iter().map(|&pod| network.pod_name(pod)).collect::<Vec<_>>(),
        "yaml": suggestion.yaml(),
    })
}
