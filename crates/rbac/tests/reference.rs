//! The authoriser beside a naive one that goes over every binding, on generated policies and questions.

mod generated;

use generated::{GROUPS, NAMES, NAMESPACES, USER_GROUPS, USERS, VERBS, policy, words};
use nightlatch_rbac::{Attributes, Authorizer, Policy, RoleKind, Rule, Subject, SubjectKind, User};
use proptest::{prelude::*, sample::select, test_runner::Config};

/// The reference: nothing arranged, nothing looked up twice.
fn reference(policy: &Policy, user: &User, asked: &Attributes<'_>) -> bool {
    let star_or = |list: &[String], word: &str| list.iter().any(|own| own == "*" || own == word);
    let rule_allows = |rule: &Rule| {
        if !star_or(&rule.verbs, asked.verb) {
            return false;
        }
        if let Some(path) = asked.path {
            return rule.paths.iter().any(|own| {
                own == "*"
                    || own == path
                    || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
            });
        }
        let whole = match asked.subresource {
            "" => asked.resource.to_owned(),
            sub => format!("{}/{sub}", asked.resource),
        };
        let resource = rule.resources.iter().any(|own| {
            own == "*"
                || *own == whole
                || (!asked.subresource.is_empty() && *own == format!("*/{}", asked.subresource))
        });
        let name = rule.names.is_empty() || rule.names.iter().any(|own| own == asked.name);
        star_or(&rule.groups, asked.group) && resource && name
    };
    let matches = |subject: &Subject, namespace: &str| match subject.kind {
        SubjectKind::User => subject.name == user.name,
        SubjectKind::Group => user.groups.contains(&subject.name),
        SubjectKind::ServiceAccount => {
            let own = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
            !own.is_empty() && user.name == format!("system:serviceaccount:{own}:{}", subject.name)
        }
        SubjectKind::Unknown => false,
    };
    user.groups.iter().any(|group| group == "system:masters")
        || policy.bindings.iter().any(|binding| {
            let namespace = binding.namespace.as_deref();
            let holds =
                namespace.is_none_or(|own| !own.is_empty() && asked.path.is_none() && own == asked.namespace);
            let role = policy.roles.iter().find(|role| match (binding.role_kind.as_str(), namespace) {
                ("ClusterRole", _) => role.kind == RoleKind::ClusterRole && role.name == binding.role_name,
                ("Role", Some(own)) => {
                    role.kind == RoleKind::Role && role.name == binding.role_name && role.namespace == own
                }
                _ => false,
            });
            holds
                && binding.subjects.iter().any(|subject| matches(subject, namespace.unwrap_or_default()))
                && role.is_some_and(|role| role.rules.iter().any(rule_allows))
        })
}

type Question = (
    &'static str,
    Vec<String>,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

fn question() -> impl Strategy<Value = Question> {
    let groups = prop_oneof![20 => words(&USER_GROUPS, 2), 1 => Just(vec!["system:masters".to_owned()])];
    let path = prop_oneof![4 => Just(None), 1 => select(&["/healthz", "/healthz/ping", "/healthzfoo", "/apis", "/a*b", "/axb", "/", "*"][..]).prop_map(Some)];
    let resource = select(&["pods", "deployments", "namespaces", "pods/exec", "", "*"][..]);
    let sub = select(&["", "", "exec", "scale", "*"][..]);
    (
        select(&USERS[..]),
        groups,
        select(&VERBS[..]),
        select(&GROUPS[..]),
        resource,
        sub,
        select(&NAMESPACES[..]),
        path,
    )
        .prop_map(|(user, groups, verb, group, resource, sub, namespace, path)| {
            (user, groups, verb, group, resource, sub, namespace, path)
        })
}

proptest! {
    #![proptest_config(Config { cases: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn both_say_the_same(policy in policy(), questions in prop::collection::vec((question(), select(&NAMES[..])), 20)) {
        let authorizer = Authorizer::from_policy(policy.clone());
        for ((user, groups, verb, group, resource, subresource, namespace, path), name) in questions {
            let user = User { name: user.to_owned(), groups };
            let asked = Attributes { verb, group, resource, subresource, namespace, name, path };
            let decision = authorizer.authorize(&user, &asked);
            prop_assert_eq!(decision.is_allowed(), reference(&policy, &user, &asked), "{:?} asks {:?}", user, asked);
        }
    }

    /// Whoever is listed may, and whoever may is listed.
    #[test]
    fn who_can_is_can_i_the_other_way_round(policy in policy(), (question, name) in (question(), select(&NAMES[..]))) {
        let authorizer = Authorizer::from_policy(policy);
        let (.., verb, group, resource, subresource, namespace, path) = question;
        let asked = Attributes { verb, group, resource, subresource, namespace, name, path };
        let listed = authorizer.who_can(&asked);
        for name in USERS {
            for user in [User::exact(name, [""; 0]), User::exact("nobody", [name])] {
                let may = authorizer.by_rules(&user, &asked).is_some();
                let is_listed = listed.iter().any(|who| {
                    // Without a namespace the list also names those who may in some namespace.
                    let here = who.namespace.is_none() || (path.is_none() && !namespace.is_empty());
                    let is_user = who.subject == Subject::user(&user.name).normal();
                    here && (is_user || (who.subject.kind == SubjectKind::Group && user.has_group(&who.subject.name)))
                });
                prop_assert_eq!(may, is_listed, "{:?} {:?}", user, listed);
            }
        }
    }
}
