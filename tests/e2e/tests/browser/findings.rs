//! Findings of stored audits, as somebody reads them: from the overview to the line that is wrong, and what became of it.

use std::fs;

use fantoccini::Locator;
use nightlatch_e2e::console::Estate;

use super::{
    desk::{DARK, Desk, LIGHT, Screen, at_desk, at_prepared_desk},
    looks,
};

/// The width of a telephone.
const TELEPHONE: Screen = Screen { width: 390, height: 844, dark: false };
const SCREENS: [Screen; 4] = [LIGHT, DARK, TELEPHONE, Screen { dark: true, ..TELEPHONE }];

/// Workloads of the audit; with three findings and more each, so that they fill several pages.
const WORKLOADS: usize = 30;

fn deployment(number: usize, further: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web{number}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web{number}}}}}
  template:
    metadata: {{labels: {{app: web{number}}}}}
    spec:
      hostNetwork: true
      containers:
      - name: app
        image: registry.example/a-rather-long-path/of-an-image/web:latest
        securityContext:
          privileged: true{further}
"
    )
}

/// Two audits of one folder: all workloads, one of them exempt; then one fewer, which is mended.
pub(crate) fn audited(estate: &Estate) {
    let folder = estate.path("deploy");
    fs::create_dir_all(&folder).unwrap();
    for number in 1..=WORKLOADS {
        let further =
            if number == 2 { " # nightlatch:ignore POD-001 until=2999-01-01 it owns the node" } else { "" };
        fs::write(folder.join(format!("web{number}.yaml")), deployment(number, further)).unwrap();
    }
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: everybody}\n\
                   roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
                   subjects: [{kind: Group, name: \"system:authenticated\", apiGroup: rbac.authorization.k8s.io}]\n";
    fs::write(folder.join("rbac.yaml"), binding).unwrap();
    for gone in [None, Some("web1.yaml")] {
        if let Some(gone) = gone {
            fs::remove_file(folder.join(gone)).unwrap();
        }
        let (code, said) = estate.run(&["audit", folder.to_str().unwrap(), "--store", "the shop"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stored as `the shop`"), "{said}");
    }
}

async fn text(desk: &Desk, selector: &str) -> String {
    desk.client
        .find(Locator::Css(selector))
        .await
        .unwrap_or_else(|error| panic!("{selector}: {error}"))
        .text()
        .await
        .unwrap()
}

/// How many there are, as the heading over the list says.
async fn told(desk: &Desk) -> u64 {
    let heading = text(desk, "#h-list").await;
    heading.split(' ').next().unwrap().replace(',', "").parse().unwrap()
}

async fn looks_well(desk: &Desk, wrong: &mut Vec<String>) {
    let path = desk.client.current_url().await.unwrap();
    for screen in SCREENS {
        wrong.extend(
            looks::faults(desk, screen).await.into_iter().map(|one| format!("{path} {screen:?}: {one}")),
        );
    }
    desk.look_at(LIGHT).await;
    wrong.extend(desk.complaints().await.into_iter().map(|one| format!("{path}: {one}")));
}

#[test]
fn one_gets_from_the_overview_to_the_line_that_is_wrong() {
    at_prepared_desk(&[], audited, async |desk| {
        let mut wrong = Vec::new();
        desk.look_at(LIGHT).await;
        desk.log_in().await;
        desk.complaints().await;

        // Nothing was scanned yet; what was audited is there all the same.
        let panel = text(desk, "[aria-labelledby=h-configuration]").await;
        let number = |word: &str| {
            let line = panel.lines().skip_while(|line| *line != word).nth(1);
            line.unwrap_or_else(|| panic!("{panel}")).trim().parse::<u64>().unwrap()
        };
        let (critical, high) = (number("critical"), number("high"));
        looks_well(desk, &mut wrong).await;
        desk.follow(Locator::LinkText("critical")).await;
        assert_eq!(desk.client.current_url().await.unwrap().query(), Some("q=severity%3Acritical"));
        assert_eq!(told(desk).await, critical);
        looks_well(desk, &mut wrong).await;

        // One narrows by a facet, then by words of one's own.
        desk.follow(Locator::XPath("//main//a[contains(., 'POD-001')]")).await;
        assert_eq!(told(desk).await, WORKLOADS as u64 - 2, "one is mended, one exempt");
        let field = desk.client.find(Locator::Css("#query")).await.unwrap();
        assert_eq!(
            field.prop("value").await.unwrap().as_deref(),
            Some("severity:critical rule:POD-001"),
            "the question stands in the field"
        );
        field.clear().await.unwrap();
        field.send_keys("rule:POD-001 name:web7").await.unwrap();
        desk.follow(Locator::Css("main form button")).await;
        assert_eq!(told(desk).await, 1);

        desk.follow(Locator::XPath("//main//a[contains(., 'shop/web7')]")).await;
        assert_eq!(text(desk, "h1").await, "Deployment shop/web7");
        let page = text(desk, "main").await;
        for part in
            ["critical", "web7.yaml:14:", "Why it matters", "How to mend it", "First seen", "Last seen"]
        {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        looks_well(desk, &mut wrong).await;
        desk.follow(Locator::LinkText("All of this object")).await;
        assert!(told(desk).await > 2);
        desk.client.back().await.unwrap();
        desk.follow(Locator::Css(".head a")).await;
        assert_eq!(desk.client.current_url().await.unwrap().path(), "/rules/POD-001");
        looks_well(desk, &mut wrong).await;
        desk.follow(Locator::LinkText(&format!("{} open findings", WORKLOADS - 2))).await;
        assert_eq!(told(desk).await, WORKLOADS as u64 - 2);

        desk.goto("/findings?q=severity:high").await;
        assert_eq!(told(desk).await, high);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn what_was_mended_what_is_exempt_and_what_was_asked_wrongly() {
    at_prepared_desk(&[], audited, async |desk| {
        let mut wrong = Vec::new();
        desk.look_at(LIGHT).await;
        desk.log_in().await;
        desk.complaints().await;
        desk.goto("/findings?q=rule:POD-001").await;
        desk.follow(Locator::LinkText("Mended")).await;
        assert_eq!(told(desk).await, 1);
        looks_well(desk, &mut wrong).await;
        desk.follow(Locator::XPath("//main//a[contains(., 'shop/web1')]")).await;
        let history = text(desk, "[aria-labelledby=h-history]").await;
        assert!(history.contains("Mended"), "{history}");
        desk.client.back().await.unwrap();
        desk.follow(Locator::LinkText("Exempt")).await;
        desk.follow(Locator::XPath("//main//a[contains(., 'shop/web2')]")).await;
        let history = text(desk, "[aria-labelledby=h-history]").await;
        for part in ["a comment in the file", "it owns the node", "2999-01-01"] {
            assert!(history.contains(part), "{history}");
        }
        looks_well(desk, &mut wrong).await;

        // Page after page, each finding once; beyond the last there is the last.
        desk.goto("/findings").await;
        let total = told(desk).await;
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let script = "return [...document.querySelectorAll('ol.rows .title a')].map((a) => a.pathname)";
            let here = desk.ask(script).await;
            seen.extend(here.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()));
            if desk.client.find(Locator::Css("a[rel=next]")).await.is_err() {
                break;
            }
            desk.follow(Locator::Css("a[rel=next]")).await;
        }
        assert_eq!(seen.len() as u64, total);
        desk.goto("/findings?page=4000000000").await;
        assert!(text(desk, ".pages").await.contains(&format!("to {total}")));
        looks_well(desk, &mut wrong).await;

        desk.goto("/findings?q=nmespace:shop").await;
        assert!(text(desk, "[role=alert]").await.contains("there is no field"));
        looks_well(desk, &mut wrong).await;
        desk.goto("/findings?q=rule:NET-999").await;
        assert!(text(desk, "main").await.contains("Nothing matches"));
        // Whatever has no namespace can be chosen, too.
        desk.goto("/findings?q=kind:ClusterRoleBinding").await;
        let bindings = told(desk).await;
        desk.follow(Locator::LinkText("(none)")).await;
        assert_eq!(told(desk).await, bindings);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn without_an_audit_the_page_says_how_to_store_one() {
    at_desk(&[], async |desk| {
        desk.look_at(LIGHT).await;
        desk.log_in().await;
        assert!(desk.client.find(Locator::Css("#h-configuration")).await.is_err());
        desk.goto("/findings").await;
        assert!(text(desk, "main").await.contains("nightlatch audit deploy/ --store shop"));
        let mut wrong = Vec::new();
        looks_well(desk, &mut wrong).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        desk.goto("/findings/7").await;
        assert!(text(desk, "main").await.contains("finding"));
        desk.goto("/rules/POD-999").await;
        assert!(text(desk, "main").await.contains("POD-999"));
    });
}
