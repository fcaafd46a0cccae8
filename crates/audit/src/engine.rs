//! Runs the selected rules over a corpus.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
};

use jiff::civil::Date;
use nightlatch_finding::{
    Severity,
    audit::{
        AuditFinding, AuditReport, Findings, Fix, InputSummary, Mark, Notice, NoticeKind, Related, Reported,
        RuleOutcome, SuppressedBy, Suppression, Verdict,
    },
};
use nightlatch_manifest::{Corpus, Diagnostic, DiagnosticKind, NodeId};
use nightlatch_untrusted::Text;

use crate::{
    At, Context, Found, Part, Rule, Settings, Sink, Words,
    checks::network::View,
    declared, fix,
    kept::Kept,
    location::{self, Wayfinder, location},
    rule::Runs,
    suppress::{self, CommentExempt, Exempt},
};

/// Runs every selected rule over `corpus`.
///
/// Findings come worst first, then by source and place; the same input gives the same report.
pub fn audit(corpus: &Corpus, settings: &Settings) -> AuditReport {
    let context = Context::new(corpus, settings);
    audit_context(&context)
}

/// The same, over a context that was made already (its engines are made once).
pub fn audit_context(context: &Context<'_>) -> AuditReport {
    Judged::of(context).into_report()
}

/// What an audit came to, its findings as the checks made them: they are made into those of a report when somebody reads
/// them, because an estate has tens of thousands.
pub struct Judged<'c, 'a> {
    context: &'c Context<'a>,
    rules: Vec<&'static Rule>,
    /// What each of the rules found.
    found: Vec<Kept<'a>>,
    /// The findings in the order of the report.
    order: Vec<Place>,
    /// The exempt ones among them, by their index in `order`.
    exempt: HashMap<usize, Suppression>,
    /// Everything but the findings.
    report: AuditReport,
    wayfinder: RefCell<Wayfinder<'a>>,
}

/// Where one finding of the report is among those of the checks.
#[derive(Clone, Copy)]
struct Place {
    rule: u16,
    index: u32,
    severity: Severity,
}

impl Place {
    /// A number that is the smaller the earlier the finding comes: severity (the worst first), source, place in it, rule,
    /// and number among what the rule found. Rules are in the order of their identifiers.
    fn key(self, source: u32, start: u32) -> u128 {
        let mildness = u8::MAX - self.severity as u8;
        u128::from(mildness) << 112
            | u128::from(source) << 80
            | u128::from(start) << 48
            | u128::from(self.rule) << 32
            | u128::from(self.index)
    }

    /// The place that a key was made of.
    fn of_key(key: u128) -> Self {
        let severity = usize::from(u8::MAX - (key >> 112) as u8);
        Self {
            rule: (key >> 32) as u16,
            index: key as u32,
            severity: Severity::ALL.get(severity).copied().unwrap_or_default(),
        }
    }
}

impl<'c, 'a> Judged<'c, 'a> {
    /// Runs the selected rules.
    pub fn of(context: &'c Context<'a>) -> Self {
        let settings = context.settings;
        let rules = settings.selected();
        let mut sinks = run(&rules, context);
        hide(&rules, &mut sinks);
        let mut report =
            AuditReport { profile: settings.profile.as_str().to_owned(), ..AuditReport::default() };
        report.rules = rules.iter().zip(&sinks).map(|(rule, sink)| outcome(rule, sink, settings)).collect();
        let found: Vec<Kept<'a>> = sinks.into_iter().map(|sink| sink.found).collect();
        let order = in_order(&rules, &found, settings);
        let mut judged = Self {
            context,
            rules,
            found,
            order,
            exempt: HashMap::new(),
            report,
            wayfinder: RefCell::default(),
        };
        judged.exempt();
        judged
    }

