//! The suite every backend must pass: the same corpus and questions as [`MemoryStore`](crate::MemoryStore).
