//! The landscape, as public reports draw it: how many panels of which product, how many of them take anybody in, at
//! which provider and in which region, how bad, and since when.
//!
//! [`Landscape`] only counts, so that it takes any number of records. Each service should be given once: the newest
//! observation of each endpoint.

mod chart;
mod html;
mod json;
mod markdown;
#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap};

use nightlatch_asset::{Exposure, Record, Severity, Timestamp};

pub use html::html;
pub use json::json;
pub use markdown::markdown;

use crate::open::is_open;

/// Most different names of one kind (products, providers, regions) told apart.
const NAMES_MAX: usize = 1_000;
/// Most different days told apart; 54 years.
const DAYS_MAX: usize = 20_000;
/// Most steps over time that are shown; what is older is summed up.
const STEPS_MAX: usize = 36;
/// Up to so many days, steps are weeks.
const WEEKS_DAYS_MAX: i64 = 27 * 7;
/// Rows of a list that are written; the rest is summed up.
pub(crate) const ROWS_MAX: usize = 25;

/// Services of one kind: how many there are, and how many take anybody in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Share {
    /// Services seen.
    pub services: u64,
    /// Those in state `readable` or `controllable`: no credentials needed.
    pub open: u64,
}

impl Share {
    fn count(&mut self, open: bool) {
        self.services += 1;
        self.open += u64::from(open);
    }

    fn plus(self, other: Self) -> Self {
        Self { services: self.services + other.services, open: self.open + other.open }
    }
}

/// Services of one product.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Panel {
    /// Product name as observed.
    pub name: String,
    /// By state, as [`Exposure::ALL`].
    pub by_exposure: [u64; 5],
}

impl Panel {
    /// Services of the product, and those without credentials.
    pub fn share(&self) -> Share {
        let [unknown, refused, limited, readable, controllable] = self.by_exposure;
        let open = readable + controllable;
        Share { services: unknown + refused + limited + open, open }
    }
}

/// One step of time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its first day, `2026-09-21` or `2026-09` for a month.
    pub start: String,
    /// Services first seen in it, and those of them that are open now.
    pub share: Share,
}

/// Width of the steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StepWidth {
    /// From Monday on.
    Week,
    /// Calendar month.
    Month,
}

/// Names with their shares; bounded.
#[derive(Clone, Debug, Default)]
struct Names {
    named: BTreeMap<String, Share>,
    /// What has no name, or came when there were too many.
    other: Share,
}

impl Names {
    fn count(&mut self, name: Option<String>, open: bool) {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return self.other.count(open) };
        if let Some(share) = self.named.get_mut(&name) {
            return share.count(open);
        }
        if self.named.len() >= NAMES_MAX {
            return self.other.count(open);
        }
        self.named.entry(name).or_default().count(open);
    }

    /// The most frequent, and all others together.
    fn top(&self) -> (Vec<(&str, Share)>, Share) {
        let mut all: Vec<(&str, Share)> =
            self.named.iter().map(|(name, share)| (name.as_str(), *share)).collect();
        all.sort_by_key(|(_, share)| Reverse((share.services, share.open)));
        let rest = all.iter().skip(ROWS_MAX).fold(self.other, |sum, (_, share)| sum.plus(*share));
        all.truncate(ROWS_MAX);
        (all, rest)
    }
}

/// Counts of a set of services.
#[derive(Clone, Debug, Default)]
pub struct Landscape {
    total: Share,
    /// Services without a product.
    unidentified: u64,
    panels: BTreeMap<String, Panel>,
    other_panels: [u64; 5],
    providers: Names,
    regions: Names,
    by_severity: [u64; 5],
    /// By day of first sighting, in days since 1970.
    days: BTreeMap<i64, Share>,
    before: Share,
    seen: Option<(Timestamp, Timestamp)>,
    findings: u64,
}

impl Landscape {
    /// Of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one service.
    pub fn add(&mut self, record: &Record) {
        let seen = &record.observation;
        let verdict = &seen.verdict;
        let open = verdict.exposure >= Exposure::Readable;
        self.total.count(open);
        self.findings += u64::from(!open && is_open(record));
        self.panel(record);
        let provider = seen.cloud.as_ref().map(|cloud| cloud.provider.raw().to_owned());
        let org = || Some(seen.network.as_ref()?.org.as_ref()?.raw().to_owned());
        self.providers.count(provider.or_else(org), open);
        let region = seen
            .cloud
            .as_ref()
            .and_then(|cloud| Some(format!("{} {}", cloud.provider.raw(), cloud.region.as_ref()?.raw())));
        let country = || Some(seen.place.as_ref()?.country_code.as_ref()?.raw().to_owned());
        self.regions.count(region.or_else(country), open);
        if open && let Some(place) = self.by_severity.get_mut(verdict.severity as usize) {
            *place += 1;
        }
        self.time(record, open);
    }

