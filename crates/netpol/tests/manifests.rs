//! What is read from manifests, and what is said about it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nightlatch_manifest::{Corpus, Input};
use nightlatch_netpol::{
    Chosen, Direction, Engine, Idle, Network, Party, Protocol, Source, Verdict, Way, difference,
};

fn read(text: &str) -> Network {
    let input = Input { name: "a.yaml".into(), bytes: text.as_bytes().to_vec() };
    let corpus = Corpus::read([input]);
    assert!(corpus.diagnostics.is_empty(), "{:?}", corpus.diagnostics);
    Network::read(&corpus)
}

fn pod(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{namespace: {namespace}, name: {name}}}\nspec:\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: c, image: i{more}}}]}}\n---\n"
    )
}

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{namespace: {namespace}, name: {name}}}\nspec: {spec}\n---\n"
    )
}

fn verdict(network: &Network, from: &str, to: &str, port: u16) -> Verdict {
    let party = |text| network.choose(text).unwrap().parties().remove(0);
    let engine = Engine::new(network);
    engine.pair(&party(from), &party(to)).unwrap().verdict(Protocol::Tcp, port)
}

#[test]
fn policies_mean_what_kubernetes_means() {
    let pods = pod("a", "web", ", ports: [{name: http, containerPort: 8080}]")
        + &pod("a", "db", "")
        + &pod("b", "web", "");
    let web = "{podSelector: {matchLabels: {app: web}}";
    for (spec, from, to, port, expected) in [
        // No types: ingress, and egress only with rules.
        (format!("{web}, egress: []}}"), "a/db", "a/web", 80, Verdict::Denied),
        (format!("{web}, egress: []}}"), "a/web", "a/db", 80, Verdict::Allowed),
        (format!("{web}, policyTypes: [Egress]}}"), "a/web", "a/db", 80, Verdict::Denied),
        (format!("{web}, policyTypes: [Egress]}}"), "a/db", "a/web", 80, Verdict::Allowed),
        (
            format!("{web}, policyTypes: [Ingress], egress: [{{to: [{{podSelector: {{}}}}]}}]}}"),
            "a/web",
            "b/web",
            80,
            Verdict::Allowed,
        ),
        // Null is absent; an empty list of peers is everybody.
        (
            "{podSelector: null, ingress: [{from: null, ports: []}]}".into(),
            "b/web",
            "a/web",
            80,
            Verdict::Allowed,
        ),
        ("{ingress: [{from: []}]}".into(), "internet", "a/web", 80, Verdict::Allowed),
        (
            format!("{web}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}"),
            "b/web",
            "a/web",
            80,
            Verdict::Denied,
        ),
        (
            format!("{web}, ingress: [{{from: [{{namespaceSelector: {{}}}}]}}]}}"),
            "b/web",
            "a/web",
            80,
            Verdict::Allowed,
        ),
        (
            format!("{web}, ingress: [{{from: [{{namespaceSelector: {{}}}}]}}]}}"),
            "internet",
            "a/web",
            80,
            Verdict::Denied,
        ),
        // Names are resolved on the pod that receives, and protocols matter.
        (
            format!("{web}, ingress: [{{ports: [{{port: http}}]}}]}}"),
            "b/web",
            "a/web",
            8080,
            Verdict::Allowed,
        ),
        (
            format!("{web}, ingress: [{{ports: [{{port: http, protocol: UDP}}]}}]}}"),
            "b/web",
            "a/web",
            8080,
            Verdict::Denied,
        ),
        (
            format!("{web}, ingress: [{{ports: [{{port: 80, endPort: 90}}]}}]}}"),
            "b/web",
            "a/web",
            90,
            Verdict::Allowed,
        ),
        // Blocks are for addresses; whether they mean pods is up to the plugin.
        (
            format!("{web}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [8.8.0.0/16]}}}}]}}]}}"),
            "8.8.8.8",
            "a/web",
            80,
            Verdict::Denied,
        ),
        (
            format!("{web}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [8.8.0.0/16]}}}}]}}]}}"),
            "9.9.9.9",
            "a/web",
            80,
            Verdict::Allowed,
        ),
        (
            format!("{web}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [8.8.0.0/16]}}}}]}}]}}"),
            "internet",
            "a/web",
            80,
            Verdict::Partly,
        ),
        (
            format!("{web}, ingress: [{{from: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]}}]}}"),
            "a/db",
            "a/web",
            80,
            Verdict::Depends,
        ),
    ] {
        let network = read(&(pods.clone() + &policy("a", "p", &spec)));
        assert!(network.refused.is_empty(), "{spec}: {:?}", network.refused);
        assert_eq!(verdict(&network, from, to, port), expected, "{spec}: {from} to {to} on {port}");
    }
}

