//! The offline authoriser.

use std::sync::OnceLock;

use nightlatch_manifest::{Corpus, View};

use crate::{
    Assessment, Attributes, BindingId, Chain, Escalation, Mode, NodeAnswer, NodeGraph, Policy, RoleId,
    RoleKind, Subject, Surroundings, User, defaults,
    index::{Held, Index},
    user::MASTERS,
};

/// Whether to assume the roles and bindings that every cluster starts with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Assume {
    /// When the input holds none of them.
    #[default]
    WhenAbsent,
    /// Those that are not there.
    Always,
    /// Never.
    Never,
}

/// How a corpus is read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether to assume what every cluster starts with.
    pub assume: Assume,
    /// The minor version of Kubernetes 1.
    pub minor: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { assume: Assume::WhenAbsent, minor: defaults::NEWEST }
    }
}

/// Why something is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grant {
    /// The caller is in `system:masters`, whom no authoriser is asked about.
    Superuser,
    /// The cluster allows everything to everybody.
    AlwaysAllow,
    /// The Node authoriser, and what it says.
    Node(&'static str),
    /// A rule.
    Rule(RuleGrant),
}

/// A binding, the role it gives, and the rule in it that allows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleGrant {
    /// Which binding of the policy.
    pub binding: BindingId,
    /// Which role of the policy.
    pub role: RoleId,
    /// Which rule of the role, from 0.
    pub rule: u32,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Allowed, and why.
    Allow(Grant),
    /// No authoriser allows it.
    Deny,
    /// RBAC does not allow it; an authoriser whose policy is not in the input may.
    UnknownMayAllow(Doubt),
    /// RBAC allows it; an authoriser that is asked before and whose policy is not in the input may deny it.
    UnknownMayDeny(Grant, Doubt),
}

/// Whose answer is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Doubt {
    /// A webhook.
    Webhook,
    /// An ABAC policy file.
    Abac,
    /// The Node authoriser: it depends on pods that the input does not show.
    Node,
}

impl Decision {
    /// True when it is allowed as far as the input shows, doubts aside.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_) | Self::UnknownMayDeny(..))
    }

    /// Why it is allowed.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Allow(grant) | Self::UnknownMayDeny(grant, _) => Some(grant),
            Self::Deny | Self::UnknownMayAllow(_) => None,
        }
    }
}

/// One who may do what was asked, and through what.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WhoCan {
    /// Who.
    pub subject: Subject,
    /// In which namespace; nothing for everywhere.
    pub namespace: Option<String>,
    /// Through what.
    pub grant: RuleGrant,
}

/// Answers whether a caller may do something, as the API server of the cluster would, from its objects alone.
#[derive(Debug, Default)]
pub struct Authorizer {
    pub(crate) policy: Policy,
    pub(crate) index: Index,
    chain: Chain,
    nodes: NodeGraph,
    view: View,
    is_cut: bool,
    minor: u32,
    around: Surroundings,
    escalation: OnceLock<Escalation>,
    assessment: OnceLock<Assessment>,
}

impl Authorizer {
    /// From a corpus, with what its view and content suggest.
    pub fn new(corpus: &Corpus) -> Self {
        Self::with(corpus, Options::default())
    }

    /// From a corpus.
    pub fn with(corpus: &Corpus, options: Options) -> Self {
        let mut policy = Policy::read(corpus);
        let assume = match options.assume {
            Assume::Always => true,
            Assume::Never => false,
            Assume::WhenAbsent => !policy.holds_defaults(),
        };
        if assume {
            policy.assume_shipped(options.minor);
        }
        let shipped = defaults::shipped(options.minor).roles;
        let rules = shipped.into_iter().find(|role| role.name == "system:node").map(|role| role.rules);
        let mut authorizer = Self::from_policy(policy);
        authorizer.chain = Chain::read(corpus);
        authorizer.nodes = NodeGraph::read(corpus, rules.unwrap_or_default(), options.minor);
        authorizer.view = corpus.view;
        authorizer.minor = options.minor;
        authorizer.around = Surroundings::read(corpus);
        authorizer
    }

    /// From plain values, with RBAC as the only authoriser. Aggregated roles are filled.
    pub fn from_policy(mut policy: Policy) -> Self {
        let is_whole = policy.aggregate();
        let index = Index::new(&policy);
        let chain = Chain { modes: vec![Mode::Rbac], is_shown: true, anonymous: true };
        Self { policy, index, chain, is_cut: !is_whole, minor: defaults::NEWEST, ..Self::default() }
    }

    /// Accounts, workloads and namespaces of the corpus.
    pub fn surroundings(&self) -> &Surroundings {
        &self.around
    }

    /// Who can become whom; made when first asked for.
    pub fn escalation(&self) -> &Escalation {
        self.escalation.get_or_init(|| Escalation::new(self, &self.around))
    }

    /// What is wrong with the policy; made when first asked for.
    pub fn assessment(&self) -> &Assessment {
        self.assessment.get_or_init(|| Assessment::new(self, &self.around, self.escalation(), self.minor))
    }

