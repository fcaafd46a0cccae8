//! `/products`: every fingerprint, and how many doors of each stand how far open.

use std::collections::BTreeMap;

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use nightlatch_asset::{Exposure, Field};

use super::overview::state_class;
use crate::{
    Web,
    charts::{self, Part, Svg},
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::{counted, thousands},
};

/// Ports that are listed.
const PORTS_MAX: usize = 6;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/products", get(products))
}

#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    href: String,
    ports: String,
    /// From the most open state to the least; empty cells for none.
    states: Vec<(String, String)>,
    total: String,
    svg: Svg,
    doors: u64,
    open: u64,
}

#[derive(Debug)]
struct Group {
    name: String,
    told: String,
    rows: Vec<Row>,
}

#[derive(Debug, Template)]
#[template(path = "products.html")]
struct Page {
    frame: Frame,
    count: usize,
    seen: usize,
    groups: Vec<Group>,
    unseen: Vec<Unseen>,
}

/// A product that was not seen.
#[derive(Debug)]
struct Unseen {
    name: String,
    ports: String,
}

impl Page {
    fn states(&self) -> impl Iterator<Item = Exposure> {
        Exposure::ALL.into_iter().rev()
    }
}

async fn products(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let book = web.shelf.clone().book(web.app.clone(), visit.now).await.map_err(|e| visit.fault(e))?;
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for entry in web.app.catalogue().entries() {
        let counts = book.fingerprints.get(entry.id()).copied().unwrap_or_default();
        let filter = link::filter(Field::Fingerprint, entry.id()).unwrap_or_default();
        let total: u64 = counts.iter().sum();
        let states = Exposure::ALL.into_iter().rev();
        let parts: Vec<Part> =
            states.clone().map(|s| Part { class: state_class(s), count: counts[s as usize] }).collect();
        let ports = entry.ports();
        let more = if ports.len() > PORTS_MAX { " …" } else { "" };
        let listed: Vec<String> = ports.iter().take(PORTS_MAX).map(ToString::to_string).collect();
        groups.entry(entry.group().to_owned()).or_default().push(Row {
            id: entry.id().to_owned(),
            name: entry.name().to_owned(),
            href: link::search(&filter),
            ports: format!("{}{more}", listed.join(" ")),
            states: states
                .map(|state| match counts[state as usize] {
                    0 => (String::new(), String::new()),
                    count => (thousands(count), link::search(&format!("{filter} exposure:{state}"))),
                })
                .collect(),
            total: thousands(total),
            svg: charts::bar(&parts, total),
            doors: total,
            open: counts[3] + counts[4],
        });
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(name, mut rows)| {
            rows.sort_by(|a, b| (b.open, b.doors, &a.name).cmp(&(a.open, a.doors, &b.name)));
            let doors = rows.iter().map(|row| row.doors).sum();
            let open = rows.iter().map(|row| row.open).sum();
            Group { name, told: format!("{}, {} open", counted(doors, "door"), thousands(open)), rows }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows.iter().map(|row| (row.open, row.doors)).max()));
    let count = groups.iter().map(|group| group.rows.len()).sum();
    let mut unseen = Vec::new();
    for group in &mut groups {
        let (seen, not): (Vec<Row>, Vec<Row>) =
            std::mem::take(&mut group.rows).into_iter().partition(|row| row.doors > 0);
        group.rows = seen;
        unseen.extend(not.into_iter().map(|row| Unseen { name: row.name, ports: row.ports }));
    }
    groups.retain(|group| !group.rows.is_empty());
    unseen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(show(&Page {
        frame: Frame::new(&visit, "/products", "Products"),
        count,
        seen: count - unseen.len(),
        groups,
        unseen,
    }))
}
