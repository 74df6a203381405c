//! Compatibility dates and flags, as Cloudflare has them.

use std::{fmt, time::Duration};

use chrono::{DateTime, NaiveDate};
use serde_json::value::RawValue;

use super::{InvalidCode, json};

/// A day, in UTC: code sees the platform as it was then. So far nothing has changed that a date could hold back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompatibilityDate(NaiveDate);

impl CompatibilityDate {
    /// After any other.
    pub const LAST: Self = Self(NaiveDate::MAX);

    /// A date as `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let form = text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !form || text.len() != 10 {
            return None;
        }
        let (year, month, day) = (text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?);
        NaiveDate::from_ymd_opt(year, month, day).map(Self)
    }

    /// The day of a time since the Unix epoch.
    pub fn of(since_epoch: Duration) -> Self {
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        DateTime::from_timestamp(seconds, 0).map_or(Self::LAST, |time| Self(time.date_naive()))
    }

    pub(crate) fn decode(path: &str, raw: &RawValue, today: Self) -> Result<Self, InvalidCode> {
        let text = json::text(path, raw)?;
        let date = Self::parse(&text).ok_or_else(|| InvalidCode::at(path, "must be a date like \"2026-11-01\""))?;
        if date > today {
            return Err(InvalidCode::at(path, format_args!("{date} is in the future; today is {today}")));
        }
        Ok(date)
    }
}

impl fmt::Display for CompatibilityDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// A compatibility flag. Of Cloudflare's those are known whose behaviour is the only one here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Flag {
            $($(#[$doc])+ $name,)+
        }

        impl Flag {
            /// All that are known, by name.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in `compatibilityFlags`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

flags! {
    /// `eval` and `new Function` do not work. The only flag that changes anything.
    DisallowEval = "disallow_eval",
    /// Files in a `multipart/form-data` body are `File`s.
    FormDataParserSupportsFiles = "formdata_parser_supports_files",
    /// There is a `navigator`.
    GlobalNavigator = "global_navigator",
    /// `Headers` have `getSetCookie`.
    HttpHeadersGetSetCookie = "http_headers_getsetcookie",
    /// There is no `importScripts`.
    NoGlobalImportScripts = "no_global_importscripts",
    /// Objects of the platform have a `Symbol.toStringTag`.
    SetToStringTag = "set_tostring_tag",
    /// `URL` is the standard's.
    UrlStandard = "url_standard",
    /// `delete` and `has` of `URLSearchParams` take a value.
    UrlSearchParamsDeleteHasValueArg = "urlsearchparams_delete_has_value_arg",
    /// Properties of the platform's objects are on their prototypes.
    GettersSettersOnPrototype = "workers_api_getters_setters_on_prototype",
}

impl Flag {
    pub(super) fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        let text = json::text(path, raw)?;
        Self::ALL.iter().copied().find(|flag| flag.name() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|flag| flag.name()).collect();
            let unknown = json::shortened(&text);
            InvalidCode::at(path, format_args!("{unknown:?} is not known; known are {}", known.join(", ")))
        })
    }
}
