use nightlatch_alert::{Alert, Notifier};
use nightlatch_app::Schedule;
use nightlatch_control::DeliveryState;

use super::*;

/// Every page that is there without anything made first.
const PAGES: [&str; 20] = [
    "/",
    "/search",
    "/search?q=exposure:%3E%3Dreadable&sort=newest",
    "/search?q=product:Kubernetes+OR+port:2375&view=history&page=2",
    "/search?q=prot:443",
    "/search?q=port:1+port:2",
    "/products",
    "/runs",
    "/schedules",
    "/schedules/edit",
    "/scope",
    "/alerts",
    "/alerts?state=dead",
    "/alerts/new?query=port:443",
    "/alerts/notifiers/new",
    "/reports",
    "/keys",
    "/help",
    "/?said=saved",
    "/search?q=country:de",
];

#[tokio::test]
async fn every_page_is_shown_to_whom_it_may_be_and_is_well_formed() {
    let house = synthetic_house();
    for path in PAGES {
        let answer = house.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert_eq!(answer.kind, "text/html; charset=utf-8", "{path}");
        markup::check(&answer.body);
    }
    for path in ["/schedules/edit", "/alerts/new", "/alerts/notifiers/new", "/keys"] {
        let answer = house.get_as(Role::Viewer, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        markup::check(&answer.body);
        assert!(answer.body.contains("your key has the role viewer"), "{path}");
    }
    for path in ["/host/nonsense", "/host/192.0.2.250", "/runs/none", "/alerts/edit/none"] {
        let answer = house.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        markup::check(&answer.body);
    }
}

#[tokio::test]
async fn an_empty_house_can_be_looked_at() {
    let house = house(&[]);
    for path in PAGES {
        let answer = house.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        markup::check(&answer.body);
    }
    assert!(house.get("/").await.body.contains("No door was seen yet"));
}

#[tokio::test]
async fn who_is_not_logged_in_is_sent_to_log_in_and_comes_back() {
    let house = house(&[]);
    for (path, expected) in [
        ("/", "/login?next=%2F"),
        ("/search?q=a%20b", "/login?next=%2Fsearch%3Fq%3Da%2520b"),
        ("/keys", "/login?next=%2Fkeys"),
    ] {
        let answer = house.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, expected));
    }
}

#[tokio::test]
async fn facets_lead_to_searches_that_find_what_they_counted() {
    let house = synthetic_house();
    let page = house.get("/search?q=exposure:%3E%3Dreadable").await.body;
    let elements = markup::read(&page);
    let links: Vec<String> = elements
        .iter()
        .filter(|element| {
            element.name == "a"
                && element.attributes.get("class").is_some_and(|class| class == "name foreign")
        })
        .map(|element| element.attributes["href"].replace("&amp;", "&"))
        .collect();
    assert!(links.len() > 15, "{}", links.len());
    for link in links {
        let answer = house.get(&link).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(
            !answer.body.contains("Nothing matches") && !answer.body.contains("role=\"alert\""),
            "{link}"
        );
    }
}

#[tokio::test]
async fn a_mistake_in_a_query_is_pointed_at() {
    let house = house(&[]);
    let page = house.get("/search?q=country:DE+prot:443").await.body;
    assert!(page.contains("country:DE <mark>prot</mark>:443"), "{page}");
    assert!(page.contains("Did you mean port?"));
    let long = format!("/search?q={}", "a".repeat(9_000));
    assert_eq!(house.get(&long).await.status, StatusCode::OK);
    let long = format!("/search?q={}%20port:x", "%22".repeat(4_000));
    markup::check(&house.get(&long).await.body);
}

#[tokio::test]
async fn the_page_of_a_host_has_evidence_time_line_and_remedy() {
    let house = house(&[hostile::docker("192.0.2.7")]);
    let answer = house.get("/host/192.0.2.7").await;
    markup::check(&answer.body);
    for part in [
        "GET /version",
        "200 application/json, 263 bytes",
        "How to shut it",
        "nft",
        "States over time",
        "platform team",
        "containers",
    ] {
        assert!(answer.body.contains(part), "{part}");
    }
    assert_eq!(house.get("/host/::ffff:192.0.2.7").await.status, StatusCode::OK);
}

