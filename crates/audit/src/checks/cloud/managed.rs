//! What managed clusters leave off: network policy, logs, encryption of secrets; and old ways to log in.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::{
    cluster::{Cluster, Judged, Provider},
    fields::Seen,
};
use crate::{Context, Sink};

const LATER: &str = "the setting is known only after it is applied";

/// No engine enforces network policies.
pub(super) fn network_policy<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        let judged = match cluster.provider {
            Provider::Eks => eks_network_policy(context, cluster),
            Provider::Gke => gke_network_policy(cluster),
            Provider::Aks => aks_network_policy(cluster),
        };
        judged.tell(sink);
    }
}

/// The network plugin of EKS enforces policies when its add-on is told to; the cluster itself does not show it.
fn eks_network_policy<'a>(context: &Context<'a>, cluster: &Cluster<'a>) -> Judged<'a> {
    const UNSEEN: &str =
        "whether the network add-on enforces policies is not part of the cluster's description";
    let name = cluster.fields.get("name").text();
    let said = |text: &str| {
        let packed: String =
            text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '\\')).collect();
        packed.contains("enableNetworkPolicy:true")
    };
    for document in &context.cloud.answers {
        let Some(addon) = document.root().get("addon") else { continue };
        let of = |key: &str| addon.get(key).map(Node::text);
        if of("addonName") == Some("vpc-cni") && of("clusterName") == name {
            return match addon.get("configurationValues") {
                Some(values) if said(values.text()) => Judged::Pass,
                Some(values) => cluster.fail(
                    Seen::Value(values),
                    "the network add-on of the cluster does not enforce network policies",
                ),
                None => cluster.fail(
                    Seen::Value(addon),
                    "the network add-on of the cluster does not enforce network policies",
                ),
            };
        }
    }
    for addon in context.cloud.resources().filter(|resource| resource.kind == "aws_eks_addon") {
        if addon.get("addon_name").text() != Some("vpc-cni") || addon.referred("cluster_name") != cluster.key
        {
            continue;
        }
        return match addon.get("configuration_values") {
            Seen::Value(values) if said(values.text()) => Judged::Pass,
            Seen::Unknown => Judged::Unknown(LATER),
            seen => {
                let place = seen.node().unwrap_or(addon.fields.values);
                cluster.fail(
                    Seen::Value(place),
                    "the network add-on of the cluster does not enforce network policies",
                )
            }
        };
    }
    Judged::Unknown(UNSEEN)
}

fn gke_network_policy<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let datapath = cluster.get("networkConfig.datapathProvider", "datapath_provider");
    let implied = datapath.text() == Some("ADVANCED_DATAPATH")
        || cluster.get("autopilot.enabled", "enable_autopilot").is_true();
    let enabled = cluster.get("networkPolicy.enabled", "network_policy.enabled");
    if implied || enabled.is_true() {
        return Judged::Pass;
    }
    if datapath.is_unknown() || enabled.is_unknown() {
        return Judged::Unknown(LATER);
    }
    cluster.fail(enabled, "no engine of the cluster enforces network policies")
}

fn aks_network_policy<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let policy = cluster.get("networkProfile.networkPolicy", "network_profile.network_policy");
    let data_plane = cluster.get("networkProfile.networkDataplane", "network_profile.network_data_plane");
    if policy.text().is_some_and(|policy| policy != "none") || data_plane.text() == Some("cilium") {
        return Judged::Pass;
    }
    if policy.is_unknown() || data_plane.is_unknown() {
        return Judged::Unknown(LATER);
    }
    cluster.fail(policy, "no engine of the cluster enforces network policies")
}

/// Passwords, client certificates, attribute-based access, local accounts.
pub(super) fn legacy_login<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        let found = match cluster.provider {
            Provider::Eks => continue,
            Provider::Gke => gke_legacy(cluster),
            Provider::Aks => aks_legacy(cluster),
        };
        if found.is_empty() {
            sink.pass();
        }
        found.into_iter().for_each(|judged| judged.tell(sink));
    }
}

fn gke_legacy<'a>(cluster: &Cluster<'a>) -> Vec<Judged<'a>> {
    let mut found = Vec::new();
    let username = cluster.get("masterAuth.username", "master_auth.username");
    if username.text().is_some() {
        found.push(cluster.fail(username, "the API server takes a user name and password"));
    }
    let issue = cluster.get(
        "masterAuth.clientCertificateConfig.issueClientCertificate",
        "master_auth.client_certificate_config.issue_client_certificate",
    );
    let certificate = cluster.get("masterAuth.clientCertificate", "-");
    if issue.is_true() {
        found.push(cluster.fail(issue, "the cluster issues a client certificate that cannot be revoked"));
    } else if certificate.text().is_some() {
        found.push(cluster.fail(certificate, "the cluster has a client certificate that cannot be revoked"));
    }
    let abac = cluster.get("legacyAbac.enabled", "enable_legacy_abac");
    if abac.is_true() {
        found.push(
            cluster.fail(abac, "legacy attribute-based access gives every service account wide rights"),
        );
    }
    if found.is_empty() && [username, issue, abac].into_iter().any(Seen::is_unknown) {
        found.push(Judged::Unknown(LATER));
    }
    found
}