    /// Decides what is exempt, counts, and says what could not be read.
    fn exempt(&mut self) {
        let mut exemptions = Exemptions::new(self.context);
        for index in 0..self.order.len() {
            let (rule, found) = self.at(self.order[index]);
            let suppression = exemptions.suppression(rule, found);
            let outcome = &mut self.report.rules[usize::from(self.order[index].rule)];
            let counter = if suppression.is_some() { &mut outcome.suppressed } else { &mut outcome.failed };
            *counter = counter.saturating_add(1);
            self.exempt.extend(suppression.map(|suppression| (index, suppression)));
        }
        for outcome in &mut self.report.rules {
            outcome.verdict = verdict(outcome);
        }
        let corpus = self.context.corpus;
        self.report.notices =
            corpus.diagnostics.iter().map(|diagnostic| notice(corpus, diagnostic)).collect();
        exemptions.notices(&mut self.report.notices);
        self.report.input = summary(self.context);
    }

    fn at(&self, place: Place) -> (&'static Rule, &Found<'a>) {
        let rule = usize::from(place.rule);
        (self.rules[rule], &self.found[rule][place.index as usize])
    }

    /// Everything that came of it, for a report that makes findings as it goes.
    pub fn reported(&self) -> Reported<'_> {
        Reported { report: &self.report, findings: self }
    }

    /// The report with all its findings in it.
    pub fn into_report(mut self) -> AuditReport {
        let mut report = std::mem::take(&mut self.report);
        report.findings = (0..self.order.len()).map(|index| self.made(index)).collect();
        report
    }

    fn made(&self, index: usize) -> AuditFinding {
        let place = self.order[index];
        let (rule, found) = self.at(place);
        let mut finding =
            finding(rule, found, place.severity, self.context.corpus, &mut self.wayfinder.borrow_mut());
        finding.suppressed = self.exempt.get(&index).cloned();
        if finding.suppressed.is_none() {
            finding.fix = fix(rule, found, self.context);
        }
        finding
    }
}

impl Findings for Judged<'_, '_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn mark(&self, index: usize) -> Mark<'_> {
        let place = self.order[index];
        let rule = self.rules[usize::from(place.rule)].id;
        Mark { rule, severity: place.severity, is_exempt: self.exempt.contains_key(&index) }
    }

    fn finding(&self, index: usize) -> Cow<'_, AuditFinding> {
        Cow::Owned(self.made(index))
    }
}

/// The findings worst first, then by source and place, then by rule.
fn in_order(rules: &[&'static Rule], found: &[Kept<'_>], settings: &Settings) -> Vec<Place> {
    // What they are sorted by in one number: tens of thousands of these are compared in no time.
    let mut keys: Vec<u128> = Vec::with_capacity(found.iter().map(Kept::len).sum());
    for (number, (rule, found)) in rules.iter().zip(found).enumerate() {
        let configured = settings.severity_of(rule);
        for (index, found) in found.iter().enumerate() {
            let at = location::node_of(found.at);
            let place = Place {
                rule: number as u16,
                index: index as u32,
                severity: severity(rule, found, configured),
            };
            keys.push(place.key(at.document().source.0, at.span().start));
        }
    }
    keys.sort_unstable();
    keys.into_iter().map(Place::of_key).collect()
}

/// What the configuration says, else what the check judged, else what the rule says.
fn severity(rule: &Rule, found: &Found<'_>, configured: Severity) -> Severity {
    match found.severity {
        Some(severity) if configured == rule.severity => severity,
        _ => configured,
    }
}

/// Workloads that all checks judge before the next ones are looked at: as many as a processor keeps close to itself.
const PART_WORKLOADS: usize = 128;

