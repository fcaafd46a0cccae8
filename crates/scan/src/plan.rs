use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use nightlatch_scope::{Scope, TargetSet};

/// What a scan does, and within which limits.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every endpoint, ports included.
    pub targets: Arc<TargetSet>,
    /// What may be scanned; asked again for every single endpoint.
    pub scope: Arc<Scope>,
    /// Key of the shuffled order. A run that is resumed needs the same one.
    pub seed: [u64; 2],
    /// Most endpoints asked at a time; fewer where file descriptors are short, and while so many answer that
    /// connections would wait for their conversation. Bounds how fast silent
    /// networks are swept: `concurrency / (connect_patience * (1 + retries))` endpoints a second.
    pub concurrency: usize,
    /// Most conversations at a time; bounds memory, since each may hold a few hundred kilobytes.
    pub conversations: usize,
    /// How long the answer to a connection attempt may take.
    pub connect_patience: Duration,
    /// How often an attempt that was not answered is repeated.
    pub retries: u32,
    /// When a conversation is cut, whatever the prober does. The prober's own deadline is meant to be shorter.
    pub conversation_limit: Duration,
    /// How long after a stop what is in flight may still be answered.
    pub grace: Duration,
    /// How long a lack of descriptors, local ports or memory may last before the run ends with a failure.
    pub resource_patience: Duration,
}

impl Plan {
    /// A plan with the usual limits: 4096 endpoints and 512 conversations at a time, 2 seconds for a
    /// connection and one retry, 60 seconds for a conversation at the very most, 10 seconds of grace.
    pub fn new(targets: Arc<TargetSet>, scope: Arc<Scope>, seed: [u64; 2]) -> Self {
        Self {
            targets,
            scope,
            seed,
            concurrency: 4096,
            conversations: 512,
            connect_patience: Duration::from_secs(2),
            retries: 1,
            conversation_limit: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            resource_patience: Duration::from_secs(60),
        }
    }

    /// A seed that machines agree on without a word, when they share a sweep over the same targets.
    pub fn shared_seed(targets: &TargetSet) -> [u64; 2] {
        let bytes = serde_json::to_vec(targets).unwrap_or_default();
        let (whole, length) = (u64::from(crc32fast::hash(&bytes)), bytes.len() as u64);
        let halves = bytes.split_at(bytes.len() / 2);
        let half = u64::from(crc32fast::hash(halves.1)) << 32 | u64::from(crc32fast::hash(halves.0));
        [whole << 32 | length & 0xffff_ffff, half]
    }

    /// A seed that nobody can guess, from the randomness the standard library gives its hash maps.
    pub fn random_seed() -> [u64; 2] {
        [RandomState::new().hash_one(1), RandomState::new().hash_one(2)]
    }
}
