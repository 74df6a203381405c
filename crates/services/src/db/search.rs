//! What callers search by: words, `"phrases"`, `prefix*`, `AND`, `OR` and `NOT`. It is read here and written anew for
//! FTS5, whose own language calls much of what people type a syntax error.
//!
//! Words beside each other must all be there. `NOT` binds closest, then `AND`, then `OR`; only capitals are
//! operators. Any other punctuation separates words as it does in the text: `e-mail` finds what `"e mail"` finds, and
//! `-` alone counts for nothing.

use std::fmt::Write as _;

use doer_core::service::ServiceError;

/// A longer query is no search.
const MAX_BYTES: usize = 1_000;
/// Each one is looked up, and counts in the rank.
const MAX_TERMS: usize = 50;

/// A query in FTS5's language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expression(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Term { text: &'a str, prefix: bool },
    Operator(&'static str),
}

impl Expression {
    /// Reads a query.
    ///
    /// # Errors
    /// `invalid_request`, naming what is wrong.
    pub(super) fn parse(query: &str) -> Result<Self, ServiceError> {
        if query.len() > MAX_BYTES {
            return Err(invalid(&format!("must have at most {MAX_BYTES} bytes")));
        }
        if query.contains('\0') {
            // There FTS5 takes it to end.
            return Err(invalid("must have no NUL in it"));
        }
        let mut fts = String::new();
        let (mut terms, mut operator) = (0, None);
        for token in tokens(query)? {
            match token {
                Token::Operator(name) if terms == 0 || operator.is_some() => return Err(lonely(name)),
                Token::Operator(name) => operator = Some(name),
                Token::Term { text, prefix } => {
                    if terms > 0 {
                        let _ = write!(fts, " {} ", operator.take().unwrap_or("AND"));
                    }
                    // The quotes make a string of it; a text has none left.
                    let _ = write!(fts, "\"{text}\"{}", if prefix { " *" } else { "" });
                    terms += 1;
                }
            }
        }
        match (terms, operator) {
            (_, Some(name)) => Err(lonely(name)),
            (0, None) => Err(invalid("must have a word to look for")),
            (1..=MAX_TERMS, None) => Ok(Self(fts)),
            _ => Err(invalid(&format!("must have at most {MAX_TERMS} words and phrases"))),
        }
    }

    /// As an argument of `MATCH`, in one collection.
    pub(super) fn within(&self, collection: &str) -> String {
        format!("collection : \"{collection}\" AND text : ({})", self.0)
    }
}

fn tokens(query: &str) -> Result<Vec<Token<'_>>, ServiceError> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        if let Some(phrase) = rest.strip_prefix('"') {
            let end = phrase.find('"').ok_or_else(|| invalid("a quote is opened and not closed"))?;
            let after = &phrase[end + 1..];
            let (prefix, after) = after.strip_prefix('*').map_or((false, after), |after| (true, after));
            push_term(&mut tokens, &phrase[..end], prefix);
            rest = after.trim_start();
            continue;
        }
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == '"').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match ["AND", "OR", "NOT"].into_iter().find(|operator| *operator == word) {
            Some(operator) => tokens.push(Token::Operator(operator)),
            None => push_term(&mut tokens, word.trim_end_matches('*'), word.ends_with('*')),
        }
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// What has no letter in it is no word.
fn push_term<'a>(tokens: &mut Vec<Token<'a>>, text: &'a str, prefix: bool) {
    if text.chars().any(char::is_alphanumeric) {
        tokens.push(Token::Term { text, prefix });
    }
}

fn lonely(operator: &str) -> ServiceError {
    invalid(&format!("{operator} needs a word on both sides"))
}

fn invalid(what: &str) -> ServiceError {
    ServiceError::invalid(format!("query: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_what_fts5_takes() {
        for (query, fts) in [
            ("red", r#""red""#),
            ("red  green\tblue", r#""red" AND "green" AND "blue""#),
            ("red OR green NOT blue", r#""red" OR "green" NOT "blue""#),
            ("and or not", r#""and" AND "or" AND "not""#),
            (r#""red green" pre*"#, r#""red green" AND "pre" *"#),
            (r#""red gr"*"#, r#""red gr" *"#),
            (r#"a"b c"d"#, r#""a" AND "b c" AND "d""#),
            ("e-mail: me@example.com (now)", r#""e-mail:" AND "me@example.com" AND "(now)""#),
            ("- red * ?", r#""red""#),
            ("it's", r#""it's""#),
            ("text:red ^red NEAR(a", r#""text:red" AND "^red" AND "NEAR(a""#),
        ] {
            assert_eq!(Expression::parse(query).unwrap().0, fts, "{query}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (query, message) in [
            ("", "query: must have a word to look for"),
            ("  -- ", "query: must have a word to look for"),
            ("\"\"", "query: must have a word to look for"),
            ("\"red", "query: a quote is opened and not closed"),
            ("NOT red", "query: NOT needs a word on both sides"),
            ("red AND", "query: AND needs a word on both sides"),
            ("red AND OR blue", "query: OR needs a word on both sides"),
            ("a\0b", "query: must have no NUL in it"),
            ("red OR - ", "query: OR needs a word on both sides"),
        ] {
            assert_eq!(Expression::parse(query).unwrap_err().message, message, "{query}");
        }
        assert!(Expression::parse(&"a ".repeat(MAX_TERMS)).is_ok());
        let message = "query: must have at most 50 words and phrases";
        assert_eq!(Expression::parse(&"a ".repeat(MAX_TERMS + 1)).unwrap_err().message, message);
        assert!(Expression::parse(&"a".repeat(MAX_BYTES)).is_ok());
        let message = "query: must have at most 1000 bytes";
        assert_eq!(Expression::parse(&"a".repeat(MAX_BYTES + 1)).unwrap_err().message, message);
    }
}
