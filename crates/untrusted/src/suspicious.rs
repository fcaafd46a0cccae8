/// True for characters that change how *other* characters are shown or read, or that a terminal obeys:
/// C0 and C1 controls, DEL, bidirectional controls, invisible and deprecated format characters, line and
/// paragraph separators, tags, and the replacement for an unpaired surrogate's neighbourhood (U+FFF9 to
/// U+FFFB, interlinear annotation).
///
/// Source: Unicode TR 36 (security considerations) and TR 9 (bidirectional controls); ECMA-48 for C1.
pub fn is_dangerous(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}