#[test]
fn what_the_api_server_refuses_is_left_out_and_said() {
    for (spec, part) in [
        ("{podSelector: {matchLabels: {app: true}}}", "quote it"),
        ("{podSelector: {matchExpressions: [{key: a, operator: In}]}}", "need values"),
        ("{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}", "operator"),
        ("{podSelector: {}, ingress: [{from: [{}]}]}", "needs a `podSelector`"),
        ("{podSelector: {}, ingress: [{from: [{podSelector: null}]}]}", "needs a `podSelector`"),
        ("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}", "either"),
        ("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]}", "CIDR"),
        (
            "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}",
            "inside",
        ),
        ("{podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]}", "endPort"),
        ("{podSelector: {}, ingress: [{ports: [{port: http, endPort: 80}]}]}", "numeric"),
        ("{podSelector: {}, ingress: [{ports: [{endPort: 80}]}]}", "needs a `port`"),
        ("{podSelector: {}, ingress: [{ports: [{port: \"80\"}]}]}", "port name"),
        ("{podSelector: {}, ingress: [{ports: [{protocol: tcp}]}]}", "TCP"),
        ("{podSelector: {}, policyTypes: [ingress]}", "policy type"),
        ("{podSelector: {}, ingress: {}}", "list"),
        ("{podSelector: {matchLabels: {'a b': c}}}", "key is a name"),
        ("{podSelector: {matchLabels: {Example.org/a: c}}}", "key is a name"),
        ("{podSelector: {matchExpressions: [{key: -a, operator: Exists}]}}", "key is a name"),
        ("{podSelector: {matchLabels: {example.org/a: 'b c'}}}", "value is up to"),
    ] {
        let network = read(&policy("a", "p", spec));
        let reason = network.refused.first().map(|refused| refused.reason.as_str()).unwrap_or("accepted");
        assert!(network.policies.is_empty() && reason.contains(part), "{spec}: {reason}");
    }
    let rule = "subject: {namespaces: {}}, priority: 1, ingress: [{action: Deny, from: [{namespaces: {}}]}]";
    for (kind, name, spec, part) in [
        ("AdminNetworkPolicy", "p", rule, ""),
        ("BaselineAdminNetworkPolicy", "default", rule, ""),
        ("BaselineAdminNetworkPolicy", "other", rule, "called `default`"),
        ("BaselineAdminNetworkPolicy", "default", &rule.replace("Deny", "Pass"), "cannot pass"),
        (
            "AdminNetworkPolicy",
            "p",
            "subject: {namespaces: {}, pods: {}}, priority: 1",
            "subject needs either",
        ),
        ("AdminNetworkPolicy", "p", &rule.replace("from: [{", "from: [{pods: {}, "), "ingress needs either"),
        (
            "AdminNetworkPolicy",
            "p",
            &rule.replace("namespaces: {}}]", "networks: [0.0.0.0/0]}]"),
            "ingress needs",
        ),
        (
            "AdminNetworkPolicy",
            "p",
            "subject: {namespaces: {}}, priority: 1, egress: [{action: Deny, to: [{nodes: {}, networks: [10.0.0.0/8]}]}]",
            "peer needs one of",
        ),
        (
            "AdminNetworkPolicy",
            "p",
            &rule.replace(
                "{action",
                "{ports: [{namedPort: web, portNumber: {port: 80, protocol: TCP}}], action",
            ),
            "port needs one of",
        ),
    ] {
        let network = read(&format!(
            "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        ));
        let reason = network.refused.first().map(|refused| refused.reason.as_str()).unwrap_or_default();
        assert!(reason.contains(part) && reason.is_empty() == part.is_empty(), "{kind} {spec}: {reason}");
    }
}

#[test]
fn pods_of_an_owner_lend_it_their_addresses() {
    let owned = |n: u8| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{namespace: a, name: web-{n}, labels: {{app: web}}, ownerReferences: [{{kind: ReplicaSet, name: web-1}}]}}\nspec: {{containers: [{{name: c, image: i}}]}}\nstatus: {{phase: Running, podIP: 10.0.0.{n}}}\n---\n"
        )
    };
    let set = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {namespace: a, name: web-1, ownerReferences: [{kind: Deployment, name: web}]}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}\n---\n";
    let network = read(&(owned(1) + &owned(2) + set + &pod("a", "web", "")));
    let names: Vec<_> =
        network.pods.iter().map(|pod| (&*pod.kind, &*pod.name, pod.addresses.len())).collect();
    assert_eq!(names, [("Deployment", "web", 2)]);
    assert_eq!(network.choose("10.0.0.2"), Ok(Chosen::Pods(vec![0])));
    let alone = read(&(owned(1) + &owned(2)));
    assert_eq!(alone.pods.len(), 1, "siblings are one");
}