/// Runs each rule; what each found.
fn run<'a>(rules: &[&'static Rule], context: &Context<'a>) -> Vec<Sink<'a>> {
    let keeps_changes = context.settings.with_fixes;
    let mut sinks: Vec<Sink<'a>> = rules.iter().map(|_| Sink::keeping(keeps_changes)).collect();
    let runs: Vec<Option<Runs>> = rules.iter().map(|rule| rule.check.runs()).collect();
    for workloads in context.workloads.chunks(PART_WORKLOADS) {
        let part = Part { context, workloads };
        for (runs, sink) in runs.iter().zip(&mut sinks) {
            match runs {
                Some(Runs::ByWorkload(check)) => check(&part, sink),
                Some(Runs::DeclaredByWorkload(declared)) => declared::check_part(declared, &part, sink),
                _ => {}
            }
        }
    }
    let network = OnceCell::new();
    for (runs, sink) in runs.iter().zip(&mut sinks) {
        match runs {
            Some(Runs::Whole(check)) => check(context, sink),
            Some(Runs::OfNetwork(check)) => check(network.get_or_init(|| View::new(context)), sink),
            Some(Runs::DeclaredWhole(declared)) => declared::check(declared, context, sink),
            _ => {}
        }
    }
    sinks
}

/// One cause, one finding: drops what a finding of a rule in `hidden_by` covers. A finding covers the same cause in the
/// same container; one about the whole container covers every cause in it; one about a cause in the whole object covers
/// that cause in each container.
fn hide(selected: &[&'static Rule], sinks: &mut [Sink<'_>]) {
    let hiding: HashSet<&str> = selected.iter().flat_map(|rule| rule.hidden_by.iter().copied()).collect();
    if hiding.is_empty() {
        return;
    }
    type Cause<'f> = (usize, NodeId, &'f str, &'f str);
    fn key<'f>(found: &'f Found<'_>) -> Cause<'f> {
        (
            std::ptr::from_ref(found.subject.root.document()) as usize,
            found.subject.root.id(),
            found.subject.container.unwrap_or(""),
            found.cause_or_empty(),
        )
    }
    let mut hidden: Vec<(usize, Vec<bool>)> = Vec::new();
    {
        let mut causes: HashMap<&'static str, HashSet<Cause<'_>>> = HashMap::new();
        for (rule, sink) in selected.iter().zip(sinks.iter()) {
            if hiding.contains(rule.id) {
                causes.insert(rule.id, sink.found.iter().map(key).collect());
            }
        }
        for (index, (rule, sink)) in selected.iter().zip(sinks.iter()).enumerate() {
            let by: Vec<&HashSet<Cause<'_>>> =
                rule.hidden_by.iter().filter_map(|by| causes.get(by)).collect();
            if by.iter().all(|causes| causes.is_empty()) {
                continue;
            }
            let covered = |found: &Found<'_>| {
                let (document, root, container, cause) = key(found);
                let is_part = !container.is_empty() && !cause.is_empty();
                by.iter().any(|causes| {
                    causes.contains(&(document, root, container, cause))
                        || (is_part
                            && (causes.contains(&(document, root, container, ""))
                                || causes.contains(&(document, root, "", cause))))
                })
            };
            hidden.push((index, sink.found.iter().map(covered).collect()));
        }
    }
    for (index, covered) in hidden {
        let mut covered = covered.into_iter();
        sinks[index].found.retain(|_| !covered.next().unwrap_or(false));
    }
}

fn outcome(rule: &Rule, sink: &Sink<'_>, settings: &Settings) -> RuleOutcome {
    RuleOutcome {
        rule: rule.id.to_owned(),
        name: rule.name.to_owned(),
        title: rule.title.to_owned(),
        severity: settings.severity_of(rule),
        verdict: Verdict::NotApplicable,
        failed: 0,
        passed: sink.passed,
        unknown: sink.unknown,
        suppressed: 0,
        why_unknown: sink.why_unknown.iter().map(|why| Text::from(why.as_str())).collect(),
        references: rule.references.iter().map(|reference| (*reference).to_owned()).collect(),
    }
}

/// What the counts come to: anything broken fails; else anything that could not be judged makes it unknown; what is
/// exempt counts as held.
pub(crate) fn verdict(outcome: &RuleOutcome) -> Verdict {
    if outcome.failed > 0 {
        Verdict::Fail
    } else if outcome.unknown > 0 {
        Verdict::Unknown
    } else if outcome.passed > 0 || outcome.suppressed > 0 {
        Verdict::Pass
    } else {
        Verdict::NotApplicable
    }
}