#[tokio::test]
async fn completion_offers_fields_words_and_values() {
    let house = house(&[hostile::docker("192.0.2.7")]);
    let offers = |text: &'static str| {
        let house = &house;
        async move {
            let answer = house.get(&format!("/complete?q={text}")).await;
            assert_eq!(answer.kind, "application/json");
            serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()
        }
    };
    assert_eq!(offers("expo").await[0]["text"], "exposure:");
    assert_eq!(offers("exposure:r").await[0]["text"], "readable");
    let product = offers("%C3%A4%20-product:do").await;
    assert_eq!(
        (&product[0]["text"], &product[0]["from"]),
        (&"product:=\"docker\"".into(), &3.into()),
        "{product}"
    );
    assert_eq!(offers("").await.as_array().unwrap().len(), 12);
    assert_eq!(offers("title:%22a").await, serde_json::json!([]));
}

#[tokio::test]
async fn exports_and_reports_are_whole_files() {
    let house = synthetic_house();
    for (path, begin) in [
        ("/search/export?q=port:443&format=csv", ""),
        ("/search/export?format=ndjson", "{"),
        ("/reports/owner.html", "<!doctype html>"),
        ("/reports/owner.md?owner=platform+team", "# Open services: platform team"),
        ("/reports/owner.json?save=yes", "{"),
        ("/reports/owner.csv", ""),
        ("/reports/landscape.html?save=yes", "<!doctype html>"),
        ("/reports/landscape.md", "# The landscape"),
        ("/reports/landscape.json", "{"),
        ("/reports/findings.sarif", "{"),
        ("/reports/findings.ecs", "{"),
        ("/reports/findings.cef", "CEF:"),
        ("/reports/shadowserver.csv?type=scan_elasticsearch", ""),
    ] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.body.starts_with(begin) && answer.body.len() > 20, "{path}: {}", answer.body);
    }
    let shown = house.get("/reports/owner.html").await.body;
    assert!(
        shown.contains("rel=\"stylesheet\"") && !shown.contains("<style>"),
        "the strict policy allows no style inside"
    );
    assert_eq!(house.get("/search/export?format=exe").await.status, StatusCode::BAD_REQUEST);
    let lines = house.get("/search/export?format=ndjson&q=exposure:readable").await.body;
    assert!(lines.lines().count() > 3, "{lines}");
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["verdict"]["exposure"], "readable");
    }
}