#[test]
fn names_of_pods_are_understood() {
    let network = read(&(pod("a", "web", "") + &pod("b", "web", "") + &pod("b", "db", "")));
    for (text, expected) in [
        ("web", vec![0, 1]),
        ("b/web", vec![1]),
        ("b/*", vec![1, 2]),
        ("b/deploy/db", vec![2]),
        ("b/deployments/db", vec![2]),
        ("app=db", vec![2]),
        ("app!=web", vec![2]),
        ("app in (web, db)", vec![0, 1, 2]),
    ] {
        assert_eq!(network.choose(text), Ok(Chosen::Pods(expected)), "{text}");
    }
    let error = network.choose("a/wbe").unwrap_err().to_string();
    assert!(error.contains("a/wbe"), "{error}");
    assert!(matches!(network.choose("10.0.0.0/8"), Ok(Chosen::Addresses(_))));
}

#[test]
fn ways_in_are_found_and_policies_asked() {
    let service = |kind: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{namespace: a, name: web}}\nspec: {{type: {kind}, selector: {{app: web}}, ports: [{{port: 80, targetPort: http}}]{more}}}\n---\n"
        )
    };
    let web = pod("a", "web", ", ports: [{name: http, containerPort: 8080}]");
    let deny = policy("a", "deny", "{podSelector: {}}");
    let private =
        policy("a", "nodes", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}");
    let local = ", externalTrafficPolicy: Local";
    for (text, expected) in [
        (web.clone() + &service("LoadBalancer", ""), vec![Verdict::Allowed]),
        (web.clone() + &service("LoadBalancer", "") + &deny, vec![Verdict::Denied]),
        (web.clone() + &service("NodePort", "") + &private, vec![Verdict::Depends]),
        (web.clone() + &service("NodePort", local) + &private, vec![Verdict::Denied]),
        (web.clone() + &service("ClusterIP", ""), vec![]),
        (web.clone() + &service("ExternalName", ""), vec![]),
    ] {
        let network = read(&text);
        let found = Engine::new(&network).exposures();
        assert_eq!(found.iter().map(|exposed| exposed.verdict).collect::<Vec<_>>(), expected, "{text}");
        assert!(found.iter().all(|exposed| exposed.port == Some((Protocol::Tcp, 8080))));
    }
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: a, name: shop}\nspec: {rules: [{http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}}]}\n---\n";
    let network = read(&(web.clone() + &service("ClusterIP", "") + ingress + &deny));
    let found = Engine::new(&network).exposures();
    assert!(
        matches!(found[..], [ref one] if matches!(one.way, Way::Entry(0, 0)) && one.verdict == Verdict::Denied),
        "{found:?}"
    );
    let cross = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {namespace: b, name: r}\nspec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, namespace: a, port: 80}]}]}\n---\n";
    let grant = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {namespace: a, name: g}\nspec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: b}], to: [{group: '', kind: Service}]}\n---\n";
    let count = |text: &str| Engine::new(&read(text)).exposures().len();
    let base = web + &service("ClusterIP", "") + cross;
    assert_eq!(count(&base), 0, "nothing grants the reference");
    assert_eq!(count(&(base.clone() + grant)), 1);
    let gateway = |from: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{namespace: b, name: gw}}\nspec: {{listeners: [{{name: a, port: 80{from}}}]}}\n---\n"
        )
    };
    let elsewhere = base.replace("{name: gw}", "{name: gw, namespace: c}") + grant;
    for (routes, from, expected) in [
        (base.clone() + grant, String::new(), 1),
        (elsewhere.clone(), gateway("").replace("namespace: b", "namespace: c"), 0),
        (
            elsewhere.clone(),
            gateway(", allowedRoutes: {namespaces: {from: All}}").replace("namespace: b", "namespace: c"),
            1,
        ),
        (base + grant, gateway(", allowedRoutes: {namespaces: {from: Same}}"), 1),
    ] {
        assert_eq!(count(&(routes + &from)), expected, "{from}");
    }
}

