//! The settings an etcd works with, and what can be said when not all of them are in the input.

use std::cell::Cell;

use nightlatch_manifest::{DocumentKind, Node};

use crate::{
    Change, Context, Found, Sink,
    program::{
        INJECTED, Program, Setting, authority::Authority, listen::Reach, listen::url, programs, values::items,
    },
};

/// One etcd of the input. Flags, environment and configuration file are one list of settings by then.
pub(super) struct Etcd<'c, 'a> {
    program: Program<'c, 'a>,
    /// True once an absent setting was asked for that may be set where the input does not show it.
    guessed: Cell<bool>,
}

/// Judges every etcd. What `judge` says rests on a guess when a setting that it asked for is absent from a command line that
/// is not whole: then it is unknown.
pub(super) fn judge_each<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    judge: impl Fn(&Etcd<'_, 'a>) -> Verdict<'a>,
) {
    for program in programs(context, "etcd") {
        if program.get("config-file").is_some() {
            sink.unknown("the file of --config-file, which makes all flags void, is not in the input");
            continue;
        }
        let etcd = Etcd { program, guessed: Cell::new(false) };
        match judge(&etcd) {
            Verdict::Nothing => {}
            Verdict::Unknown(why) => sink.unknown(why),
            _ if etcd.guessed.get() => sink.unknown(INJECTED),
            Verdict::Holds => sink.pass(),
            Verdict::Broken(found) => sink.fail(*found),
        }
    }
}

/// What a check says of one etcd.
pub(super) enum Verdict<'a> {
    /// There is nothing to judge.
    Nothing,
    Holds,
    Broken(Box<Found<'a>>),
    Unknown(&'static str),
}

impl<'a> From<Found<'a>> for Verdict<'a> {
    fn from(found: Found<'a>) -> Self {
        Self::Broken(Box::new(found))
    }
}

impl<'a> Etcd<'_, 'a> {
    /// A setting by the name of its flag; empty is not set.
    pub(super) fn get(&self, name: &str) -> Option<Setting<'a>> {
        let found = self.program.get(name);
        if found.is_none() && !self.program.is_whole() {
            self.guessed.set(true);
        }
        found
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.is(true))
    }

    /// True when both are set.
    pub(super) fn has_both(&self, names: [&str; 2]) -> bool {
        names.iter().all(|name| self.get(name).is_some())
    }

    /// The first of two that is not set.
    pub(super) fn absent<'n>(&self, names: [&'n str; 2]) -> &'n str {
        let [first, second] = names;
        if self.get(first).is_none() { first } else { second }
    }

    /// How far the URLs of a setting reach; nothing when it is not set.
    pub(super) fn reach(&self, name: &str) -> Option<Reach> {
        let value = self.get(name)?;
        let reaches: Vec<Reach> = items(&value.text).filter_map(url).map(|url| url.reach).collect();
        [Reach::Network, Reach::Unknown, Reach::Host].into_iter().find(|reach| reaches.contains(reach))
    }

    /// The setting with a URL of plain HTTP that reaches as far as `reach`.
    pub(super) fn plain(&self, name: &str, reach: Reach) -> Option<Setting<'a>> {
        let value = self.get(name)?;
        let has = items(&value.text).filter_map(url).any(|url| url.is_plain() && url.reach == reach);
        has.then_some(value)
    }

    /// Members of the first cluster; one when none are named.
    pub(super) fn members(&self) -> usize {
        self.get("initial-cluster").map_or(1, |value| items(&value.text).count().max(1))
    }

    /// The authorities in the file that a setting names; nothing when the file is not in the input.
    pub(super) fn authority(&self, file: &Setting<'a>) -> Option<Authority<'a>> {
        self.program.authority(file)
    }

    /// A finding at a value.
    pub(super) fn found(&self, value: &Setting<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        self.program.found(value, message)
    }

    /// A finding about a setting that is absent or wrong, with the change that gives it a value.
    pub(super) fn finding(&self, name: &str, message: &'static str, mended: Option<&str>) -> Found<'a> {
        let now = self.program.get(name);
        let found = match &now {
            Some(value) => self.program.found(value, message),
            None => self.program.missing(message),
        };
        match (mended, self.file()) {
            (None, _) => found,
            (Some(mended), Some(root)) => {
                found.change(Change::SetPath(root, path_in_file(name).into(), mended.to_owned().into()))
            }
            (Some(mended), None) => self.program.setting_to(found, now.as_ref(), name, mended),
        }
    }

    /// The configuration file, when the settings come from one and nothing else is known of it.
    fn file(&self) -> Option<Node<'a>> {
        let document = self.program.at().document();
        (document.what == Some(DocumentKind::EtcdConfig)).then(|| document.root())
    }
}

/// Where the configuration file has a setting.
fn path_in_file(name: &str) -> String {
    match name.strip_prefix("peer-") {
        Some(name) => format!("peer-transport-security.{name}"),
        None => format!("client-transport-security.{name}"),
    }
}
