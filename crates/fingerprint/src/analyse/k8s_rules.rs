//! What a Kubernetes SelfSubjectRulesReview grants.

use serde_json::Value;

/// Checks the form of a question: a verb and a resource, `create pods`, `create pods/exec`, `* *`.
pub(super) fn check_question(question: &str) -> Result<(), String> {
    let words = question.split(' ').filter(|word| !word.is_empty()).count();
    if words == 2 { Ok(()) } else { Err(format!("`grants` is a verb and a resource, not `{question}`")) }
}

/// True when one resource rule of `/status/resourceRules` names the verb and the resource, or `*` for either, and
/// is not restricted to named objects.
///
/// Only the core API group (and `*`) counts: resources of other groups may bear the same names.
///
/// Source: Kubernetes API, `authorization.k8s.io/v1`, SubjectRulesReviewStatus and ResourceRule.
pub(super) fn grants(document: &Value, question: &str) -> bool {
    let mut words = question.split(' ').filter(|word| !word.is_empty());
    let (Some(verb), Some(resource)) = (words.next(), words.next()) else { return false };
    let Some(rules) = document.pointer("/status/resourceRules").and_then(Value::as_array) else {
        return false;
    };
    rules.iter().any(|rule| {
        let lists = |key: &str, wanted: &dyn Fn(&str) -> bool| {
            rule.get(key)
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().filter_map(Value::as_str).any(wanted))
        };
        let unrestricted = rule.get("resourceNames").and_then(Value::as_array).is_none_or(Vec::is_empty);
        unrestricted
            && lists("verbs", &|word| word == "*" || word == verb)
            && lists("apiGroups", &|word| word == "*" || word.is_empty())
            && lists("resources", &|word| covers(word, resource))
    })
}

/// `*` covers everything, `pods/*` and `*/exec` cover `pods/exec`.
fn covers(granted: &str, resource: &str) -> bool {
    if granted == "*" || granted == resource {
        return true;
    }
    match (granted.split_once('/'), resource.split_once('/')) {
        (Some(("*", sub)), Some((_, wanted))) => sub == wanted,
        (Some((kind, "*")), Some((wanted, _))) => kind == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(rule: Value, question: &str, expected: bool) {
        let document = json!({ "status": { "resourceRules": [rule] } });
        assert_eq!(grants(&document, question), expected, "{question} in {document}");
    }

    #[test]
    fn verbs_groups_resources_and_names_all_count() {
        let rule = |verb: &str, group: &str, resource: &str| json!({ "verbs": [verb], "apiGroups": [group], "resources": [resource] });
        check(rule("create", "", "pods"), "create pods", true);
        check(rule("*", "*", "*"), "create pods/exec", true);
        check(rule("*", "*", "*"), "* *", true);
        check(rule("create", "", "pods"), "* *", false);
        check(rule("create", "", "pods/*"), "create pods/exec", true);
        check(rule("create", "", "*/exec"), "create pods/exec", true);
        check(rule("create", "", "pods"), "create pods/exec", false);
        check(rule("get", "", "pods"), "create pods", false);
        check(rule("create", "metrics.k8s.io", "pods"), "create pods", false);
        let named = json!({ "verbs": ["*"], "apiGroups": [""], "resources": ["*"], "resourceNames": ["x"] });
        check(named, "create pods", false);
    }

    #[test]
    fn nonsense_grants_nothing() {
        for document in [
            json!(null),
            json!([]),
            json!({ "status": 1 }),
            json!({ "status": { "resourceRules": [1, null, {}] } }),
        ] {
            assert!(!grants(&document, "create pods"));
        }
        assert!(check_question("create").is_err() && check_question("create pods").is_ok());
    }
}
