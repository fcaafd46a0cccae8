//! Counted values with bars.

use std::io::{self, Write};

use nightlatch_untrusted::terminal_width;

use crate::page::Page;
use crate::style::{Paint, Style};

/// One value and how often it occurs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bar {
    /// The value, raw.
    pub value: String,
    /// How many records have it.
    pub count: u64,
}

/// One field counted by value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FacetView {
    /// Name of the field.
    pub name: String,
    /// The values, in the order to be shown.
    pub bars: Vec<Bar>,
    /// Distinct values in all.
    pub distinct: u64,
    /// Records with a value that is not among `bars`.
    pub other: u64,
    /// Records without a value.
    pub missing: u64,
}

/// Widest column of values, in columns.
const VALUE_COLUMNS_MAX: usize = 40;

/// Writes each facet as a list of values with counts and bars, the longest bar for the largest count.
///
/// # Errors
/// What `out` reports.
pub fn facets(views: &[FacetView], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    for (position, view) in views.iter().enumerate() {
        if position > 0 {
            page.blank()?;
        }
        facet(view, &mut page)?;
    }
    Ok(())
}

fn facet(view: &FacetView, page: &mut Page<'_>) -> io::Result<()> {
    let noun = if view.distinct == 1 { "value" } else { "values" };
    page.text(&format!("{} ({} distinct {noun})", view.name, thousands(view.distinct)), Paint::Bold)?;
    let rest = [("(other values)", view.other), ("(no value)", view.missing)];
    let most = view.bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    let largest = rest.iter().map(|(_, count)| *count).max().unwrap_or(0).max(most);
    let count_columns = thousands(largest).len();
    let values = view.bars.iter().map(|bar| terminal_width(&page.shown(&bar.value)));
    let labels = rest.iter().filter(|(_, count)| *count > 0).map(|(label, _)| label.len());
    let room = (page.style.columns() / 2).min(VALUE_COLUMNS_MAX);
    let value_columns = values.chain(labels).max().unwrap_or(0).min(room);
    let bar_columns = page.style.columns().saturating_sub(2 + value_columns + 2 + count_columns + 2);
    for bar in &view.bars {
        let value = page.cell(&bar.value, value_columns, Paint::Plain);
        let count = page.number(&thousands(bar.count), count_columns, Paint::Plain);
        let drawn = page.cell(&drawn(bar.count, most, bar_columns, page.style), bar_columns, Paint::Blue);
        page.line(2, 2, &[value, count, drawn])?;
    }
    for (label, count) in rest.into_iter().filter(|(_, count)| *count > 0) {
        let value = page.cell(label, value_columns, Paint::Dim);
        let count = page.number(&thousands(count), count_columns, Paint::Dim);
        page.line(2, 2, &[value, count])?;
    }
    Ok(())
}

/// A bar in proportion, at least one mark for what is not zero.
fn drawn(count: u64, most: u64, columns: usize, style: Style) -> String {
    if count == 0 || most == 0 {
        return String::new();
    }
    let share = (u128::from(count) * columns as u128) / u128::from(most);
    let marks = usize::try_from(share).unwrap_or(columns).clamp(1, columns.max(1));
    if style.unicode { "█" } else { "#" }.repeat(marks)
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
