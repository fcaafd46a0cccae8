//! How pages look: light, dark and narrow; contrast, labels, nothing wider than the window, nothing refused.

use serde_json::Value;

use super::desk::{DARK, Desk, LIGHT, NARROW, NARROW_DARK, Screen, at_desk, at_prepared_desk};
use super::{findings, seen};

/// Every page.
const PAGES: [&str; 27] = [
    "/",
    "/search",
    "/search?q=exposure:%3E%3Dreadable",
    "/search?q=port:443+port:80",
    "/search?q=country:DE+prot:443",
    "/search?view=history&sort=newest",
    "/host/192.0.2.5",
    "/host/192.0.2.250",
    "/products",
    "/findings",
    "/findings?q=severity:critical+kind:Deployment",
    "/findings?q=is:mended",
    "/findings/1",
    "/rules/POD-001",
    "/runs",
    "/schedules",
    "/schedules/edit",
    "/scope",
    "/alerts",
    "/alerts/new",
    "/alerts/notifiers/new",
    "/reports",
    "/reports/owner.html",
    "/reports/landscape.html",
    "/keys",
    "/help",
    "/?said=saved",
];

/// Every text with too little contrast against what is really behind it, per WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for
/// large text. Colours are those that the browser computed.
const CONTRAST: &str = r#"
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (text) => {
  const numbers = text.match(/[\d.]+/g);
  if (!text.startsWith("rgb") || !numbers) throw new Error("colour " + text);
  return [+numbers[0], +numbers[1], +numbers[2], numbers[3] === undefined ? 1 : +numbers[3]];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
const behind = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
  const root = getComputedStyle(document.documentElement).colorScheme;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && root.includes("dark") || root === "dark";
  return layers.reverse().reduce((below, layer) => over(layer, below), dark ? [18, 18, 18] : [255, 255, 255]);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const bad = new Set();
let seen = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const style = getComputedStyle(element);
  if (!walker.currentNode.nodeValue.trim() || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
  if (element.closest(".unseen, .skip, title, desc, option, script, style")) continue;
  seen += 1;
  const ink = parse(element.closest("svg") ? style.fill : style.color);
  const ground = behind(element);
  const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || size >= 18.66 && +style.fontWeight >= 700;
  if (ratio < (large ? 3 : 4.5)) bad.add(`${ratio.toFixed(2)}: ${element.tagName}.${element.className} "${walker.currentNode.nodeValue.trim().slice(0, 30)}"`);
}
return { bad: [...bad], seen };
"#;

/// Fields without a name, buttons and links without a word, drawings without a description.
const NAMES: &str = r##"
const bad = [];
for (const field of document.querySelectorAll("input, select, textarea")) {
  if (field.type === "hidden") continue;
  const named = field.getAttribute("aria-label") || [...field.labels || []].some((label) => label.textContent.trim());
  if (!named) bad.push(field.outerHTML.slice(0, 120));
}
for (const one of document.querySelectorAll("a, button, summary")) {
  if (one.closest("svg")) { if (!one.querySelector("title")) bad.push("svg link"); continue; }
  const image = one.querySelector("img[alt]:not([alt=''])");
  if (!(one.getAttribute("aria-label") || one.textContent.trim() || image)) bad.push(one.outerHTML.slice(0, 120));
}
for (const one of document.querySelectorAll("svg")) {
  if (one.getAttribute("aria-hidden") !== "true" && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")) bad.push("svg without a name");
}
const marks = ["main", "h1"].filter((mark) => document.querySelectorAll(mark).length !== 1);
return bad.concat(marks.map((mark) => "not exactly one " + mark));
"##;

/// Boxes that are cut off although nothing lets one scroll to the rest.
const WIDER: &str = r#"
const root = document.documentElement;
const bad = root.scrollWidth > innerWidth ? [`the page is ${root.scrollWidth} wide in ${innerWidth}`] : [];
for (const one of document.querySelectorAll("main *")) {
  if (one.closest("svg, .scroll, .unseen, .offers, .side")) continue;
  const box = one.getBoundingClientRect();
  if (box.width > 1 && box.right > innerWidth + 1 && one.checkVisibility()) bad.push(`${one.tagName}.${one.className} ends at ${box.right}`);
}
for (const one of document.querySelectorAll(".scroll")) {
  if (one.scrollWidth > one.clientWidth && one.tabIndex < 0) bad.push("a table that scrolls and cannot be reached by keyboard");
}
return bad;
"#;

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

/// What is wrong with how a page of ours looks on a screen.
pub(crate) async fn faults(desk: &Desk, screen: Screen) -> Vec<String> {
    desk.look_at(screen).await;
    let mut found = list(&desk.ask(CONTRAST).await["bad"]);
    found.extend(list(&desk.ask(NAMES).await));
    found.extend(list(&desk.ask(WIDER).await));
    found
}

fn every_page_in(screens: &'static [Screen]) {
    at_prepared_desk(&seen::town(), findings::audited, async |desk| {
        let mut wrong = Vec::new();
        desk.goto("/login").await;
        for screen in screens {
            desk.look_at(*screen).await;
            let contrast = desk.ask(CONTRAST).await;
            wrong.extend(list(&contrast["bad"]).into_iter().map(|one| format!("/login {screen:?}: {one}")));
        }
        desk.log_in().await;
        desk.complaints().await;
        let mut texts = 0;
        for path in PAGES {
            desk.goto(path).await;
            let foreign_page = path.starts_with("/reports/");
            for screen in screens {
                desk.look_at(*screen).await;
                let contrast = desk.ask(CONTRAST).await;
                texts += contrast["seen"].as_u64().unwrap();
                let mut found = list(&contrast["bad"]);
                found.extend(list(&desk.ask(NAMES).await));
                if !foreign_page {
                    found.extend(list(&desk.ask(WIDER).await));
                }
                wrong.extend(found.into_iter().map(|one| format!("{path} {screen:?}: {one}")));
            }
            let expected_status = |one: &String| one.contains("status of 404") && path == "/host/192.0.2.250";
            let complaints = desk.complaints().await;
            wrong.extend(
                complaints
                    .into_iter()
                    .filter(|one| !expected_status(one))
                    .map(|one| format!("{path}: {one}")),
            );
        }
        assert!(texts > 2_000, "only {texts} texts were looked at");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let foreign: Vec<String> =
            desk.requests().await.into_iter().filter(|url| !url.starts_with(&desk.url("/"))).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    });
}

#[test]
fn every_page_reads_well_in_light_and_dark() {
    every_page_in(&[LIGHT, DARK]);
}

#[test]
fn every_page_fits_a_narrow_screen() {
    every_page_in(&[NARROW, NARROW_DARK]);
}

/// Asks for every address that the page links to here, each path at most three times, and tells what is not there.
const LINKS: &str = r#"
const bad = [];
for (const one of document.querySelectorAll("a[href]")) {
  const url = new URL(one instanceof SVGElement ? one.href.baseVal : one.href, location);
  const path = url.pathname.replace(/\/(host|runs|findings|rules)\/.*/, "/$1/");
  if (url.origin !== location.origin || url.pathname + url.search === location.pathname + location.search) continue;
  const known = JSON.parse(sessionStorage.getItem(path) ?? "[]");
  if (known.length >= 3 || known.includes(url.search)) continue;
  sessionStorage.setItem(path, JSON.stringify([...known, url.search]));
  const answer = await fetch(url);
  if (!answer.ok || answer.redirected) bad.push(`${answer.status} ${url}`);
  if (url.hash && answer.headers.get("content-type").startsWith("text/html")) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.getElementById(url.hash.slice(1))) bad.push(`no ${url.hash} in ${url.pathname}`);
  } else { await answer.body.cancel(); }
}
return bad;
"#;