#[test]
fn foreign_policies_make_answers_unknown() {
    let cilium = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {namespace: a, name: c}\nspec: {endpointSelector: {matchLabels: {app: db}}}\n---\n";
    let network = read(&(pod("a", "web", "") + &pod("a", "db", "") + &pod("b", "x", "") + cilium));
    assert_eq!(verdict(&network, "a/web", "a/db", 80), Verdict::Unknown);
    assert_eq!(verdict(&network, "a/web", "b/x", 80), Verdict::Allowed);
}

#[test]
fn equal_priorities_are_said() {
    let cluster = |name: &str, priority: u8, action: &str| {
        format!(
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{tier: Admin, priority: {priority}, subject: {{namespaces: {{}}}}, ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]}}\n---\n"
        )
    };
    let pods = pod("a", "web", "") + &pod("a", "db", "");
    for (second, action, tied) in [(5, "Deny", true), (6, "Deny", false), (5, "Accept", false)] {
        let network = read(&(pods.clone() + &cluster("one", 5, "Accept") + &cluster("two", second, action)));
        let answer = Engine::new(&network).pair(&Party::Pod(0), &Party::Pod(1)).unwrap();
        assert_eq!(answer.doubts.contains(&nightlatch_netpol::Doubt::PriorityTie), tied, "{second} {action}");
        assert_eq!(answer.verdict(Protocol::Tcp, 80), Verdict::Allowed);
    }
}

