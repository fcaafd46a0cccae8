//! Native checks of the family `rbac`: what `nightlatch-rbac` found in the resolved grants, rule by rule.

use nightlatch_rbac::{Anchor, Risk};

use crate::{Context, Found, NativeCheck, Sink, Subject};

mod masters;

/// One function for each rule of the engine, and the list of them all.
macro_rules! checks {
    ($( $name:literal $function:ident $id:literal, )*) => {
        $(
            fn $function<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
                report(context, sink, $id);
            }
        )*

        /// The checks, by the name that `check.native` of a rule gives, sorted.
        pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[$( ($name, $function), )*];
    };
}

checks! {
    "rbac/aggregation-injection" aggregation_injection "RBA-028",
    "rbac/anonymous-binding" anonymous_binding "RBA-018",
    "rbac/approve-csr" approve_csr "RBA-016",
    "rbac/authenticated-group-binding" authenticated_group_binding "RBA-019",
    "rbac/bind-roles" bind_roles "RBA-012",
    "rbac/cluster-admin-binding" cluster_admin_binding "RBA-001",
    "rbac/create-pv" create_pv "RBA-024",
    "rbac/create-workloads" create_workloads "RBA-006",
    "rbac/cross-namespace-sa" cross_namespace_sa "RBA-033",
    "rbac/dangling-binding" dangling_binding "RBA-026",
    "rbac/dashboard-binding" dashboard_binding "RBA-040",
    "rbac/default-sa-bound" default_sa_bound "RBA-021",
    "rbac/delete-broad" delete_broad "RBA-034",
    "rbac/delete-events-logs" delete_events_logs "RBA-035",
    "rbac/effective-cluster-admin" effective_cluster_admin "RBA-029",
    "rbac/ephemeral-containers" ephemeral_containers "RBA-009",
    "rbac/escalate-roles" escalate_roles "RBA-011",
    "rbac/impersonate" impersonate "RBA-014",
    "rbac/issue-token-secrets" issue_token_secrets "RBA-038",
    "rbac/manage-rbac" manage_rbac "RBA-013",
    "rbac/modify-workloads" modify_workloads "RBA-007",
    "rbac/namespace-sa-group-bound" namespace_sa_group_bound "RBA-022",
    "rbac/nodes-proxy" nodes_proxy "RBA-015",
    "rbac/pod-exec-attach" pod_exec_attach "RBA-008",
    "rbac/port-forward" port_forward "RBA-010",
    "rbac/read-secrets-cluster" read_secrets_cluster "RBA-004",
    "rbac/read-secrets-namespace" read_secrets_namespace "RBA-005",
    "rbac/services-status" services_status "RBA-037",
    "rbac/steal-pods" steal_pods "RBA-032",
    "rbac/system-masters-use" system_masters_use "RBA-020",
    "rbac/token-create" token_create "RBA-023",
    "rbac/unused-role" unused_role "RBA-027",
    "rbac/wildcard-all" wildcard_all "RBA-002",
    "rbac/wildcard-partial" wildcard_partial "RBA-003",
    "rbac/workload-takeover-sa" workload_takeover_sa "RBA-030",
    "rbac/write-configmaps-system" write_configmaps_system "RBA-025",
    "rbac/write-crds-policies" write_crds_policies "RBA-039",
    "rbac/write-network" write_network "RBA-036",
    "rbac/write-nodes" write_nodes "RBA-031",
    "rbac/write-webhooks" write_webhooks "RBA-017",
}

/// The kinds that grant. Without any of them nothing can be broken, and the defaults of a cluster need not be built.
const GRANTING: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

fn report<'a>(context: &Context<'a>, sink: &mut Sink<'a>, rule: &'static str) {
    if GRANTING.iter().any(|kind| context.objects_of(kind).next().is_some()) {
        assessed(context, sink, rule);
    }
    if rule == "RBA-020" {
        masters::credentials(context, sink);
    }
}

fn assessed<'a>(context: &Context<'a>, sink: &mut Sink<'a>, rule: &'static str) {
    let assessment = context.rbac().assessment();
    let mut failed = 0u32;
    for risk in assessment.risks.iter().filter(|risk| risk.rule == rule) {
        if let Some(found) = found(context, risk) {
            failed = failed.saturating_add(1);
            sink.fail(found);
        }
    }
    let looked_at = assessment.looked_at.get(rule).copied().unwrap_or_default();
    for _ in failed..looked_at {
        sink.pass();
    }
}

fn found<'a>(context: &Context<'a>, risk: &Risk) -> Option<Found<'a>> {
    let object = context.objects.get(risk.at.object as usize)?;
    let node = object.document().node(risk.at.node);
    let mut found = Found::new(Subject::object(object), node, risk.message.clone()).severity(risk.severity);
    if !risk.cause.is_empty() {
        found = found.cause(risk.cause.clone());
    }
    let place =
        |at: &Anchor| context.objects.get(at.object as usize).map(|object| object.document().node(at.node));
    for (text, at) in &risk.evidence {
        found = found.related(text.clone(), at.as_ref().and_then(place));
    }
    Some(found)
}
