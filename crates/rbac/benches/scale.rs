//! How long questions take on a policy as large as a busy cluster's: 500 roles of the cluster of 8 rules, 1,000
//! bindings of the cluster, 200 namespaces with 20 bindings each.
//!
//! Prints one line for each figure; every answer is counted, so that none is left out by the compiler.

use std::time::{Duration, Instant};

use nightlatch_rbac::{
    Assessment, Attributes, Authorizer, Binding, Escalation, Policy, Role, RoleKind, Rule, Subject,
    Surroundings, User,
};

const ROLES: usize = 500;
const RULES: usize = 8;
const CLUSTER_BINDINGS: usize = 1_000;
const NAMESPACES: usize = 200;
const BINDINGS_PER_NAMESPACE: usize = 20;
const QUESTIONS: usize = 100_000;
const RUNS: usize = 5;

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const RESOURCES: [(&str, &str); 16] = [
    ("", "pods"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "services"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("", "pods/log"),
    ("", "pods/exec"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("apps", "deployments/scale"),
    ("", "serviceaccounts"),
    ("rbac.authorization.k8s.io", "roles"),
    ("", "persistentvolumeclaims"),
];

/// Numbers that are the same in every run (a linear congruential generator, Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

fn rule(numbers: &mut Numbers) -> Rule {
    let (group, resource) = numbers.of(&RESOURCES);
    let verbs = (0..=numbers.below(3)).map(|_| numbers.of(&VERBS).to_owned()).collect();
    let names = if numbers.below(10) == 0 { vec![format!("name-{}", numbers.below(20))] } else { Vec::new() };
    Rule {
        verbs,
        groups: vec![group.to_owned()],
        resources: vec![resource.to_owned()],
        names,
        ..Rule::default()
    }
}

/// - `crowd`: every how many bindings the subject is one group that all callers are in; 0 for none.
fn policy(crowd: usize) -> Policy {
    let mut numbers = Numbers(20_261_126);
    let roles = (0..ROLES)
        .map(|at| {
            Role::new(
                RoleKind::ClusterRole,
                "",
                &format!("role-{at}"),
                (0..RULES).map(|_| rule(&mut numbers)).collect(),
            )
        })
        .collect();
    let mut bindings = Vec::new();
    let mut bind = |namespace: Option<String>, numbers: &mut Numbers| {
        let subject = match (numbers.below(3), crowd > 0 && numbers.below(crowd.max(1)) == 0) {
            (_, true) => Subject::group("system:authenticated"),
            (0, _) => Subject::user(&format!("user-{}", numbers.below(500))),
            (1, _) => Subject::group(&format!("group-{}", numbers.below(100))),
            _ => Subject::service_account(
                &format!("ns-{}", numbers.below(NAMESPACES)),
                &format!("sa-{}", numbers.below(5)),
            ),
        };
        let name = format!("b-{}", bindings.len());
        let role = format!("role-{}", numbers.below(ROLES));
        bindings.push(Binding::new(
            namespace.as_deref(),
            &name,
            (RoleKind::ClusterRole, &role),
            vec![subject],
        ));
    };
    (0..CLUSTER_BINDINGS).for_each(|_| bind(None, &mut numbers));
    for namespace in 0..NAMESPACES {
        (0..BINDINGS_PER_NAMESPACE).for_each(|_| bind(Some(format!("ns-{namespace}")), &mut numbers));
    }
    Policy { roles, bindings }
}

fn users(numbers: &mut Numbers) -> Vec<User> {
    (0..1_000)
        .map(|at| match at % 2 {
            0 => User::exact(
                format!("user-{}", numbers.below(500)),
                [format!("group-{}", numbers.below(100)), "system:authenticated".into()],
            ),
            _ => User::account(
                &format!("ns-{}", numbers.below(NAMESPACES)),
                &format!("sa-{}", numbers.below(5)),
            ),
        })
        .collect()
}

/// Time that the processor worked for this thread; where the system does not say, time that went by.
fn worked(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// The shortest of several runs in processor time, and what the last one counted.
fn best(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let mut count = 0;
    let time = (0..RUNS).map(|_| {
        let since = Instant::now();
        let start = worked(since);
        count = run();
        worked(since).saturating_sub(start)
    });
    let time = time.min().unwrap_or_default();
    (time, count)
}

/// One of a hundred: single ones are too short for the system's clock.
fn hundredth((time, count): (Duration, usize)) -> (Duration, usize) {
    (time / 100, count / 100)
}

fn say(what: &str, (time, count): (Duration, usize), goal: Option<Duration>) {
    let goal = goal.map_or(String::new(), |goal| {
        format!("  goal {:>7.1} ms: {}", goal.as_secs_f64() * 1e3, if time < goal { "met" } else { "MISSED" })
    });
    println!("{what:<46} {:>9.2} ms  ({count}){goal}", time.as_secs_f64() * 1e3);
}

fn can_i(authorizer: &Authorizer) -> usize {
    let mut numbers = Numbers(7);
    let users = users(&mut numbers);
    let namespaces: Vec<String> = (0..NAMESPACES).map(|at| format!("ns-{at}")).collect();
    let questions: Vec<(usize, Attributes<'_>)> = (0..QUESTIONS)
        .map(|_| {
            let (group, resource) = numbers.of(&RESOURCES);
            let namespace = &namespaces[numbers.below(NAMESPACES)];
            (numbers.below(users.len()), Attributes::resource(numbers.of(&VERBS), group, resource, namespace))
        })
        .collect();
    questions.iter().filter(|(user, asked)| authorizer.authorize(&users[*user], asked).is_allowed()).count()
}

fn main() {
    let ms = Duration::from_millis;
    for (name, crowd) in [("", 0), (", every 4th binding for all", 4)] {
        let policy = policy(crowd);
        let (build, _) = best(|| Authorizer::from_policy(policy.clone()).policy().roles.len());
        let authorizer = Authorizer::from_policy(policy);
        say(&format!("arrange{name}"), (build, authorizer.policy().bindings.len()), None);
        say(&format!("100,000 can-i{name}"), best(|| can_i(&authorizer)), Some(ms(200)));
        let asked = Attributes::resource("get", "", "secrets", "");
        say(
            &format!("who-can get secrets{name}"),
            hundredth(best(|| (0..100).map(|_| authorizer.who_can(&asked).len()).sum())),
            Some(ms(50)),
        );
        let around = Surroundings::default();
        let audit = || {
            let escalation = Escalation::new(&authorizer, &around);
            Assessment::new(&authorizer, &around, &escalation, 36)
                .looked_at
                .values()
                .map(|count| *count as usize)
                .sum()
        };
        say(&format!("audit of all subjects{name}"), best(audit), Some(ms(2_000)));
    }
}
