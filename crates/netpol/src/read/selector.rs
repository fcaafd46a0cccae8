//! Label selectors.

use nightlatch_manifest::{Kind, Node};

use super::Mistake;
use crate::{
    Operator, Requirement, Selector,
    selector::{is_label_key, is_label_value},
};

/// Reads a label selector; an absent one selects everything.
pub(super) fn selector(node: Option<Node<'_>>) -> Result<Selector, Mistake<'_>> {
    let Some(node) = node else { return Ok(Selector::default()) };
    if node.kind() != Kind::Mapping {
        return Err(Mistake::at(node, "a label selector must be a mapping"));
    }
    let mut requirements = Vec::new();
    for (key, value) in node.get("matchLabels").into_iter().flat_map(Node::entries) {
        let Some(text) = value.as_str() else {
            return Err(Mistake::at(value, "the value of a label must be a string: quote it"));
        };
        if !is_label_key(key.text()) {
            return Err(Mistake::at(key, NO_KEY));
        }
        if !is_label_value(text) {
            return Err(Mistake::at(value, NO_VALUE));
        }
        requirements.push(Requirement { key: key.text().into(), operator: Operator::In(vec![text.into()]) });
    }
    for expression in super::list(node, "matchExpressions") {
        requirements.push(requirement(expression)?);
    }
    Ok(Selector::new(requirements))
}

fn requirement(node: Node<'_>) -> Result<Requirement, Mistake<'_>> {
    let Some(key) = super::text(node, "key").filter(|key| !key.is_empty()) else {
        return Err(Mistake::at(node, "a match expression needs a `key`"));
    };
    if !is_label_key(key) {
        return Err(Mistake::at(node, NO_KEY));
    }
    let mut values = Vec::new();
    for value in super::list(node, "values") {
        let Some(text) = value.as_str() else {
            return Err(Mistake::at(value, "the value of a label must be a string: quote it"));
        };
        if !is_label_value(text) {
            return Err(Mistake::at(value, NO_VALUE));
        }
        values.push(Box::from(text));
    }
    let operator = match (super::text(node, "operator"), values.is_empty()) {
        (Some("In"), false) => Operator::In(values),
        (Some("NotIn"), false) => Operator::NotIn(values),
        (Some("Exists"), true) => Operator::Exists,
        (Some("DoesNotExist"), true) => Operator::DoesNotExist,
        (Some("In" | "NotIn"), true) => return Err(Mistake::at(node, "`In` and `NotIn` need values")),
        (Some("Exists" | "DoesNotExist"), false) => {
            return Err(Mistake::at(node, "`Exists` and `DoesNotExist` take no values"));
        }
        _ => return Err(Mistake::at(node, "`operator` must be In, NotIn, Exists or DoesNotExist")),
    };
    Ok(Requirement { key: key.into(), operator })
}

const NO_KEY: &str =
    "a label's key is a name of up to 63 letters, digits, `-`, `_` and `.`, with or without `DOMAIN/`";
const NO_VALUE: &str =
    "a label's value is up to 63 letters, digits, `-`, `_` and `.`, the first and last a letter or digit";
