//! How fast manifests are read, in the three shapes that audits meet: `cargo bench -p nightlatch-manifest`.
//!
//! The texts are made from a seed, so that figures of two days can be compared.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use nightlatch_manifest::{Corpus, Input};
use nightlatch_untrusted::Text;

/// A small generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn words(&mut self, count: u64) -> String {
        const WORDS: [&str; 16] = [
            "the",
            "of",
            "resource",
            "field",
            "object",
            "value",
            "name",
            "pod",
            "container",
            "policy",
            "cluster",
            "status",
            "when",
            "must",
            "default",
            "version",
        ];
        (0..count).map(|_| WORDS[self.below(16) as usize]).collect::<Vec<_>>().join(" ")
    }
}

fn pod(random: &mut Random, index: u64) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pod-{index}\n  namespace: ns-{}\n  labels:\n    app: app-{}\n    \
         tier: \"web\"\nspec:\n  serviceAccountName: sa-{}\n  containers:\n  - name: main\n    image: \
         registry.example.com/team/app:{}.{}\n    args: [\"--port\", \"8080\", \"--verbose\"]\n    ports:\n    - \
         containerPort: 8080\n      name: http\n    env:\n    - name: MODE\n      value: production\n    - name: LEVEL\n      \
         value: \"{}\"\n    resources:\n      limits:\n        cpu: 500m\n        memory: 128Mi\n    securityContext:\n      \
         allowPrivilegeEscalation: {}\n      runAsNonRoot: true\n",
        index % 40,
        index % 300,
        index % 17,
        random.below(9),
        random.below(30),
        random.below(9),
        random.below(2) == 0,
    )
}

fn deployment(random: &mut Random, index: u64) -> String {
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  annotations:\n    description: {}\n  name: d-{index}\n  \
         namespace: ns-{}\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app: app-{index}\n  template:\n    \
         metadata:\n      labels:\n        app: app-{index}\n    spec:\n      containers:\n",
        random.words(20),
        index % 40
    );
    for container in 0..1 + random.below(4) {
        let _ = write!(
            text,
            "      - args:\n        - --flag-{container}={}\n        env:\n",
            random.below(99_999)
        );
        for variable in 0..3 + random.below(17) {
            let _ = write!(
                text,
                "        - name: VAR_{variable}\n          value: http://example.com:80/{variable}\n"
            );
        }
        let _ = write!(
            text,
            "        image: registry.example.com/a/b:1.{}\n        livenessProbe:\n          httpGet:\n            path: \
             /healthz\n            port: 8080\n        name: c{container}\n        securityContext:\n          \
             capabilities:\n            drop:\n            - ALL\n          runAsNonRoot: true\n",
            random.below(90)
        );
    }
    text
}

fn definition(random: &mut Random, index: u64) -> String {
    let mut text = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things{index}.example.com\n\
         spec:\n  group: example.com\n  versions:\n  - name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
    );
    for property in 0..400 {
        let (first, second) = (random.words(12), random.words(9));
        let description = match random.below(4) {
            0 => format!("{first}\n            {second}"),
            1 => format!("'{first}: it''s\n            {second}'"),
            2 => format!("|-\n            {first}\n            {second}"),
            _ => first,
        };
        let _ = write!(
            text,
            "          p{property}:\n            description: {description}\n            type: string\n"
        );
    }
    text
}

fn input(name: String, text: String) -> Input {
    Input { name: Text::new(name), bytes: text.into_bytes() }
}

/// The best of several readings.
fn measure(name: &str, inputs: impl Fn() -> Vec<Input>, goal: Duration) {
    let bytes: usize = inputs().iter().map(|input| input.bytes.len()).sum();
    let mut best = Duration::MAX;
    let mut nodes = 0;
    for _ in 0..7 {
        let inputs = inputs();
        let start = Instant::now();
        let corpus = Corpus::read(inputs);
        best = best.min(start.elapsed());
        assert!(corpus.diagnostics.is_empty(), "{name}: {:?}", corpus.diagnostics.first());
        nodes = corpus.documents.iter().map(nightlatch_manifest::Document::len).sum();
    }
    let speed = bytes as f64 / best.as_secs_f64() / 1e6;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{name:<32} {:>6.1} MB  {nodes:>7} nodes  {:>8.2} ms  {speed:>6.1} MB/s  (goal of a whole audit: {goal:?})",
        bytes as f64 / 1e6,
        best.as_secs_f64() * 1e3,
    );
}

fn main() {
    let small = deployment(&mut Random(1), 1);
    measure("one small file", || vec![input("a.yaml".into(), small.clone())], Duration::from_millis(20));
    let mut random = Random(2);
    let mut large = String::new();
    for index in 0.. {
        large.push_str("---\n");
        large.push_str(&if index % 20 == 0 {
            definition(&mut random, index)
        } else {
            deployment(&mut random, index)
        });
        if large.len() > 14_000_000 {
            break;
        }
    }
    measure(
        "large manifests",
        || vec![input("large.yaml".into(), large.clone())],
        Duration::from_millis(700),
    );
    let mut random = Random(3);
    let pods: Vec<String> = (0..4500).map(|index| pod(&mut random, index)).collect();
    let files = || {
        pods.iter().enumerate().map(|(index, pod)| input(format!("pod-{index}.yaml"), pod.clone())).collect()
    };
    measure("4,500 small files", files, Duration::from_millis(300));
}
