use std::io::{self, Write};

use nightlatch_asset::Exposure;
use nightlatch_untrusted::json::to_writer;
use serde_json::{Map, Value, json};

use super::{Landscape, Panel, Share, StepWidth};
use crate::owner::About;

/// Writes the landscape as one JSON document with a line feed at the end.
///
/// # Errors
/// What `out` reports.
pub fn json(landscape: &Landscape, about: &About, out: &mut dyn Write) -> io::Result<()> {
    let (panels, rest) = landscape.panels();
    let (width, steps, before) = landscape.steps();
    let severity: Map<String, Value> =
        landscape.severities().map(|(severity, count)| (severity.to_string(), count.into())).collect();
    let document = json!({
        "report": "landscape",
        "generated": about.generated,
        "query": about.query,
        "summary": landscape.summary(),
        "services": landscape.total().services,
        "open": landscape.total().open,
        "unidentified": landscape.unidentified(),
        "with_findings_only": landscape.with_findings_only(),
        "last_seen_oldest": landscape.last_seen().map(|(oldest, _)| oldest),
        "last_seen_newest": landscape.last_seen().map(|(_, newest)| newest),
        "panels": panels.into_iter().map(panel).collect::<Vec<_>>(),
        "other_panels": panel(&rest),
        "open_by_severity": severity,
        "providers": shares(&landscape.providers().0),
        "other_providers": share(landscape.providers().1),
        "regions": shares(&landscape.regions().0),
        "other_regions": share(landscape.regions().1),
        "step": if width == StepWidth::Week { "week" } else { "month" },
        "first_seen": steps.iter().map(|step| named("start", &step.start, step.share)).collect::<Vec<_>>(),
        "first_seen_before": share(before),
    });
    to_writer(&mut *out, &document).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

fn panel(panel: &Panel) -> Value {
    let states = Exposure::ALL.iter().map(|state| state.to_string());
    let by_exposure: Map<String, Value> = states.zip(panel.by_exposure.map(Value::from)).collect();
    let Share { services, open } = panel.share();
    json!({"product": panel.name, "services": services, "open": open, "by_exposure": by_exposure})
}

fn share(share: Share) -> Value {
    json!({"services": share.services, "open": share.open})
}

fn named(key: &str, name: &str, share: Share) -> Value {
    json!({key: name, "services": share.services, "open": share.open})
}

fn shares(rows: &[(&str, Share)]) -> Vec<Value> {
    rows.iter().map(|(name, share)| named("name", name, *share)).collect()
}
