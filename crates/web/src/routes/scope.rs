//! `/scope`: what may be scanned, whose it is, what they agreed to, and what of it was seen.

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use nightlatch_asset::Field;
use nightlatch_scope::{Block, Family, Scope};
use nightlatch_store::{Snapshot, StoreError};

use crate::{
    Web, ask,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::{percent, thousands},
};

/// Blocks of a page; who has more reads the file.
const BLOCKS_MAX: usize = 200;
/// Networks of a block that are listed.
const NETS_MAX: usize = 12;
/// Exclusions that are listed.
const EXCLUDED_MAX: usize = 60;
/// Owners that are counted.
const OWNERS_MAX: usize = 1_000;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/scope", get(scope))
}

#[derive(Debug)]
struct Row {
    nets: Vec<String>,
    more: usize,
    addresses: String,
    owner: String,
    owner_href: String,
    contact: String,
    agreed: Vec<(&'static str, &'static str)>,
    rate: String,
    line: u32,
    doors: String,
    open: String,
    open_href: String,
}

#[derive(Debug, Template)]
#[template(path = "scope.html")]
struct Page {
    frame: Frame,
    path: String,
    contact: String,
    digest: String,
    addresses: String,
    six: String,
    excluded_count: String,
    hosts: String,
    coverage: String,

    outside: String,
    rows: Vec<Row>,
    more: usize,
    excluded: Vec<String>,
    excluded_more: usize,
}

/// What was seen of the scope.
#[derive(Debug, Default)]
struct Seen {
    hosts: u64,
    doors: std::collections::HashMap<String, (u64, u64)>,
    without_owner: u64,
}

fn seen(snapshot: &dyn Snapshot) -> Result<Seen, StoreError> {
    let everything = ask::latest(nightlatch_query::Expr::All);
    let all = snapshot.facet(&everything, Field::Owner, OWNERS_MAX)?;
    let open = snapshot.facet(&ask::latest(ask::open()), Field::Owner, OWNERS_MAX)?;
    let mut seen = Seen { without_owner: all.missing, ..Seen::default() };
    for bucket in all.buckets {
        seen.doors.insert(bucket.value, (bucket.count, 0));
    }
    for bucket in open.buckets {
        seen.doors.entry(bucket.value).or_default().1 = bucket.count;
    }
    Ok(seen)
}

async fn scope(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let book =
        web.shelf.clone().book(web.app.clone(), visit.now).await.map_err(|error| visit.fault(error))?;
    let mut seen = web.app.ask(seen).await.map_err(|error| visit.fault(error))?;
    seen.hosts = book.hosts;
    Ok(show(&page(&visit, &web.app.scope(), &seen)))
}

/// Addresses in words: whole numbers while one can read them, then powers of ten.
fn addresses(count: u128) -> String {
    match u64::try_from(count) {
        Ok(count) if count < 1_000_000_000_000 => thousands(count),
        _ => format!("about 10^{}", count.ilog10()),
    }
}

fn page(visit: &Visit, scope: &Scope, seen: &Seen) -> Page {
    let loopback_only = scope.path().is_none();
    // Loopback may always be scanned, and says nothing of what one has.
    let count = |family: Family| {
        let ranges = scope.allowed().ranges();
        let counted = ranges.filter(|range| range.family() == family && !range.first().is_loopback());
        counted.map(|range| range.count()).fold(0, u128::saturating_add)
    };
    let (four, six) = (count(Family::V4), count(Family::V6));
    let reach = u64::try_from(four).unwrap_or(u64::MAX);
    let excluded: Vec<String> = scope.excluded().ranges().map(ToString::to_string).collect();
    Page {
        frame: Frame::new(visit, "/scope", "Scope"),
        path: scope.path().map(|path| path.display().to_string()).unwrap_or_default(),
        contact: scope.contact().unwrap_or_default().to_owned(),
        digest: if loopback_only { String::new() } else { scope.digest().chars().take(16).collect() },
        addresses: addresses(if four == 0 { six } else { four }),
        six: if four > 0 && six > 0 { addresses(six) } else { String::new() },
        excluded_count: addresses(scope.excluded().count()),
        hosts: thousands(seen.hosts),
        coverage: if six == 0 && four > 0 { percent(seen.hosts.min(reach), reach) } else { String::new() },

        outside: thousands(seen.without_owner),
        rows: scope.blocks().iter().take(BLOCKS_MAX).map(|block| row(block, scope, seen)).collect(),
        more: scope.blocks().len().saturating_sub(BLOCKS_MAX),
        excluded_more: excluded.len().saturating_sub(EXCLUDED_MAX),
        excluded: excluded.into_iter().take(EXCLUDED_MAX).collect(),
    }
}

fn row(block: &Block, scope: &Scope, seen: &Seen) -> Row {
    let owner = block.owner.clone().unwrap_or_default();
    let (doors, open) = seen.doors.get(&owner).copied().unwrap_or_default();
    let owner_query = link::filter(Field::Owner, &owner).unwrap_or_default();
    let agreed = [
        (block.t3, "T3", "questions that the protocol spells as POST"),
        (block.counts, "counts", "counting objects by a request that makes one arrive"),
        (block.sample, "sample", "reading a few documents to tell which kinds of personal data occur"),
    ];
    Row {
        nets: block.nets.iter().take(NETS_MAX).map(ToString::to_string).collect(),
        more: block.nets.len().saturating_sub(NETS_MAX),
        addresses: addresses(block.nets.iter().map(|net| net.count()).fold(0, u128::saturating_add)),
        owner_href: if owner.is_empty() { String::new() } else { link::search(&owner_query) },
        contact: cut(block.contact.as_deref().or(scope.contact()).unwrap_or_default(), 200),
        agreed: agreed.into_iter().filter(|(yes, ..)| *yes).map(|(_, word, what)| (word, what)).collect(),
        rate: block
            .rate_pps
            .map_or("no limit of its own".to_owned(), |rate| format!("{} a second", thousands(rate.into()))),
        line: block.line,
        doors: if owner.is_empty() { String::new() } else { thousands(doors) },
        open: if open == 0 { String::new() } else { thousands(open) },
        open_href: link::search(&format!("{owner_query} exposure:>=readable")),
        owner: cut(&owner, 200),
    }
}
