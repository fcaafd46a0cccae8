//! `/theme`: the switch between light, dark and what the system says. Kept in a cookie that holds nothing else.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};

use nightlatch_gate::Arrival;

use crate::{Web, change::Change, frame::Theme, link};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/theme", post(theme))
}

async fn theme(arrival: Arrival, change: Change) -> Response {
    let theme = Theme::named(change.one("theme"));
    let mut response = Redirect::to(link::back(change.one("back"))).into_response();
    let secure = if arrival.secure { "; Secure" } else { "" };
    let (name, value) = (Theme::COOKIE, theme.as_str());
    let cookie = format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
