//! Variables in Compose files: `$NAME`, `${NAME}`, `${NAME:-default}` and their kin; `$$` is a dollar.

/// Nested defaults deeper than this are unknown.
const DEPTH_MAX: u32 = 16;

/// `text` with its variables replaced; nothing when one is unknown and has no default.
pub(super) fn resolve<'v>(text: &str, known: &dyn Fn(&str) -> Option<&'v str>) -> Option<String> {
    replaced(text, known, 0)
}

fn replaced<'v>(text: &str, known: &dyn Fn(&str) -> Option<&'v str>, depth: u32) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if rest.starts_with('{') {
            let end = closing(rest)?;
            result.push_str(&braced(&rest[1..end], known, depth)?);
            rest = &rest[end + 1..];
        } else {
            let length = name_length(rest);
            if length == 0 {
                result.push('$');
                continue;
            }
            result.push_str(known(&rest[..length])?);
            rest = &rest[length..];
        }
    }
    result.push_str(rest);
    Some(result)
}

/// The content of `${...}`.
fn braced<'v>(inner: &str, known: &dyn Fn(&str) -> Option<&'v str>, depth: u32) -> Option<String> {
    let length = name_length(inner);
    let (name, rest) = inner.split_at(length);
    let value = known(name);
    let filled = value.filter(|value| !value.is_empty());
    let word = |prefix: &str| rest.strip_prefix(prefix);
    if let Some(default) = word(":-") {
        return filled.map(str::to_owned).or_else(|| replaced(default, known, depth + 1));
    }
    if let Some(default) = word("-") {
        return value.map(str::to_owned).or_else(|| replaced(default, known, depth + 1));
    }
    if let Some(other) = word(":+") {
        return filled.and_then(|_| replaced(other, known, depth + 1));
    }
    if let Some(other) = word("+") {
        return value.and_then(|_| replaced(other, known, depth + 1));
    }
    (rest.is_empty() || rest.starts_with('?') || rest.starts_with(":?"))
        .then(|| value.map(str::to_owned))
        .flatten()
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Where the brace that `text` starts with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_or_unknown() {
        let known = |name: &str| match name {
            "A" => Some("1"),
            "EMPTY" => Some(""),
            _ => None,
        };
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(resolve(text, &known).as_deref(), expected, "{text}")
        };
        check("plain", Some("plain"));
        check("$A-${A}", Some("1-1"));
        check("$$A", Some("$A"));
        check("${B:-x}", Some("x"));
        check("${B:-${C:-y}}z", Some("yz"));
        check("${EMPTY:-x}${EMPTY-x}", Some("x"));
        check("${B}", None);
        check("$B", None);
        check("${B:?needed}", None);
        check("${A:?needed}", Some("1"));
        check("${A:+q}", Some("q"));
        check("100$", Some("100$"));
        check("${open", None);
        check(&("${".repeat(50) + &"}".repeat(50)), None);
    }
}
