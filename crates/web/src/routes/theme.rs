//! `/theme`: the switch between light, dark and what the system says. Kept in a cookie that holds nothing else.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};

use crate::{Web, change::Change, frame::Theme, link};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/theme", post(theme))
}

async fn theme(change: Change) -> Response {
    let theme = Theme::named(change.one("theme"));
    let mut response = Redirect::to(link::back(change.one("back"))).into_response();
    let cookie =
        format!("{}={}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly", Theme::COOKIE, theme.as_str());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
