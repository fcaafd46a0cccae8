//! Which rights give what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Escalation, Vertex, holder::Holder};
use crate::{
    Authorizer, BindingId, Capability, RoleCapabilities, RoleId, RoleKind, RuleGrant, Subject, SubjectKind,
    Surroundings, user,
};
use Capability as C;

/// Signers whose certificates are credentials of the API server.
const CLIENT_SIGNERS: [&str; 2] = ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"];

struct Builder<'a> {
    graph: &'a mut Escalation,
    authorizer: &'a Authorizer,
    around: &'a Surroundings,
    of_role: &'a [RoleCapabilities],
    /// Roles whose rules as if bound for the whole cluster are asked for and not yet looked at.
    roles: Vec<(RoleId, BindingId)>,
}

pub(super) fn build(
    graph: &mut Escalation,
    authorizer: &Authorizer,
    around: &Surroundings,
    of_role: &[RoleCapabilities],
) {
    let mut builder = Builder { graph, authorizer, around, of_role, roles: Vec::new() };
    builder.sets();
    builder.subjects();
    builder.bound_roles();
}

impl<'a> Builder<'a> {
    /// The vertices that stand for many, and who is in them.
    fn sets(&mut self) {
        let mut accounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let bound = self.authorizer.index.users.keys().filter_map(|name| user::account_of(name));
        let declared =
            self.around.accounts.keys().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let used = self.around.workloads.iter().map(|own| (own.namespace.as_str(), own.account.as_str()));
        for (namespace, name) in bound.chain(declared).chain(used.clone()) {
            accounts.entry(namespace.to_owned()).or_default().insert(name.to_owned());
        }
        for (namespace, names) in &accounts {
            let set = || Vertex::Accounts(namespace.clone());
            self.graph.edge(Vertex::AllAccounts, set(), "include", None);
            for name in names {
                let account = Subject::service_account(namespace, name);
                self.graph.edge(set(), Vertex::Subject(account.clone()), "include", None);
                self.groups_of(&account);
            }
        }
        for (namespace, account) in used.collect::<BTreeSet<_>>() {
            let set = Vertex::PodAccounts(namespace.to_owned());
            self.graph.edge(Vertex::AllPodAccounts, set.clone(), "include", None);
            self.graph.edge(
                set,
                Vertex::Subject(Subject::service_account(namespace, account)),
                "include",
                None,
            );
        }
        for (namespace, account) in &self.around.token_secrets {
            let set = Vertex::TokenAccounts(namespace.clone());
            self.graph.edge(Vertex::AllTokenAccounts, set.clone(), "include", None);
            self.graph.edge(set, subject(Subject::service_account(namespace, account)), "include", None);
        }
        self.graph.edge(Vertex::Node, Vertex::AllPodAccounts, "reads the token of every pod on it", None);
        self.graph.edge(
            Vertex::Node,
            subject(Subject::group(user::NODES)),
            "holds the node's own credentials",
            None,
        );
        let masters = subject(Subject::group(user::MASTERS));
        self.graph.edge(masters, Vertex::ClusterAdmin, "is above all rules", None);
    }

    /// An account, or any user, is in groups by itself.
    fn groups_of(&mut self, who: &Subject) {
        let mut groups = match who.kind {
            SubjectKind::ServiceAccount => {
                vec![format!("{}:{}", user::ACCOUNTS, who.namespace), user::ACCOUNTS.to_owned()]
            }
            SubjectKind::User => Vec::new(),
            SubjectKind::Group | SubjectKind::Unknown => return,
        };
        groups.push(
            if who.name == user::ANONYMOUS { user::UNAUTHENTICATED } else { user::AUTHENTICATED }.to_owned(),
        );
        for group in groups {
            if self.authorizer.index.user_groups.contains_key(&group) {
                self.graph.edge(
                    subject(who.clone()),
                    subject(Subject::group(&group)),
                    "is a member of",
                    None,
                );
            }
        }
    }

