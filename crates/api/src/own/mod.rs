//! Our own API under `/api/v1`.

use std::sync::Arc;

use axum::{Router, response::Response};
use nightlatch_gate::{Refused, Words};

use crate::Api;

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new().with_state(api)
}

/// x
pub fn openapi() -> String {
    String::new()
}

pub(crate) struct Problems;

impl Words for Problems {
    fn refuse(&self, refused: &Refused) -> Response {
        crate::shodan::refuse(refused)
    }
}
