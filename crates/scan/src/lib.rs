//! Discovery, conversations, judgement, storage: one scan from plan to outcome.

pub mod converse;