/// A finding as reports have it, but for what exempts and what mends it.
fn finding<'a>(
    rule: &Rule,
    found: &Found<'a>,
    severity: Severity,
    corpus: &Corpus,
    wayfinder: &mut Wayfinder<'a>,
) -> AuditFinding {
    AuditFinding {
        rule: Cow::Borrowed(rule.id),
        name: Cow::Borrowed(rule.name),
        severity,
        subject: location::subject(&found.subject),
        location: Some(location(corpus, found.at)),
        key_location: location::key_location(corpus, found.at),
        pointer: Text::new(wayfinder.pointer(found)),
        message: text(&found.message),
        related: found
            .evidence()
            .iter()
            .map(|(message, at)| Related {
                message: Text::new(message.as_str()),
                location: at.map(|node| location(corpus, At::Value(node))),
            })
            .collect(),
        fix: None,
        fingerprint: wayfinder.fingerprint(rule, found),
        suppressed: None,
    }
}

/// Words of a check: those of the program itself are not copied.
fn text(words: &Words) -> Text {
    match words {
        Cow::Borrowed(own) => Text::of_program(own),
        Cow::Owned(made) => Text::from(made.as_str()),
    }
}

/// How to mend it, when it says so itself or can be mended by an edit.
fn fix(rule: &Rule, found: &Found<'_>, context: &Context<'_>) -> Option<Fix> {
    let edits = match context.settings.with_fixes {
        true => fix::edits(context.corpus, &found.changes),
        false => Vec::new(),
    };
    (found.own_fix_text().is_some() || !edits.is_empty())
        .then(|| Fix { text: found.own_fix_text().map_or(Text::of_program(rule.remediation), text), edits })
}

/// Everything that exempts, and what of it was needed.
struct Exemptions<'c, 'a> {
    context: &'c Context<'a>,
    /// Whether any source has the annotation at all: hardly ever, and then no object is looked at.
    has_annotations: bool,
    comments: Vec<CommentExempt>,
    /// Comments by source and the line they cover.
    by_line: HashMap<(u32, u32), Vec<usize>>,
    used_comments: HashSet<usize>,
    used_config: HashSet<usize>,
    /// Annotations that were needed, by document address and node and entry.
    used_annotations: HashSet<(usize, NodeId, usize)>,
    expired: BTreeMap<(u32, u32), (Text, nightlatch_finding::audit::Location)>,
    expired_config: BTreeMap<u32, String>,
}

impl<'c, 'a> Exemptions<'c, 'a> {
    fn new(context: &'c Context<'a>) -> Self {
        let comments = suppress::comments(context.corpus);
        let mut by_line: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        for (index, comment) in comments.iter().enumerate() {
            by_line.entry((comment.source.0, comment.covers)).or_default().push(index);
        }
        let has_annotations = suppress::may_have_annotations(context.corpus);
        Self {
            context,
            has_annotations,
            comments,
            by_line,
            used_comments: HashSet::new(),
            used_config: HashSet::new(),
            used_annotations: HashSet::new(),
            expired: BTreeMap::new(),
            expired_config: BTreeMap::new(),
        }
    }

    fn suppression(&mut self, rule: &Rule, found: &Found<'a>) -> Option<Suppression> {
        self.by_comment(rule, found)
            .or_else(|| self.by_annotation(rule, found))
            .or_else(|| self.by_config(rule, found))
    }

    fn holds(&self, until: Option<Date>) -> bool {
        until.is_none_or(|day| self.context.settings.today <= day)
    }