#[test]
fn every_link_leads_somewhere() {
    at_prepared_desk(&seen::town(), findings::audited, async |desk| {
        desk.log_in().await;
        let mut wrong = Vec::new();
        for path in PAGES {
            desk.goto(path).await;
            let found = desk.ask(&format!("return (async () => {{ {LINKS} }})()")).await;
            wrong.extend(list(&found).into_iter().map(|one| format!("{path}: {one}")));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let paths = desk.ask("return sessionStorage.length").await;
        assert!(paths.as_u64().unwrap() > 20, "only {paths} paths were followed");
    });
}

#[test]
fn the_switch_of_colours_works_without_script_and_wins_over_the_system() {
    at_desk(&[], async |desk| {
        desk.log_in().await;
        desk.look_at(LIGHT).await;
        desk.tool("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true })).await;
        desk.goto("/help").await;
        let ground = "return getComputedStyle(document.body).backgroundColor";
        let light = desk.ask(ground).await;
        let switch = fantoccini::Locator::Css("form[action='/theme'] button");
        desk.follow(switch).await;
        assert_eq!(desk.client.current_url().await.unwrap().path(), "/help", "one stays where one was");
        let dark = desk.ask(ground).await;
        assert_ne!(light, dark);
        desk.follow(switch).await;
        desk.look_at(DARK).await;
        assert_eq!(desk.ask(ground).await, light, "light was chosen, whatever the system says");
    });
}