    fn subjects(&mut self) {
        let index = &self.authorizer.index;
        let users = index.users.iter().map(|(name, holdings)| (Subject::user(name).normal(), holdings));
        let groups = index.user_groups.iter().map(|(name, holdings)| (Subject::group(name), holdings));
        let mut all: Vec<_> = users.chain(groups).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (who, holdings) in all {
            match who.kind {
                SubjectKind::User => {
                    self.graph.edge(Vertex::AnyUser, subject(who.clone()), "include", None);
                    self.groups_of(&who);
                }
                SubjectKind::Group => {
                    self.graph.edge(Vertex::AnyGroup, subject(who.clone()), "include", None);
                    if who.name != user::MASTERS {
                        self.graph.edge(Vertex::AnyOtherGroup, subject(who.clone()), "include", None);
                    }
                }
                _ => {}
            }
            let cluster = holdings.cluster.roles.as_slice();
            self.scope(&subject(who.clone()), cluster, None);
            let mut namespaces: Vec<_> = holdings.namespaces.iter().collect();
            namespaces.sort_by_key(|(name, _)| *name);
            for (namespace, held) in namespaces {
                self.scope(&subject(who.clone()), cluster, Some((namespace, held.roles.as_slice())));
            }
        }
        // Whoever may act as any group may act as this one, bound or not.
        self.graph.edge(Vertex::AnyGroup, subject(Subject::group(user::MASTERS)), "include", None);
    }

    /// Roles that somebody may bind to themselves, and what would follow.
    fn bound_roles(&mut self) {
        let mut seen: HashMap<RoleId, ()> = HashMap::new();
        while let Some((role, binding)) = self.roles.pop() {
            if seen.insert(role, ()).is_none() {
                self.scope(&Vertex::RoleEverywhere(role), &[(role, binding)], None);
            }
        }
    }

    fn scope(
        &mut self,
        who: &Vertex,
        cluster: &[(RoleId, BindingId)],
        namespace: Option<(&str, &[(RoleId, BindingId)])>,
    ) {
        let holder = Holder {
            authorizer: self.authorizer,
            of_role: self.of_role,
            cluster,
            namespace: namespace.map_or(&[], |(_, held)| held),
            is_cluster: namespace.is_none(),
        };
        let mut out = Edges { builder: self, who, holder };
        match namespace {
            None => out.cluster(),
            Some((namespace, _)) => out.namespace(namespace),
        }
    }
}

fn subject(subject: Subject) -> Vertex {
    Vertex::Subject(subject)
}

/// The edges of one holder in one scope.
struct Edges<'b, 'a, 'h> {
    builder: &'b mut Builder<'a>,
    who: &'b Vertex,
    holder: Holder<'h>,
}

