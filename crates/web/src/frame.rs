//! What stands around every page: title, navigation, who is logged in.

use axum::http::{HeaderMap, header};
use nightlatch_control::Role;
use nightlatch_gate::Caller;

use crate::assets;

/// One place of the navigation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Where it is.
    pub(crate) path: &'static str,
    /// What it is called.
    pub(crate) label: &'static str,
    /// The least role that may look.
    pub(crate) role: Role,
}

const fn place(path: &'static str, label: &'static str, role: Role) -> Place {
    Place { path, label, role }
}

/// The navigation, by groups.
pub(crate) const NAVIGATION: [(&str, &[Place]); 4] = [
    (
        "Watch",
        &[
            place("/", "Overview", Role::Viewer),
            place("/search", "Search", Role::Viewer),
            place("/products", "Products", Role::Viewer),
            place("/findings", "Findings", Role::Viewer),
        ],
    ),
    (
        "Scan",
        &[
            place("/runs", "Runs", Role::Viewer),
            place("/schedules", "Schedules", Role::Viewer),
            place("/scope", "Scope", Role::Viewer),
        ],
    ),
    ("Tell", &[place("/alerts", "Alerts", Role::Viewer), place("/reports", "Reports", Role::Viewer)]),
    ("House", &[place("/keys", "Keys", Role::Admin), place("/help", "Help", Role::Viewer)]),
];

/// How a page wants to look, from the cookie of the switch; empty follows the system.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const COOKIE: &str = "nightlatch_theme";

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The next one that the switch offers.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::System => Self::Dark,
            Self::Dark => Self::Light,
            Self::Light => Self::System,
        }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == Self::COOKIE).map_or(Self::System, |(_, value)| Self::named(value))
    }
}

/// What stands around a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The page's name.
    pub(crate) title: String,
    /// The place of the navigation that it belongs to.
    pub(crate) here: &'static str,
    /// Light, dark, or as the system.
    pub(crate) theme: Theme,
    /// The key's label.
    pub(crate) who: String,
    /// What the key allows.
    pub(crate) role: Role,
    /// What every form carries.
    pub(crate) csrf: String,
    /// The page's own address, to come back to.
    pub(crate) address: String,
    /// What the last change says of itself.
    pub(crate) said: Option<&'static str>,
}

impl Frame {
    pub(crate) fn new(visit: &crate::visit::Visit, here: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            here,
            theme: visit.theme,
            who: visit.caller.key.label.clone(),
            role: visit.caller.key.role,
            csrf: csrf(&visit.caller),
            address: visit.address.clone(),
            said: visit.said,
        }
    }

    pub(crate) fn style(&self) -> &'static str {
        assets::STYLE.path
    }

    pub(crate) fn script(&self) -> &'static str {
        assets::SCRIPT.path
    }

    pub(crate) fn icon(&self) -> &'static str {
        assets::ICON.path
    }

    /// The groups with the places that the key may look at.
    pub(crate) fn navigation(&self) -> Vec<(&'static str, Vec<Place>)> {
        NAVIGATION
            .iter()
            .map(|(name, places)| (*name, places.iter().copied().filter(|p| p.role <= self.role).collect()))
            .collect()
    }

    pub(crate) fn may_write(&self) -> bool {
        self.role >= Role::Analyst
    }

    pub(crate) fn may_operate(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// The token of the session; empty without one, and then no form is taken.
pub(crate) fn csrf(caller: &Caller) -> String {
    caller.session.as_ref().map(|session| session.csrf.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_theme_is_read_from_its_cookie_only() {
        let theme = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, header::HeaderValue::from_static(value));
            Theme::of(&headers)
        };
        assert_eq!(theme("a=b; nightlatch_theme=dark"), Theme::Dark);
        assert_eq!(theme("nightlatch_theme=light;x"), Theme::Light);
        assert_eq!(theme("nightlatch_theme=\"><script>"), Theme::System);
        assert_eq!(theme("xnightlatch_theme=dark"), Theme::System);
    }
}
