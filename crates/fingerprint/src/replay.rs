//! Conversations with answers from memory: for examples, recordings and tests of the planner.

use nightlatch_asset::Answer;

use crate::{
    catalogue::Catalogue,
    judge::{Judge, Judged},
    session::{Context, Question},
};

/// A conversation that was held.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What it was.
    pub judged: Judged,
    /// The questions, in the order asked.
    pub questions: Vec<Question>,
}

impl Catalogue {
    /// Holds the conversation that the planner plans, with answers from `answer`; `None` leaves a question open.
    pub fn converse(&self, context: Context, mut answer: impl FnMut(&Question) -> Option<Answer>) -> Replay {
        let mut session = self.session(context);
        let mut questions = Vec::new();
        loop {
            let batch = session.next();
            if batch.is_empty() {
                return Replay { judged: session.verdict(), questions };
            }
            for question in batch {
                if let Some(answer) = answer(&question) {
                    session.answer(question.id, answer);
                }
                questions.push(question);
            }
        }
    }

    /// Asks every question of every fingerprint, whatever the planner would ask: whom do these answers satisfy?
    pub fn interrogate(
        &self,
        context: Context,
        mut answer: impl FnMut(&Question) -> Option<Answer>,
    ) -> Judged {
        let session = self.session(context.clone());
        let questions = (0..self.compiled.asks.len()).filter_map(|slot| session.question(slot));
        let mut judge = Judge::new(context);
        for question in questions {
            if let Some(answer) = answer(&question) {
                judge.take(&self.compiled, question.id.0, answer);
            }
        }
        judge.verdict(&self.compiled, |_| true)
    }
}
