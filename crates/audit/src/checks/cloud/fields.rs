//! Fields of an answer or of a planned resource, where "not known yet" is not "absent".

use nightlatch_manifest::{Kind, Node};

/// What is to be seen of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// Its value.
    Value(Node<'a>),
    /// It has one, which is known only after it is applied.
    Unknown,
    /// It has none: the provider's default holds.
    Absent,
}

impl<'a> Seen<'a> {
    /// The value, when it is known.
    pub(crate) fn node(self) -> Option<Node<'a>> {
        match self {
            Self::Value(node) => Some(node),
            _ => None,
        }
    }

    /// The text of a known scalar.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.node().map(Node::text).filter(|text| !text.is_empty())
    }

    /// A known whole number, also one in quotes.
    pub(crate) fn number(self) -> Option<i64> {
        let node = self.node()?;
        node.as_int().or_else(|| node.text().parse().ok())
    }

    /// True when it is known and true.
    pub(crate) fn is_true(self) -> bool {
        self.node().is_some_and(|node| node.as_bool() == Some(true) || node.text() == "true")
    }

    /// True when it is known and false.
    pub(crate) fn is_false(self) -> bool {
        self.node().is_some_and(|node| node.as_bool() == Some(false) || node.text() == "false")
    }

    /// True when it cannot be known from the input.
    pub(crate) fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// A mapping of an answer, or a resource or block of a Terraform plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    /// The values.
    pub(crate) values: Node<'a>,
    unknown: Option<Node<'a>>,
    expressions: Option<Node<'a>>,
}

impl<'a> Fields<'a> {
    /// Of an answer: what is not there is absent.
    pub(crate) fn of_answer(values: Node<'a>) -> Self {
        Self { values, unknown: None, expressions: None }
    }

    /// Of a plan: `unknown` mirrors the values with `true` where one is known after it is applied; `expressions` is what
    /// the configuration says, when the plan has it.
    pub(crate) fn of_plan(
        values: Node<'a>,
        unknown: Option<Node<'a>>,
        expressions: Option<Node<'a>>,
    ) -> Self {
        Self { values, unknown, expressions }
    }

    /// Follows a dotted path. Of a list of blocks the first is meant, as providers use lists for single blocks.
    ///
    /// A value that the provider fills in because the configuration leaves it out is absent, not unknown.
    pub(crate) fn get(&self, path: &str) -> Seen<'a> {
        let mut at = *self;
        for key in path.split('.') {
            match at.step(key) {
                Step::Into(next) => at = next,
                Step::Stop(seen) => return seen,
            }
        }
        Seen::Value(at.values)
    }

    /// The first of some paths that is there; unknown when one of them is.
    pub(crate) fn first_of(&self, paths: &[&str]) -> Seen<'a> {
        let mut result = Seen::Absent;
        for path in paths {
            match self.get(path) {
                Seen::Value(node) => return Seen::Value(node),
                Seen::Unknown => result = Seen::Unknown,
                Seen::Absent => {}
            }
        }
        result
    }

    /// The blocks or list elements under a dotted path.
    pub(crate) fn blocks(&self, path: &str) -> Vec<Fields<'a>> {
        let mut at = *self;
        for key in path.split('.') {
            let (values, unknown, expressions) = at.inner();
            let Some(next) = values.and_then(|values| values.get(key)) else { return Vec::new() };
            at = Self {
                values: next,
                unknown: unknown.and_then(|unknown| unknown.get(key)),
                expressions: expressions.and_then(|expressions| expressions.get(key)),
            };
        }
        if at.values.kind() != Kind::Sequence {
            return vec![at];
        }
        at.values
            .items()
            .enumerate()
            .map(|(index, values)| Self {
                values,
                unknown: at.unknown.and_then(|unknown| unknown.items().nth(index)),
                expressions: at.expressions.and_then(|expressions| expressions.items().nth(index)),
            })
            .collect()
    }

    /// What the configuration refers to in a field, as written: `aws_security_group.web.id`.
    pub(crate) fn references(&self, path: &str) -> Vec<&'a str> {
        let found = self.expressions.and_then(|expressions| {
            path.split('.')
                .try_fold(expressions, |at, key| first(at).get(key))
                .and_then(|at| first(at).get("references"))
        });
        found.into_iter().flat_map(Node::items).map(Node::text).collect()
    }

    fn inner(&self) -> (Option<Node<'a>>, Option<Node<'a>>, Option<Node<'a>>) {
        let is_list = self.values.kind() == Kind::Sequence;
        let values = if is_list { self.values.items().next() } else { Some(self.values) };
        let unknown = match self.unknown {
            Some(unknown) if is_list && unknown.kind() == Kind::Sequence => unknown.items().next(),
            other => other,
        };
        (values, unknown, self.expressions.map(first))
    }

    fn step(&self, key: &str) -> Step<'a> {
        let (values, unknown, expressions) = self.inner();
        let Some(values) = values else { return Step::Stop(Seen::Absent) };
        let below = unknown.and_then(|unknown| unknown.get(key));
        if let Some(next) = values.get(key) {
            let expressions = expressions.and_then(|expressions| expressions.get(key));
            return Step::Into(Self { values: next, unknown: below, expressions });
        }
        let is_open = [unknown, below].into_iter().flatten().any(|node| node.as_bool() == Some(true));
        let is_written = expressions.is_none_or(|expressions| expressions.get(key).is_some());
        Step::Stop(if is_open && is_written { Seen::Unknown } else { Seen::Absent })
    }

    /// True when an element of a list is not known: the mirror of a list has `true` for it.
    pub(crate) fn has_unknown_elements(&self, path: &str) -> bool {
        let (_, unknown, _) = self.inner();
        let found = unknown.and_then(|unknown| unknown.at(path));
        found.is_some_and(|node| node.items().any(|element| element.as_bool() == Some(true)))
    }
}

enum Step<'a> {
    Into(Fields<'a>),
    Stop(Seen<'a>),
}

fn first(node: Node<'_>) -> Node<'_> {
    if node.kind() == Kind::Sequence { node.items().next().unwrap_or(node) } else { node }
}
