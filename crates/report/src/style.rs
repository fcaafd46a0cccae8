use nightlatch_asset::{Exposure, Severity};

/// How a terminal wants to be written to. The caller finds out (`NO_COLOR`, whether it is a terminal,
/// its width, its locale) and says so here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    /// Columns of a line; less than [`Style::WIDTH_MIN`] counts as that.
    pub width: usize,
    /// Whether to write colours.
    pub colour: bool,
    /// Whether the terminal shows more than ASCII; without, other characters are written as `\u{..}`.
    pub unicode: bool,
}

impl Style {
    /// The narrowest width that is laid out for.
    pub const WIDTH_MIN: usize = 40;

    /// 80 columns, ASCII, no colours: what a pipe gets.
    pub const PLAIN: Self = Self { width: 80, colour: false, unicode: false };

    pub(crate) fn columns(self) -> usize {
        self.width.max(Self::WIDTH_MIN)
    }

    /// What shows that something was left out.
    pub(crate) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// The colours that carry a meaning; used sparingly, and never the only carrier of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Alarm,
    Red,
    Yellow,
    Green,
    Blue,
}

impl Paint {
    /// Parameters of the escape sequence "select graphic rendition", ECMA-48, section 8.3.117.
    pub(crate) fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Alarm => Some("1;31"),
            Self::Red => Some("31"),
            Self::Yellow => Some("33"),
            Self::Green => Some("32"),
            Self::Blue => Some("34"),
        }
    }
}

impl From<Severity> for Paint {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Alarm,
            Severity::High => Self::Red,
            Severity::Medium => Self::Yellow,
            Severity::Low => Self::Blue,
            Severity::Info => Self::Dim,
        }
    }
}

impl From<Exposure> for Paint {
    fn from(exposure: Exposure) -> Self {
        match exposure {
            Exposure::Controllable => Self::Alarm,
            Exposure::Readable => Self::Red,
            Exposure::Limited => Self::Yellow,
            Exposure::AuthRequired => Self::Green,
            Exposure::Unknown => Self::Dim,
        }
    }
}
