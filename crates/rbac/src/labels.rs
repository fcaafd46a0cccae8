//! Label selectors, as aggregated roles use them.

/// What one requirement asks of a label.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operator {
    /// The label is there with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// One requirement of a selector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// The label's name.
    pub key: String,
    /// What is asked.
    pub operator: Operator,
    /// The values of `In` and `NotIn`.
    pub values: Vec<String>,
}

/// A label selector: all requirements must hold. One without requirements selects everything, as the API has it.
///
/// Source: Kubernetes API, `meta/v1` LabelSelector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selector {
    /// The requirements of `matchLabels` and `matchExpressions`.
    pub requirements: Vec<Requirement>,
    /// True when an operator was not understood: the API refuses such a selector, so it selects nothing.
    pub broken: bool,
}

impl Selector {
    /// A selector of one label with one value.
    pub fn label(key: &str, value: &str) -> Self {
        let requirement =
            Requirement { key: key.to_owned(), operator: Operator::In, values: vec![value.to_owned()] };
        Self { requirements: vec![requirement], broken: false }
    }

    /// Whether an object with these labels is selected.
    pub fn selects(&self, labels: &[(String, String)]) -> bool {
        let value_of = |key: &str| labels.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        !self.broken
            && self.requirements.iter().all(|requirement| {
                let value = value_of(&requirement.key);
                match requirement.operator {
                    Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
                    Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                    Operator::Exists => value.is_some(),
                    Operator::DoesNotExist => value.is_none(),
                }
            })
    }
}