#[test]
fn idle_policies_are_told_from_others() {
    let pods = pod("a", "web", "") + &pod("a", "db", "");
    let texts = [
        policy("a", "nobody", "{podSelector: {matchLabels: {app: x}}}"),
        policy("a", "deny", "{podSelector: {}}"),
        policy("a", "deny-again", "{podSelector: {matchLabels: {app: db}}}"),
        policy(
            "a",
            "web-from-db",
            "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}",
        ),
        policy(
            "a",
            "subset",
            "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]}",
        ),
        policy(
            "a",
            "open-egress",
            "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{}]}",
        ),
    ];
    let network = read(&(pods + &texts.concat()));
    let engine = Engine::new(&network);
    let found: Vec<_> = (0..texts.len()).map(|at| engine.idle(at)).collect();
    let changes_nothing = Some(Idle::ChangesNothing);
    // The two denials of db make each other superfluous only for db; `deny` alone isolates web together with the others.
    let expected = [
        Some(Idle::SelectsNothing),
        changes_nothing,
        changes_nothing,
        None,
        changes_nothing,
        changes_nothing,
    ];
    assert_eq!(found, expected);
}

#[test]
fn differences_are_pairs_and_addresses() {
    let pods = pod("a", "web", "") + &pod("a", "db", "");
    let before = read(&pods);
    let after = read(
        &(pods
            + &pod("a", "new", "")
            + &policy(
                "a",
                "db",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}]}]}",
            )),
    );
    let difference = difference(&Engine::new(&before), &Engine::new(&after));
    assert_eq!((difference.removed.len(), difference.added.len()), (0, 1));
    let web_to_db = difference
        .changed
        .iter()
        .find(|change| change.source == Some(0) && change.destination == Some(1))
        .unwrap();
    assert_eq!(
        (web_to_db.before.to_string(), web_to_db.after.to_string()),
        ("all".into(), "TCP 5432".into())
    );
    let outside = difference.changed.iter().find(|change| change.source.is_none()).unwrap();
    assert_eq!((outside.destination, outside.after.to_string()), (Some(1), "none".into()));
    assert!(difference.changed.iter().all(|change| change.destination == Some(1)));
}

