//! A mail as it is kept: everything that the message is made of, checked once, when it is accepted.

use std::collections::BTreeMap;

use doer_core::service::{
    ServiceError,
    email::{Recipients, SendOptions},
};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::check;

/// Recipients of a mail.
const MAX_RECIPIENTS: usize = 50;
/// Text, HTML and files of a mail together.
pub(super) const MAX_MAIL_BYTES: usize = 10 << 20;

/// A mail.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub head: Head,
    pub body: Body,
    pub files: Vec<File>,
}

/// Who it is from and for, and what it is about. Kept as JSON, for as long as the mail is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub from: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub reply_to: Option<String>,
    pub subject: String,
    pub headers: BTreeMap<String, String>,
    pub tags: Vec<String>,
}

/// What it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Body {
    pub text: Option<String>,
    pub html: Option<String>,
}

/// A file in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub filename: String,
    pub content_type: String,
    pub content: Vec<u8>,
}

impl Letter {
    /// A mail of what a caller gave.
    ///
    /// # Errors
    /// `invalid_request`, naming the field.
    pub fn new(
        from: &Mailbox,
        to: Recipients,
        subject: String,
        body: &str,
        options: SendOptions,
    ) -> Result<Self, ServiceError> {
        check::header_line("subject", "Subject", &subject)?;
        check::headers(&options.headers)?;
        let text = match &options.text {
            Some(text) => check::body("options.text", text)?,
            None => check::body("body", body)?,
        };
        let html = options.html.as_deref().map(|html| check::body("options.html", html)).transpose()?;
        // Where there is HTML only, an empty text beside it would be what half of the readers see.
        let body = Body { text: Some(text).filter(|text| !text.is_empty() || html.is_none()), html };
        let room = MAX_MAIL_BYTES.checked_sub(body.bytes()).ok_or_else(|| check::too_large(MAX_MAIL_BYTES))?;
        let files = check::files(options.attachments, room, MAX_MAIL_BYTES)?;
        let head = Head {
            from: from.to_string(),
            to: recipients(to)?,
            cc: mailboxes("options.cc", options.cc)?,
            bcc: mailboxes("options.bcc", options.bcc)?,
            reply_to: options
                .reply_to
                .map(|address| check::mailbox("options.replyTo", &address))
                .transpose()?
                .map(|mailbox| mailbox.to_string()),
            subject,
            headers: options.headers,
            tags: check::tags(options.tags)?,
        };
        if head.recipients().count() > MAX_RECIPIENTS {
            return Err(ServiceError::invalid(format!("to: with cc and bcc must be at most {MAX_RECIPIENTS}")));
        }
        Ok(Self { head, body, files })
    }

    /// Text, HTML and files together.
    pub fn bytes(&self) -> usize {
        self.body.bytes() + self.files.iter().map(|file| file.content.len()).sum::<usize>()
    }
}

impl Head {
    /// Everyone it goes to.
    pub fn recipients(&self) -> impl Iterator<Item = &String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

impl Body {
    fn bytes(&self) -> usize {
        let bytes = |part: &Option<String>| part.as_ref().map_or(0, String::len);
        bytes(&self.text) + bytes(&self.html)
    }
}

fn recipients(to: Recipients) -> Result<Vec<String>, ServiceError> {
    match to {
        Recipients::One(address) => Ok(vec![check::mailbox("to", &address)?.to_string()]),
        Recipients::Many(addresses) if addresses.is_empty() => {
            Err(ServiceError::invalid("to: must have at least one address"))
        }
        Recipients::Many(addresses) => mailboxes("to", addresses),
    }
}

fn mailboxes(field: &str, addresses: Vec<String>) -> Result<Vec<String>, ServiceError> {
    if addresses.len() > MAX_RECIPIENTS {
        return Err(ServiceError::invalid(format!("{field}: must be at most {MAX_RECIPIENTS}")));
    }
    let each = addresses.iter().enumerate();
    each.map(|(number, text)| check::mailbox(&format!("{field}[{number}]"), text).map(|mailbox| mailbox.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use doer_core::service::email::Attachment;

    use super::*;

    fn letter(to: Recipients, body: &str, options: SendOptions) -> Result<Letter, String> {
        let from = "doer <noreply@localhost>".parse().unwrap();
        Letter::new(&from, to, "Hello".to_owned(), body, options).map_err(|error| error.message.into_owned())
    }

    fn ada() -> Recipients {
        Recipients::One("ada@example.com".to_owned())
    }

    #[test]
    fn there_are_one_to_fifty_recipients() {
        let many = |count: usize| (0..count).map(|n| format!("u{n}@example.com")).collect::<Vec<_>>();
        assert!(letter(Recipients::Many(many(50)), "", SendOptions::default()).is_ok());
        assert!(letter(Recipients::Many(many(51)), "", SendOptions::default()).unwrap_err().contains("at most 50"));
        assert!(letter(Recipients::Many(many(0)), "", SendOptions::default()).unwrap_err().contains("at least one"));
        let shared = |bcc: usize| SendOptions { cc: many(20), bcc: many(bcc), ..SendOptions::default() };
        assert!(letter(ada(), "", shared(29)).is_ok());
        assert!(letter(ada(), "", shared(30)).unwrap_err().contains("with cc and bcc"));
    }

    #[test]
    fn a_mail_has_ten_mebibytes_at_most() {
        assert_eq!(letter(ada(), &"x".repeat(MAX_MAIL_BYTES), SendOptions::default()).unwrap().bytes(), MAX_MAIL_BYTES);
        assert!(letter(ada(), &"x".repeat(MAX_MAIL_BYTES + 1), SendOptions::default()).is_err());
        let attachment = Attachment { filename: "a".to_owned(), content: "YQ==".to_owned(), content_type: None };
        let with_file = |body: usize| {
            letter(
                ada(),
                &"x".repeat(body),
                SendOptions { attachments: vec![attachment.clone()], ..SendOptions::default() },
            )
        };
        assert_eq!(with_file(MAX_MAIL_BYTES - 1).unwrap().bytes(), MAX_MAIL_BYTES);
        assert!(with_file(MAX_MAIL_BYTES).unwrap_err().contains("must have at most 10485760 bytes together"));
    }

    #[test]
    fn the_text_is_the_body_unless_the_options_say_otherwise() {
        let body = |text: &str, options| letter(ada(), text, options).unwrap().body;
        let html = || Some("<p>a</p>".to_owned());
        assert_eq!(body("a", SendOptions::default()), Body { text: Some("a".to_owned()), html: None });
        assert_eq!(body("", SendOptions::default()), Body { text: Some(String::new()), html: None });
        assert_eq!(
            body("a", SendOptions { text: Some("b".to_owned()), ..SendOptions::default() }).text.as_deref(),
            Some("b")
        );
        assert_eq!(body("", SendOptions { html: html(), ..SendOptions::default() }), Body { text: None, html: html() });
    }
}
