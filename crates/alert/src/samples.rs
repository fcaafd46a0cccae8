//! Records and alerts that the tests of this crate share.

use nightlatch_asset::Record;

use crate::Alert;

/// An open database with a certificate and a finding.
pub(crate) fn record() -> Record {
    serde_json::from_value(serde_json::json!({
        "id": 17, "first_seen": "2026-09-01T00:00:00Z", "last_seen": "2026-09-20T12:00:00Z",
        "times_seen": 3, "latest": true,
        "observation": {
            "ip": "192.0.2.7", "port": 9200, "protocol": "https", "time": "2026-09-10T10:00:00Z", "run": "R-1",
            "verdict": {
                "fingerprint": "elasticsearch", "product": "Elasticsearch", "version": "7.17.0",
                "exposure": "readable", "severity": "high", "confidence": "high",
                "findings": [{ "id": "dynamic-scripts", "severity": "high" }]
            },
            "tls": { "version": "TLSv1.3", "chain": [{
                "subject": "CN=es", "subject_cn": "es", "issuer": "CN=es", "serial": "01",
                "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
                "signature_algorithm": "ecdsa", "key_type": "ec", "key_bits": 256,
                "sha256": "aa".repeat(32), "sha1": "bb".repeat(20), "self_signed": true
            }] },
            "owner": "search team"
        }
    }))
    .unwrap()
}

/// About the network of [`record`], without triggers.
pub(crate) fn alert() -> Alert {
    serde_json::from_value(serde_json::json!({
        "id": "ABCDEFGH23456789", "name": "search", "created": "2026-09-01T00:00:00Z",
        "networks": ["192.0.2.0/24"], "notifiers": ["default"]
    }))
    .unwrap()
}