#[test]
fn suggestions_read_back_and_do_what_they_say() {
    let text = pod(
        "shop",
        "web",
        ", ports: [{name: http, containerPort: 8080}], env: [{name: DB, value: \"postgres://db:5432/x\"}]",
    ) + &pod("shop", "db", ", ports: [{containerPort: 5432}]")
        + &pod("shop", "idle", "")
        + "apiVersion: v1\nkind: Service\nmetadata: {namespace: shop, name: db}\nspec: {selector: {app: db}, ports: [{port: 5432}]}\n---\n"
        + "apiVersion: v1\nkind: Service\nmetadata: {namespace: shop, name: web}\nspec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n---\n";
    let network = read(&text);
    let suggestion = Engine::new(&network).suggest();
    assert!(suggestion.unmet.is_empty() && suggestion.ambiguous.is_empty());
    let sources: Vec<_> = suggestion.needs.iter().map(|need| (need.source.clone(), need.target)).collect();
    assert_eq!(sources, [(Source::Pod(0), 1), (Source::Outside(None), 0)]);
    let yaml = suggestion.yaml();
    let with = read(&(text + "---\n" + &yaml));
    assert!(with.refused.is_empty(), "{:?}\n{yaml}", with.refused);
    let shape = |policies: &[nightlatch_netpol::Policy]| {
        let strip = |rules: &Option<Vec<nightlatch_netpol::Rule>>| {
            rules.as_ref().map(|rules| {
                rules.iter().map(|rule| format!("{:?}{:?}", rule.peers, rule.ports)).collect::<Vec<_>>()
            })
        };
        policies
            .iter()
            .map(|p| {
                format!(
                    "{} {} {:?} {:?} {:?}",
                    p.namespace,
                    p.name,
                    p.selector,
                    strip(&p.ingress),
                    strip(&p.egress)
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(shape(&with.policies), shape(&suggestion.policies), "{yaml}");
    for (from, to, port, expected) in [
        ("shop/web", "shop/db", 5432, Verdict::Allowed),
        ("shop/web", "shop/db", 80, Verdict::Denied),
        ("shop/idle", "shop/db", 5432, Verdict::Denied),
        ("internet", "shop/web", 8080, Verdict::Allowed),
        ("shop/web", "internet", 443, Verdict::Denied),
    ] {
        assert_eq!(verdict(&with, from, to, port), expected, "{from} to {to} on {port}\n{yaml}");
    }
    let engine = Engine::new(&with);
    let isolated =
        |pod| Direction::ALL.into_iter().all(|direction| !engine.isolating(pod, direction).is_empty());
    assert!((0..3).all(isolated));
    assert!(engine.pair(&Party::Pod(9), &Party::Pod(0)).is_none());
}

#[test]
fn strange_names_survive_the_way_through_yaml() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: \"no\", name: \"x: y\", labels: {app: \"yes\", tier: \"1\", name: \"a\\u2028b\"}}\nspec: {containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 80}]}]}\n";
    let network = read(text);
    let suggestion = Engine::new(&network).suggest();
    let back = read(&suggestion.yaml());
    assert!(back.refused.is_empty(), "{:?}", back.refused);
    assert_eq!(back.policies.len(), 3);
    assert_eq!(back.policies[2].selector, suggestion.policies[2].selector);
}

#[test]
fn the_example_of_the_guide_is_as_the_guide_says() {
    let shop = include_str!("../../../docs/guide/network/shop.yaml");
    let policies = include_str!("../../../docs/guide/network/policies.yaml");
    let network = read(&format!("{shop}---\n{policies}"));
    assert!(network.refused.is_empty(), "{:?}", network.refused);
    for (from, to, port, expected) in [
        ("shop/api", "data/db", 5432, Verdict::Allowed),
        ("shop/worker", "data/db", 5432, Verdict::Denied),
        ("internet", "shop/web", 8080, Verdict::Allowed),
        ("internet", "shop/worker", 9100, Verdict::Allowed),
        ("data/backup", "203.0.113.7", 443, Verdict::Allowed),
        ("data/backup", "internet", 443, Verdict::Denied),
    ] {
        assert_eq!(verdict(&network, from, to, port), expected, "{from} to {to} on {port}");
    }
}

/// Everything that is asked of a network, so that nothing of it can fail on strange input.
fn ask_everything(network: &Network) {
    let engine = Engine::new(network);
    for certainty in [nightlatch_netpol::Certainty::Sure, nightlatch_netpol::Certainty::Possible] {
        let mut rows = engine.rows(certainty);
        (0..engine.classes() as u32).for_each(|class| drop(rows.row(class)));
    }
    for pod in 0..network.pods.len() {
        engine.pair(&Party::Pod(pod), &Party::Pod(0));
        engine.pair(&Party::Addresses(nightlatch_netpol::AddressSet::internet()), &Party::Pod(pod));
    }
    (0..network.policies.len()).for_each(|policy| {
        assert_ne!(engine.idle(policy).map(|idle| format!("{idle:?}")), Some(String::new()))
    });
    engine.lateral(&nightlatch_netpol::PortSet::all());
    difference(&engine, &engine);
    let yaml = engine.suggest().yaml();
    let input = Input { name: "s.yaml".into(), bytes: yaml.clone().into_bytes() };
    let back = Network::read(&Corpus::read([input]));
    assert!(back.refused.is_empty(), "{:?}\n{yaml}", back.refused);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 400, failure_persistence: None, ..Default::default() })]
    #[test]
    fn nothing_fails_on_damaged_manifests(
        edits in proptest::collection::vec((0_usize..4_000, proptest::sample::select(vec![
            "{}", "[]", "null", "0", "65536", "-1", "\"\"", "::/0", "0.0.0.0/0", "a: ", "- ", "\n", "é", "{", "]", "true", "*", "&a ",
        ])), 0..6),
    ) {
        let mut text = pod("a", "web", ", ports: [{name: http, containerPort: 8080, hostPort: 80}], env: [{name: A, value: \"db:5432\"}]")
            + &pod("b", "db", "")
            + &policy("a", "p", "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web]}]}, ingress: [{from: [{namespaceSelector: {}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: http}, {port: 1, endPort: 9}]}], egress: [{}]}")
            + "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec: {tier: Admin, priority: 5, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}, {nodes: {}}], protocols: [{tcp: {destinationPort: {range: {start: 5, end: 9}}}}]}]}\n---\n"
            + "apiVersion: v1\nkind: Service\nmetadata: {namespace: b, name: db}\nspec: {type: NodePort, selector: {app: db}, ports: [{port: 5432, targetPort: http}]}\n---\n"
            + "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: a, name: i}\nspec: {defaultBackend: {service: {name: web, port: {name: x}}}}\n";
        for (at, piece) in edits {
            let mut at = at % (text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, piece);
        }
        let corpus = Corpus::read([Input { name: "a.yaml".into(), bytes: text.into_bytes() }]);
        ask_everything(&Network::read(&corpus));
    }
}