    fn panel(&mut self, record: &Record) {
        let verdict = &record.observation.verdict;
        let state = verdict.exposure as usize;
        let Some(product) = verdict.product.as_ref().filter(|product| !product.is_empty()) else {
            self.unidentified += 1;
            return;
        };
        let name = product.raw();
        let counts = if let Some(panel) = self.panels.get_mut(name) {
            &mut panel.by_exposure
        } else if self.panels.len() < NAMES_MAX {
            let panel = Panel { name: name.to_owned(), ..Panel::default() };
            &mut self.panels.entry(name.to_owned()).or_insert(panel).by_exposure
        } else {
            &mut self.other_panels
        };
        if let Some(count) = counts.get_mut(state) {
            *count += 1;
        }
    }

    fn time(&mut self, record: &Record, open: bool) {
        let last = record.last_seen;
        self.seen =
            Some(self.seen.map_or((last, last), |(oldest, newest)| (oldest.min(last), newest.max(last))));
        let day = record.first_seen.as_second().div_euclid(86_400);
        let full = self.days.len() >= DAYS_MAX;
        match self.days.get_mut(&day) {
            Some(share) => share.count(open),
            None if !full => self.days.entry(day).or_default().count(open),
            None => self.before.count(open),
        }
    }

    /// All services, and those that need no credentials.
    pub fn total(&self) -> Share {
        self.total
    }

    /// Services without a product, which are in no panel.
    pub fn unidentified(&self) -> u64 {
        self.unidentified
    }

    /// Services that are closed, but have a finding.
    pub fn with_findings_only(&self) -> u64 {
        self.findings
    }

    /// The oldest and the newest time at which a service was last seen.
    pub fn last_seen(&self) -> Option<(Timestamp, Timestamp)> {
        self.seen
    }

    /// Products, most frequent first, and all others together.
    pub fn panels(&self) -> (Vec<&Panel>, Panel) {
        let mut panels: Vec<&Panel> = self.panels.values().collect();
        panels.sort_by_key(|panel| Reverse((panel.share().services, panel.share().open)));
        let mut rest = Panel { name: String::new(), by_exposure: self.other_panels };
        for panel in panels.iter().skip(ROWS_MAX) {
            rest.by_exposure.iter_mut().zip(panel.by_exposure).for_each(|(sum, count)| *sum += count);
        }
        panels.truncate(ROWS_MAX);
        (panels, rest)
    }

    /// By cloud provider, else by who holds the network; most frequent first, and all others together.
    pub fn providers(&self) -> (Vec<(&str, Share)>, Share) {
        self.providers.top()
    }

    /// By region of the cloud, else by country.
    pub fn regions(&self) -> (Vec<(&str, Share)>, Share) {
        self.regions.top()
    }

    /// Open services by severity, worst first.
    pub fn severities(&self) -> impl Iterator<Item = (Severity, u64)> + '_ {
        Severity::ALL.into_iter().zip(self.by_severity).rev()
    }

    /// By when services were first seen, oldest step first, and what is older than all of them.
    pub fn steps(&self) -> (StepWidth, Vec<Step>, Share) {
        let ends = self.days.first_key_value().zip(self.days.last_key_value());
        let span = ends.map_or(0, |((first, _), (last, _))| last - first);
        let width = if span <= WEEKS_DAYS_MAX { StepWidth::Week } else { StepWidth::Month };
        let mut steps: BTreeMap<String, Share> = BTreeMap::new();
        let mut before = self.before;
        for (day, share) in &self.days {
            match start_of(*day, width) {
                Some(start) => {
                    let sum = steps.entry(start).or_default();
                    *sum = sum.plus(*share);
                }
                None => before = before.plus(*share),
            }
        }
        while steps.len() > STEPS_MAX {
            if let Some((_, share)) = steps.pop_first() {
                before = before.plus(share);
            }
        }
        (width, steps.into_iter().map(|(start, share)| Step { start, share }).collect(), before)
    }

    /// The whole in a sentence.
    pub(crate) fn summary(&self) -> String {
        let Share { services, open } = self.total;
        match (services, open) {
            (0, _) => "Nothing was seen.".to_owned(),
            (_, 0) => format!("None of {services} services takes strangers in without credentials."),
            _ => format!(
                "{open} of {services} services ({}) take strangers in without credentials.",
                percent(open, services)
            ),
        }
    }
}

/// The first day of the week or month that holds a day; none for a day outside the calendar.
fn start_of(day: i64, width: StepWidth) -> Option<String> {
    // 1970-01-01 was a Thursday: three days after a Monday.
    let monday = day - (day + 3).rem_euclid(7);
    let first = if width == StepWidth::Week { monday } else { day };
    let text = Timestamp::from_second(first.checked_mul(86_400)?).ok()?.to_string();
    text.get(..if width == StepWidth::Week { 10 } else { 7 }).map(str::to_owned)
}

/// `38 %`, `0.4 %`, `< 0.1 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    // Counts of services are far below 2^52.
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        p if part == 0 || p >= 10.0 => format!("{p:.0} %"),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}
