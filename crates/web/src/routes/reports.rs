//! `/reports`: what people and other tools are given: owners, the landscape, Shadowserver's files, SARIF, ECS, CEF.

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    response::Response,
    routing::get,
};
use nightlatch_asset::{Field, Text};
use nightlatch_query::Expr;
use nightlatch_report::{
    Sarif, StyleSource, cef, ecs,
    landscape::{self, Landscape},
    owner::{self, About, OwnerReports},
    shadowserver::{self, ReportType, Shadowserver, Split},
};
use nightlatch_store::Selection;
use serde::Deserialize;

use crate::{
    Web, ask, assets,
    charts::{self, Part, Svg},
    download::{Show, download, each},
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::thousands,
};

/// Owners that are listed.
const OWNERS_MAX: usize = 200;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/reports", get(reports))
        .route("/reports/owner.{format}", get(of_owner))
        .route("/reports/landscape.{format}", get(of_landscape))
        .route("/reports/findings.{format}", get(for_tools))
        .route("/reports/shadowserver.csv", get(shadowserver))
}

#[derive(Debug)]
struct OwnerRow {
    name: String,
    search_href: String,
    doors: String,
    open: String,
    svg: Svg,
    files: Vec<(&'static str, String)>,
}

#[derive(Debug, Template)]
#[template(path = "reports.html")]
struct Page {
    frame: Frame,
    owners: Vec<OwnerRow>,
    more: String,
    types: Vec<&'static str>,
}

fn owner_files(owner: &str) -> Vec<(&'static str, String)> {
    let to = |format: &str, save: &str| {
        link::with(&format!("/reports/owner.{format}"), &[("owner", owner), ("save", save)])
    };
    vec![
        ("Read", to("html", "")),
        ("HTML", to("html", "yes")),
        ("Markdown", to("md", "yes")),
        ("JSON", to("json", "yes")),
        ("CSV", to("csv", "yes")),
    ]
}

async fn reports(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let counted = web.app.ask(|snapshot| {
        Ok((
            snapshot.facet(&ask::latest(Expr::All), Field::Owner, OWNERS_MAX)?,
            snapshot.facet(&ask::latest(ask::open()), Field::Owner, OWNERS_MAX * 5)?,
        ))
    });
    let (all, open) = counted.await.map_err(|error| visit.fault(error))?;
    let open_of = |name: &str| open.buckets.iter().find(|b| b.value == name).map_or(0, |b| b.count);
    let most = all.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    let mut owners: Vec<(u64, OwnerRow)> = all
        .buckets
        .iter()
        .map(|bucket| {
            let open = open_of(&bucket.value);
            let parts = [
                Part { class: "f-high", count: open },
                Part { class: "f-soft", count: bucket.count.saturating_sub(open) },
            ];
            let row = OwnerRow {
                name: bucket.value.clone(),
                search_href: link::search(&link::filter(Field::Owner, &bucket.value).unwrap_or_default()),
                doors: thousands(bucket.count),
                open: thousands(open),
                svg: charts::bar(&parts, most),
                files: owner_files(&bucket.value),
            };
            (open, row)
        })
        .collect();
    owners.sort_by_key(|(open, _)| std::cmp::Reverse(*open));
    let more = all.distinct.saturating_sub(all.buckets.len() as u64);
    Ok(show(&Page {
        frame: Frame::new(&visit, "/reports", "Reports"),
        owners: owners.into_iter().map(|(_, row)| row).collect(),
        more: if more > 0 { thousands(more) } else { String::new() },
        types: ReportType::ALL.into_iter().map(ReportType::file).collect(),
    }))
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Wanted {
    /// Whose; absent for everybody, empty for those whom the scope gives to nobody.
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    q: String,
    #[serde(default)]
    save: String,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Wanted {
    /// What the report is about: the query, of the owner.
    fn selection(&self, visit: &Visit) -> Result<(Selection, About), Fault> {
        let query = self.q.trim();
        let parsed = nightlatch_query::parse(query, visit.now)
            .map_err(|error| Fault::invalid(visit, error.to_string()))?;
        let about = About { generated: visit.now, query: Text::from(query) };
        let Some(owner) = &self.owner else { return Ok((ask::latest(parsed.expr), about)) };
        let Some(filter) = link::filter(Field::Owner, owner) else {
            return Err(Fault::unknown(visit, "owner", cut(owner, 100)));
        };
        let of_owner = nightlatch_query::parse(&filter, visit.now)
            .map_err(|error| Fault::invalid(visit, error.to_string()))?;
        let expr = match parsed.expr {
            Expr::All => of_owner.expr,
            expr => Expr::And(vec![of_owner.expr, expr]),
        };
        Ok((ask::latest(expr), about))
    }

    fn show<'n>(&self, name: &'n str) -> Show<'n> {
        if self.save.is_empty() { Show::Here } else { Show::As(name) }
    }

    /// A page that is kept carries its style; one that is shown here has it from here.
    fn style(&self) -> StyleSource {
        if self.save.is_empty() { StyleSource::Linked(assets::REPORT.path) } else { StyleSource::Inline }
    }
}

async fn of_owner(
    State(web): State<Web>,
    visit: Visit,
    Path(format): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let (selection, about) = wanted.selection(&visit)?;
    let (slot, snapshot, style) = (web.slot(&visit)?, web.app.snapshot(), wanted.style());
    let owner = wanted.owner.clone();
    let collect = move || -> std::io::Result<_> {
        let mut reports = OwnerReports::new();
        if let Some(owner) = owner {
            reports = reports.with_owner(Some(Text::from(owner)));
        }
        each(&snapshot, &selection, &mut |record| {
            reports.add(record);
            Ok(())
        })?;
        Ok(reports.finish())
    };
    Ok(match format.as_str() {
        "html" => download(slot, "text/html; charset=utf-8", wanted.show("owner.html"), move |out| {
            owner::html(&collect()?, &about, style, out)
        }),
        "md" => download(slot, "text/markdown; charset=utf-8", wanted.show("owner.md"), move |out| {
            owner::markdown(&collect()?, &about, out)
        }),
        "json" => download(slot, "application/json", wanted.show("owner.json"), move |out| {
            owner::json(&collect()?, &about, out)
        }),
        "csv" => download(slot, "text/csv; charset=utf-8", wanted.show("owner.csv"), move |out| {
            owner::csv(&collect()?, out)
        }),
        _ => return Err(Fault::unknown(&visit, "report of owners in the format", cut(&format, 40))),
    })
}

async fn of_landscape(
    State(web): State<Web>,
    visit: Visit,
    Path(format): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let (selection, about) = wanted.selection(&visit)?;
    let (slot, snapshot, style) = (web.slot(&visit)?, web.app.snapshot(), wanted.style());
    let collect = move || -> std::io::Result<_> {
        let mut counted = Landscape::new();
        each(&snapshot, &selection, &mut |record| {
            counted.add(record);
            Ok(())
        })?;
        Ok(counted)
    };
    Ok(match format.as_str() {
        "html" => download(slot, "text/html; charset=utf-8", wanted.show("landscape.html"), move |out| {
            landscape::html(&collect()?, &about, style, out)
        }),
        "md" => download(slot, "text/markdown; charset=utf-8", wanted.show("landscape.md"), move |out| {
            landscape::markdown(&collect()?, &about, out)
        }),
        "json" => download(slot, "application/json", wanted.show("landscape.json"), move |out| {
            landscape::json(&collect()?, &about, out)
        }),
        _ => return Err(Fault::unknown(&visit, "landscape in the format", cut(&format, 40))),
    })
}

/// For other tools: what is open, one record or result each.
async fn for_tools(
    State(web): State<Web>,
    visit: Visit,
    Path(format): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let (selection, about) = wanted.selection(&visit)?;
    let (slot, snapshot) = (web.slot(&visit)?, web.app.snapshot());
    Ok(match format.as_str() {
        "sarif" => download(slot, "application/sarif+json", Show::As("nightlatch.sarif"), move |out| {
            let mut log = Sarif::new(out)?;
            each(&snapshot, &selection, &mut |record| log.write(record))?;
            log.finish(about.generated).map(drop)
        }),
        "ecs" => download(slot, "application/x-ndjson", Show::As("nightlatch-ecs.ndjson"), move |out| {
            each(&snapshot, &selection, &mut |record| ecs(record, out))
        }),
        "cef" => download(slot, "text/plain; charset=utf-8", Show::As("nightlatch.cef"), move |out| {
            each(&snapshot, &selection, &mut |record| cef(record, out))
        }),
        _ => return Err(Fault::unknown(&visit, "format", cut(&format, 40))),
    })
}

/// One file of Shadowserver's kind.
async fn shadowserver(
    State(web): State<Web>,
    visit: Visit,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let Some(kind) = ReportType::ALL.into_iter().find(|kind| kind.file() == wanted.kind) else {
        return Err(Fault::unknown(&visit, "type of report", cut(&wanted.kind, 60)));
    };
    let (selection, about) = wanted.selection(&visit)?;
    let (slot, snapshot) = (web.slot(&visit)?, web.app.snapshot());
    let name = format!("{}-{}-nightlatch.csv", crate::words::day(about.generated), kind.file());
    Ok(download(slot, "text/csv; charset=utf-8", Show::As(&name), move |out| {
        let information = matches!(kind, ReportType::Http | ReportType::Ssl);
        let files =
            Shadowserver::new(about.generated, "nightlatch", Split::None).with_information(information);
        out.write_all(shadowserver::header(kind).as_bytes())?;
        each(&snapshot, &selection, &mut |record| {
            files
                .rows(record)
                .iter()
                .filter(|row| row.kind == kind)
                .try_for_each(|row| out.write_all(row.line.as_bytes()))
        })
    }))
}
