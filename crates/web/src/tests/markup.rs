//! Whether a page is what it should be, as a strict reader sees it.

use std::collections::{BTreeMap, BTreeSet};

/// An element: its name and attributes.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    /// Whether it stands inside a `label`.
    labelled: bool,
}

const EMPTY: [&str; 5] = ["meta", "link", "input", "img", "br"];

/// Elements that pages are made of; anything else came from outside.
const KNOWN: [&str; 71] = [
    "a", "abbr", "article", "aside", "b", "body", "br", "button", "caption", "circle", "code", "dd", "desc",
    "details", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "g", "h1", "h2", "h3", "head",
    "header", "html", "img", "input", "kbd", "label", "legend", "li", "link", "main", "mark", "meta", "nav",
    "ol", "option", "p", "path", "pre", "rect", "script", "section", "select", "span", "summary", "svg",
    "table", "tbody", "td", "text", "textarea", "th", "thead", "time", "title", "tr", "ul", "defs", "line",
    "polyline", "tspan", "small", "strong", "em", "i", "hr",
];

/// Reads a page into its elements; panics where a browser would have to guess.
pub(super) fn read(page: &str) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a `>` outside a tag: {}", &rest[..at]);
        rest = &rest[at + 1..];
        let end = tag_end(rest);
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name.trim()), "`</{name}>` closes something else");
            continue;
        }
        let closed = tag.ends_with('/');
        let element = element(tag.trim_end_matches('/'), open.iter().any(|name| name == "label"));
        if !closed && !EMPTY.contains(&element.name.as_str()) {
            open.push(element.name.clone());
        }
        elements.push(element);
    }
    assert!(open.is_empty(), "{open:?} stay open");
    elements
}

fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (at, c) in tag.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            '<' => panic!("`<` inside a tag: {}", &tag[..at]),
            _ => {}
        }
    }
    panic!("a tag without an end: {}", tag.chars().take(80).collect::<String>());
}

fn element(tag: &str, labelled: bool) -> Element {
    let name: String = tag.chars().take_while(|c| !c.is_whitespace()).collect();
    let mut attributes = BTreeMap::new();
    let mut rest = tag[name.len()..].trim();
    while !rest.is_empty() {
        let key: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '=').collect();
        assert!(
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
            "attribute `{key}` in {tag}"
        );
        rest = &rest[key.len()..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"').unwrap();
            value = quoted[..end].to_owned();
            rest = &quoted[end + 1..];
        }
        assert!(!rest.starts_with('='), "an unquoted value in {tag}");
        assert!(attributes.insert(key.clone(), value).is_none(), "`{key}` twice in {tag}");
        rest = rest.trim_start();
    }
    Element { name, attributes, labelled }
}

/// Everything that must hold for every page.
pub(super) fn check(page: &str) {
    let elements = read(page);
    let ids: Vec<&str> = elements.iter().filter_map(|e| e.attributes.get("id")).map(String::as_str).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id stands twice: {ids:?}");
    let labels: BTreeSet<&str> = elements
        .iter()
        .filter(|e| e.name == "label")
        .filter_map(|e| e.attributes.get("for"))
        .map(String::as_str)
        .collect();
    for element in &elements {
        let attribute = |name: &str| element.attributes.get(name).map(String::as_str);
        assert!(KNOWN.contains(&element.name.as_str()), "an element of elsewhere: {element:?}");
        for name in element.attributes.keys() {
            assert!(!name.starts_with("on") && name != "style", "{element:?}");
        }
        for (name, value) in &element.attributes {
            if matches!(name.as_str(), "href" | "src" | "action" | "formaction") {
                check_link(element, value);
            }
            if matches!(name.as_str(), "aria-labelledby" | "aria-controls" | "for" | "data-copy") {
                assert!(unique.contains(value.as_str()), "{element:?} points to nothing");
            }
        }
        let shown = attribute("type") != Some("hidden");
        if matches!(element.name.as_str(), "input" | "select" | "textarea") && shown {
            let named = attribute("id").is_some_and(|id| labels.contains(id)) || element.labelled;
            assert!(named, "{element:?} has no label");
        }
        if element.name == "svg" {
            let hidden = attribute("aria-hidden") == Some("true");
            assert!(
                hidden || attribute("role") == Some("img") && attribute("aria-label").is_some(),
                "{element:?}"
            );
        }
        if element.name == "th" {
            assert!(attribute("scope").is_some(), "{element:?}");
        }
        if element.name == "img" {
            assert!(attribute("alt").is_some(), "{element:?}");
        }
        if element.name == "form" && attribute("method") == Some("post") {
            assert!(page.contains("name=\"csrf\"") || attribute("action") == Some("/login"), "{element:?}");
        }
    }
    let count = |name: &str| elements.iter().filter(|e| e.name == name).count();
    assert_eq!((count("h1"), count("main")), (1, 1));
    let svg_titles = page.matches("<title>").count() - 1;
    assert!(count("title") == svg_titles + 1);
}

fn check_link(element: &Element, value: &str) {
    let own = value.starts_with('/') && !value.starts_with("//") || value.starts_with('#');
    let outside = value.starts_with("https://")
        && element.attributes.get("rel").map(String::as_str) == Some("noopener noreferrer");
    assert!(own || outside, "{element:?}");
}
