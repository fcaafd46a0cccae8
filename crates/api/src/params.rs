//! Parameters of a request, from its address or its form.

use std::{convert::Infallible, fmt::Display, str::FromStr};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use nightlatch_asset::nearest;

use crate::trouble::{Trouble, shown};

/// Most bytes of a body: the longest alert has 10,000 networks.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Names and values, percent-decoded, in the order given. The key is left out wherever it stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=2`; total, in time that grows with the length of the text.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).filter(|(name, _)| name != "key");
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The value of `name`; none when it is absent, the last when it is given several times.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of `name`, which must be there and not blank.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Trouble> {
        let value = self.text(name).filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| Trouble::bad_value(name, "is required"))
    }

    /// A truth value, as programs in several languages write it.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Trouble> {
        match self.text(name) {
            None => Ok(default),
            Some("true" | "True" | "1") => Ok(true),
            Some("false" | "False" | "0") => Ok(false),
            Some(other) => {
                Err(Trouble::bad_value(name, format!("must be true or false, not `{}`", shown(other))))
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn number<N>(&self, name: &str, min: N, max: N) -> Result<Option<N>, Trouble>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<N>() {
            Ok(number) if number >= min && number <= max => Ok(Some(number)),
            _ => Err(Trouble::bad_value(
                name,
                format!("must be a whole number from {min} to {max}, not `{}`", shown(text)),
            )),
        }
    }

    /// Refuses names that are not `known`, and names that are given twice.
    pub(crate) fn only(&self, known: &[&'static str]) -> Result<(), Trouble> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let hint = nearest(name, known.iter().copied())
                    .map(|nearest| format!("; did you mean `{nearest}`?"))
                    .unwrap_or_default();
                return Err(Trouble::bad_value(name, format!("is no parameter of this address{hint}")));
            }
            if self.0[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Trouble::bad_value(name, "is given twice"));
            }
        }
        Ok(())
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// The parameters of a form. The key that some clients put beside them is left out.
pub(crate) struct Form(pub(crate) Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Trouble;

    async fn from_request(request: Request, _: &S) -> Result<Self, Trouble> {
        Ok(Self(Params::parse(&body(request).await?)))
    }
}

/// The bytes of a body, as far as they are few enough.
pub(crate) async fn body(request: Request) -> Result<axum::body::Bytes, Trouble> {
    axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
        Trouble::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {BODY_BYTES_MAX} bytes, or ended early"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(text.as_bytes())
    }

    #[test]
    fn truth_is_spelt_in_many_ways() {
        for (text, expected) in [
            ("f=True", Some(true)),
            ("f=true", Some(true)),
            ("f=1", Some(true)),
            ("f=False", Some(false)),
            ("f=0", Some(false)),
            ("f=", None),
            ("", Some(true)),
            ("f=yes", None),
        ] {
            assert_eq!(params(text).flag("f", true).ok(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_have_bounds_and_mistakes_have_names() {
        assert_eq!(params("page=2").number("page", 1, 9), Ok(Some(2)));
        assert_eq!(params("").number("page", 1, 9), Ok(None));
        for text in
            ["page=", "page=0", "page=10", "page=x", "page=-1", "page=99999999999999999999", "page=1.5"]
        {
            let trouble = params(text).number("page", 1, 9).unwrap_err();
            assert_eq!(trouble.about.as_deref(), Some("page"), "{text}");
        }
    }

    #[test]
    fn the_key_is_never_a_parameter() {
        let params = params("key=secret&url=https%3A%2F%2Fx&key=again");
        assert_eq!(params.iter().collect::<Vec<_>>(), [("url", "https://x")]);
    }

    #[test]
    fn unknown_and_repeated_names_are_refused() {
        assert!(params("query=a&page=1").only(&["query", "page"]).is_ok());
        let trouble = params("qery=a").only(&["query", "page"]).unwrap_err();
        assert!(trouble.detail.contains("did you mean `query`?"), "{}", trouble.detail);
        assert!(params("page=1&page=2").only(&["page"]).is_err());
    }
}