    fn by_comment(&mut self, rule: &Rule, found: &Found<'_>) -> Option<Suppression> {
        if self.comments.is_empty() {
            return None;
        }
        let at = location::node_of(found.at);
        let source_id = at.document().source;
        let source = self.context.corpus.source(source_id);
        for line in suppress::lines_around(source, at) {
            for &index in self.by_line.get(&(source_id.0, line)).map_or(&[][..], Vec::as_slice) {
                let Ok(exempt) = &self.comments[index].exempt else { continue };
                if !exempt.rules.contains(&rule.id) {
                    continue;
                }
                self.used_comments.insert(index);
                if self.holds(exempt.until) {
                    return Some(made(exempt, SuppressedBy::Comment));
                }
                let comment = self.comments[index].line;
                let place = location::line(self.context.corpus, source_id, comment);
                self.expired.insert((source_id.0, comment), (expired_message(rule, exempt), place));
            }
        }
        None
    }

    fn by_annotation(&mut self, rule: &Rule, found: &Found<'_>) -> Option<Suppression> {
        if !self.has_annotations {
            return None;
        }
        let own = found.subject.root.get("metadata");
        for metadata in [own, found.subject.template].into_iter().flatten() {
            for (entry, (value, exempt)) in suppress::annotations(metadata).into_iter().enumerate() {
                let Ok(exempt) = exempt else { continue };
                let container_fits =
                    exempt.container.as_deref().is_none_or(|name| found.subject.container == Some(name));
                if !exempt.rules.contains(&rule.id) || !container_fits {
                    continue;
                }
                self.used_annotations.insert((
                    std::ptr::from_ref(value.document()) as usize,
                    value.id(),
                    entry,
                ));
                if self.holds(exempt.until) {
                    return Some(made(&exempt, SuppressedBy::Annotation));
                }
                let place = location(self.context.corpus, At::Value(value));
                self.expired
                    .insert((value.document().source.0, place.line), (expired_message(rule, &exempt), place));
            }
        }
        None
    }

    fn by_config(&mut self, rule: &Rule, found: &Found<'a>) -> Option<Suppression> {
        let settings = self.context.settings;
        if settings.exemptions.is_empty() {
            return None;
        }
        let finding = finding(rule, found, rule.severity, self.context.corpus, &mut Wayfinder::default());
        for (index, exemption) in settings.exemptions.iter().enumerate() {
            if !crate::exemption::matches(exemption, rule, &finding) {
                continue;
            }
            self.used_config.insert(index);
            if self.holds(exemption.until) {
                return Some(Suppression {
                    by: SuppressedBy::Config,
                    reason: Text::from(exemption.reason.as_str()),
                    until: exemption.until.map(|day| day.to_string()),
                });
            }
            self.expired_config.insert(
                exemption.line,
                format!(
                    "the exemption on line {} of the configuration is over; its findings count again",
                    exemption.line
                ),
            );
        }
        None
    }

    /// Adds what is wrong with exemptions: unreadable, expired, or not needed by any selected rule.
    fn notices(self, notices: &mut Vec<Notice>) {
        let corpus = self.context.corpus;
        let ran: HashSet<&str> = self.context.settings.selected().iter().map(|rule| rule.id).collect();
        for (message, place) in self.expired.into_values() {
            notices.push(Notice { kind: NoticeKind::ExpiredSuppression, location: Some(place), message });
        }
        for message in self.expired_config.into_values() {
            notices.push(Notice {
                kind: NoticeKind::ExpiredSuppression,
                location: None,
                message: Text::new(message),
            });
        }
        for (index, comment) in self.comments.iter().enumerate() {
            let place = Some(location::line(corpus, comment.source, comment.line));
            match &comment.exempt {
                Err(bad) => notices.push(Notice {
                    kind: NoticeKind::Warning,
                    location: place,
                    message: Text::new(bad.0.as_str()),
                }),
                Ok(exempt) if !self.used_comments.contains(&index) => {
                    if let Some(message) = unused_message(exempt, &ran) {
                        notices.push(Notice {
                            kind: NoticeKind::UnusedSuppression,
                            location: place,
                            message,
                        });
                    }
                }
                Ok(_) => {}
            }
        }
        let annotated: &[_] = if self.has_annotations { &self.context.objects } else { &[] };
        for object in annotated {
            let template = self.context.template_metadata(object);
            for metadata in [object.root.get("metadata"), template].into_iter().flatten() {
                for (entry, (value, exempt)) in suppress::annotations(metadata).into_iter().enumerate() {
                    let key = (std::ptr::from_ref(value.document()) as usize, value.id(), entry);
                    let place = Some(location(corpus, At::Value(value)));
                    match exempt {
                        Err(bad) => notices.push(Notice {
                            kind: NoticeKind::Warning,
                            location: place,
                            message: Text::new(bad.0),
                        }),
                        Ok(exempt) if !self.used_annotations.contains(&key) => {
                            if let Some(message) = unused_message(&exempt, &ran) {
                                notices.push(Notice {
                                    kind: NoticeKind::UnusedSuppression,
                                    location: place,
                                    message,
                                });
                            }
                        }
                        Ok(_) => {}
                    }
                }
            }
        }
        for (index, exemption) in self.context.settings.exemptions.iter().enumerate() {
            let ran_it = exemption.rule.is_empty() || ran.contains(exemption.rule.as_str());
            if ran_it && !self.used_config.contains(&index) {
                let message =
                    format!("the exemption on line {} of the configuration exempts nothing", exemption.line);
                notices.push(Notice {
                    kind: NoticeKind::UnusedSuppression,
                    location: None,
                    message: Text::new(message),
                });
            }
        }
    }
}

