//! Workloads that can be reached from outside, and how: no failure, but it makes others worse.

use std::collections::BTreeMap;

use nightlatch_netpol::Verdict;

use super::way::Way;
use crate::{Context, Found, Sink};

/// Ways told one by one.
const WAYS_MAX: usize = 8;

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut ways: BTreeMap<usize, Vec<&Way<'a>>> = BTreeMap::new();
    for way in &context.ways().list {
        if let Some(workload) = way.workload {
            ways.entry(workload).or_default().push(way);
        }
    }
    for (index, workload) in context.workloads.iter().enumerate() {
        let all = ways.get(&index).map_or(&[][..], Vec::as_slice);
        let open: Vec<&&Way<'a>> = all.iter().filter(|way| way.verdict != Verdict::Denied).collect();
        let Some(first) = open.first() else {
            sink.pass();
            continue;
        };
        let is_sure = (open.iter().filter(|way| way.is_shown()))
            .any(|way| matches!(way.verdict, Verdict::Allowed | Verdict::Partly));
        let may = if is_sure { "can" } else { "can perhaps" };
        let message = format!(
            "{} `{}` {may} be reached from outside by {}",
            workload.object.kind,
            workload.object.name,
            first.words()
        );
        let at = workload.object.root.at("metadata.name").unwrap_or(workload.object.root);
        let mut found = Found::new(context.workload_subject(workload), at, message);
        let mut told: Vec<String> = Vec::new();
        for way in &open {
            let port = way.target.map(|port| format!(" on port {port}")).unwrap_or_default();
            let line = format!("{}{port}", way.words());
            if !told.contains(&line) && told.len() < WAYS_MAX {
                found = found.related(line.clone(), Some(way.at));
                told.push(line);
            }
        }
        sink.fail(found);
    }
}
