use std::sync::OnceLock;

use nightlatch_asset::{Answer, DialogueAnswer, Failure, HttpAnswer};
use serde_json::Value;

use crate::{page, prefix_json};

/// One answer, with what was read from it so far.
#[derive(Debug)]
pub(crate) struct Seen {
    answer: Answer,
    /// A success or redirect that cannot be told from the canary.
    pub(crate) same_as_canary: bool,
    json: OnceLock<Option<Value>>,
    title: OnceLock<Option<String>>,
    text: OnceLock<String>,
}

impl Seen {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            same_as_canary: false,
            json: OnceLock::new(),
            title: OnceLock::new(),
            text: OnceLock::new(),
        }
    }

    pub(crate) fn http(&self) -> Option<&HttpAnswer> {
        match &self.answer {
            Answer::Http(http) => Some(http),
            _ => None,
        }
    }

    /// A dialogue in which the peer spoke the protocol.
    pub(crate) fn dialogue(&self) -> Option<&DialogueAnswer> {
        match &self.answer {
            Answer::Dialogue(dialogue) if dialogue.facts.get("recognised") != Some(&Value::Bool(false)) => {
                Some(dialogue)
            }
            _ => None,
        }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.answer {
            Answer::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// True when there is something to look at.
    pub(crate) fn is_usable(&self) -> bool {
        self.http().is_some() || self.dialogue().is_some()
    }

    /// The body as JSON, or the facts of a dialogue.
    pub(crate) fn json(&self) -> Option<&Value> {
        if let Some(dialogue) = self.dialogue() {
            return Some(&dialogue.facts);
        }
        let http = self.http()?;
        self.json.get_or_init(|| prefix_json::parse(&http.body, http.end)).as_ref()
    }

    pub(crate) fn title(&self) -> Option<&str> {
        let http = self.http()?;
        self.title.get_or_init(|| page::title(http)).as_deref()
    }

    /// The body as text, what is not UTF-8 replaced; of a dialogue, what the peer said.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Some(dialogue) = self.dialogue() {
            return Some(dialogue.text.raw());
        }
        let http = self.http()?;
        Some(self.text.get_or_init(|| String::from_utf8_lossy(&http.body).into_owned()))
    }
}