#[test]
fn replicas_are_told_apart_where_selectors_do() {
    let set = |replicas: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{namespace: a, name: db}}\nspec:\n  {replicas}\n  template:\n    metadata: {{labels: {{app: db}}}}\n    spec: {{containers: [{{name: c, image: i}}]}}\n---\n"
        )
    };
    let by_name = policy(
        "a",
        "one",
        "{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: db-1}}, policyTypes: [Ingress]}",
    );
    let by_index = policy(
        "a",
        "one",
        "{podSelector: {matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: In, values: ['1']}]}, policyTypes: [Ingress]}",
    );
    let names = |network: &Network| network.pods.iter().map(|pod| pod.name.to_string()).collect::<Vec<_>>();
    for (replicas, policies, expected) in [
        ("replicas: 3", "", vec!["db"]),
        ("replicas: 3", &*by_name, vec!["db-1", "db"]),
        ("replicas: 3", &*by_index, vec!["db-1", "db"]),
        // How many there are is decided elsewhere.
        ("serviceName: db", &*by_name, vec!["db-1", "db"]),
        // There is no second one, or nothing but the second.
        ("replicas: 1", &*by_name, vec!["db"]),
        ("replicas: 0", &*by_name, vec!["db"]),
        ("replicas: 1\n  ordinals: {start: 1}", &*by_name, vec!["db-1"]),
    ] {
        assert_eq!(names(&read(&(set(replicas) + policies))), expected, "{replicas} {policies}");
    }
    let network = read(&(set("replicas: 3") + &by_name + &pod("a", "web", "")));
    assert_eq!(verdict(&network, "a/web", "a/db-1", 5432), Verdict::Denied);
    assert_eq!(verdict(&network, "db-1", "a/web", 80), Verdict::Allowed);
    assert_eq!(network.choose("a/db").unwrap().parties().len(), 2);

    // A replica that runs lends its address to the right one.
    let live = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: a, name: db-1, ownerReferences: [{kind: StatefulSet, name: db, controller: true}]}\nspec: {containers: [{name: c, image: i}]}\nstatus: {podIP: 10.0.0.7}\n---\n";
    let network = read(&(set("replicas: 3") + live + &by_name));
    assert_eq!(names(&network), ["db-1", "db"]);
    assert_eq!(network.choose("10.0.0.7").unwrap(), network.choose("a/db-1").unwrap());
}

#[test]
fn the_pods_of_a_job_have_its_name_as_a_label() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {namespace: a, name: migrate}\nspec:\n  template:\n    spec: {containers: [{name: c, image: i}]}\n---\n";
    for key in ["job-name", "batch.kubernetes.io/job-name"] {
        let only = policy("a", "p", &format!("{{podSelector: {{matchLabels: {{{key}: migrate}}}}}}"));
        let network = read(&(job.to_owned() + &only + &pod("a", "web", "")));
        assert_eq!(verdict(&network, "a/web", "a/migrate", 80), Verdict::Denied, "{key}");
    }
}
