//! Where a request carries its key, and how it is taken out, so that nothing behind the gate can repeat it.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderValue, Uri, header, uri::PathAndQuery},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;

use crate::Refused;

/// The parameter, and the field of a form.
const NAME: &str = "key";
/// A body that anybody may send: a form is read before it is known who sent it. Larger ones are read a few at a time.
pub(crate) const STRANGERS_BYTES_MAX: usize = 16 << 10;
/// Large forms that are read at a time.
pub(crate) const LARGE_FORMS: usize = 32;

/// Takes the key out of a request: from `?key=`, from the field `key` of a form, from `X-Api-Key` or from
/// `Authorization: Bearer`, the first that is there. Address and form go on without it.
///
/// - `large`: [`LARGE_FORMS`] places.
pub(crate) async fn take(
    mut request: Request,
    bytes_max: usize,
    large: &Semaphore,
) -> Result<(Request, Option<String>), Refused> {
    let in_address = request.uri().query().and_then(|query| value(query.as_bytes(), NAME));
    if in_address.is_some() {
        *request.uri_mut() = without_key(request.uri());
    }
    let in_headers = in_headers(request.headers());
    request.headers_mut().remove("x-api-key");
    request.headers_mut().remove(header::AUTHORIZATION);
    if !is_form(request.headers()) {
        return Ok((request, in_address.or(in_headers)));
    }
    let (mut parts, body) = request.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= STRANGERS_BYTES_MAX as u64);
    let _place = if is_small { None } else { Some(large.acquire().await.map_err(|_| Refused::Bug)?) };
    let bytes = gather(body, bytes_max).await?;
    let in_form = value(&bytes, NAME);
    let bytes = if in_form.is_some() { cut(&bytes, NAME).into() } else { bytes };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    parts.headers.remove(header::TRANSFER_ENCODING);
    let request = Request::from_parts(parts, Body::from(bytes));
    Ok((request, in_address.or(in_form).or(in_headers)))
}

/// Reads a form to find one field, and passes it on as it came.
pub(crate) async fn form_field(
    request: Request,
    name: &str,
    bytes_max: usize,
) -> Result<(Request, Option<String>), Refused> {
    if !is_form(request.headers()) {
        return Err(Refused::NotAForm);
    }
    let (parts, body) = request.into_parts();
    let bytes = gather(body, bytes_max).await?;
    let found = value(&bytes, name);
    Ok((Request::from_parts(parts, Body::from(bytes)), found))
}

fn in_headers(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok().map(|key| key.trim().to_owned());
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The whole body, if it is small enough.
pub(crate) async fn gather(body: Body, bytes_max: usize) -> Result<Bytes, Refused> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refused::BodyTooLarge { bytes_max }),
        Err(_) => Err(Refused::BodyBroken),
    }
}

/// The first pair of that name which is not empty.
fn value(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(form);
    pairs.find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// The form without the pairs of that name; all others as they came.
fn cut(form: &[u8], name: &str) -> Vec<u8> {
    let is_other = |pair: &&[u8]| form_urlencoded::parse(pair).all(|(own, _)| own != name);
    form.split(|byte| *byte == b'&').filter(is_other).collect::<Vec<_>>().join(&b'&')
}

fn without_key(uri: &Uri) -> Uri {
    let rest = cut(uri.query().unwrap_or_default().as_bytes(), NAME);
    let mut text = uri.path().as_bytes().to_vec();
    if !rest.is_empty() {
        text.push(b'?');
        text.extend(rest);
    }
    let mut parts = uri.clone().into_parts();
    // What is left of a valid address is valid; should it not be, the query goes as a whole.
    let bare = || PathAndQuery::try_from(uri.path()).ok();
    parts.path_and_query = PathAndQuery::try_from(text).ok().or_else(bare);
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn taken(
        method: &str,
        uri: &str,
        lines: &[(&str, &str)],
        body: &str,
    ) -> (String, String, Option<String>) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (request, key) =
            take(request.body(Body::from(body.to_owned())).unwrap(), 1000, &Semaphore::new(1)).await.unwrap();
        assert!(
            !request.headers().contains_key("authorization") && !request.headers().contains_key("x-api-key")
        );
        let uri = request.uri().to_string();
        let body = gather(request.into_body(), 1000).await.unwrap();
        (uri, String::from_utf8(body.to_vec()).unwrap(), key)
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

    #[tokio::test]
    async fn a_key_is_found_where_it_belongs_and_taken_out() {
        for (uri, lines, body, expected) in [
            ("/a?key=K", &[][..], "", ("/a", "", Some("K"))),
            ("/a?query=a+b%20c&key=K&page=2", &[], "", ("/a?query=a+b%20c&page=2", "", Some("K"))),
            ("/a?k%65y=K", &[], "", ("/a", "", Some("K"))),
            ("/a?key=", &[], "", ("/a?key=", "", None)),
            ("/a?key=&key=K", &[], "", ("/a", "", Some("K"))),
            ("/a", &[("authorization", "bearer K")], "", ("/a", "", Some("K"))),
            ("/a", &[("authorization", "Basic K")], "", ("/a", "", None)),
            ("/a", &[("x-api-key", " K ")], "", ("/a", "", Some("K"))),
            ("/a?key=K", &[("x-api-key", "L")], "", ("/a", "", Some("K"))),
            ("/a", &[FORM], "ips=1.2.3.4&key=K&x=%2B", ("/a", "ips=1.2.3.4&x=%2B", Some("K"))),
            ("/a?key=K", &[FORM], "key=L&x=1", ("/a", "x=1", Some("K"))),
            ("/a", &[("content-type", "application/json")], "key=K", ("/a", "key=K", None)),
            ("/a/key/K", &[("cookie", "key=K")], "", ("/a/key/K", "", None)),
        ] {
            let (uri_left, body_left, key) = taken("POST", uri, lines, body).await;
            let got = (uri_left.as_str(), body_left.as_str(), key.as_deref());
            assert_eq!(got, expected, "{uri} {lines:?} {body}");
        }
    }

    #[tokio::test]
    async fn a_form_that_is_too_large_is_refused() {
        let request = Request::builder().method("POST").header(FORM.0, FORM.1);
        let request = request.body(Body::from("a".repeat(1001))).unwrap();
        assert_eq!(
            take(request, 1000, &Semaphore::new(1)).await.unwrap_err(),
            Refused::BodyTooLarge { bytes_max: 1000 }
        );
    }

    proptest! {
        #[test]
        fn only_the_key_is_cut(form in "[a-ceky=&%0-9+]{0,60}") {
            let all: Vec<_> = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| name != NAME).collect();
            let left = cut(form.as_bytes(), NAME);
            let left: Vec<_> = form_urlencoded::parse(&left).collect();
            prop_assert_eq!(left, all);
        }

        #[test]
        fn any_address_is_cut_without_a_panic(query in "\\PC{0,60}") {
            let Ok(uri) = format!("/a?{query}").parse::<Uri>() else { return Ok(()) };
            let cut = without_key(&uri);
            prop_assert_eq!(cut.path(), "/a");
            prop_assert!(cut.query().and_then(|query| value(query.as_bytes(), NAME)).is_none());
        }
    }
}