fn aks_legacy<'a>(cluster: &Cluster<'a>) -> Vec<Judged<'a>> {
    let mut found = Vec::new();
    let rbac = if cluster.is_planned {
        cluster.fields.first_of(&["role_based_access_control_enabled", "role_based_access_control.enabled"])
    } else {
        cluster.fields.first_of(&["enableRbac", "enableRBAC"])
    };
    if rbac.is_false() {
        found.push(cluster.fail(rbac, "role-based access control is off: whoever logs in may do everything"));
    }
    let local = cluster.get("disableLocalAccounts", "local_account_disabled");
    if local.is_unknown() || rbac.is_unknown() {
        found.push(Judged::Unknown(LATER));
    } else if !local.is_true() {
        let message =
            "local accounts are on: their certificate is cluster administrator and belongs to no person";
        found.push(Judged::broken(cluster.found(local, message).severity(Severity::Medium)));
    }
    found
}

/// Logs of the control plane.
pub(super) fn logging<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        let judged = match cluster.provider {
            Provider::Eks => eks_logging(cluster),
            Provider::Gke => gke_logging(cluster),
            Provider::Aks => aks_logging(context, cluster),
        };
        judged.tell(sink);
    }
}

const EKS_LOGS: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

fn eks_logging<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let list = cluster.get("logging.clusterLogging", "enabled_cluster_log_types");
    if list.is_unknown() {
        return Judged::Unknown(LATER);
    }
    let mut on: Vec<&str> = Vec::new();
    for node in list.node().into_iter().flat_map(Node::items) {
        if cluster.is_planned {
            on.push(node.text());
        } else if node.get("enabled").and_then(Node::as_bool) == Some(true) {
            on.extend(node.get("types").into_iter().flat_map(Node::items).map(Node::text));
        }
    }
    let missing: Vec<&str> = EKS_LOGS.into_iter().filter(|log| !on.contains(log)).collect();
    if missing.is_empty() {
        return Judged::Pass;
    }
    let is_severe = missing.iter().any(|log| matches!(*log, "api" | "audit" | "authenticator"));
    let found = cluster.found(list, format!("the control plane does not log: {}", missing.join(", ")));
    Judged::broken(found.severity(if is_severe { Severity::Medium } else { Severity::Low }))
}

fn gke_logging<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let service = cluster.get("loggingService", "logging_service");
    let components =
        cluster.get("loggingConfig.componentConfig.enableComponents", "logging_config.enable_components");
    if let Seen::Value(list) = components {
        let has = list.items().any(|component| component.text() == "SYSTEM_COMPONENTS");
        if !has {
            return cluster.fail(components, "the components of the cluster do not log");
        }
    }
    match service {
        Seen::Value(node) if node.text() == "none" => cluster.fail(service, "logging of the cluster is off"),
        _ if components.is_unknown() => Judged::Unknown(LATER),
        _ => Judged::Pass,
    }
}

fn aks_logging<'a>(context: &Context<'a>, cluster: &Cluster<'a>) -> Judged<'a> {
    let agent = if cluster.is_planned {
        cluster.fields.first_of(&["oms_agent.log_analytics_workspace_id", "addon_profile.oms_agent.enabled"])
    } else {
        cluster.fields.first_of(&["addonProfiles.omsagent.enabled", "addonProfiles.omsAgent.enabled"])
    };
    let is_on = agent.is_unknown() || agent.node().is_some_and(|node| node.as_bool() != Some(false));
    if is_on {
        return Judged::Pass;
    }
    if !cluster.is_planned {
        return Judged::Unknown("diagnostic settings are not part of the cluster's description");
    }
    let has_setting = context.cloud.resources().any(|resource| {
        resource.kind == "azurerm_monitor_diagnostic_setting"
            && resource.referred("target_resource_id").is_none_or(|key| Some(key) == cluster.key)
    });
    if has_setting {
        Judged::Pass
    } else {
        cluster.fail(agent, "nothing keeps the logs of the control plane")
    }
}

/// Secrets that are not encrypted by a key of one's own.
pub(super) fn secrets_encryption<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        let judged = match cluster.provider {
            Provider::Eks => eks_encryption(cluster),
            Provider::Gke => gke_encryption(cluster),
            Provider::Aks => aks_encryption(cluster),
        };
        judged.tell(sink);
    }
}

fn eks_encryption<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let config = cluster.get("encryptionConfig", "encryption_config");
    match config {
        Seen::Value(list) if !list.is_empty() => return Judged::Pass,
        Seen::Unknown => return Judged::Unknown(LATER),
        _ => {}
    }
    let version = cluster.fields.get("version");
    let newer = version
        .text()
        .and_then(crate::KubernetesVersion::parse)
        .is_some_and(|version| version.is_at_least(28));
    if newer {
        let message = "secrets are encrypted with a key of the provider's, as every cluster since 1.28, not with one of yours";
        return Judged::broken(cluster.found(config, message).severity(Severity::Low));
    }
    if version.node().is_none() {
        return Judged::Unknown(
            "the version is not known, and since 1.28 the provider encrypts secrets by itself",
        );
    }
    cluster.fail(config, "secrets are stored without envelope encryption")
}

fn gke_encryption<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let state = cluster.get("databaseEncryption.state", "database_encryption.state");
    match state {
        Seen::Value(node) if matches!(node.text(), "ENCRYPTED" | "ALL_OBJECTS_ENCRYPTION_ENABLED") => {
            Judged::Pass
        }
        Seen::Unknown => Judged::Unknown(LATER),
        _ => cluster.fail(state, "secrets are not encrypted with a key of yours before they are stored"),
    }
}

fn aks_encryption<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let kms =
        cluster.get("securityProfile.azureKeyVaultKms.enabled", "key_management_service.key_vault_key_id");
    match kms {
        Seen::Unknown => Judged::Unknown(LATER),
        Seen::Value(node) if node.as_bool() != Some(false) => Judged::Pass,
        _ => cluster.fail(kms, "secrets are not encrypted with a key of yours before they are stored"),
    }
}
