//! What callers write into mails, looked at before anything is stored: addresses, lines of the header, files.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use doer_core::service::{ServiceError, email::Attachment};
use lettre::{
    Address,
    message::{Mailbox, header::ContentType},
};

use super::letter::File;

/// A line of a message without its end, as RFC 5322 bounds it.
const MAX_LINE_BYTES: usize = 998;
/// An address is at most 254 bytes (RFC 5321); the rest is for a name.
const MAX_MAILBOX_BYTES: usize = 512;
const MAX_ADDRESS_BYTES: usize = 254;
const MAX_HEADERS: usize = 20;
const MAX_HEADER_NAME_BYTES: usize = 64;
const MAX_TAGS: usize = 20;
const MAX_TAG_BYTES: usize = 64;
const MAX_FILES: usize = 20;
const MAX_FILENAME_BYTES: usize = 255;
const MAX_TYPE_BYTES: usize = 127;

/// An address, with or without a name. Its domain becomes ASCII, so that any server takes it.
pub(super) fn mailbox(field: &str, text: &str) -> Result<Mailbox, ServiceError> {
    no_controls(field, text)?;
    let refused =
        || ServiceError::invalid(format!("{field}: must be an address like ada@example.com or Ada <ada@example.com>"));
    if text.len() > MAX_MAILBOX_BYTES {
        return Err(ServiceError::invalid(format!("{field}: must have at most {MAX_MAILBOX_BYTES} bytes")));
    }
    let parsed: Mailbox = text.parse().map_err(|_| refused())?;
    if !parsed.email.user().is_ascii() {
        return Err(ServiceError::invalid(format!("{field}: must be ASCII before the @")));
    }
    let domain = parsed.email.domain();
    let email = if domain.is_ascii() {
        parsed.email
    } else {
        let domain = url::Host::parse(domain).map_err(|_| refused())?.to_string();
        Address::new(parsed.email.user(), domain).map_err(|_| refused())?
    };
    let name = parsed.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let mailbox = Mailbox::new(name, email);
    // It is kept as text: what does not read back as itself would be another address later.
    let same = mailbox.to_string().parse::<Mailbox>().is_ok_and(|read| read == mailbox);
    if !same || mailbox.email.to_string().len() > MAX_ADDRESS_BYTES {
        return Err(refused());
    }
    Ok(mailbox)
}

/// The value of a header, which must stay one line: a line break in it would begin a header of the caller's choice.
pub(super) fn header_line(field: &str, name: &str, value: &str) -> Result<(), ServiceError> {
    no_controls(field, value)?;
    let room = MAX_LINE_BYTES - name.len() - ": ".len();
    if value.len() > room {
        return Err(ServiceError::invalid(format!("{field}: must have at most {room} bytes")));
    }
    Ok(())
}

/// Headers of the caller's own.
pub(super) fn headers(headers: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    if headers.len() > MAX_HEADERS {
        return Err(ServiceError::invalid(format!("options.headers: must be at most {MAX_HEADERS}")));
    }
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let rest = lower.strip_prefix("x-").or_else(|| lower.strip_prefix("list-"));
        let token = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if name.len() > MAX_HEADER_NAME_BYTES || !rest.is_some_and(|rest| !rest.is_empty() && token(rest)) {
            return Err(ServiceError::invalid(format!(
                "options.headers: a name must begin with X- or List- and have at most {MAX_HEADER_NAME_BYTES} \
                 letters, digits, - or _, not {:?}",
                shortened(name)
            )));
        }
        let field = format!("options.headers.{name}");
        if !seen.insert(lower) {
            return Err(ServiceError::invalid(format!("{field}: is given twice")));
        }
        header_line(&field, name, value)?;
    }
    Ok(())
}

