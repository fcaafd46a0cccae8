//! JSON that is given back.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::trouble::{Reply, Trouble};

/// `value` as JSON that is also harmless where it is printed.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Reply {
    Ok(json_text(write(value)?))
}

/// As [`json`], with another status.
pub(crate) fn json_with<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Reply {
    let mut response = json(value)?;
    *response.status_mut() = status;
    Ok(response)
}

/// JSON that is written already.
pub(crate) fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Writes `value` as [`json`] does.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<String, Trouble> {
    nightlatch_untrusted::json::to_string(value).map_err(|error| Trouble::bug(&error))
}

/// Done, and there is nothing to say.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `{"success": true}`.
pub(crate) fn success() -> Reply {
    json(&serde_json::json!({ "success": true }))
}

/// An object whose members keep their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ordered<T>(pub(crate) Vec<(String, T)>);

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
