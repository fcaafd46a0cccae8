//! Who can become whom: the graph of privilege, and the shortest chain from anybody to the whole cluster.
//!
//! Vertices are subjects and a few sets of them (every account of a namespace, the accounts that pods there run as,
//! whoever is root on a node); an edge says that who holds the one gains the other, and through which rule. The graph
//! grows with the policy, not with its square, because rights over many go through a set.

mod edges;
mod holder;

use std::collections::{HashMap, VecDeque};

use crate::{Authorizer, Capability, RoleCapabilities, RoleId, RuleGrant, Subject, Surroundings};

/// What can be gained.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Vertex {
    /// A user, group or service account.
    Subject(Subject),
    /// Every service account of a namespace.
    Accounts(String),
    /// The service accounts that workloads of a namespace run as.
    PodAccounts(String),
    /// Every service account.
    AllAccounts,
    /// The service accounts that any workload runs as.
    AllPodAccounts,
    /// Every user by name.
    AnyUser,
    /// Every group by name.
    AnyGroup,
    /// Every group but `system:masters`.
    AnyOtherGroup,
    /// The service accounts of a namespace whose token a secret holds.
    TokenAccounts(String),
    /// The service accounts whose token a secret holds.
    AllTokenAccounts,
    /// Everything in a namespace.
    NamespaceAdmin(String),
    /// Root on nodes of one's choice.
    Node,
    /// What a role gives where it is bound for the whole cluster.
    RoleEverywhere(RoleId),
    /// Everything.
    ClusterAdmin,
}

/// Why one vertex gives another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edge {
    from: u32,
    to: u32,
    /// In words that follow the name of who holds it: `may make tokens of every account`.
    how: &'static str,
    grant: Option<RuleGrant>,
    about: Option<Capability>,
}

/// One step of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Who holds it.
    pub from: Vertex,
    /// In words that follow: `may make tokens of every account of the namespace`.
    pub how: &'static str,
    /// Through which rule; nothing for what follows by itself.
    pub grant: Option<RuleGrant>,
    /// Which capability of the rule it is; empty when another part of it.
    pub about: Vec<Capability>,
    /// What is gained.
    pub to: Vertex,
}

/// The graph, closed: for every vertex the next step on a shortest chain to the whole cluster.
#[derive(Debug)]
pub struct Escalation {
    vertices: Vec<Vertex>,
    numbers: HashMap<Vertex, u32>,
    edges: Vec<Edge>,
    /// Edges by where they start.
    from: Vec<Vec<u32>>,
    /// For each vertex the edge that leads to the whole cluster in the fewest steps.
    next: Vec<Option<u32>>,
}

impl Escalation {
    /// Builds and closes the graph.
    pub fn new(authorizer: &Authorizer, around: &Surroundings) -> Self {
        let capabilities: Vec<RoleCapabilities> =
            authorizer.policy().roles.iter().map(RoleCapabilities::of).collect();
        let mut graph = Self {
            vertices: Vec::new(),
            numbers: HashMap::new(),
            edges: Vec::new(),
            from: Vec::new(),
            next: Vec::new(),
        };
        edges::build(&mut graph, authorizer, around, &capabilities);
        graph.close();
        graph
    }

    /// The shortest chain from a subject to the whole cluster; nothing when there is none.
    pub fn chain(&self, subject: &Subject) -> Option<Vec<Step>> {
        let mut at = *self.numbers.get(&Vertex::Subject(subject.clone()))?;
        let mut steps = Vec::new();
        while let Some(edge) = self.next.get(at as usize).copied().flatten() {
            let edge = self.edges.get(edge as usize)?;
            steps.push(self.step(edge)?);
            at = edge.to;
        }
        (!steps.is_empty()).then_some(steps)
    }

    /// Everything that a subject can gain, with the step that first gives it, nearest first.
    pub fn gains(&self, subject: &Subject) -> Vec<Step> {
        let Some(&start) = self.numbers.get(&Vertex::Subject(subject.clone())) else { return Vec::new() };
        let mut seen = vec![false; self.vertices.len()];
        let mut queue = VecDeque::from([start]);
        let mut steps = Vec::new();
        mark(&mut seen, start);
        while let Some(at) = queue.pop_front() {
            for &edge in self.from.get(at as usize).into_iter().flatten() {
                let Some(edge) = self.edges.get(edge as usize) else { continue };
                if mark(&mut seen, edge.to) {
                    steps.extend(self.step(edge));
                    queue.push_back(edge.to);
                }
            }
        }
        steps
    }