    /// Answers a question. The attributes are taken as a SubjectAccessReview gives them.
    pub fn authorize(&self, user: &User, asked: &Attributes<'_>) -> Decision {
        if user.has_group(MASTERS) {
            return Decision::Allow(Grant::Superuser);
        }
        let mut before = None;
        let mut after = None;
        for mode in &self.chain.modes {
            let allows = match mode {
                Mode::Webhook => {
                    before = before.or(Some(Doubt::Webhook));
                    after = after.or(Some(Doubt::Webhook));
                    None
                }
                Mode::Abac => {
                    after = after.or(Some(Doubt::Abac));
                    None
                }
                Mode::AlwaysAllow => Some(Grant::AlwaysAllow),
                Mode::Rbac => self.by_rules(user, asked).map(Grant::Rule),
                Mode::Node => match self.nodes.answer(user, asked, self.view == View::Full) {
                    NodeAnswer::Allow(why) => Some(Grant::Node(why)),
                    NodeAnswer::NoOpinion => None,
                    NodeAnswer::IfReferred => {
                        after = after.or(Some(Doubt::Node));
                        None
                    }
                },
            };
            match (allows, before) {
                (Some(grant), None) => return Decision::Allow(grant),
                (Some(grant), Some(doubt)) => return Decision::UnknownMayDeny(grant, doubt),
                (None, _) => {}
            }
        }
        after.map_or(Decision::Deny, Decision::UnknownMayAllow)
    }

    /// The rule of RBAC that allows it, whatever other authorisers say; bindings of the cluster before those of the
    /// namespace.
    pub fn by_rules(&self, user: &User, asked: &Attributes<'_>) -> Option<RuleGrant> {
        let own = self.index.users.get(&user.name);
        let groups = user.groups.iter().filter_map(|group| self.index.user_groups.get(group));
        let words = self.index.asked(asked);
        let first = |held: &Held| self.index.first(&self.policy, held, &words);
        let holdings = || own.into_iter().chain(groups.clone());
        let everywhere = holdings().find_map(|holdings| first(&holdings.cluster));
        let (hit, binding) = everywhere.or_else(|| {
            // A request for a path, and one without a namespace, never meets a RoleBinding.
            let namespace = Some(asked.namespace).filter(|name| !name.is_empty() && asked.path.is_none())?;
            holdings().find_map(|holdings| first(holdings.namespaces.get(namespace)?))
        })?;
        Some(RuleGrant { binding, role: hit.role, rule: hit.rule })
    }

    /// Everyone whom a binding lets do it, in order of subject. Who is in `system:masters` may always, and is not
    /// listed. When no namespace is asked for, those who may in some namespace are listed with it.
    pub fn who_can(&self, asked: &Attributes<'_>) -> Vec<WhoCan> {
        let words = self.index.asked(asked);
        let mut found = Vec::new();
        for hit in self.index.roles(&self.policy, &words) {
            for &binding_id in self.index.bindings_of.get(hit.role as usize).into_iter().flatten() {
                let Some(binding) = self.policy.bindings.get(binding_id as usize) else { continue };
                let holds = match &binding.namespace {
                    None => true,
                    Some(namespace) => {
                        asked.path.is_none() && (asked.namespace.is_empty() || asked.namespace == namespace)
                    }
                };
                if !holds {
                    continue;
                }
                let grant = RuleGrant { binding: binding_id, role: hit.role, rule: hit.rule };
                let subjects = binding.subjects.iter().filter(|subject| self.can_match(binding_id, subject));
                found.extend(subjects.map(|subject| WhoCan {
                    subject: subject.normal(),
                    namespace: binding.namespace.clone(),
                    grant,
                }));
            }
        }
        found.sort();
        found
    }

    /// Whether a subject of a binding can match anybody.
    pub(crate) fn can_match(&self, binding: BindingId, subject: &Subject) -> bool {
        use crate::SubjectKind::{ServiceAccount, Unknown};
        let in_namespace =
            self.policy.bindings.get(binding as usize).is_some_and(|binding| binding.namespace.is_some());
        match subject.kind {
            Unknown => false,
            ServiceAccount => !subject.namespace.is_empty() || in_namespace,
            _ => true,
        }
    }

    /// The roles and bindings, assumed ones included.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The role that a binding gives; nothing when it does not exist, or when a ClusterRoleBinding names a Role.
    pub fn role_of(&self, binding: BindingId) -> Option<RoleId> {
        self.index.role_of.get(binding as usize).copied().flatten()
    }

    /// The bindings that give a role.
    pub fn bindings_of(&self, role: RoleId) -> &[BindingId] {
        self.index.bindings_of.get(role as usize).map_or(&[], Vec::as_slice)
    }

    /// A role by identity.
    pub fn role_named(&self, kind: RoleKind, namespace: &str, name: &str) -> Option<RoleId> {
        let is_it =
            |role: &crate::Role| role.kind == kind && role.namespace == namespace && role.name == name;
        self.policy.roles.iter().position(is_it).map(|at| at as RoleId)
    }

    /// Which authorisers the cluster asks.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// How complete the input is.
    pub fn view(&self) -> View {
        self.view
    }

    /// True when the policy was so large that aggregation left rules out.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}
