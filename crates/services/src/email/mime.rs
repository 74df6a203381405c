//! A mail as servers take it. The same mail gives the same bytes at every attempt, its `Message-ID` too, so that one
//! that arrives twice can be known as one.

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use lettre::{
    Address, Message,
    address::{AddressError, Envelope},
    message::{
        Attachment, Body as Encoded, Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{self, ContentTransferEncoding, ContentType, ContentTypeErr, HeaderName, HeaderValue},
    },
};
use thiserror::Error;

use super::letter::{Body, File, Head, Letter};

/// A mail that was accepted makes no message: ours to mend, never the caller's.
#[derive(Debug, Error)]
pub(super) enum Unsendable {
    #[error("an address of a kept mail does not read")]
    Address(#[from] AddressError),
    #[error("a media type of a kept mail does not read")]
    Type(#[from] ContentTypeErr),
    #[error("a header of a kept mail does not read")]
    Header(#[from] header::InvalidHeaderName),
    #[error("a kept mail makes no message")]
    Message(#[from] lettre::error::Error),
    #[error("a file of a kept mail does not encode")]
    Encoding,
}

/// The envelope and the bytes of a mail that was accepted at `created_at`.
pub(super) fn compose(id: &str, created_at: u64, letter: Letter) -> Result<(Envelope, Vec<u8>), Unsendable> {
    let Letter { head, body, files } = letter;
    let from: Mailbox = head.from.parse()?;
    let envelope = envelope(&from, &head)?;
    let mut message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(UNIX_EPOCH + Duration::from_millis(created_at))
        .from(from)
        .header(header::To::from(mailboxes(&head.to)?))
        .subject(head.subject)
        .envelope(envelope.clone());
    if !head.cc.is_empty() {
        message = message.header(header::Cc::from(mailboxes(&head.cc)?));
    }
    if let Some(reply_to) = head.reply_to {
        message = message.reply_to(reply_to.parse()?);
    }
    for (name, value) in head.headers {
        message = message.raw_header(HeaderValue::new(HeaderName::new_from_ascii(name)?, value));
    }
    let content = content(id, body);
    let message = if files.is_empty() {
        match content {
            Content::Single(part) => message.singlepart(part)?,
            Content::Multi(part) => message.multipart(part)?,
        }
    } else {
        let mixed = MultiPart::mixed().boundary(boundary("mixed", id));
        let mut mixed = match content {
            Content::Single(part) => mixed.singlepart(part),
            Content::Multi(part) => mixed.multipart(part),
        };
        for file in files {
            mixed = mixed.singlepart(attachment(file)?);
        }
        message.multipart(mixed)?
    };
    Ok((envelope, message.formatted()))
}

enum Content {
    Single(SinglePart),
    Multi(MultiPart),
}

fn content(id: &str, body: Body) -> Content {
    match (body.text, body.html) {
        (Some(text), Some(html)) => Content::Multi(
            MultiPart::alternative()
                .boundary(boundary("alternative", id))
                .singlepart(SinglePart::plain(text))
                .singlepart(SinglePart::html(html)),
        ),
        (None, Some(html)) => Content::Single(SinglePart::html(html)),
        (text, None) => Content::Single(SinglePart::plain(text.unwrap_or_default())),
    }
}

/// Nobody can have written it into a mail: the id was made after the mail was.
fn boundary(kind: &str, id: &str) -> String {
    format!("{kind}-{id}")
}

/// Always base64, so that a file arrives as the bytes that it was.
fn attachment(file: File) -> Result<SinglePart, Unsendable> {
    let content = Encoded::new_with_encoding(file.content, ContentTransferEncoding::Base64);
    let content = content.map_err(|_| Unsendable::Encoding)?;
    Ok(Attachment::new(file.filename).body(content, ContentType::parse(&file.content_type)?))
}

fn mailboxes(texts: &[String]) -> Result<Mailboxes, AddressError> {
    texts.iter().map(|text| text.parse::<Mailbox>()).collect()
}

/// Each address once, whatever lists it stands in.
fn envelope(from: &Mailbox, head: &Head) -> Result<Envelope, Unsendable> {
    let mut seen = BTreeSet::new();
    let mut to: Vec<Address> = Vec::new();
    for text in head.recipients() {
        let address = text.parse::<Mailbox>()?.email;
        if seen.insert(address.clone()) {
            to.push(address);
        }
    }
    Ok(Envelope::new(Some(from.email.clone()), to)?)
}

#[cfg(test)]
mod tests {
    use doer_core::service::email::{Attachment, Recipients, SendOptions};

    use super::*;

    fn composed(subject: &str, body: &str, options: SendOptions) -> (Envelope, String) {
        let from = "Äcme <sales@acme.example>".parse().unwrap();
        let to = Recipients::Many(vec!["Ada <ada@example.com>".to_owned(), "bob@example.com".to_owned()]);
        let letter = Letter::new(&from, to, subject.to_owned(), body, options).unwrap();
        let again = compose("mail_1", 1_700_000_000_000, letter.clone()).unwrap();
        let (envelope, bytes) = compose("mail_1", 1_700_000_000_000, letter).unwrap();
        assert_eq!((&envelope, &bytes), (&again.0, &again.1), "every attempt sends the same bytes");
        (envelope, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_plain_mail() {
        let (envelope, text) = composed("Hello", "Hi,\nthere", SendOptions::default());
        assert_eq!(
            text,
            "Message-ID: <mail_1@acme.example>\r\n\
             Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             From: =?utf-8?b?w4RjbWU=?= <sales@acme.example>\r\n\
             To: Ada <ada@example.com>, bob@example.com\r\n\
             Subject: Hello\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             Hi,\r\nthere\r\n"
        );
        assert_eq!(envelope.from().unwrap().to_string(), "sales@acme.example");
    }

    #[test]
    fn text_and_html_and_a_file() {
        let options = SendOptions {
            html: Some("<p>Grüße</p>".to_owned()),
            bcc: vec!["eve@example.com".to_owned(), "ada@example.com".to_owned()],
            cc: vec!["carl@example.com".to_owned()],
            reply_to: Some("desk@acme.example".to_owned()),
            headers: [("X-Campaign".to_owned(), "spring".to_owned())].into(),
            attachments: vec![Attachment {
                filename: "Rechnung für \"Ada\".pdf".to_owned(),
                content: "JVBERg==".to_owned(),
                content_type: Some("application/pdf".to_owned()),
            }],
            ..SendOptions::default()
        };
        let (envelope, text) = composed("Grüße", "Hi", options);
        assert_eq!(
            text,
            "Message-ID: <mail_1@acme.example>\r\n\
             Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             From: =?utf-8?b?w4RjbWU=?= <sales@acme.example>\r\n\
             To: Ada <ada@example.com>, bob@example.com\r\n\
             Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\
             Cc: carl@example.com\r\n\
             Reply-To: desk@acme.example\r\n\
             X-Campaign: spring\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"mixed-mail_1\"\r\n\
             \r\n\
             --mixed-mail_1\r\n\
             Content-Type: multipart/alternative; boundary=\"alternative-mail_1\"\r\n\
             \r\n\
             --alternative-mail_1\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             Hi\r\n\
             --alternative-mail_1\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\
             \r\n\
             <p>Gr=C3=BC=C3=9Fe</p>\r\n\
             --alternative-mail_1--\r\n\
             --mixed-mail_1\r\n\
             Content-Disposition: attachment;\r\n \
             filename*0*=utf-8''Rechnung%20f%C3%BCr%20%22Ada%22.pdf\r\n\
             Content-Type: application/pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n\
             JVBERg==\r\n\
             --mixed-mail_1--\r\n"
        );
        let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
        assert_eq!(to, ["ada@example.com", "bob@example.com", "carl@example.com", "eve@example.com"]);
    }

    #[test]
    fn no_line_is_longer_than_a_server_takes() {
        let long = "Grüße und mehr ".repeat(55);
        let options = SendOptions {
            html: Some("x".repeat(5_000)),
            headers: [("X-Long".to_owned(), "word ".repeat(190))].into(),
            ..SendOptions::default()
        };
        for subject in [long.trim_end(), &"s".repeat(989)] {
            let (_, text) = composed(subject, &"y".repeat(5_000), options.clone());
            let longest = text.split("\r\n").map(str::len).max().unwrap();
            assert!(longest <= 998, "{longest}");
            assert!(text.is_ascii(), "a server need not know 8BITMIME");
        }
    }
}