impl Edges<'_, '_, '_> {
    fn to(&mut self, to: Vertex, how: &'static str, grant: RuleGrant) {
        self.builder.graph.edge(self.who.clone(), to, how, Some(grant));
    }

    /// An edge when all of the capabilities are held; the rule of the first is the evidence.
    fn all(&mut self, capabilities: &[Capability], to: Vertex, how: &'static str) {
        if !self.holder.is_own(capabilities) {
            return;
        }
        let grants: Option<Vec<RuleGrant>> = capabilities.iter().map(|&own| self.holder.free(own)).collect();
        if let Some(&grant) = grants.as_ref().and_then(|grants| grants.first()) {
            let about = capabilities.first().copied();
            self.builder.graph.edge_about(self.who.clone(), to, how, Some(grant), about);
        }
    }

    fn cluster(&mut self) {
        use Vertex::{AllAccounts, AllPodAccounts, ClusterAdmin};
        if let Some(grant) = self.holder.everything() {
            return self.to(ClusterAdmin, "may do everything to everything", grant);
        }
        self.all(
            &[C::EscalateClusterRoles, C::ChangeClusterRoles],
            ClusterAdmin,
            "may write any rule into a role it is bound to",
        );
        self.all(&[C::BindClusterRoles, C::MakeClusterBindings], ClusterAdmin, "may bind any role to itself");
        self.bind_named();
        self.impersonate();
        self.all(&[C::CreateTokens], AllAccounts, "may make a token of every service account");
        self.all(&[C::ImpersonateAccounts], AllAccounts, "may act as every service account");
        self.all(&[C::CreateWorkloads], AllAccounts, "may start pods that run as any service account");
        self.all(&[C::ModifyControllers], AllAccounts, "may make workloads run as any service account");
        self.all(
            &[C::CreateSecrets, C::ReadSecrets],
            AllAccounts,
            "may make a secret that holds the token of any service account, and read it",
        );
        self.all(&[C::WriteMutatingWebhooks], AllAccounts, "may change every pod as it is started");
        self.all(&[C::ModifyWorkloads], AllPodAccounts, "may change what pods run");
        self.all(&[C::Exec], AllPodAccounts, "may run commands in every pod");
        self.all(&[C::EphemeralContainers], AllPodAccounts, "may put a container into every pod");
        self.all(
            &[C::NodesProxy],
            AllPodAccounts,
            "may run commands in every pod by the kubelet's interface",
        );
        self.certificates();
        self.secrets(None);
        self.host(None);
        self.operators(None);
        if self.builder.around.has_aws_auth {
            self.all(
                &[C::WriteConfigMaps],
                ClusterAdmin,
                "may map its cloud role to system:masters in kube-system/aws-auth",
            );
        }
    }

    fn namespace(&mut self, namespace: &str) {
        let own = || namespace.to_owned();
        let (admin, accounts, pods) =
            (Vertex::NamespaceAdmin(own()), Vertex::Accounts(own()), Vertex::PodAccounts(own()));
        self.builder.graph.edge(admin.clone(), accounts.clone(), "holds", None);
        if let Some(grant) = self.holder.everything() {
            self.to(admin, "may do everything in the namespace", grant);
            return self.host(Some(namespace));
        }
        self.all(
            &[C::EscalateRoles, C::ChangeRoles],
            admin.clone(),
            "may write any rule into a role it is bound to",
        );
        self.all(
            &[C::BindRoles, C::MakeBindings],
            admin.clone(),
            "may bind any role of the namespace to itself",
        );
        self.all(
            &[C::BindClusterRoles, C::MakeBindings],
            admin,
            "may bind any role of the cluster to itself in the namespace",
        );
        self.all(
            &[C::CreateTokens],
            accounts.clone(),
            "may make a token of every service account of the namespace",
        );
        self.all(
            &[C::ImpersonateAccounts],
            accounts.clone(),
            "may act as every service account of the namespace",
        );
        self.all(
            &[C::CreateWorkloads],
            accounts.clone(),
            "may start pods that run as any service account of the namespace",
        );
        self.all(
            &[C::ModifyControllers],
            accounts.clone(),
            "may make workloads run as any service account of the namespace",
        );
        self.all(
            &[C::CreateSecrets, C::ReadSecrets],
            accounts,
            "may make a secret that holds the token of any service account there, and read it",
        );
        self.all(&[C::ModifyWorkloads], pods.clone(), "may change what pods of the namespace run");
        self.all(&[C::Exec], pods.clone(), "may run commands in pods of the namespace");
        self.all(&[C::EphemeralContainers], pods, "may put a container into pods of the namespace");
        for (capability, how) in [
            (C::CreateTokens, "may make a token of the service account"),
            (C::ImpersonateAccounts, "may act as the service account"),
        ] {
            for (grant, names) in self.holder.named(capability) {
                for name in names {
                    self.to(subject(Subject::service_account(namespace, name)), how, grant);
                }
            }
        }
        self.secrets(Some(namespace));
        self.host(Some(namespace));
        self.operators(Some(namespace));
        if namespace == "kube-system" && self.builder.around.has_aws_auth {
            let how = "may map its cloud role to system:masters in kube-system/aws-auth";
            self.all(&[C::WriteConfigMaps], Vertex::ClusterAdmin, how);
            let named = self.holder.named(C::WriteConfigMaps);
            let names_it = |names: &[String]| names.iter().any(|name| name == "aws-auth");
            if let Some((grant, _)) = named.into_iter().find(|(_, names)| names_it(names)) {
                self.to(Vertex::ClusterAdmin, how, grant);
            }
        }
    }

    /// The right to bind certain roles: what those roles give for the whole cluster.
    fn bind_named(&mut self) {
        if self.holder.free(C::MakeClusterBindings).is_none() {
            return;
        }
        for (grant, names) in self.holder.named(C::BindClusterRoles) {
            for name in names {
                if let Some(role) = self.builder.authorizer.role_named(RoleKind::ClusterRole, "", name) {
                    self.builder.roles.push((role, grant.binding));
                    self.to(Vertex::RoleEverywhere(role), "may bind the role to itself", grant);
                }
            }
        }
    }

    fn impersonate(&mut self) {
        self.all(&[C::ImpersonateUsers], Vertex::AnyUser, "may act as every user");
        for (grant, names) in self.holder.named(C::ImpersonateUsers) {
            for name in names {
                self.to(subject(Subject::user(name).normal()), "may act as the user", grant);
            }
        }
        // A request that names a group has to name a user or an account too.
        let names_somebody = [C::ImpersonateUsers, C::ImpersonateAccounts]
            .iter()
            .any(|&own| self.holder.free(own).is_some() || !self.holder.named(own).is_empty());
        if !names_somebody {
            return;
        }
        self.all(&[C::ImpersonateGroups], Vertex::AnyGroup, "may act as a member of every group");
        for (grant, names) in self.holder.named(C::ImpersonateGroups) {
            for name in names {
                self.to(subject(Subject::group(name)), "may act as a member of the group", grant);
            }
        }
    }

    /// A certificate can name any user and any group but one, which admission refuses.
    fn certificates(&mut self) {
        let signer = |edges: &Self, capability| {
            let is_client =
                |names: &[String]| names.iter().any(|name| CLIENT_SIGNERS.contains(&name.as_str()));
            let named = edges.holder.named(capability).into_iter().find(|(_, names)| is_client(names));
            edges.holder.free(capability).or(named.map(|(grant, _)| grant))
        };
        let approves = self.holder.free(C::ApproveRequests).and(signer(self, C::ApproveSigners));
        let signs = self.holder.free(C::WriteRequestStatus).and(signer(self, C::SignSigners));
        let asks = self.holder.free(C::CreateRequests);
        if let (Some(grant), Some(_)) = (approves.or(signs), asks) {
            let how = "may ask for a certificate in any name and approve it";
            self.to(Vertex::AnyUser, how, grant);
            self.to(Vertex::AnyOtherGroup, how, grant);
            self.to(Vertex::AllAccounts, how, grant);
        }
    }

    /// Secrets that hold tokens.
    fn secrets(&mut self, namespace: Option<&str>) {
        if !self.holder.is_own(&[C::ReadSecrets]) {
            return;
        }
        let Some(grant) = self.holder.free(C::ReadSecrets) else { return };
        let to = namespace.map_or(Vertex::AllTokenAccounts, |own| Vertex::TokenAccounts(own.to_owned()));
        self.to(to, "may read secrets that hold tokens of service accounts", grant);
    }

    /// Ways to a node: pods that a namespace admits, volumes that are paths of a node.
    fn host(&mut self, namespace: Option<&str>) {
        let around = self.builder.around;
        let admits = |namespace: &str| around.admits_privileged(namespace) == Some(true);
        let is_open = match namespace {
            Some(namespace) => admits(namespace),
            None => around.namespaces.keys().any(|namespace| admits(namespace)),
        };
        if is_open {
            self.all(&[C::CreateWorkloads], Vertex::Node, "may start privileged pods on any node");
            self.all(&[C::ModifyControllers], Vertex::Node, "may make workloads privileged, on any node");
        }
        self.all(
            &[C::CreateVolumes, C::CreateWorkloads],
            Vertex::Node,
            "may mount a node's disk by a volume",
        );
        if namespace.is_none() {
            self.all(
                &[C::ChangeNamespaces, C::CreateWorkloads],
                Vertex::Node,
                "may lift a namespace's pod security and start privileged pods there",
            );
        }
    }

    /// Objects that an operator turns into what its own account may do.
    fn operators(&mut self, namespace: Option<&str>) {
        for operator in crate::operators::ALL.iter().filter(|operator| operator.acts.on(namespace)) {
            let held = if self.holder.is_cluster { self.holder.cluster } else { self.holder.namespace };
            let Some(grant) = operator.held(self.builder.authorizer, held) else { continue };
            let to = match (operator.acts.account(), namespace) {
                (Some((of, name)), _) => {
                    let is_there = self
                        .builder
                        .around
                        .accounts
                        .contains_key(&(of.to_owned(), name.to_owned()))
                        || self.builder.authorizer.index.users.contains_key(&user::account_name(of, name));
                    if !is_there {
                        continue;
                    }
                    subject(Subject::service_account(of, name))
                }
                (None, Some(namespace)) => Vertex::Accounts(namespace.to_owned()),
                (None, None) => Vertex::AllAccounts,
            };
            self.to(to, operator.how, grant);
        }
    }
}