#[tokio::test]
async fn readers_who_do_not_read_leave_room_for_pages() {
    let house = synthetic_house();
    let mut open = Vec::new();
    for expected in [StatusCode::OK; crate::download::DOWNLOADS_AT_ONCE]
        .into_iter()
        .chain([StatusCode::SERVICE_UNAVAILABLE])
    {
        let mut request =
            Request::get("/search/export?format=ndjson&view=history").body(Body::empty()).unwrap();
        request.extensions_mut().insert(caller(Role::Viewer));
        let response = house.pages.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected);
        open.push(response);
    }
    assert_eq!(house.get("/search").await.status, StatusCode::OK);
    drop(open);
    let began = std::time::Instant::now();
    while house.get("/search/export?format=csv").await.status != StatusCode::OK {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "the room is not given back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn changes_need_the_token_and_the_role() {
    let house = house(&[]);
    for path in [
        "/keys",
        "/keys/revoke",
        "/alerts/save",
        "/alerts/delete",
        "/runs",
        "/schedules/save",
        "/theme",
        "/alerts/retry",
    ] {
        for token in ["", "wrong", "the-token-of-the-sessioX"] {
            let answer = house.post(path, &[("csrf", token)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {token}");
            assert!(answer.body.contains("does not belong to this session"), "{path}");
        }
    }
    for (role, path) in [
        (Role::Viewer, "/alerts/save"),
        (Role::Viewer, "/alerts/notifiers/save"),
        (Role::Analyst, "/runs"),
        (Role::Analyst, "/runs/x/stop"),
        (Role::Analyst, "/runs/x/resume"),
        (Role::Analyst, "/schedules/save"),
        (Role::Analyst, "/schedules/run"),
        (Role::Operator, "/keys"),
        (Role::Operator, "/keys/revoke"),
    ] {
        let answer = house.post_as(role, path, &[("label", "x"), ("role", "admin"), ("name", "x")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {path}");
    }
    assert!(house.app.control().keys().unwrap().is_empty());
    assert!(house.app.control().all::<Alert>().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_revoked() {
    let house = house(&[]);
    let made = house.post("/keys", &[("label", "<b>ci"), ("role", "viewer"), ("days", "30")]).await;
    assert_eq!(made.status, StatusCode::OK);
    markup::check(&made.body);
    let keys = house.app.control().keys().unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    let shown = made.body.split("id=\"made\">").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(house.app.control().verify_key(shown).unwrap().unwrap().id, key.id);
    assert!(!house.get("/keys").await.body.contains(shown), "shown once");
    let log = house.app.control().audit_log(0, 9).unwrap();
    assert_eq!((log[0].action.as_str(), log[0].label.as_str()), ("key.create", "laptop"));
    assert!(!log[0].object.contains(shown));
    let answer = house.post("/keys/revoke", &[("id", &key.id)]).await;
    assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/keys?said=revoked"));
    assert!(house.app.control().key(&key.id).unwrap().unwrap().revoked.is_some());
    assert_eq!(house.post("/keys/revoke", &[("id", "k3vdq8ap")]).await.status, StatusCode::BAD_REQUEST);
    for wrong in [("label", ""), ("days", "0"), ("days", "x"), ("limit", "0"), ("role", "root")] {
        let mut fields = vec![wrong];
        fields.extend([("label", "x"), ("role", "viewer")].into_iter().filter(|(name, _)| *name != wrong.0));
        assert_eq!(house.post("/keys", &fields).await.status, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_alert_lives_and_dies() {
    let house = house(&[]);
    house.key();
    let notifier = [
        ("provider", "webhook"),
        ("webhook.url", "https://hooks.example.org/secret-path"),
        ("slack.webhook_url", "left over"),
        ("description", "on call"),
    ];
    assert_eq!(
        house.post("/alerts/notifiers/save", &notifier).await.location,
        "/alerts?said=saved#notifiers"
    );
    let [kept] = &house.app.control().all::<Notifier>().unwrap()[..] else { panic!() };
    let alert = [
        ("name", "Shop </title>"),
        ("networks", "192.0.2.0/24\n198.51.100.7"),
        ("query", "exposure:>=readable"),
        ("days", "30"),
        ("trigger", "exposed"),
        ("trigger", "gone"),
        ("notifier", &kept.id),
    ];
    assert_eq!(house.post_as(Role::Analyst, "/alerts/save", &alert).await.location, "/alerts?said=saved");
    let [made] = &house.app.control().all::<Alert>().unwrap()[..] else { panic!() };
    assert_eq!((made.networks.len(), made.triggers.len(), made.expires), (2, 2, 30 * 86_400));
    let page = house.get("/alerts").await.body;
    markup::check(&page);
    assert!(!page.contains("secret-path"), "secrets are not shown");
    let id = made.id.to_string();
    markup::check(&house.get(&format!("/alerts/edit/{id}")).await.body);
    let service = [("id", id.as_str()), ("trigger", "exposed"), ("ip", "::ffff:192.0.2.7"), ("port", "6443")];
    let ignored = house.post("/alerts/ignore", &service).await;
    assert_eq!(ignored.location, format!("/alerts/edit/{id}?said=ignored"));
    let page = house.get(&format!("/alerts/edit/{id}")).await.body;
    markup::check(&page);
    assert!(page.contains("192.0.2.7 6443"));
    let wrong = [("id", id.as_str()), ("trigger", "exposed"), ("ip", "x")];
    assert_eq!(house.post("/alerts/ignore", &wrong).await.status, StatusCode::BAD_REQUEST);
    let service = [("id", id.as_str()), ("trigger", "exposed"), ("ip", "192.0.2.7"), ("port", "6443")];
    assert_eq!(house.post("/alerts/unignore", &service).await.status, StatusCode::SEE_OTHER);
    assert_eq!(house.post("/alerts/unignore", &service).await.status, StatusCode::NOT_FOUND);
    let changed =
        [("id", id.as_str()), ("name", "Shop"), ("query", "port:443"), ("trigger", "any"), ("days", "30")];
    house.post("/alerts/save", &changed).await;
    let [made] = &house.app.control().all::<Alert>().unwrap()[..] else { panic!() };
    assert_eq!(
        (made.name.raw(), made.networks.len(), made.notifiers.len(), made.expires),
        ("Shop", 0, 0, 30 * 86_400)
    );
    assert_eq!(
        house.post("/alerts/test", &[("id", &id)]).await.status,
        StatusCode::BAD_REQUEST,
        "tells nobody"
    );
    for wrong in
        [("networks", "nowhere"), ("query", "prot:1"), ("trigger", "nonsense"), ("days", "-1"), ("name", "")]
    {
        let mut fields = vec![wrong];
        fields.extend([("name", "x"), ("query", "*")].into_iter().filter(|(name, _)| *name != wrong.0));
        let answer = house.post("/alerts/save", &fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong:?}");
        markup::check(&answer.body);
    }
    assert_eq!(house.post("/alerts/delete", &[("id", &id)]).await.location, "/alerts?said=deleted");
    assert_eq!(house.post("/alerts/delete", &[("id", &id)]).await.status, StatusCode::NOT_FOUND);
    let actions: Vec<String> =
        house.app.control().audit_log(0, 20).unwrap().into_iter().map(|entry| entry.action).collect();
    let expected =
        ["alert.delete", "alert.edit", "alert.unignore", "alert.ignore", "alert.create", "notifier.create"];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_dead_delivery_can_be_tried_again() {
    let house = house(&[]);
    let control = house.app.control();
    let now = Timestamp::now();
    let new = nightlatch_control::NewDelivery {
        key: "k",
        event: 0,
        alert: "a",
        trigger: "any",
        notifier: "n",
        body: "{}",
    };
    control.transaction(|t| t.add_delivery(&new, now)).unwrap();
    let id = control.deliveries(None, None, 9).unwrap()[0].id;
    control.delivery_failed(id, now, None, "<script>alert(1)</script>").unwrap();
    let page = house.get("/alerts?state=dead").await.body;
    markup::check(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert_eq!(house.post("/alerts/retry", &[("id", &id.to_string())]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(control.deliveries(None, None, 9).unwrap()[0].state, DeliveryState::Queued);
    assert_eq!(house.post("/alerts/retry", &[("id", "7777")]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_schedule_is_kept_paused_and_forgotten() {
    let house = house(&[]);
    let fields = [
        ("name", "nightly"),
        ("every", "30 2 * * mon-fri"),
        ("timezone", "Europe/Berlin"),
        ("blackout", "mon-fri 08:00-18:00\n"),
        ("targets", "192.0.2.0/28"),
        ("ports", "2375"),
        ("enabled", "yes"),
    ];
    let answer = house.post_as(Role::Operator, "/schedules/save", &fields).await;
    assert_eq!(answer.location, "/schedules?said=saved", "{}", answer.body);
    let kept = || house.app.control().all::<Schedule>().unwrap();
    assert_eq!((kept()[0].targets.len(), kept()[0].blackout.len(), kept()[0].enabled), (1, 1, true));
    markup::check(&house.get("/schedules").await.body);
    markup::check(&house.get("/schedules/edit?name=nightly").await.body);
    house.post("/schedules/switch", &[("name", "nightly")]).await;
    assert!(!kept()[0].enabled);
    for wrong in [
        ("every", "sometimes"),
        ("timezone", "Mars"),
        ("blackout", "never"),
        ("ports", "99999"),
        ("name", "a b"),
        ("rate", "0"),
    ] {
        let mut all: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != wrong.0).collect();
        all.push(wrong);
        assert_eq!(house.post("/schedules/save", &all).await.status, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
    house.post("/schedules/delete", &[("name", "nightly")]).await;
    assert!(kept().is_empty());
}

#[tokio::test]
async fn the_theme_is_kept_and_one_comes_back_to_where_one_was() {
    let house = house(&[]);
    let answer = house.post("/theme", &[("theme", "dark"), ("back", "/search?q=a")]).await;
    assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/search?q=a"));
    let answer = house.post("/theme", &[("theme", "dark"), ("back", "//elsewhere.example")]).await;
    assert_eq!(answer.location, "/");
    let mut request =
        Request::get("/help").header(header::COOKIE, "nightlatch_theme=dark").body(Body::empty()).unwrap();
    request.extensions_mut().insert(caller(Role::Viewer));
    assert!(house.send(request).await.body.contains("<html lang=\"en\" data-theme=\"dark\">"));
}

#[tokio::test]
async fn a_run_outside_the_scope_is_refused_and_noted() {
    let house = house(&[]);
    let answer = house.post_as(Role::Operator, "/runs", &[("targets", "203.0.113.9")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    markup::check(&answer.body);
    assert!(house.app.live_runs().is_empty());
    assert_eq!(house.app.control().audit_log(0, 1).unwrap()[0].action, "run.start");
    assert_eq!(house.post("/runs/nothing/stop", &[]).await.status, StatusCode::NOT_FOUND);
}
