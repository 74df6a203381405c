//! `email`: mail, through a durable outbox.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Page, Service};

contract! {
    /// Mail. Every mail that is accepted is in a durable outbox before the call returns; from there it is sent by SMTP,
    /// and retried for a day. Where no SMTP server is configured mails stay in the outbox, and can be read there.
    /// A mail goes to all its recipients or to none.
    trait Email for Service::Email;

    /// Accepts a mail: at most 50 recipients, and 10 MiB of text, HTML and files.
    write send(Send {
        /// Addresses, like `ada@example.com` or `Ada <ada@example.com>`.
        to: Recipients,
        /// Subject: one line, at most 989 bytes.
        subject: String,
        /// Text, unless the options say otherwise.
        body: String,
        /// The rest of it.
        options: Option<SendOptions>,
    }) -> Accepted, fails with [Forbidden, Quota];

    /// Accepts a mail made from a template. A field that the template needs and `data` lacks is an error naming it.
    write send_template = "sendTemplate"(SendTemplate {
        /// Addresses.
        to: Recipients,
        /// Name of the template.
        template: String,
        /// Fields of the template.
        data: BTreeMap<String, Value>,
    }) -> Accepted, fails with [NotFound, Quota];

    /// A mail and where it stands, or null. Its text and HTML are kept for a while after it was sent.
    read get_email_status = "getEmailStatus"(GetEmailStatus {
        /// Its id.
        id: String,
    }) -> Option<Mail>;

    /// Mails, the newest first, without their text and HTML.
    read list_emails = "listEmails"(ListEmails {
        /// Which of them.
        options: Option<ListEmailsOptions>,
    }) -> Page<Mail>;

    /// The templates there are, and the fields that each needs.
    read get_templates = "getTemplates"(GetTemplates {}) -> Vec<Template>;
}

/// One address, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Recipients {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The rest of a mail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SendOptions {
    /// An address that the namespace may use; its default where absent.
    pub from: Option<String>,
    /// Addresses.
    pub cc: Vec<String>,
    /// Addresses that the others do not see.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The text, instead of `body`.
    pub text: Option<String>,
    /// The same as HTML.
    pub html: Option<String>,
    /// Files, 20 at most.
    pub attachments: Vec<Attachment>,
    /// More headers, 20 at most; their names begin with `X-` or `List-`.
    pub headers: BTreeMap<String, String>,
    /// For the caller's own use: 20 at most, of 64 bytes each. They are kept once each, and sorted.
    pub tags: Vec<String>,
}

/// A file in a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// Its name.
    pub filename: String,
    /// Its content, in base64.
    pub content: String,
    /// Its media type; `application/octet-stream` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// A mail that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: MailStatus,
}

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailStatus {
    /// It is in the outbox.
    Queued,
    /// The SMTP server took it.
    Sent,
    /// The last attempt failed; it will be tried again.
    Failed,
    /// It was given up, or the server refused it for good.
    Dead,
}

/// A mail and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Its id.
    pub id: String,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Copies to.
    pub cc: Vec<String>,
    /// Blind copies to.
    pub bcc: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text; null in lists, and once it is no longer kept.
    pub text: Option<String>,
    /// HTML; null in lists, and once it is no longer kept.
    pub html: Option<String>,
    /// The caller's own.
    pub tags: Vec<String>,
    /// Where it stands.
    pub status: MailStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch.
    pub sent_at: Option<u64>,
}

/// Which mails to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListEmailsOptions {
    /// In this state only.
    pub status: Option<MailStatus>,
    /// With this tag only.
    pub tag: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its subject, as it is written.
    pub subject: String,
    /// Fields that it needs.
    pub required: Vec<String>,
    /// Fields that it uses where they are given.
    pub optional: Vec<String>,
}
