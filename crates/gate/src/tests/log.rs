use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use nightlatch_control::Role;
use serde_json::Value;
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::house::{House, settings};
use crate::logging::{LogFormat, start};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_who_asked_for_what_and_no_secret() {
    let page = Page::default();
    let (layer, logging) = start(LogFormat::Json, page.clone()).unwrap();
    // While there is only one subscriber, a call on a thread without it would silence that call for all threads.
    let _second = tracing::Dispatch::new(Registry::default());
    // The runtime of this test has one thread, so this is the log of everything but the blocking calls.
    let guard = tracing::subscriber::set_default(Registry::default().with(layer));
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Analyst);
    let (id, secret) = (&key[3..11], key.rsplit_once('_').unwrap().1);
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    house.get(&format!("/host/192.0.2.7?key={key}&query=secret-question"), &[trace]).await;
    house.get(&format!("/host/{key}"), &[]).await;
    house.get(&format!("/nowhere/{key}/x"), &[]).await;
    house.get(&format!("/host/1?key={}x", &key[..key.len() - 1]), &[]).await;
    house.get("/host/a%0Ab%1B[31m", &[]).await;
    house.post_form("/echo", &[], &format!("key={key}&a=b")).await;
    house.get("/echo", &[&format!("Authorization: Bearer {key}")]).await;
    house.get(&format!("/panic?key={key}"), &[]).await;
    let inside = house.post_form("/login", &[], &format!("key={key}")).await;
    let token = inside.cookie().rsplit_once('=').unwrap().1.to_owned();
    let csrf = house.get("/csrf", &[&inside.cookie()]).await.body;
    house.post_form("/change", &[&inside.cookie()], &format!("csrf={csrf}&a=b")).await;
    drop(guard);
    drop(logging);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    for word in [secret, "secret-question", &token, &csrf, &secret[..16]] {
        assert!(!text.contains(word), "{word} is in the log");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<&Value> = lines.iter().filter(|line| line["body"] == "request").collect();
    assert_eq!(requests.len(), 11, "{text}");
    let first = &requests[0]["attributes"];
    assert_eq!(first["http.request.method"], "GET");
    assert_eq!(first["url.path"], "/host/192.0.2.7");
    assert_eq!(first["http.route"], "/host/{ip}");
    assert_eq!(first["http.response.status_code"], 200);
    assert_eq!(first["client.address"], "127.0.0.1");
    assert_eq!(first["nightlatch.key_id"], id);
    assert!(first["http.server.request.duration"].as_f64().unwrap() > 0.0);
    assert_eq!(requests[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(requests[0]["span_id"], "00f067aa0ba902b7");
    assert_eq!(requests[1]["attributes"]["nightlatch.refused"], "no-key");
    assert_eq!(requests[1]["attributes"]["url.path"], format!("/host/nl_{id}_***"));
    let bug = lines.iter().find(|line| line["severity_text"] == "ERROR").unwrap();
    assert_eq!(bug["attributes"]["panic"], "on purpose");
    let login = lines.iter().find(|line| line["body"] == "audit").unwrap();
    assert_eq!(
        (&login["attributes"]["nightlatch.action"], &login["attributes"]["nightlatch.key_id"]),
        (&"login".into(), &id.into())
    );
}
