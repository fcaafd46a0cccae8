//! Stored attacks: no dialog, no script, no foreign request, no change of what the page looks like.

use nightlatch_asset::Observation;

use super::desk::{LIGHT, NARROW, at_desk};
use super::seen;

/// What must hold after a page with attacks was loaded and everything in it was opened, pointed at and focused.
const HARMLESS: &str = r#"
document.querySelectorAll("details").forEach((one) => { one.open = true; });
document.querySelectorAll("main *").forEach((one) => {
  for (const kind of ["mouseover", "mouseenter", "focus", "pointerdown"]) one.dispatchEvent(new Event(kind, { bubbles: true }));
});
const bad = [];
if (window.hit !== undefined) bad.push("a script ran");
for (const kind of ["iframe", "object", "embed", "base", "style", "math", "animate", "script:not([src])", "meta[http-equiv]", "[style]", "[srcdoc]"]) {
  if (document.querySelector(kind)) bad.push("there is a " + kind);
}
for (const one of document.querySelectorAll("*")) {
  for (const attribute of one.attributes) if (attribute.name.startsWith("on")) bad.push(attribute.name + " on " + one.tagName);
}
for (const one of document.querySelectorAll("a[href], area[href]")) {
  const href = one instanceof SVGElement ? new URL(one.href.baseVal, location) : new URL(one.href);
  if (href.origin !== location.origin && (href.protocol !== "https:" || one.rel !== "noopener noreferrer")) bad.push("link to " + href);
}
for (const one of document.querySelectorAll("form")) if (new URL(one.action).origin !== location.origin) bad.push("form to " + one.action);
if (document.styleSheets.length !== 1 || document.scripts.length !== 1) bad.push("other styles or scripts");
if (document.images.length !== 1) bad.push("other images");
if (!document.querySelector("h1").checkVisibility() || !document.querySelector("footer.foot").checkVisibility()) bad.push("the page is hidden");
if (/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]/.test(document.documentElement.textContent)) bad.push("invisible characters");
if (document.documentElement.scrollWidth > innerWidth) {
  const wide = [...document.querySelectorAll("main *")].filter((one) => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth);
  bad.push(`the page is ${document.documentElement.scrollWidth} wide: ` + wide.map((one) => `${one.tagName}.${one.className}`).join(" "));
}
if (document.title.length > 200 || !document.title.endsWith("Nightlatch")) bad.push("title " + document.title);
const covered = document.elementFromPoint(20, 20);
if (!covered || !covered.closest("header.top")) bad.push("something lies over the head of the page");
return bad;
"#;

#[test]
fn stored_attacks_do_nothing() {
    let attacks = seen::attacks();
    let observations: Vec<Observation> = attacks
        .iter()
        .enumerate()
        .map(|(at, attack)| seen::poisoned(&format!("192.0.2.{}", at + 1), attack))
        .collect();
    at_desk(&observations, async |desk| {
        desk.log_in().await;
        desk.requests().await;
        let mut paths: Vec<String> = [
            "/",
            "/search",
            "/search?page=2",
            "/search?page=3",
            "/search?view=history",
            "/products",
            "/reports",
            "/scope",
            "/runs",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend((1..=attacks.len()).map(|at| format!("/host/192.0.2.{at}")));
        // The address bar is foreign as well.
        for attack in &attacks {
            let encoded: String = attack.bytes().take(600).map(|byte| format!("%{byte:02x}")).collect();
            paths.push(format!("/search?q={encoded}"));
            paths.push(format!("/alerts/new?query={encoded}"));
        }
        let mut wrong = Vec::new();
        for path in paths {
            let screen = if path.starts_with("/host") { NARROW } else { LIGHT };
            desk.look_at(screen).await;
            desk.goto(&path).await;
            let found = desk.ask(HARMLESS).await;
            wrong.extend(found.as_array().unwrap().iter().map(|one| format!("{path}: {one}")));
            if let Ok(text) = desk.client.get_alert_text().await {
                wrong.push(format!("{path}: a dialog says {text}"));
            }
            wrong.extend(desk.complaints().await.into_iter().map(|one| format!("{path}: {one}")));
        }
        let base = desk.url("/");
        wrong.extend(
            desk.requests()
                .await
                .into_iter()
                .filter(|url| !url.starts_with(&base))
                .map(|url| format!("asked for {url}")),
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
