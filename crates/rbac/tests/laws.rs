//! Laws of role-based access control that hold whatever the policy.

#[allow(dead_code, reason = "not every word is asked about here")]
mod generated;

use nightlatch_rbac::{
    Attributes, Authorizer, Binding, Policy, Role, RoleKind, Rule, Subject, User, cover, merge,
};
use proptest::{prelude::*, sample::select, test_runner::Config};

const VERBS: [&str; 4] = ["get", "list", "create", "delete"];
const RESOURCES: [&str; 4] = ["pods", "pods/exec", "secrets", "deployments"];

fn of_jane(rules: Vec<Rule>, namespace: Option<&str>) -> Authorizer {
    let roles = vec![Role::new(RoleKind::ClusterRole, "", "r", rules)];
    let bindings =
        vec![Binding::new(namespace, "b", (RoleKind::ClusterRole, "r"), vec![Subject::user("jane")])];
    Authorizer::from_policy(Policy { roles, bindings })
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    Rule {
        verbs: words(verbs),
        groups: words(groups),
        resources: words(resources),
        names: words(names),
        ..Rule::default()
    }
}

fn jane() -> User {
    User::exact("jane", ["dev"])
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    /// More bindings and roles never take a right away.
    #[test]
    fn a_union_allows_what_its_parts_allow(a in generated::policy(), b in generated::policy(), verb in select(&VERBS[..]), resource in select(&RESOURCES[..]), namespace in select(&["", "web", "db"][..])) {
        let rename = |mut policy: Policy| {
            for role in &mut policy.roles { role.name = format!("other-{}", role.name); }
            for binding in &mut policy.bindings { binding.role_name = format!("other-{}", binding.role_name); }
            policy
        };
        let b = rename(b);
        let both = Policy { roles: [a.roles.clone(), b.roles.clone()].concat(), bindings: [a.bindings.clone(), b.bindings.clone()].concat() };
        let asked = Attributes::resource(verb, "", resource, namespace);
        let allows = |policy: Policy| Authorizer::from_policy(policy).authorize(&jane(), &asked).is_allowed();
        let (in_a, in_b, in_both) = (allows(a), allows(b), allows(both));
        prop_assert_eq!(in_a || in_b, in_both);
    }

    /// What is bound in one namespace says nothing about another, about the cluster, or about paths.
    #[test]
    fn namespaces_are_isolated(verb in select(&VERBS[..]), resource in select(&RESOURCES[..])) {
        let everything = Rule { paths: vec!["*".to_owned()], ..rule(&["*"], &["*"], &["*"], &[]) };
        let authorizer = of_jane(vec![everything], Some("web"));
        let may = |asked: &Attributes<'_>| authorizer.authorize(&jane(), asked).is_allowed();
        prop_assert!(may(&Attributes::resource(verb, "", resource, "web")));
        prop_assert!(!may(&Attributes::resource(verb, "", resource, "db")));
        prop_assert!(!may(&Attributes::resource(verb, "", resource, "")));
        prop_assert!(!may(&Attributes::path(verb, "/healthz")));
    }

    /// A star is all words, subresources of resources included.
    #[test]
    fn a_star_is_an_enumeration(verb in select(&VERBS[..]), resource in select(&RESOURCES[..]), group in select(&["", "apps"][..])) {
        let star = of_jane(vec![rule(&["*"], &["*"], &["*"], &[])], None);
        let all = of_jane(vec![rule(&VERBS, &["", "apps"], &RESOURCES, &[])], None);
        let asked = Attributes::resource(verb, group, resource, "web");
        prop_assert!(star.authorize(&jane(), &asked).is_allowed());
        prop_assert!(all.authorize(&jane(), &asked).is_allowed());
    }

    /// A rule with names never allows a request without one; one without names allows every name.
    #[test]
    fn names_need_a_name(verb in select(&VERBS[..]), name in select(&["a", "b", ""][..])) {
        let named = of_jane(vec![rule(&["*"], &[""], &["secrets"], &["a"])], None);
        let free = of_jane(vec![rule(&["*"], &[""], &["secrets"], &[])], None);
        let asked = Attributes::resource(verb, "", "secrets", "web").named(name);
        prop_assert_eq!(named.authorize(&jane(), &asked).is_allowed(), name == "a");
        prop_assert!(free.authorize(&jane(), &asked).is_allowed());
    }

    /// A covered rule allows nothing that the cover does not allow, and what is missing is really missing.
    #[test]
    fn a_cover_allows_all_that_it_covers(policy in generated::policy(), verb in select(&VERBS[..]), resource in select(&RESOURCES[..]), name in select(&["", "a"][..])) {
        let rules: Vec<Rule> = policy.roles.iter().flat_map(|role| role.rules.clone()).collect();
        let (owned, wanted) = rules.split_at(rules.len() / 2);
        let asked = Attributes::resource(verb, "", resource, "").named(name);
        for rule in wanted.iter().filter(|rule| cover::covers(owned, rule)) {
            if rule.allows(&asked) {
                prop_assert!(owned.iter().any(|own| own.allows(&asked)), "{:?} by {:?}", rule, owned);
            }
        }
        for missing in wanted.iter().flat_map(|rule| cover::missing(owned, rule, 100)) {
            prop_assert!(!cover::covers(owned, &missing));
        }
    }

    /// Merged rules grant what the single rights grant, no more and no less.
    #[test]
    fn merging_changes_no_right(rights in prop::collection::vec((select(&VERBS[..]), select(&["", "apps"][..]), select(&RESOURCES[..]), select(&["", "a", "b"][..])), 0..12)) {
        let single: Vec<Rule> = rights.iter().map(|(verb, group, resource, name)| {
            let names: &[&str] = if name.is_empty() { &[] } else { &[name] };
            rule(&[verb], &[group], &[resource], names)
        }).collect();
        let merged = merge(&single);
        for verb in VERBS {
            for resource in RESOURCES {
                for name in ["", "a", "b", "c"] {
                    for group in ["", "apps"] {
                        let asked = Attributes::resource(verb, group, resource, "").named(name);
                        let by = |rules: &[Rule]| rules.iter().any(|rule| rule.allows(&asked));
                        prop_assert_eq!(by(&single), by(&merged), "{:?}: {:?} became {:?}", asked, single, merged);
                    }
                }
            }
        }
    }
}
