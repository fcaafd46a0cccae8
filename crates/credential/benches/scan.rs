//! How fast ordinary text is searched: `cargo bench -p nightlatch-credential`.

use std::time::Instant;

use nightlatch_credential::scan_text;

/// Manifests as people write them: names of all sorts, references, no credential.
fn manifests(bytes_min: usize) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes_min {
        number += 1;
        text.push_str(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  namespace: team-{}\n  labels:\n    \
             app.kubernetes.io/name: web\n    app.kubernetes.io/version: \"1.{number}\"\nspec:\n  replicas: 3\n  template:\n    \
             spec:\n      serviceAccountName: web\n      automountServiceAccountToken: false\n      containers:\n      - name: \
             web\n        image: registry.acme.net/web:1.{number}\n        env:\n        - name: DB_PASSWORD\n          \
             valueFrom:\n            secretKeyRef:\n              name: db\n              key: password\n        resources:\n          \
             limits: {{ cpu: 500m, memory: 512Mi }}\n        securityContext:\n          runAsNonRoot: true\n---\n",
            number % 40
        ));
    }
    text
}

fn main() {
    let start = Instant::now();
    let found = scan_text(None, "nothing").len();
    println!("first text: {found} found, {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let text = manifests(32 * 1024 * 1024);
    let start = Instant::now();
    let found = scan_text(None, &text).len();
    let seconds = start.elapsed().as_secs_f64();
    println!("{} bytes, {found} found, {:.0} MB/s", text.len(), text.len() as f64 / seconds / 1e6);
    let hostile = [
        "pass=",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ.",
        "://",
        "sk-",
        "token: \"",
        "LS0tLS1CRUdJTi",
        "{SSHA",
        "basic ",
        "a:b@",
    ];
    for unit in hostile {
        let text = unit.repeat(4 * 1024 * 1024 / unit.len());
        let start = Instant::now();
        let found = scan_text(None, &text).len();
        let seconds = start.elapsed().as_secs_f64();
        println!("{unit:?} repeated: {found} found, {:.0} MB/s", text.len() as f64 / seconds / 1e6);
    }
}
