//! What hands do: keyboard and mouse, with script and without.

use fantoccini::{Locator, key::Key};
use serde_json::json;

use super::desk::{Desk, LIGHT, at_desk};
use super::seen;

async fn press(desk: &Desk, keys: &str) {
    desk.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

fn key(key: Key) -> String {
    char::from(key).to_string()
}

#[test]
fn the_keyboard_reaches_everything() {
    at_desk(&seen::town(), async |desk| {
        desk.look_at(LIGHT).await;
        desk.log_in().await;
        desk.goto("/search").await;
        press(desk, &key(Key::Tab)).await;
        desk.wait("const a = document.activeElement; return a.className === 'skip' && a.getBoundingClientRect().top >= 0").await;
        press(desk, &key(Key::Enter)).await;
        desk.wait("return document.activeElement.id === 'main'").await;
        press(desk, "/").await;
        desk.wait("return document.activeElement.id === 'query'").await;
        assert_eq!(desk.ask("return document.activeElement.value").await, "", "the slash is not typed");

        press(desk, "expos").await;
        desk.wait("return document.activeElement.getAttribute('aria-expanded') === 'true'").await;
        assert_eq!(
            desk.ask("return document.querySelector('main [role=listbox] [role=option] span').textContent")
                .await,
            "exposure:"
        );
        press(desk, &key(Key::Down)).await;
        desk.wait("return document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.getAttribute('aria-selected') === 'true'").await;
        press(desk, &key(Key::Enter)).await;
        desk.wait("return document.activeElement.value === 'exposure:'").await;
        press(desk, "r").await;
        desk.wait("return document.querySelector('main [role=option] span')?.textContent === 'readable'")
            .await;
        press(desk, &key(Key::Down)).await;
        press(desk, &key(Key::Tab)).await;
        desk.wait("return document.activeElement.value === 'exposure:readable '").await;
        press(desk, "product:gr").await;
        desk.wait("return [...document.querySelectorAll('main [role=option] span')].some((s) => s.textContent.includes('grafana'))").await;
        press(desk, &key(Key::Escape)).await;
        desk.wait("return document.activeElement.getAttribute('aria-expanded') === 'false'").await;
        press(desk, &key(Key::Enter)).await;
        desk.wait("return location.search.includes('exposure%3Areadable')").await;

        // From the top of a page, Tab goes through everything that can be used, and one sees where one is.
        desk.goto("/alerts/new").await;
        let script = "const a = document.activeElement; if (!a || a === document.body) return 'body';
            const s = getComputedStyle(a); const box = a.getBoundingClientRect();
            const shown = a.type === 'radio' || a.type === 'checkbox' || parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== 'none';
            return shown && box.width > 0 && box.bottom > 0 && box.top < innerHeight ? a.tagName + '#' + a.id + '.' + (a.name || a.className) : 'unseen: ' + a.outerHTML.slice(0, 100)";
        let mut visited = Vec::new();
        for _ in 0..90 {
            press(desk, &key(Key::Tab)).await;
            let here = desk.ask(script).await.as_str().unwrap().to_owned();
            assert!(!here.starts_with("unseen"), "{here}");
            if here == "body" || visited.first() == Some(&here) {
                break;
            }
            visited.push(here);
        }
        for wanted in
            ["A#.skip", "INPUT#find.q", "INPUT#name.name", "INPUT#alert-query.query", "BUTTON#.main"]
        {
            assert!(visited.iter().any(|one| one == wanted), "{wanted} is not among {visited:?}");
        }
    });
}

#[test]
fn everything_works_without_script() {
    at_desk(&seen::town(), async |desk| {
        desk.look_at(LIGHT).await;
        desk.tool("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        desk.log_in().await;
        desk.goto("/search").await;
        let field = desk.client.find(Locator::Css("#query")).await.unwrap();
        field.send_keys("exposure:>=readable").await.unwrap();
        desk.follow(Locator::Css(".asks button")).await;
        let heading = desk.client.find(Locator::Css("main h2")).await.unwrap().text().await.unwrap();
        assert_eq!(heading, "24 services on 24 hosts");
        desk.follow(Locator::LinkText("Redis")).await;
        let here = desk.client.current_url().await.unwrap();
        assert_eq!(here.query(), Some("q=exposure%3A%3E%3Dreadable+product%3A%3D%22redis%22"));
        let chips = desk.client.find_all(Locator::Css(".chip")).await.unwrap();
        assert_eq!(chips.len(), 2);
        let without = chips[1].find(Locator::Css("a")).await.unwrap();
        desk.follow_by(without).await;
        assert_eq!(desk.client.find_all(Locator::Css(".chip")).await.unwrap().len(), 1);

        desk.goto("/keys").await;
        desk.client.find(Locator::Css("#label")).await.unwrap().send_keys("ci").await.unwrap();
        desk.follow(Locator::XPath("//button[text()='Make the key']")).await;
        let made = desk.client.find(Locator::Css("#made")).await.unwrap().text().await.unwrap();
        assert!(made.starts_with("nl_"), "{made}");
        desk.client.find(Locator::Css("details.act summary")).await.unwrap().click().await.unwrap();
        desk.follow(Locator::XPath("//button[text()='Revoke for good']")).await;
        let said = desk.client.find(Locator::Css("[role=status]")).await.unwrap().text().await.unwrap();
        assert!(said.contains("revoked"), "{said}");

        desk.follow(Locator::Css("form[action='/logout'] button")).await;
        assert_eq!(desk.client.current_url().await.unwrap().path(), "/login");
        desk.goto("/keys").await;
        assert_eq!(desk.client.current_url().await.unwrap().path(), "/login", "the session is over");
    });
}

#[test]
fn a_run_is_started_watched_and_found_again() {
    at_desk(&[], async |desk| {
        desk.look_at(LIGHT).await;
        desk.log_in().await;
        desk.goto("/runs").await;
        desk.client.find(Locator::Css("#targets")).await.unwrap().send_keys("127.0.0.9").await.unwrap();
        desk.client.find(Locator::Css("#ports")).await.unwrap().send_keys("1-2000").await.unwrap();
        desk.client.find(Locator::Css("#rate")).await.unwrap().send_keys("400").await.unwrap();
        desk.follow(Locator::XPath("//button[text()='Start']")).await;
        desk.wait(
            "return document.querySelector('[data-live] .meta')?.textContent.includes('endpoints') ?? false",
        )
        .await;
        let before = desk.ask("return document.querySelector('[data-live]').textContent").await;
        desk.ask("window.sameVisit = true").await;
        // The numbers move without the page being loaded again.
        let script = format!("return document.querySelector('#live').textContent !== {before}");
        desk.wait(&script).await;
        assert_eq!(desk.ask("return window.sameVisit").await, true);
        let stop = Locator::XPath("//button[text()='Stop']");
        desk.follow(stop).await;
        let began = std::time::Instant::now();
        loop {
            desk.client.refresh().await.unwrap();
            let badge = desk.client.find(Locator::Css(".head .badge")).await.unwrap().text().await.unwrap();
            if badge == "stopped" || badge == "finished" {
                break;
            }
            assert!(began.elapsed() < super::desk::PATIENCE, "the run is {badge}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        assert_eq!(desk.complaints().await, Vec::<String>::new());
    });
}