/// Tags, each once.
pub(super) fn tags(mut tags: Vec<String>) -> Result<Vec<String>, ServiceError> {
    if tags.len() > MAX_TAGS {
        return Err(ServiceError::invalid(format!("options.tags: must be at most {MAX_TAGS}")));
    }
    for (number, tag) in tags.iter().enumerate() {
        let field = format!("options.tags[{number}]");
        no_controls(&field, tag)?;
        if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
            return Err(ServiceError::invalid(format!("{field}: must have 1 to {MAX_TAG_BYTES} bytes")));
        }
    }
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// Text of a mail, with the line ends that the rest of doer uses. A bare carriage return must not reach a server: some
/// take it for the end of a line, and with it for the end of a mail.
pub(super) fn body(field: &str, text: &str) -> Result<String, ServiceError> {
    if text.contains('\0') {
        return Err(ServiceError::invalid(format!("{field}: must not contain NUL")));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Files, decoded. All of them may have at most `room` bytes, which is looked at before anything is decoded.
pub(super) fn files(attachments: Vec<Attachment>, room: usize, most: usize) -> Result<Vec<File>, ServiceError> {
    if attachments.len() > MAX_FILES {
        return Err(ServiceError::invalid(format!("options.attachments: must be at most {MAX_FILES}")));
    }
    let encoded: usize = attachments.iter().map(|attachment| attachment.content.len()).sum();
    if encoded / 4 * 3 > room + MAX_FILES * 3 {
        return Err(too_large(most));
    }
    let files = attachments.into_iter().enumerate().map(|(number, attachment)| file(number, attachment));
    let files: Vec<File> = files.collect::<Result<_, _>>()?;
    let bytes: usize = files.iter().map(|file| file.content.len()).sum();
    if bytes > room { Err(too_large(most)) } else { Ok(files) }
}

/// The error for a mail with too much in it.
pub(super) fn too_large(most: usize) -> ServiceError {
    ServiceError::invalid(format!("mail: text, HTML and attachments must have at most {most} bytes together"))
}

fn file(number: usize, attachment: Attachment) -> Result<File, ServiceError> {
    let field = |name: &str| format!("options.attachments[{number}].{name}");
    let Attachment { filename, content, content_type } = attachment;
    no_controls(&field("filename"), &filename)?;
    if filename.is_empty() || filename.len() > MAX_FILENAME_BYTES || filename.contains(['/', '\\']) {
        return Err(ServiceError::invalid(format!(
            "{}: must have 1 to {MAX_FILENAME_BYTES} bytes, none of them / or \\",
            field("filename")
        )));
    }
    let content = STANDARD
        .decode(content)
        .map_err(|_| ServiceError::invalid(format!("{}: must be base64, with padding", field("content"))))?;
    let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    media_type(&field("contentType"), &content_type)?;
    Ok(File { filename, content_type, content })
}

/// A media type that may be encoded: parts of the types `message` and `multipart` must not be.
fn media_type(field: &str, text: &str) -> Result<(), ServiceError> {
    let lower = text.to_ascii_lowercase();
    let composite = lower.starts_with("message/") || lower.starts_with("multipart/");
    let plain = text.len() <= MAX_TYPE_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !plain || composite || ContentType::parse(text).is_err() {
        return Err(ServiceError::invalid(format!(
            "{field}: must be a media type like application/pdf, and neither message nor multipart"
        )));
    }
    Ok(())
}

fn no_controls(field: &str, text: &str) -> Result<(), ServiceError> {
    if text.chars().any(char::is_control) {
        return Err(ServiceError::invalid(format!("{field}: must not contain line breaks or control characters")));
    }
    Ok(())
}

/// As much of a text as is worth repeating to whoever wrote it.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
        result.unwrap_err().message.into_owned()
    }

    #[test]
    fn addresses_with_and_without_names() {
        for (text, read) in [
            ("ada@example.com", "ada@example.com"),
            ("Ada Lovelace <ada@example.com>", "\"Ada Lovelace\" <ada@example.com>"),
            ("\"Lovelace, Ada\" <ada@example.com>", "\"Lovelace, Ada\" <ada@example.com>"),
            ("Äda <ada@bücher.example>", "Äda <ada@xn--bcher-kva.example>"),
            ("root@localhost", "root@localhost"),
        ] {
            let found = mailbox("to", text).unwrap();
            assert_eq!(found, read.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["", "ada", "ada@", "@example.com", "ada@example.com, bob@example.com", "a b@example.com", "<>"] {
            assert!(message(mailbox("to[0]", text)).starts_with("to[0]: must be an address"), "{text}");
        }
        assert!(message(mailbox("cc[1]", "ada@example.com\r\nBcc: eve@example.com")).starts_with("cc[1]: must not"));
        assert!(message(mailbox("to", "zoë@example.com")).contains("ASCII before the @"));
        assert!(mailbox("to", &format!("{}@example.com", "a".repeat(64))).is_ok());
        assert!(mailbox("to", &format!("{} <a@example.com>", "n".repeat(512))).is_err());
    }

    #[test]
    fn a_subject_fills_its_line_and_no_more() {
        assert!(header_line("subject", "Subject", &"s".repeat(989)).is_ok());
        assert_eq!(
            message(header_line("subject", "Subject", &"s".repeat(990))),
            "subject: must have at most 989 bytes"
        );
        for end in ["\r", "\n", "\0", "\u{85}"] {
            assert!(message(header_line("subject", "Subject", &format!("a{end}b"))).contains("line breaks"));
        }
    }

    #[test]
    fn headers_are_extensions_only() {
        let check = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())].into());
        assert!(check("X-Campaign", "42").is_ok());
        assert!(check("List-Unsubscribe", "<mailto:a@b.example>").is_ok());
        for name in ["Bcc", "X-", "From", "X-A: b\r\nBcc", "X-A ", "X-Ä", "List", ""] {
            assert!(message(check(name, "v")).contains("must begin with X- or List-"), "{name}");
        }
        assert!(message(check("X-A", "v\nBcc: eve@example.com")).starts_with("options.headers.X-A: must not"));
        let twice = [("X-A".to_owned(), String::new()), ("x-a".to_owned(), String::new())].into();
        assert!(message(headers(&twice)).contains("is given twice"));
        let many = |count: usize| (0..count).map(|n| (format!("X-{n}"), String::new())).collect::<BTreeMap<_, _>>();
        assert!(headers(&many(20)).is_ok());
        assert!(headers(&many(21)).is_err());
    }

    #[test]
    fn files_are_whole_named_and_bounded() {
        let attachment = |filename: &str, content: &str, content_type: Option<&str>| Attachment {
            filename: filename.to_owned(),
            content: content.to_owned(),
            content_type: content_type.map(str::to_owned),
        };
        let check = |attachment| files(vec![attachment], 3, 3);
        let file = check(attachment("a.txt", "YWJj", None)).unwrap().remove(0);
        assert_eq!((file.content.as_slice(), file.content_type.as_str()), (&b"abc"[..], "application/octet-stream"));
        assert!(message(check(attachment("a.txt", "YWJjZA==", None))).contains("at most 3 bytes"));
        assert!(message(check(attachment("a.txt", &"YWJj".repeat(100), None))).contains("at most 3 bytes"));
        assert!(message(check(attachment("a.txt", "YWJ", None))).contains("[0].content: must be base64"));
        assert!(message(check(attachment("a\r\nb", "", None))).contains("[0].filename: must not contain"));
        assert!(message(check(attachment("../a", "", None))).contains("[0].filename: must have"));
        for media_type in ["text", "message/rfc822", "multipart/mixed", "text/plain\r\nX: y", "text/plän"] {
            assert!(message(check(attachment("a", "", Some(media_type)))).contains("[0].contentType"), "{media_type}");
        }
        assert!(files(vec![attachment("a", "", None); 20], 3, 3).is_ok());
        assert!(files(vec![attachment("a", "", None); 21], 3, 3).is_err());
    }

    #[test]
    fn tags_are_kept_once() {
        let list = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        assert_eq!(tags(list(&["b", "a", "b"])).unwrap(), ["a", "b"]);
        assert!(tags(list(&["x"; 21])).is_err());
        assert!(tags(vec!["x".repeat(64)]).is_ok());
        assert!(message(tags(vec!["x".repeat(65)])).starts_with("options.tags[0]"));
        assert!(tags(list(&[""])).is_err());
    }

    #[test]
    fn line_ends_become_one_kind() {
        assert_eq!(body("body", "a\r\nb\rc\n").unwrap(), "a\nb\nc\n");
        assert!(body("body", "a\0").is_err());
    }
}
