//! Our own routes through the real gate.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use nightlatch_control::Role;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn every_address_that_reads_answers() {
    let house = House::ordinary();
    let found = house.get("/api/v1/observations/search?limit=1").await.json();
    let seen = &found["observations"][0]["observation"];
    let (ip, port) = (seen["ip"].as_str().unwrap(), &seen["port"]);
    for path in [
        "/api/v1/me",
        "/api/v1/observations/search?query=port:1-65535&sort=severity&limit=10",
        "/api/v1/observations/count?query=exposure:%3E%3Dreadable",
        "/api/v1/observations/facets?fields=product:10,port",
        "/api/v1/observations/histogram?step=month&query=history:true",
        &format!("/api/v1/hosts/{ip}?history=true"),
        &format!("/api/v1/endpoints/{ip}/{port}/tcp"),
        "/api/v1/fields",
        "/api/v1/complete?prefix=expo",
        "/api/v1/products",
        "/api/v1/triggers",
        "/api/v1/events?since=2026-01-01T00:00:00Z&ip=192.0.2.1&state=confirmed",
        "/api/v1/findings?query=severity:%3E%3Dlow&limit=3&state=all",
        "/api/v1/runs",
        "/api/v1/schedules",
        "/api/v1/scope",
        "/api/v1/scope/192.0.2.1",
        "/api/v1/alerts",
        "/api/v1/notifiers",
        "/api/v1/queries",
        "/api/v1/queries/builtin00",
        "/api/v1/reports/owners?format=json",
        "/api/v1/reports/landscape",
        "/api/v1/openapi.json",
    ] {
        let answer = house.ask(Role::Viewer, "GET", path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{path}");
        answer.json();
    }
    for path in ["/api/v1/keys", "/api/v1/audit?limit=3", "/api/v1/deliveries?state=dead"] {
        assert_eq!(house.get(path).await.status, StatusCode::OK, "{path}");
        let refused = house.ask(Role::Viewer, "GET", path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(refused.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    for (path, kind) in [
        ("/api/docs", "text/html; charset=utf-8"),
        ("/api/docs.css", "text/css; charset=utf-8"),
        ("/api/v1/reports/owners?format=csv", "text/csv; charset=utf-8"),
        ("/api/v1/reports/landscape?format=markdown", "text/markdown; charset=utf-8"),
    ] {
        let answer = house.get(path).await;
        assert_eq!(
            (answer.status, &answer.headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &kind.parse().unwrap())
        );
    }
}

#[tokio::test]
async fn mistakes_are_problems_with_a_name() {
    let house = House::ordinary();
    for (method, path, status, part) in [
        ("GET", "/api/v1/observations/search?qery=x", 400, "did you mean `query`?"),
        ("GET", "/api/v1/observations/search?query=contry:DE", 400, "did you mean `country`?"),
        ("GET", "/api/v1/observations/search?limit=0", 400, "`limit`"),
        ("GET", "/api/v1/observations/search?limit=100000", 400, "from 1 to 1000"),
        ("GET", "/api/v1/observations/search?cursor=zzz", 400, "`cursor`"),
        ("GET", "/api/v1/observations/search?sort=best", 400, "newest, oldest"),
        ("GET", "/api/v1/observations/search?limit=1&limit=2", 400, "given twice"),
        ("GET", "/api/v1/observations/facets", 400, "`fields` is required"),
        ("GET", "/api/v1/observations/facets?fields=nosuch", 400, "unknown facet"),
        ("GET", "/api/v1/observations/histogram?step=week", 400, "hour, day, month"),
        ("GET", "/api/v1/hosts/x", 400, "`ip` must be an address"),
        ("GET", "/api/v1/hosts/192.0.2.250", 404, "nothing was seen"),
        ("GET", "/api/v1/endpoints/192.0.2.250/70000/tcp", 400, "`port`"),
        ("GET", "/api/v1/endpoints/192.0.2.250/1/icmp", 400, "`transport`"),
        ("GET", "/api/v1/endpoints/192.0.2.250/1/tcp", 404, "nothing was seen"),
        ("GET", "/api/v1/events?since=yesterday", 400, "`since`"),
        ("GET", "/api/v1/findings?severity=worst", 400, "`severity`"),
        ("GET", "/api/v1/findings?state=gone", 400, "open, mended, exempt, all"),
        ("GET", "/api/v1/findings?query=color:red", 400, "no field `color`"),
        ("GET", "/api/v1/findings?rule=,", 400, "`rule`"),
        ("GET", "/api/v1/findings?limit=0", 400, "`limit`"),
        ("GET", "/api/v1/findings?cursor=zzz", 400, "`cursor`"),
        ("GET", "/api/v1/findings?ruel=POD-001", 400, "did you mean `rule`?"),
        ("GET", "/api/v1/findings/7", 404, "no finding"),
        ("GET", "/api/v1/findings/x", 400, "must be a number"),
        ("GET", "/api/v1/runs/nosuch", 404, "no run"),
        ("POST", "/api/v1/runs/nosuch/stop", 404, "no run"),
        ("POST", "/api/v1/runs/nosuch/resume", 404, "no run"),
        ("GET", "/api/v1/schedules/nosuch", 404, "no schedule"),
        ("DELETE", "/api/v1/schedules/nosuch", 404, "no schedule"),
        ("GET", "/api/v1/alerts/nosuch", 404, "no alert"),
        ("GET", "/api/v1/notifiers/nosuch", 404, "no notifier"),
        ("POST", "/api/v1/deliveries/9/retry", 409, "no delivery 9"),
        ("POST", "/api/v1/deliveries/x/retry", 404, "no delivery"),
        ("DELETE", "/api/v1/keys/nosuch", 404, "no key"),
        ("DELETE", "/api/v1/queries/builtin00", 400, "comes with the program"),
        ("GET", "/api/v1/nosuch", 404, "nothing at this address"),
        ("DELETE", "/api/v1/me", 405, "method"),
        ("POST", "/api/v1/runs", 415, "application/json"),
    ] {
        let answer = house.ask(Role::Admin, method, path).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(part), "{method} {path}: {problem}");
        assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!("about:blank")));
    }
    let stranger = Request::get("/api/v1/me").body(Body::empty()).unwrap();
    let answer = house.send(stranger).await;
    assert_eq!((answer.status, answer.json()["status"].clone()), (StatusCode::UNAUTHORIZED, json!(401)));
}