fn made(exempt: &Exempt, by: SuppressedBy) -> Suppression {
    Suppression {
        by,
        reason: Text::from(exempt.reason.as_str()),
        until: exempt.until.map(|day| day.to_string()),
    }
}

fn expired_message(rule: &Rule, exempt: &Exempt) -> Text {
    let until = exempt.until.map(|day| day.to_string()).unwrap_or_default();
    Text::new(format!("the exemption from {} ended on {until}; its findings count again", rule.id))
}

/// Says that an exemption is not needed; nothing when one of its rules did not run, because then nobody knows.
fn unused_message(exempt: &Exempt, ran: &HashSet<&str>) -> Option<Text> {
    exempt
        .rules
        .iter()
        .all(|rule| ran.contains(rule))
        .then(|| Text::new(format!("nothing here breaks {}; the exemption can go", exempt.rules.join(", "))))
}

fn notice(corpus: &Corpus, diagnostic: &Diagnostic) -> Notice {
    let kind = match diagnostic.kind {
        DiagnosticKind::Error => NoticeKind::Unreadable,
        DiagnosticKind::Warning => NoticeKind::Warning,
    };
    let message = if diagnostic.at.is_some() || diagnostic.name.is_empty() {
        diagnostic.message.clone()
    } else {
        Text::new(format!("{}: {}", diagnostic.name.raw(), diagnostic.message.raw()))
    };
    Notice {
        kind,
        location: diagnostic.at.map(|(source, span)| location::of_span(corpus, source, span)),
        message,
    }
}

fn summary(context: &Context<'_>) -> InputSummary {
    let corpus = context.corpus;
    InputSummary {
        sources: corpus.sources.len() as u64,
        bytes: corpus.sources.iter().map(|source| source.text.len() as u64).sum(),
        documents: corpus.documents.len() as u64,
        objects: context.objects.len() as u64,
        workloads: context.workload_count() as u64,
        unknown: context.unknown_documents(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_a_place_and_sorts_the_worst_first() {
        let place = |severity, rule, index| Place { rule, index, severity };
        let mut keys = Vec::new();
        for severity in Severity::ALL.into_iter().rev() {
            for (source, start) in [(0, 0), (0, u32::MAX), (1, 0), (u32::MAX, 7)] {
                for (rule, index) in [(0, 0), (0, u32::MAX), (1, 0), (u16::MAX, 9)] {
                    let key = place(severity, rule, index).key(source, start);
                    let back = Place::of_key(key);
                    assert_eq!((back.severity, back.rule, back.index), (severity, rule, index));
                    keys.push(key);
                }
            }
        }
        assert!(keys.is_sorted());
    }
}
