use std::net::IpAddr;

use nightlatch_asset::{Endpoint, Exposure, RunId, Severity, Text, Timestamp, Transport};
use serde::{Deserialize, Serialize};

use crate::{TriggerSet, word::one_spelling};

/// Longest text of [`Change::before`] and [`Change::after`], in bytes.
pub const TEXT_BYTES_MAX: usize = 200;

/// What happened to an endpoint.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ChangeKind {
    /// The endpoint answers and was never seen before.
    NewService,
    /// The endpoint does not answer any more.
    Gone,
    /// The endpoint answers again after it was gone.
    Back,
    /// The door opens further than before.
    StateUp,
    /// The door opens less far than before.
    StateDown,
    /// The same product tells another version.
    Version,
    /// Another certificate is shown.
    Certificate,
    /// Another product answers.
    Product,
    /// Something else that a trigger asks for came true, such as a tag or a finding.
    Condition,
    /// The certificate ends soon. Time did it, not the endpoint.
    CertificateExpiring,
    /// The certificate has ended. Time did it, not the endpoint.
    CertificateExpired,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::NewService,
        Self::Gone,
        Self::Back,
        Self::StateUp,
        Self::StateDown,
        Self::Version,
        Self::Certificate,
        Self::Product,
        Self::Condition,
        Self::CertificateExpiring,
        Self::CertificateExpired,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewService => "new-service",
            Self::Gone => "gone",
            Self::Back => "back",
            Self::StateUp => "state-up",
            Self::StateDown => "state-down",
            Self::Version => "version",
            Self::Certificate => "certificate",
            Self::Product => "product",
            Self::Condition => "condition",
            Self::CertificateExpiring => "certificate-expiring",
            Self::CertificateExpired => "certificate-expired",
        }
    }

    /// The kind in words for people, such as `new service`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NewService => "new service",
            Self::Gone => "gone",
            Self::Back => "back again",
            Self::StateUp => "opens further",
            Self::StateDown => "opens less far",
            Self::Version => "other version",
            Self::Certificate => "other certificate",
            Self::Product => "other product",
            Self::Condition => "condition met",
            Self::CertificateExpiring => "certificate ends soon",
            Self::CertificateExpired => "certificate has ended",
        }
    }
}

one_spelling!(ChangeKind, "kind of change");

/// One thing that happened to one endpoint.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The same for the same change however often it is computed, and no other's: printable ASCII without spaces,
    /// at most 200 bytes.
    pub key: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    #[serde(default)]
    pub transport: Transport,
    /// When it was noticed: the time of the observation, or of the check that missed the endpoint.
    pub time: Timestamp,
    /// The run whose observation shows it; of `gone`, the run that saw the endpoint last.
    #[serde(default)]
    pub run: RunId,
    /// Identifier of the record that shows it; of `gone`, the last record there is.
    pub record: u64,
    /// Identifier of the record it was compared with; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// What it was, at most [`TEXT_BYTES_MAX`] bytes; empty where nothing was.
    #[serde(default)]
    pub before: Text,
    /// What it is now, at most [`TEXT_BYTES_MAX`] bytes; empty where nothing is.
    #[serde(default)]
    pub after: Text,
    /// How far the door opens now; of `gone`, how far it did last.
    #[serde(default)]
    pub exposure: Exposure,
    /// How bad that is.
    #[serde(default)]
    pub severity: Severity,
    /// The product now; absent when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Text>,
    /// Who answers for the address, from the scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// Triggers whose condition became true with this change: they held for the new record and not for the old one.
    #[serde(default, skip_serializing_if = "TriggerSet::is_empty")]
    pub met: TriggerSet,
}

impl Change {
    /// The address, port and transport.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { ip: self.ip, port: self.port, transport: self.transport }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelt_once() {
        for (position, kind) in ChangeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, position);
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
            assert_eq!(serde_json::from_value::<ChangeKind>(serde_json::json!(kind.as_str())).unwrap(), kind);
        }
        assert!("new_service".parse::<ChangeKind>().is_err());
    }
}