    /// All subjects of the graph, in order.
    pub fn subjects(&self) -> Vec<&Subject> {
        let mut subjects: Vec<&Subject> = self.vertices.iter().filter_map(Vertex::as_subject).collect();
        subjects.sort();
        subjects
    }

    fn step(&self, edge: &Edge) -> Option<Step> {
        let vertex = |number: u32| self.vertices.get(number as usize).cloned();
        Some(Step {
            from: vertex(edge.from)?,
            how: edge.how,
            grant: edge.grant,
            about: edge.about.into_iter().collect(),
            to: vertex(edge.to)?,
        })
    }

    fn vertex(&mut self, vertex: Vertex) -> u32 {
        if let Some(&number) = self.numbers.get(&vertex) {
            return number;
        }
        let number = self.vertices.len() as u32;
        self.numbers.insert(vertex.clone(), number);
        self.vertices.push(vertex);
        self.from.push(Vec::new());
        number
    }

    fn edge(&mut self, from: Vertex, to: Vertex, how: &'static str, grant: Option<RuleGrant>) {
        self.edge_about(from, to, how, grant, None);
    }

    fn edge_about(
        &mut self,
        from: Vertex,
        to: Vertex,
        how: &'static str,
        grant: Option<RuleGrant>,
        about: Option<Capability>,
    ) {
        let (from, to) = (self.vertex(from), self.vertex(to));
        if from == to {
            return;
        }
        if let Some(of) = self.from.get_mut(from as usize) {
            of.push(self.edges.len() as u32);
            self.edges.push(Edge { from, to, how, grant, about });
        }
    }

    /// Breadth first, backwards from the whole cluster.
    fn close(&mut self) {
        let mut into: Vec<Vec<u32>> = vec![Vec::new(); self.vertices.len()];
        for (number, edge) in self.edges.iter().enumerate() {
            if let Some(list) = into.get_mut(edge.to as usize) {
                list.push(number as u32);
            }
        }
        self.next = vec![None; self.vertices.len()];
        let Some(&goal) = self.numbers.get(&Vertex::ClusterAdmin) else { return };
        let mut seen = vec![false; self.vertices.len()];
        mark(&mut seen, goal);
        let mut queue = VecDeque::from([goal]);
        while let Some(at) = queue.pop_front() {
            for &number in into.get(at as usize).into_iter().flatten() {
                let Some(edge) = self.edges.get(number as usize) else { continue };
                if mark(&mut seen, edge.from) {
                    if let Some(next) = self.next.get_mut(edge.from as usize) {
                        *next = Some(number);
                    }
                    queue.push_back(edge.from);
                }
            }
        }
    }
}

/// True the first time.
fn mark(seen: &mut [bool], at: u32) -> bool {
    seen.get_mut(at as usize).is_some_and(|seen| !std::mem::replace(seen, true))
}

impl Vertex {
    /// The subject, when it is one.
    pub fn as_subject(&self) -> Option<&Subject> {
        if let Self::Subject(subject) = self { Some(subject) } else { None }
    }

    /// In words.
    pub fn describe(&self, authorizer: &Authorizer) -> String {
        match self {
            Self::Subject(subject) => subject.describe(),
            Self::Accounts(namespace) => format!("every service account of namespace {namespace}"),
            Self::PodAccounts(namespace) => format!("the accounts that pods of namespace {namespace} run as"),
            Self::AllAccounts => "every service account".to_owned(),
            Self::AllPodAccounts => "the accounts that pods run as".to_owned(),
            Self::AnyUser => "every user".to_owned(),
            Self::AnyGroup => "every group".to_owned(),
            Self::AnyOtherGroup => "every group but system:masters".to_owned(),
            Self::TokenAccounts(namespace) => {
                format!("the accounts whose tokens lie in secrets of namespace {namespace}")
            }
            Self::AllTokenAccounts => "the accounts whose tokens lie in secrets".to_owned(),
            Self::NamespaceAdmin(namespace) => format!("everything in namespace {namespace}"),
            Self::Node => "root on a node of its choice".to_owned(),
            Self::RoleEverywhere(role) => {
                let name =
                    authorizer.policy().roles.get(*role as usize).map_or("?", |role| role.name.as_str());
                format!("the rules of ClusterRole {name}")
            }
            Self::ClusterAdmin => "the whole cluster".to_owned(),
        }
    }
}
