//! Does a text begin with an arrow function? Only the beginning is looked at: the parser has the last word.

/// Could the whole text be one arrow function?
pub fn looks_like_arrow(code: &str) -> bool {
    let mut rest = skip_trivia(code);
    if let Some(after) = rest.strip_prefix("async")
        && after.starts_with(|c: char| c.is_whitespace() || c == '(' || c == '/')
        // `async => 1` is an arrow function whose parameter has that name.
        && !skip_trivia(after).starts_with("=>")
    {
        rest = skip_trivia(after);
    }
    let after = if rest.starts_with('(') {
        skip_parentheses(rest)
    } else {
        let name = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(0);
        (name > 0).then(|| &rest[name..])
    };
    after.is_some_and(|after| skip_trivia(after).starts_with("=>"))
}

/// The text without the semicolons that end it, and the comments behind them.
pub fn without_final_semicolon(code: &str) -> &str {
    // A semicolon may also stand in one of those comments: a few of the last ones are tried.
    let ends = code.rmatch_indices(';').take(32).map(|(at, _)| at);
    let end = ends.filter(|at| is_only_semicolons(&code[*at..])).last();
    &code[..end.unwrap_or(code.len())]
}

fn is_only_semicolons(text: &str) -> bool {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(';') {
        rest = skip_trivia(after);
    }
    rest.is_empty()
}

fn skip_trivia(text: &str) -> &str {
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    loop {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.find("*/").map_or("", |end| &comment[end + 2..]);
        } else {
            return rest;
        }
        rest = rest.trim_start();
    }
}

/// What follows the parenthesis that closes the first one; strings and comments inside are passed over.
fn skip_parentheses(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(&text[at + 1..]);
                }
            }
            quote @ (b'"' | b'\'' | b'`') => at = end_of_string(bytes, at, quote)?,
            b'/' if matches!(bytes.get(at + 1), Some(b'/' | b'*')) => {
                let rest = skip_trivia(&text[at..]);
                at = text.len() - rest.len();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn end_of_string(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_arrows_from_what_only_begins_like_one() {
        for arrow in [
            "() => 1",
            "async () => 1",
            "async(a, b) => a",
            "x => x",
            "async x => x",
            " // note\n /* more */ ({ a, b = ')' }, [c]) /* c */ => a",
            "(a = (1, 2), b = `)`) =>\n a",
        ] {
            assert!(looks_like_arrow(arrow), "{arrow}");
        }
        for other in ["return 1", "(function () {})()", "(a)", "async function f() {}", "(", "'", "a + (() => 1)()", ""]
        {
            assert!(!looks_like_arrow(other), "{other}");
        }
    }

    #[test]
    fn a_final_semicolon_goes_with_the_comments_behind_it() {
        assert_eq!(without_final_semicolon("() => 1;; // a; b\n /* c */ "), "() => 1");
        assert_eq!(without_final_semicolon("() => { a; b }"), "() => { a; b }");
    }

    #[test]
    fn a_bare_async_is_a_name() {
        assert!(looks_like_arrow("async => 1"));
    }
}