#[tokio::test]
async fn pages_by_cursor_are_the_whole_in_every_order() {
    let house = House::ordinary();
    for sort in ["newest", "oldest", "address", "severity"] {
        let (mut cursor, mut seen, mut total) = (String::new(), Vec::new(), 0);
        loop {
            let path = format!(
                "/api/v1/observations/search?query=history:true&sort={sort}&limit=17&cursor={cursor}"
            );
            let page = house.get(&path).await.json();
            total = page["total"].as_u64().unwrap_or(total);
            seen.extend(
                page["observations"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()),
            );
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen.len() as u64, total, "{sort}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len() as u64, total, "{sort}");
    }
    let other =
        house.get("/api/v1/observations/search?limit=5").await.json()["next"].as_str().unwrap().to_owned();
    let answer = house.get(&format!("/api/v1/observations/search?query=port:1&cursor={other}")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "a cursor is of one question");
}

/// Keeps an audit of `repo` with a finding for each rule and namespace.
fn store_audit(house: &House, second: i64, findings: &[(&str, &str, &str)]) {
    let findings: Vec<Value> = findings
        .iter()
        .map(|(rule, severity, namespace)| {
            json!({
                "rule": rule, "name": "pod/x", "severity": severity, "message": "it is so",
                "subject": {"api_version": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": "web"},
                "location": {"file": "web.yaml", "line": 1, "column": 1, "end_line": 1, "end_column": 2},
                "fix": {"text": "mend it", "edits": [{"file": "web.yaml", "start": 1, "end": 2, "text": "x"}]},
                "related": [{"message": "here"}], "fingerprint": format!("{rule}{namespace}"),
            })
        })
        .collect();
    let input =
        json!({"sources": 1, "bytes": 1, "documents": 1, "objects": 1, "workloads": 1, "unknown": {}});
    let report =
        json!({"profile": "default", "findings": findings, "rules": [], "notices": [], "input": input});
    let report = serde_json::from_value(report).unwrap();
    house.app.control().store_audit("repo", &report, jiff::Timestamp::from_second(second).unwrap()).unwrap();
}

#[tokio::test]
async fn findings_are_asked_for_and_paged() {
    let house = House::with(&[]);
    let all = [("POD-001", "critical", "shop"), ("POD-005", "high", "ops"), ("POD-018", "low", "ops")];
    store_audit(&house, 1, &all);
    store_audit(&house, 2, &all[..2]);
    let rules = |answer: &Value| -> Vec<String> {
        let found = answer["findings"].as_array().unwrap();
        found.iter().map(|one| one["finding"]["rule"].as_str().unwrap().to_owned()).collect()
    };
    for (asked, expected) in [
        ("", vec!["POD-001", "POD-005"]),
        ("?state=open", vec!["POD-001", "POD-005"]),
        ("?state=mended", vec!["POD-018"]),
        ("?state=exempt", vec![]),
        ("?state=all", vec!["POD-001", "POD-005", "POD-018"]),
        ("?query=is:mended", vec!["POD-018"]),
        ("?severity=critical", vec!["POD-001"]),
        ("?severity=%3E%3Dhigh&namespace=ops", vec!["POD-005"]),
        ("?rule=POD-00*&kind=Deployment&name=web&input=repo", vec!["POD-001", "POD-005"]),
        ("?rule=POD-001,POD-005&namespace=ops", vec!["POD-005"]),
        ("?query=nosuchword", vec![]),
        ("?namespace=%25", vec![]),
    ] {
        let answer = house.ask(Role::Viewer, "GET", &format!("/api/v1/findings{asked}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{asked}");
        let answer = answer.json();
        assert_eq!(rules(&answer), expected, "{asked}");
        assert_eq!(answer["total"], expected.len(), "{asked}");
        for found in answer["findings"].as_array().unwrap() {
            crate::own::read_finding(&found["finding"]);
            let one = house.get(&format!("/api/v1/findings/{}", found["id"])).await.json();
            assert_eq!(&one, found);
        }
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/findings?state=all&limit=2".to_owned();
    loop {
        let page = house.get(&path).await.json();
        seen.extend(rules(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/findings?state=all&limit=2&cursor={next}");
    }
    assert_eq!(seen, ["POD-001", "POD-005", "POD-018"]);
    let other = path.replace("state=all", "state=open");
    assert_eq!(house.get(&other).await.status, StatusCode::BAD_REQUEST, "a cursor is of one question");
    let strange = house.router.clone();
    let request = Request::builder().uri("/api/v1/findings").body(Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(strange, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_export_is_what_the_banner_reader_reads() {
    let house = House::ordinary();
    let total =
        house.get("/api/v1/observations/count?query=history:true").await.json()["total"].as_u64().unwrap();
    let answer = house.ask(Role::Viewer, "GET", "/api/v1/observations/export?query=history:true").await;
    assert_eq!(
        (answer.status, answer.headers[header::CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "application/gzip")
    );
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(answer.body.as_slice()), &mut lines)
        .unwrap();
    assert_eq!(lines.lines().count() as u64, total);
    let reader = nightlatch_banner::Reader::new(answer.body.as_slice()).unwrap();
    let read = reader.collect::<Result<Vec<_>, _>>().unwrap();
    assert!(read.len() as u64 >= total, "sightings are read back as well");
}

#[tokio::test]
async fn those_who_export_slowly_leave_room_for_others() {
    // More than fits into the queue of one export, compressed.
    let noise = |number: u64| {
        let mut draw = nightlatch_store::synthetic::Draw::of(&[number]);
        (0..2000).map(|_| format!("{:016x}", draw.next_u64())).collect::<String>()
    };
    let book: Vec<_> = nightlatch_store::synthetic::observations_of(7, 120, 120)
        .zip(0..)
        .map(|(mut seen, number)| {
            seen.data = noise(number).into();
            seen
        })
        .collect();
    let house = House::with(&book);
    let mut slow = Vec::new();
    loop {
        let request = house.request(Role::Viewer, "GET", "/api/v1/observations/export?query=history:true");
        let response = tower::ServiceExt::oneshot(house.router.clone(), request.body(Body::empty()).unwrap());
        let response = response.await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            break;
        }
        slow.push(response);
        assert!(slow.len() < 100, "exports are without bound");
    }
    assert_eq!(house.get("/api/v1/observations/count").await.status, StatusCode::OK);
    drop(slow);
    // Their threads see that nobody takes anything any more.
    for _ in 0..100 {
        if house.ask(Role::Viewer, "GET", "/api/v1/reports/landscape").await.status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the room was never given back");
}

#[tokio::test]
async fn alerts_notifiers_and_queries_are_made_and_forgotten() {
    let house = House::ordinary();
    let post = |path: &'static str, body: Value| {
        let house = &house;
        async move { house.json(Role::Analyst, "POST", path, &body).await }
    };
    let notifier =
        post("/api/v1/notifiers", json!({"provider": "pagerduty", "args": {"routing_key": "abc123"}})).await;
    assert_eq!(notifier.status, StatusCode::CREATED, "{}", notifier.json());
    assert!(!notifier.json().to_string().contains("abc123"));
    let nid = notifier.json()["id"].as_str().unwrap().to_owned();
    let spec = json!({
        "name": "a", "networks": ["192.0.2.0/24"], "query": "exposure:>=readable", "notifiers": [nid],
        "triggers": {"exposed": {"ignore": [{"ip": "192.0.2.1", "port": 443}]}, "any": {}},
    });
    let alert = post("/api/v1/alerts", spec.clone()).await;
    assert_eq!(alert.status, StatusCode::CREATED, "{}", alert.json());
    serde_json::from_value::<nightlatch_alert::Alert>(alert.json()).unwrap();
    let path = format!("/api/v1/alerts/{}", alert.json()["id"].as_str().unwrap());
    let mut other = spec.clone();
    other["name"] = json!("b");
    let changed = house.json(Role::Analyst, "PUT", &path, &other).await.json();
    assert_eq!((&changed["name"], &changed["id"]), (&json!("b"), &alert.json()["id"]));
    assert_eq!(house.ask(Role::Operator, "GET", &path).await.status, StatusCode::NOT_FOUND);
    for (change, part) in [
        (json!({"colour": "red"}), "unknown field `colour`"),
        (json!({"networks": ["x"]}), "`networks`"),
        (json!({"query": "nosuch:1"}), "unknown field"),
        (json!({"triggers": {"new_servce": {}}}), "did you mean `new_service`?"),
        (json!({"notifiers": ["nosuch"]}), "no notifier"),
        (json!({"networks": [], "query": null}), "needs networks or a query"),
        (json!({"expires": -1}), "the body"),
    ] {
        let mut wrong = spec.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = post("/api/v1/alerts", wrong).await;
        assert!(answer.status.is_client_error(), "{change}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{change}: {}", answer.json());
    }
    let del = |path: String| {
        let house = &house;
        async move { house.ask(Role::Analyst, "DELETE", &path).await.status }
    };
    assert_eq!(del(format!("/api/v1/notifiers/{nid}")).await, StatusCode::NO_CONTENT);
    assert_eq!(house.ask(Role::Analyst, "GET", &path).await.json()["notifiers"], json!([]));
    assert_eq!(del(path.clone()).await, StatusCode::NO_CONTENT);
    assert_eq!(del(path).await, StatusCode::NOT_FOUND);

    let query = post("/api/v1/queries", json!({"title": "t", "query": "port:1", "tags": ["x"]})).await;
    assert_eq!(query.status, StatusCode::CREATED);
    let path = format!("/api/v1/queries/{}", query.json()["id"].as_str().unwrap());
    assert_eq!(house.ask(Role::Operator, "DELETE", &path).await.status, StatusCode::FORBIDDEN);
    let listed = house.get("/shodan/query/search?query=port:1").await.json();
    assert_eq!(listed["matches"][0]["title"], "t");
    assert_eq!(del(path).await, StatusCode::NO_CONTENT);
    assert_eq!(
        post("/api/v1/queries", json!({"title": "t", "query": "("})).await.status,
        StatusCode::BAD_REQUEST
    );
    let log = house.get("/api/v1/audit").await.json();
    let actions: Vec<&str> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["alert.create", "alert.change", "alert.remove", "notifier.remove", "query.create"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    assert!(!log.to_string().contains("abc123"));
}

#[tokio::test]
async fn keys_schedules_and_runs_are_for_those_who_may() {
    let house = House::ordinary();
    let spec = json!({"label": "ci", "role": "viewer", "results_max": 50});
    assert_eq!(house.json(Role::Operator, "POST", "/api/v1/keys", &spec).await.status, StatusCode::FORBIDDEN);
    let made = house.json(Role::Admin, "POST", "/api/v1/keys", &spec).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let (id, text) = (made.json()["key"]["id"].clone(), made.json()["text"].as_str().unwrap().to_owned());
    let with = |path: &str| {
        Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {text}"))
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(house.send(with("/api/v1/me")).await.json()["results_max"], 50);
    // Never silently less than there is.
    let limited = house.send(with("/api/v1/observations/export")).await;
    assert!(limited.json()["detail"].as_str().unwrap().contains("at most 50"), "{}", limited.json());
    let page = house.send(with("/shodan/host/search?query=*")).await;
    assert!(page.error().contains("at most 50"), "{}", page.error());
    let path = format!("/api/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(house.ask(Role::Admin, "DELETE", &path).await.status, StatusCode::NO_CONTENT);
    assert!(house.get(&path).await.json()["revoked"].is_string());
    let own = house.get("/api/v1/me").await.json()["key"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        house.ask(Role::Admin, "DELETE", &format!("/api/v1/keys/{own}")).await.status,
        StatusCode::CONFLICT
    );
    for wrong in [
        json!({"label": "", "role": "viewer"}),
        json!({"label": "x", "role": "king"}),
        json!({"label": "x", "role": "viewer", "expires": "2020-01-01T00:00:00Z"}),
        json!({"label": "x", "role": "viewer", "results_max": 0}),
        json!({"label": "x", "role": "viewer", "more": 1}),
    ] {
        assert_eq!(
            house.json(Role::Admin, "POST", "/api/v1/keys", &wrong).await.status,
            StatusCode::BAD_REQUEST
        );
    }

    let schedule = json!({"name": "nightly", "every": "24h", "targets": ["127.0.0.1"], "enabled": false});
    assert_eq!(
        house.json(Role::Analyst, "POST", "/api/v1/schedules", &schedule).await.status,
        StatusCode::FORBIDDEN
    );
    let made = house.json(Role::Operator, "POST", "/api/v1/schedules", &schedule).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    assert_eq!(
        house.json(Role::Operator, "POST", "/api/v1/schedules", &schedule).await.status,
        StatusCode::CONFLICT
    );
    let path = "/api/v1/schedules/nightly";
    assert_eq!(house.json(Role::Operator, "PUT", path, &schedule).await.status, StatusCode::OK);
    assert_eq!(house.ask(Role::Operator, "DELETE", path).await.status, StatusCode::NO_CONTENT);

    let outside =
        house.json(Role::Operator, "POST", "/api/v1/runs", &json!({"targets": ["198.51.100.1"]})).await;
    assert_eq!(outside.status, StatusCode::BAD_REQUEST);
    assert!(outside.json()["detail"].as_str().unwrap().contains("scope"));
    let begun = house
        .json(Role::Operator, "POST", "/api/v1/runs", &json!({"targets": ["127.0.0.1"], "ports": "1"}))
        .await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.json());
    let run = house.get(&format!("/api/v1/runs/{}", begun.json()["id"].as_str().unwrap())).await;
    assert_eq!(run.status, StatusCode::OK);
    assert!(run.json()["run"].get("scope_path").is_none(), "no paths of the machine");
    let huge =
        house.json(Role::Operator, "POST", "/api/v1/runs", &json!({"ports": "1".repeat(2 << 20)})).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
}
