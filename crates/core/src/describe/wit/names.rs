//! Names as WIT writes them: words in lower case with hyphens between them.

/// What a name must not be without `%` in front of it.
const KEYWORDS: [&str; 46] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "self",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "union",
    "unit",
    "use",
    "variant",
    "with",
    "world",
];

/// `createdAt`, `CreatedAt`, `created_at` and `createPR` in words.
pub(super) fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut words = String::new();
    for (place, letter) in letters.iter().enumerate() {
        if *letter == '_' || *letter == '-' {
            words.push('-');
            continue;
        }
        let before = place.checked_sub(1).and_then(|before| letters.get(before));
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                let follows_small = before.is_lowercase() || before.is_ascii_digit();
                // The last capital of several begins the next word.
                let precedes_small = before.is_uppercase() && letters.get(place + 1).is_some_and(|c| c.is_lowercase());
                follows_small || precedes_small
            });
        if begins {
            words.push('-');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// A name as it stands in a file.
pub(super) fn written(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_hyphens() {
        for (name, words) in [
            ("query", "query"),
            ("createdAt", "created-at"),
            ("ApiKeyInfoPage", "api-key-info-page"),
            ("createPR", "create-pr"),
            ("HTTPStatus", "http-status"),
            ("pull_request", "pull-request"),
            ("base64Text", "base64-text"),
        ] {
            assert_eq!(kebab(name), words);
        }
    }

    #[test]
    fn keywords_are_escaped_where_they_are_written() {
        assert_eq!((written("type").as_str(), written("types").as_str()), ("%type", "types"));
    }
}
