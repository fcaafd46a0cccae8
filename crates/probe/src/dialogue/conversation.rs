use nightlatch_asset::{Answer, RequestClass};

use super::{Dialogue, DialogueInfo, Step};
use crate::Stopped;

/// Most steps of one conversation.
pub const STEPS_MAX: usize = 64;

/// Most new connections one conversation may ask for, after the first.
pub const RECONNECTS_MAX: usize = 4;

/// Most bytes of the peer that are looked at.
pub const INPUT_BYTES_MAX: usize = 256 * 1024;

/// A message that was handed out to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Its class.
    pub class: RequestClass,
    /// The question in one line.
    pub asked: &'static str,
}

/// A dialogue within the bounds that are the same for all.
///
/// A message above the allowed class is never handed out, whatever the dialogue says; the conversation ends
/// instead.
#[derive(Debug)]
pub struct Conversation {
    dialogue: Box<dyn Dialogue>,
    allowed: RequestClass,
    asked: Vec<Asked>,
    /// Turns: a reading of a few bytes is no step, or slow peers would run out of them.
    steps: usize,
    reconnects: usize,
    bytes_heard: usize,
    interrupted: Option<Stopped>,
    done: bool,
}

impl Conversation {
    /// A conversation that asks nothing above `allowed`.
    pub fn new(info: &DialogueInfo, allowed: RequestClass) -> Self {
        Self {
            dialogue: (info.start)(allowed),
            allowed,
            asked: Vec::new(),
            steps: 0,
            reconnects: 0,
            bytes_heard: 0,
            interrupted: None,
            done: false,
        }
    }

    /// What to do at the beginning and after each step but [`Step::Wait`] was done.
    #[expect(clippy::should_implement_trait, reason = "a turn of a conversation, not an item of a sequence")]
    pub fn next(&mut self) -> Step {
        let step = if self.done { Step::Done } else { self.dialogue.next() };
        self.bounded(step)
    }

    /// Takes the next bytes of the peer.
    pub fn receive(&mut self, bytes: &[u8]) -> Step {
        if self.done || bytes.is_empty() {
            return if self.done { Step::Done } else { Step::Wait };
        }
        let room = INPUT_BYTES_MAX.saturating_sub(self.bytes_heard);
        self.bytes_heard += bytes.len().min(room);
        let step = self.dialogue.receive(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            self.done = true;
            return Step::Done;
        }
        self.bounded(step)
    }

    /// Takes notice that nothing (more) comes, or that a handshake or a new connection failed.
    pub fn interrupted(&mut self, stopped: Stopped) -> Step {
        self.interrupted = Some(stopped);
        let step = if self.done { Step::Done } else { self.dialogue.interrupted(stopped) };
        self.bounded(step)
    }

    /// The messages handed out so far, in order.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// What was learnt; `stopped` is [`Stopped::Enough`] after [`Step::Done`].
    ///
    /// An answer as soon as the peer said anything, a failure otherwise.
    pub fn finish(self, stopped: Stopped) -> Answer {
        let last = match stopped {
            Stopped::Enough => self.interrupted.unwrap_or(stopped),
            _ => stopped,
        };
        if self.dialogue.started() {
            Answer::Dialogue(self.dialogue.finish(last))
        } else {
            Answer::Failed(last.failure())
        }
    }

    fn bounded(&mut self, step: Step) -> Step {
        let within = match &step {
            Step::Wait => return step,
            Step::Send(message) => message.class <= self.allowed,
            Step::Reconnect => {
                self.reconnects += 1;
                self.reconnects <= RECONNECTS_MAX
            }
            Step::StartTls | Step::Done => true,
        };
        self.steps += 1;
        if !within || self.steps > STEPS_MAX || step == Step::Done {
            self.done = true;
            return Step::Done;
        }
        if let Step::Send(message) = &step {
            self.asked.push(Asked { class: message.class, asked: message.asked });
        }
        step
    }
}
