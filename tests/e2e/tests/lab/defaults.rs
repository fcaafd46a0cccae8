//! What the audit believes about defaults and admission, asked of a real server.

use crate::Case;

pub(super) const CASES: &[Case] = &[];
