//! What the questions are asked of.

use std::path::PathBuf;

use clap::Args;
use nightlatch_manifest::{Corpus, DiagnosticKind};
use nightlatch_netpol::{Chosen, Cidr, Network, NotChosen, Origin, PortMatch, Protocol};

use super::super::{corpus::CorpusArgs, rbac::page::place};
use crate::{failure::Failure, say::say, session::Session};

/// Options of all questions: what is read and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Input {
    #[command(flatten)]
    pub(crate) corpus: CorpusArgs,
    /// Pods have addresses in this block; may be repeated [default: those in the input, else anywhere]
    #[arg(long, value_name = "CIDR", value_parser = cidr, help_heading = "Input")]
    pod_cidr: Vec<Cidr>,
}

fn cidr(text: &str) -> Result<Cidr, String> {
    text.parse().map_err(|()| format!("`{text}` is no block of addresses: expected 10.244.0.0/16"))
}

/// Diagnostics and refusals that are told one by one.
const TOLD_MAX: usize = 5;

impl Input {
    /// Reads what the command line names; what could not be read is told.
    pub(crate) fn read(&self, session: &Session) -> Result<(Corpus, Network), Failure> {
        self.corpus.check_paths()?;
        let corpus = self.corpus.read(session)?;
        let mut network = Network::read(&corpus);
        network.pod_networks = self.pod_cidr.clone();
        tell(&corpus, &network, session);
        if network.pods.is_empty() {
            return Err(Failure::usage("there is no pod and no workload in the input")
                .hint("name the folder with the Deployments as well as the one with the policies"));
        }
        Ok((corpus, network))
    }

    /// The same of other files and folders.
    pub(crate) fn read_paths(
        &self,
        paths: Vec<PathBuf>,
        session: &Session,
    ) -> Result<(Corpus, Network), Failure> {
        let input = Self { corpus: CorpusArgs { paths, ..self.corpus.clone() }, ..self.clone() };
        input.read(session)
    }
}

fn tell(corpus: &Corpus, network: &Network, session: &Session) {
    let errors = corpus.diagnostics.iter().filter(|one| one.kind == DiagnosticKind::Error);
    let errors: Vec<_> = errors.collect();
    for one in errors.iter().take(TOLD_MAX) {
        let at = one.at.map(|(source, span)| place(corpus, source, span.start));
        say(format_args!(
            "warning: {}: {}",
            at.unwrap_or_else(|| one.name.raw().to_owned()),
            one.message.raw()
        ));
    }
    if errors.len() > TOLD_MAX {
        say(format_args!("warning: {} more could not be read", errors.len() - TOLD_MAX));
    }
    for refused in network.refused.iter().take(TOLD_MAX) {
        say(format_args!(
            "warning: {} {}/{} is left out, as the API server refuses it: {} ({})",
            refused.kind,
            refused.namespace,
            refused.name,
            refused.reason,
            at(corpus, refused.origin)
        ));
    }
    if network.refused.len() > TOLD_MAX {
        say(format_args!("warning: {} more policies are left out", network.refused.len() - TOLD_MAX));
    }
    if let Some(first) = network.foreign.first().filter(|_| session.chatty()) {
        say(format_args!(
            "note: {} of network plugins, such as {} {}, {} not evaluated: for their pods answers are unknown",
            if network.foreign.len() == 1 {
                "1 policy".to_owned()
            } else {
                format!("{} policies", network.foreign.len())
            },
            first.kind,
            first.name,
            if network.foreign.len() == 1 { "is" } else { "are" },
        ));
    }
}

/// Where something stands; empty for what no file holds.
pub(crate) fn at(corpus: &Corpus, origin: Origin) -> String {
    origin.map(|(source, span)| place(corpus, source, span.start)).unwrap_or_default()
}

/// What somebody named on the command line.
pub(crate) fn chosen(network: &Network, text: &str) -> Result<Chosen, Failure> {
    network.choose(text).map_err(|error| match &error {
        NotChosen::Nobody { asked, .. }
            if asked.split_once(':').is_some_and(|(name, _)| network.choose(name).is_ok()) =>
        {
            Failure::usage(&error).hint("the port is named apart: --port 5432")
        }
        NotChosen::Nobody { asked, .. } if is_address(asked.split('/').next().unwrap_or_default()) => {
            Failure::usage(format!("`{asked}` is no block of addresses"))
                .hint("a block ends in /0 to /32, an IPv6 one in /0 to /128: 10.0.0.0/8")
        }
        NotChosen::Nobody { nearest: Some(near), .. } => {
            Failure::usage(&error).hint(format!("did you mean `{near}`?"))
        }
        NotChosen::Nobody { nearest: None, .. } => {
            Failure::usage(&error).hint("`nightlatch net isolate` lists all workloads")
        }
        NotChosen::Selector(_) => Failure::usage(&error),
    })
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// A port on the command line: `443`, `53/udp`, or a name that is resolved on the destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Port {
    pub(crate) protocol: Protocol,
    pub(crate) port: PortMatch,
}

impl Port {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (number, protocol) = match text.split_once('/') {
            Some((number, word)) => {
                let known =
                    Protocol::named(word).ok_or_else(|| format!("`{word}` is not TCP, UDP or SCTP"))?;
                (number, known)
            }
            None => (text, Protocol::Tcp),
        };
        let port = match number.parse::<u16>() {
            Ok(0) => return Err("port 0 does not exist".to_owned()),
            Ok(number) => PortMatch::Range(number, number),
            Err(_) if number.bytes().any(|b| b.is_ascii_alphabetic()) => PortMatch::Name(number.into()),
            Err(_) => return Err(format!("`{text}` is no port: expected 443, 53/udp or a name")),
        };
        Ok(Self { protocol, port })
    }

    /// Its numbers on a pod; a name may mean none.
    pub(crate) fn on(&self, network: &Network, pod: Option<usize>) -> Vec<u16> {
        match &self.port {
            PortMatch::Range(number, _) => vec![*number],
            PortMatch::Any => Vec::new(),
            PortMatch::Name(name) => {
                let ports = pod.and_then(|pod| network.pods.get(pod)).map_or(&[][..], |pod| &pod.ports);
                let named = ports
                    .iter()
                    .filter(|own| own.name.as_ref() == Some(name) && own.protocol == self.protocol);
                named.map(|own| own.number).collect()
            }
        }
    }
}
