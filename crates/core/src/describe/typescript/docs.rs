//! Comments.

/// Columns of a line.
pub const WIDTH: usize = 120;

/// A JSDoc comment and the end of its last line, or nothing where there is nothing to say. Lines stay as they were
/// written, but for those that are too long.
pub fn comment(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let text = text.trim().replace("*/", "*\\/");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    match *lines.as_slice() {
        [] => String::new(),
        [line] if indent + line.chars().count() + "/**  */".len() <= WIDTH => format!("{margin}/** {line} */\n"),
        _ => {
            let room = WIDTH.saturating_sub(indent + " * ".len());
            let lines = lines.into_iter().flat_map(|line| wrapped(line, room));
            let body: String = lines.map(|line| format!("{margin} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{margin}/**\n{body}{margin} */\n")
        }
    }
}

/// Lines of at most `room` characters, but for words that are longer.
pub fn wrapped(line: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => *last = word.to_owned(),
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => *last += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(comment(" Collection. ", 2), "  /** Collection. */\n");
        assert_eq!(comment("", 2), "");
    }

    #[test]
    fn more_lines_are_a_block() {
        assert_eq!(comment("One\n two.\n\n Three.\n", 2), "  /**\n   * One\n   * two.\n   *\n   * Three.\n   */\n");
        let long = "x".repeat(WIDTH - 7);
        assert_eq!(comment(&long, 0), format!("/** {long} */\n"));
        assert_eq!(comment(&long, 1), format!(" /**\n  * {long}\n  */\n"));
    }

    #[test]
    fn lines_that_are_too_long_are_broken() {
        let (one, two) = ("a".repeat(WIDTH - 6), "b".repeat(3));
        assert_eq!(comment(&format!("{one} {two}"), 0), format!("/**\n * {one}\n * {two}\n */\n"));
        let fits = &one[4..];
        assert_eq!(comment(&format!("{fits} {two}\nx"), 0), format!("/**\n * {fits} {two}\n * x\n */\n"));
    }

    #[test]
    fn text_does_not_end_its_comment() {
        assert_eq!(comment("names like invoice.*/x", 0), "/** names like invoice.*\\/x */\n");
    }
}
