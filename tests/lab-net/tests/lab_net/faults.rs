use crate::Case;
pub(crate) const CASES: &[Case] = &[];
pub(crate) const NETEM: &[Case] = &[];
