//! Can one end reach another?

use std::io::{self, Write};

use clap::Args;
use nightlatch_manifest::Corpus;
use nightlatch_netpol::{Answer, Engine, Party, Verdict};
use serde_json::json;

use super::{
    super::rbac::page::Page,
    explain,
    input::{Input, Port, chosen},
};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Can FROM reach TO, and why; exit code 1 when not, or not for certain
///
/// Examples:
///   nightlatch net reach shop/web shop/db deploy/ --port 5432
///   nightlatch net reach internet shop/web deploy/ --port http
///   nightlatch net reach app=web 169.254.169.254 deploy/
///   kubectl get -A -o yaml deploy,sts,ds,svc,netpol,ns,node | nightlatch net reach shop/web bank/ledger -
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Reach {
    /// Who connects: a workload or pod, labels, `internet`, an address or a block
    #[arg(value_name = "FROM")]
    from: String,
    /// To whom
    #[arg(value_name = "TO")]
    to: String,
    #[command(flatten)]
    input: Input,
    /// The destination's port: 443, 53/udp, or a name [default: all]
    #[arg(long, short, value_name = "PORT", value_parser = Port::parse)]
    port: Option<Port>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Pairs that are explained; of more only the answers are shown.
const EXPLAINED_MAX: usize = 4;
/// Pairs that are answered.
const PAIRS_MAX: usize = 10_000;

struct Pair {
    source: Party,
    destination: Party,
    answer: Answer,
    verdict: Verdict,
    what: String,
}

impl Reach {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (corpus, network) = self.input.read(session)?;
        let engine = Engine::new(&network);
        let (from, to) = (chosen(&network, &self.from)?.parties(), chosen(&network, &self.to)?.parties());
        if from.len() * to.len() > PAIRS_MAX {
            return Err(Failure::usage(format!(
                "that is {} pairs, more than {PAIRS_MAX}",
                from.len() * to.len()
            ))
            .hint("`nightlatch net matrix` shows all of them"));
        }
        let mut pairs = Vec::new();
        for source in &from {
            for destination in to.iter().filter(|&other| from.len() * to.len() == 1 || other != source) {
                let Some(answer) = engine.pair(source, destination) else {
                    return Err(Failure::usage(
                        "both ends are outside the cluster: policies say nothing about that",
                    ));
                };
                pairs.push(self.judged(&engine, source, destination, answer));
            }
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            self.as_json(&engine, &corpus, &pairs, &mut out)?;
        } else {
            let explained = pairs.len() <= EXPLAINED_MAX;
            let mut page = Page::new(&mut out, session.style());
            for pair in &pairs {
                page.head(&pair.what)?;
                if explained {
                    explain::lines(
                        &mut page,
                        &engine,
                        &corpus,
                        (&pair.source, &pair.destination),
                        &pair.answer,
                    )?;
                }
            }
        }
        out.flush()?;
        let allowed = pairs.iter().all(|pair| pair.verdict == Verdict::Allowed);
        Ok(if allowed { Exit::Clean } else { Exit::Findings })
    }

    fn judged(&self, engine: &Engine<'_>, source: &Party, destination: &Party, answer: Answer) -> Pair {
        let network = engine.network();
        let names =
            format!("{} -> {}", explain::party(network, source), explain::party(network, destination));
        let (verdict, what) = match &self.port {
            Some(port) => {
                let pod = if let Party::Pod(pod) = destination { Some(*pod) } else { None };
                let numbers = port.on(network, pod);
                let verdicts = numbers.iter().map(|&number| answer.verdict(port.protocol, number));
                let shown: Vec<String> =
                    numbers.iter().map(|number| format!("{} {number}", port.protocol)).collect();
                match verdicts.min() {
                    Some(verdict) => {
                        (verdict, format!("{names} on {}: {}", shown.join(", "), verdict.as_str()))
                    }
                    None => {
                        (Verdict::Denied, format!("{names}: the destination declares no port of that name"))
                    }
                }
            }
            None => {
                let verdict = overall(&answer);
                let ports = match verdict {
                    Verdict::Denied => "denied".to_owned(),
                    Verdict::Unknown => "unknown".to_owned(),
                    Verdict::Depends => format!("depends, on {}", shown(&answer.possible)),
                    Verdict::Partly => format!("partly, on {}", shown(&answer.possible)),
                    Verdict::Allowed => format!("allowed on {}", shown(&answer.sure)),
                };
                (verdict, format!("{names}: {ports}"))
            }
        };
        Pair { source: source.clone(), destination: destination.clone(), answer, verdict, what }
    }

    fn as_json(
        &self,
        engine: &Engine<'_>,
        corpus: &Corpus,
        pairs: &[Pair],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let network = engine.network();
        let one = |pair: &Pair| {
            json!({
                "from": explain::party(network, &pair.source),
                "to": explain::party(network, &pair.destination),
                "verdict": pair.verdict.as_str(),
                "why": explain::answer_json(network, corpus, &pair.answer),
            })
        };
        super::super::json_line(&json!({"pairs": pairs.iter().map(one).collect::<Vec<_>>()}), out)
    }
}

/// What holds when no port was asked for: whether there is any.
fn overall(answer: &Answer) -> Verdict {
    if !answer.foreign.is_empty() {
        Verdict::Unknown
    } else if !answer.sure.is_empty() {
        Verdict::Allowed
    } else if !answer.regions.is_empty() {
        Verdict::Partly
    } else if !answer.possible.is_empty() {
        Verdict::Depends
    } else {
        Verdict::Denied
    }
}

fn shown(ports: &nightlatch_netpol::PortSet) -> String {
    if ports.is_all() { "every port".to_owned() } else { ports.to_string() }
}
