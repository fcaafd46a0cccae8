//! Shodan's routes through the real gate.

use axum::http::{StatusCode, header};
use nightlatch_alert::{Alert, Notifier};
use nightlatch_asset::Timestamp;
use nightlatch_control::Role;
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn a_key_is_needed_and_refused_in_words() {
    let house = House::ordinary();
    let request = |path: &str| axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    for path in ["/api-info", "/shodan/host/search?query=x&key=wrong", "/shodan/banners", "/shodan/nothing"] {
        let answer = house.send(request(path)).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::UNAUTHORIZED, "Invalid API key".into()),
            "{path}"
        );
    }
    // Never 403: clients hide its text.
    let refused = house.form(Role::Viewer, "/shodan/scan", "ips=127.0.0.1").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.error().contains("operator"), "{}", refused.error());
}

#[tokio::test]
async fn every_address_that_reads_answers() {
    let house = House::ordinary();
    let ip = house.get("/shodan/host/search?query=*&limit=1").await.json()["matches"][0]["ip_str"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "/api-info",
        "/account/profile",
        "/shodan/host/search?query=port:1-65535&facets=country,port:3&minify=False",
        "/shodan/host/count?query=*&facets=product:10",
        "/shodan/host/search/facets",
        "/shodan/host/search/filters",
        "/shodan/host/search/tokens?query=a+port:1",
        &format!("/shodan/host/{ip}?history=True"),
        &format!("/shodan/host/{ip},192.0.2.250?minify=1"),
        &format!("/internetdb/{ip}"),
        "/shodan/ports",
        "/shodan/protocols",
        "/shodan/services",
        "/shodan/scans?page=1",
        "/shodan/alert/info?include_expired=True",
        "/shodan/alert/triggers",
        "/notifier",
        "/notifier/provider",
        "/shodan/query?page=1&sort=votes&order=asc",
        "/shodan/query/search?query=kubernetes",
        "/shodan/query/tags?size=3",
        "/dns/resolve?hostnames=example.com",
        "/dns/reverse?ips=192.0.2.1",
        "/tools/myip",
        "/tools/httpheaders",
        "/api/v1/search?query=*&facets=port:3",
        "/api/v1/search/facets",
        "/api/v1/search/filters",
    ] {
        let answer = house.ask(Role::Viewer, "GET", path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{path}");
        assert!(answer.json().get("error").is_none(), "{path}");
    }
}

#[tokio::test]
async fn mistakes_are_told_with_the_right_status() {
    let house = House::ordinary();
    let long = format!("/shodan/host/count?query={}", "a+".repeat(12_000));
    let facets: Vec<String> = (0..30).map(|at| format!("port{at}")).collect();
    let many = format!("/shodan/host/count?query=*&facets={}", facets.join(","));
    for (method, path, status, part) in [
        ("GET", "/shodan/host/search", 400, "`query` is empty"),
        ("GET", "/shodan/host/search?query=contry:DE", 400, "did you mean `country`?"),
        ("GET", "/shodan/host/search?query=*&page=x", 400, "`page`"),
        ("GET", "/shodan/host/search?query=*&limit=5000", 400, "at most 1000"),
        ("GET", long.as_str(), 400, "too long"),
        ("GET", many.as_str(), 400, "facet"),
        ("GET", "/shodan/host/192.0.2.250", 404, "No information available for that IP."),
        ("GET", "/shodan/host/x", 400, "Invalid IP"),
        ("GET", "/internetdb/192.0.2.250", 404, "No information available for that IP."),
        ("GET", "/dns/domain/nosuch.example", 404, "No information available"),
        ("GET", "/dns/domain/%1b", 400, "no host name"),
        ("GET", "/dns/reverse?ips=x", 400, "Invalid IP"),
        ("GET", "/shodan/scan/nosuch", 404, "no scan"),
        ("GET", "/shodan/alert/ABCDEFGHIJKLMNOP/info", 404, "no alert"),
        ("GET", "/shodan/alert/ABCDEFGHIJKLMNOP", 404, "no alert"),
        ("DELETE", "/shodan/alert/nosuch", 404, "no alert"),
        ("PUT", "/shodan/alert/ABCDEFGHIJKLMNOP/trigger/new_servce", 400, "did you mean `new_service`?"),
        ("GET", "/notifier/nosuch", 404, "no notifier"),
        ("GET", "/shodan/ports/x", 400, "no port"),
        ("GET", "/shodan/custom", 400, "`query` is required"),
        ("GET", "/shodan/banners?t=xml", 400, "`t` must be json or sse"),
        ("GET", "/shodan/query?sort=best", 400, "`sort`"),
        ("GET", "/org", 404, "/api/v1/keys"),
        ("PUT", "/org/member/x", 404, "/api/v1/keys"),
        ("GET", "/shodan/data", 404, "export"),
        ("GET", "/labs/honeyscore/192.0.2.1", 404, "honeypot"),
        ("GET", "/shodan/nosuch/thing", 404, "nothing at this address"),
        ("DELETE", "/shodan/ports", 405, "method"),
        ("GET", "/api/v1/search?query=*&facets=port,org,asn,isp,os,city", 400, "more than 5"),
    ] {
        let answer = house.ask(Role::Admin, method, path).await;
        let short = &path[..path.len().min(80)];
        assert_eq!(answer.status.as_u16(), status, "{method} {short}: {:?}", answer.json());
        assert!(answer.error().contains(part), "{method} {short}: {}", answer.error());
    }
}

#[tokio::test]
async fn an_alert_is_made_changed_and_removed_by_its_owner() {
    let house = House::ordinary();
    let made = house
        .json(
            Role::Analyst,
            "POST",
            "/shodan/alert",
            &json!({"name": "a", "filters": {"ip": "192.0.2.0/24"}, "expires": 0}),
        )
        .await;
    assert_eq!(made.status, StatusCode::OK, "{:?}", made.json());
    let shape = made.json();
    assert_eq!(shape["filters"]["ip"], json!(["192.0.2.0/24"]));
    assert_eq!(
        (&shape["size"], &shape["expiration"], &shape["triggers"]),
        (&json!(256), &json!(null), &json!({}))
    );
    let id = shape["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 16);
    let path = |rest: &str| format!("/shodan/alert/{id}{rest}");
    let put = |rest: &str| {
        let path = path(rest);
        let house = &house;
        async move { house.ask(Role::Analyst, "PUT", &path).await }
    };
    assert_eq!(put("/trigger/new_service,vulnerable").await.json(), json!({"success": true}));
    assert_eq!(put("/trigger/new_service/ignore/192.0.2.1:443").await.json(), json!({"success": true}));
    assert_eq!(
        put("/trigger/vulnerable/ignore/192.0.2.1:443/CVE-2018-1,CVE-2018-2").await.status,
        StatusCode::OK
    );
    assert_eq!(put("/trigger/new_service/ignore/x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(put("/trigger/new_service/ignore/192.0.2.1:443/CVE-1").await.status, StatusCode::BAD_REQUEST);
    let info = house.ask(Role::Analyst, "GET", &path("/info")).await.json();
    assert_eq!(info["triggers"]["new_service"]["ignore"], json!([{"ip": "192.0.2.1", "port": 443}]));
    assert_eq!(info["triggers"]["vulnerable"]["ignore"][0]["vulns"], json!(["CVE-2018-1", "CVE-2018-2"]));
    assert_eq!(info["has_triggers"], true);

    // The key in the form is not an argument.
    let made =
        house.form(Role::Analyst, "/notifier", "provider=pagerduty&routing_key=abc123&description=d").await;
    assert_eq!(made.status, StatusCode::OK, "{:?}", made.json());
    let nid = made.json()["id"].as_str().unwrap().to_owned();
    let kept: Notifier = house.app.control().get(&nid).unwrap().unwrap();
    assert_eq!(kept.args.iter().collect::<Vec<_>>(), [("routing_key", "abc123")]);
    assert_eq!(put(&format!("/notifier/{nid}")).await.json(), json!({"success": true}));
    let shown = house.ask(Role::Analyst, "GET", &format!("/notifier/{nid}")).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains("abc123"), "secrets never come out");
    let edit = house.ask(Role::Analyst, "PUT", &format!("/notifier/{nid}?routing_key=xyz9")).await;
    assert_eq!(edit.json(), json!({"success": true, "id": nid}));
    assert_eq!(
        house.app.control().get::<Notifier>(&nid).unwrap().unwrap().args.get("routing_key"),
        Some("xyz9")
    );

    // Another key sees neither; an admin sees both.
    assert_eq!(house.ask(Role::Operator, "GET", &path("/info")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ask(Role::Operator, "GET", "/shodan/alert/info").await.json(), json!([]));
    assert_eq!(house.ask(Role::Operator, "GET", "/notifier").await.json()["total"], 0);
    assert_eq!(house.ask(Role::Admin, "GET", "/shodan/alert/info").await.json().as_array().unwrap().len(), 1);
    // A viewer may keep none.
    assert_eq!(house.ask(Role::Viewer, "DELETE", &path("")).await.status, StatusCode::UNAUTHORIZED);

    let del = |rest: &str| {
        let path = path(rest);
        let house = &house;
        async move { house.ask(Role::Analyst, "DELETE", &path).await }
    };
    assert_eq!(del("/trigger/new_service/ignore/192.0.2.1:443").await.json(), json!({"success": true}));
    assert_eq!(del("/trigger/new_service/ignore/192.0.2.1:443").await.status, StatusCode::NOT_FOUND);
    assert_eq!(del("/trigger/new_service").await.json(), json!({"success": true}));
    assert_eq!(del("/trigger/new_service").await.status, StatusCode::NOT_FOUND);
    assert_eq!(del(&format!("/notifier/{nid}")).await.json(), json!({"success": true}));
    let edited = house
        .json(
            Role::Analyst,
            "POST",
            &path(""),
            &json!({"filters": {"ip": ["198.51.100.1", "2001:db8::/126"]}}),
        )
        .await;
    assert_eq!((edited.json()["size"].clone(), edited.json()["name"].clone()), (json!(5), json!("a")));
    assert_eq!(del("").await.json(), json!({}));
    assert_eq!(del("").await.status, StatusCode::NOT_FOUND);
    assert!(house.app.control().all::<Alert>().unwrap().is_empty());
    let log = house.app.control().audit_log(0, 50).unwrap();
    assert!(log.iter().any(|entry| entry.action == "alert.remove" && entry.outcome == "done"));
    assert!(log.iter().all(|entry| !format!("{entry:?}").contains("abc123")));
}

#[tokio::test]
async fn bodies_of_every_shape_are_refused_in_words() {
    let house = House::ordinary();
    for (body, part) in [
        (json!({"filters": {"ip": ["192.0.2.1"]}}), "`name`"),
        (json!({"name": "a"}), "`filters`"),
        (json!({"name": "a", "filters": {}}), "needs networks or a query"),
        (json!({"name": "a", "filters": {"ip": ["x"]}}), "`filters.ip`"),
        (json!({"name": "a", "filters": {"ip": 5}}), "no alert"),
        (json!({"name": "a", "filters": {"query": "nosuch:1"}}), "query"),
        (json!([]), "no alert"),
        (json!({"name": "a".repeat(300), "filters": {"ip": "192.0.2.1"}}), "name"),
    ] {
        let answer = house.json(Role::Admin, "POST", "/shodan/alert", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body:.60}");
        assert!(answer.error().contains(part), "{}", answer.error());
    }
    let many = vec!["192.0.2.1"; 10_001];
    let answer = house
        .json(Role::Admin, "POST", "/shodan/alert", &json!({"name": "a", "filters": {"ip": many}}))
        .await;
    assert!(answer.error().contains("10000 networks"), "{}", answer.error());
    let huge = json!({"name": "a".repeat(2 << 20)});
    assert_eq!(
        house.json(Role::Admin, "POST", "/shodan/alert", &huge).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for (form, part) in [
        ("provider=carrier-pigeon", "`provider`"),
        ("x=1", "`provider` is required"),
        ("provider=webhook", "url"),
        ("provider=webhook&url=http%3A%2F%2F127.0.0.1%2F", ""),
        ("provider=webhook&url=https%3A%2F%2Fx.example%2F&colour=red", "colour"),
        ("provider=email&to=a%40b.example", "email"),
    ] {
        let answer = house.form(Role::Admin, "/notifier", form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}");
        assert!(answer.error().contains(part), "{form}: {}", answer.error());
    }
    for (form, part) in [
        ("ips=198.51.100.1", "scope"),
        ("ips=", "`ips`"),
        ("ips=127.0.0.1&force=perhaps", "`force`"),
        ("ips=x+y", "`ips`"),
    ] {
        let answer = house.form(Role::Operator, "/shodan/scan", form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}");
        assert!(answer.error().contains(part), "{form}: {}", answer.error());
    }
    let answer = house.form(Role::Operator, "/shodan/scan/internet", "port=70000&protocol=http").await;
    assert!(answer.error().contains("`port`"));
}

#[tokio::test]
async fn a_scan_is_a_run_of_its_owner() {
    let house = House::ordinary();
    let begun = house
        .form(
            Role::Operator,
            "/shodan/scan",
            "ips=%7B%22127.0.0.1%22%3A%5B%5B1%2C%22http%22%5D%5D%7D&force=False",
        )
        .await;
    assert_eq!(begun.status, StatusCode::OK, "{:?}", begun.json());
    assert_eq!((begun.json()["count"].clone(), begun.json()["credits_left"].is_u64()), (json!(1), true));
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/shodan/scan/{id}");
    let status = house.ask(Role::Operator, "GET", &path).await.json();
    assert!(["QUEUE", "PROCESSING", "DONE"].contains(&status["status"].as_str().unwrap()), "{status}");
    let listed = house.ask(Role::Operator, "GET", "/shodan/scans").await.json();
    assert_eq!((listed["total"].clone(), listed["matches"][0]["id"].clone()), (json!(1), json!(id)));
    assert!(listed["matches"][0].get("api_key").is_none());
    assert_eq!(house.ask(Role::Analyst, "GET", &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ask(Role::Admin, "GET", &path).await.status, StatusCode::OK);
    for _ in 0..200 {
        if house.ask(Role::Operator, "GET", &path).await.json()["status"] == "DONE" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the scan of one closed port never ended");
}

#[tokio::test]
async fn pages_of_a_walk_neither_repeat_nor_skip_while_a_scan_writes() {
    use nightlatch_store::{Store, synthetic};
    let house = House::with(&synthetic::observations_of(7, 450, 450).collect::<Vec<_>>());
    let mut writer = house.store.clone();
    let mut seen = Vec::new();
    for page in 1..=5 {
        let found = house
            .get(&format!("/shodan/host/search?query=*&page={page}&fields=ip_str,port,_shodan.id"))
            .await;
        let found = found.json();
        assert_eq!(found["total"], 450, "page {page}");
        seen.extend(
            found["matches"].as_array().unwrap().iter().map(|banner| banner["_shodan"]["id"].to_string()),
        );
        let fresh: Vec<_> = synthetic::observations_of(page, 40, 40)
            .map(|mut one| {
                one.time = Timestamp::now();
                one.port = 40_000 + page as u16;
                one
            })
            .collect();
        writer.ingest(&fresh).unwrap();
        house.app.book().renew().unwrap();
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (450, 450));
    let again = house.get("/shodan/host/search?query=*&page=1").await.json();
    assert!(again["total"].as_u64().unwrap() > 450, "a new walk sees what was written");
}

#[tokio::test]
async fn a_key_has_few_scans_waiting() {
    let house = House::ordinary();
    // Ports that nobody listens at, on an address of loopback: a run of many is at it for a while, others wait.
    let mut begun = 0;
    loop {
        let answer = house.form(Role::Operator, "/shodan/scan", "ips=127.0.0.0%2F30").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(
                answer.headers.contains_key(header::RETRY_AFTER) && answer.error().contains("have not ended")
            );
            break;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.error());
        begun += 1;
        assert!(begun < 1000, "scans are without bound");
    }
    // Another key is not held up by it.
    assert_eq!(house.form(Role::Admin, "/shodan/scan", "ips=127.0.0.1").await.status, StatusCode::OK);
    for live in house.app.live_runs() {
        house.app.stop_run(&live.id);
    }
}
