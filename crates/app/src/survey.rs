//! One scan from its plan to the store: what the command and the server do alike.

use std::sync::{Arc, PoisonError};

use nightlatch_asset::Observation;
use nightlatch_enrich::Enricher;
use nightlatch_fingerprint::Catalogue;
use nightlatch_netio::{Dialer, Pace};
use nightlatch_scan::{
    Cancel, Discovery, Doors, Journal, Opened, Outcome, Plan, Progress, Scan, SinkError,
    converse::{Conversation, Limit, Prober},
};

use crate::{Names, SharedWriter};

/// Which look a scan takes.
#[derive(Clone, Debug)]
pub enum Look {
    /// The only one.
    Only,
    /// One after which what stood open is asked again.
    First,
    /// The one at what the first found open.
    Second(Arc<Doors>),
}

/// What all scans of a process share, and how this one goes about it.
pub struct Survey {
    /// The fingerprints.
    pub catalogue: Catalogue,
    /// Adds country, network...
    pub enricher: Arc<Enricher>,
    /// Names of addresses.
    pub names: Arc<Names>,
    /// See [`crate::secret`].
    pub hash_key: [u8; 32],
    /// Bounds of one conversation.
    pub limit: Limit,
    /// How fast.
    pub pace: Pace,
    /// Which look this is at what it meets.
    pub look: Look,
}

/// Where a scan tells how it is getting on, and where it is told to stop.
#[derive(Clone, Debug)]
pub struct Reins {
    /// How it is getting on.
    pub progress: Arc<Progress>,
    /// Stops it.
    pub cancel: Cancel,
}

impl Survey {
    /// Runs a plan into the store.
    ///
    /// - `discovery`: how open ports are found.
    /// - `stored`: told of every batch once the store has acknowledged it, enriched and in order; an error ends the
    ///   scan.
    pub async fn run(
        &self,
        plan: Plan,
        discovery: Discovery,
        journal: Journal,
        writer: SharedWriter,
        Reins { progress, cancel }: Reins,
        mut stored: impl FnMut(Vec<Observation>) -> Result<(), SinkError> + Send + 'static,
    ) -> Outcome {
        let dialer = Arc::new(Dialer::new(self.pace));
        let prober = Arc::new(Prober {
            catalogue: self.catalogue.clone(),
            dialer: dialer.clone(),
            limit: self.limit,
            contact: plan.scope.contact().map(str::to_owned),
            hash_key: self.hash_key,
        });
        let scope = plan.scope.clone();
        let enricher = self.enricher.clone();
        let sink = move |batch: &[Observation]| -> Result<(), SinkError> {
            let mut batch = batch.to_vec();
            batch.iter_mut().for_each(|observation| enricher.enrich(observation));
            writer.lock().unwrap_or_else(PoisonError::into_inner).ingest(&batch)?;
            stored(batch)
        };
        let (names, look) = (self.names.clone(), self.look.clone());
        let talk = move |opened: Opened| {
            let (prober, scope, names, look) = (prober.clone(), scope.clone(), names.clone(), look.clone());
            async move {
                let ip = opened.target.socket().ip();
                let permissions = scope.permissions(ip);
                let conversation = Conversation {
                    target: opened.target,
                    name: opened.asked_as.as_deref(),
                    stream: opened.stream,
                    connect_time: opened.connect_time,
                    permissions,
                };
                let (mut observation, names) = tokio::join!(prober.converse(conversation), names.of(ip));
                let new: Vec<_> =
                    names.into_iter().filter(|name| !observation.hostnames.contains(name)).collect();
                observation.hostnames.extend(new);
                // A part of the judgement: whatever counts or keeps the observation must see what came of it.
                if let Look::Second(doors) = &look {
                    doors.compare(&mut observation);
                }
                vec![observation]
            }
        };
        let scan = Scan { plan, dialer, journal: Some(journal), progress, cancel, discovery };
        let (outcome, sink) = scan.run(talk, sink).await;
        drop(sink);
        outcome
    }
}
