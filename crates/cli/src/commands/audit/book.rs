//! The audit and the data directory: findings are kept there, and what scans saw is taken from there.

use std::ops::ControlFlow;

use jiff::Timestamp;
use nightlatch_app::private;
use nightlatch_asset::Exposure;
use nightlatch_audit::Outside;
use nightlatch_control::Control;
use nightlatch_finding::audit::AuditReport;
use nightlatch_store::{Selection, View};
use nightlatch_untrusted::Text;

use crate::{commands::corpus::CorpusArgs, failure::Failure, say::say, session::Session};

/// Endpoints that are taken from the book; more would be told nobody.
const OUTSIDE_MAX: usize = 10_000;

/// Keeps the findings under a name: the one given, else what was audited.
pub(super) fn store(
    name: &str,
    corpus: &CorpusArgs,
    report: &AuditReport,
    session: &Session,
) -> Result<(), Failure> {
    let data = session.data_dir()?;
    private::make_dir(&data).map_err(|error| {
        Failure::from(error).while_doing(format!("cannot make the data directory {}", data.display()))
    })?;
    let name = if name.is_empty() { corpus.shown() } else { name.to_owned() };
    let stored = Control::open(&data)?.store_audit(&name, report, Timestamp::now())?;
    if session.chatty() {
        say(format_args!(
            "stored as `{name}`: {} new, {} as before, {} mended; `{} findings 'input:\"{name}\"'` shows them",
            stored.new,
            stored.again,
            stored.mended,
            session.again()
        ));
    }
    Ok(())
}

/// The newest observations that stand open.
pub(super) fn outside(session: &Session) -> Result<Vec<Outside>, Failure> {
    let snapshot = session.snapshot()?;
    let parsed = nightlatch_query::parse("exposure:>=readable", Timestamp::now())
        .map_err(|error| Failure::bug(error.render("exposure:>=readable")))?;
    let selection = Selection { expr: parsed.expr, view: View::Latest };
    let mut found = Vec::new();
    snapshot.export(&selection, &mut |record| {
        let seen = &record.observation;
        if seen.verdict.exposure >= Exposure::Readable {
            found.push(Outside {
                address: seen.endpoint().socket().ip(),
                port: seen.endpoint().socket().port(),
                product: seen.verdict.product.as_ref().map_or("a service", Text::raw).to_owned(),
                exposure: seen.verdict.exposure.to_string(),
                severity: seen.verdict.severity,
                seen: record.last_seen.to_string(),
            });
        }
        if found.len() < OUTSIDE_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}
