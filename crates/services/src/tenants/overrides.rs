//! What a tenant may use, where that is not what its tier may.

use std::time::Duration;

use doer_core::{
    limits::{Limits, Rates},
    quota::Quota,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! overrides {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)+) => {
        /// Numbers that hold in place of a tier's; those that are absent do not. One for every limit of an execution,
        /// and for every quota.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct TenantOverrides {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$type>,)+
        }
    };
}

overrides! {
    /// [`Limits::wall`] in milliseconds.
    wall_ms: u64,
    /// [`Limits::cpu`] in milliseconds.
    cpu_ms: u64,
    /// [`Limits::startup_cpu`] in milliseconds.
    startup_cpu_ms: u64,
    /// [`Limits::fuel`].
    fuel: u64,
    /// [`Limits::memory_bytes`].
    memory_bytes: u64,
    /// [`Limits::output_bytes`].
    output_bytes: u64,
    /// [`Limits::calls`].
    calls: u32,
    /// [`Limits::transfer_bytes`].
    transfer_bytes: u64,
    /// [`Limits::code_bytes`].
    code_bytes: u64,
    /// [`Rates::concurrency`].
    concurrency: u32,
    /// [`Rates::waiting`].
    waiting: u32,
    /// [`Rates::executions_per_minute`]; 0 is as many as the server can do.
    executions_per_minute: u32,
    /// [`Rates::calls_per_minute`]; 0 is as many as the server can do.
    calls_per_minute: u32,
    /// [`Quota::db_bytes`].
    db_bytes: u64,
    /// [`Quota::queue_messages`].
    queue_messages: u64,
    /// [`Quota::queue_bytes`].
    queue_bytes: u64,
    /// [`Quota::consumers`].
    consumers: u64,
    /// [`Quota::tasks`].
    tasks: u64,
    /// [`Quota::mails_per_day`].
    mails_per_day: u64,
    /// [`Quota::endpoints`].
    endpoints: u64,
    /// [`Quota::sources`].
    sources: u64,
    /// [`Quota::deliveries`].
    deliveries: u64,
    /// [`Quota::users`].
    users: u64,
    /// [`Quota::api_keys`].
    api_keys: u64,
    /// [`Quota::secrets`].
    secrets: u64,
    /// [`Quota::workers`].
    workers: u64,
    /// [`Quota::worker_bytes`].
    worker_bytes: u64,
}

/// A number cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OverrideError(String);

impl TenantOverrides {
    /// Limits with these in them.
    pub fn limits(&self, of_tier: Limits) -> Limits {
        let time = |ms: Option<u64>, otherwise| ms.map_or(otherwise, Duration::from_millis);
        Limits {
            wall: time(self.wall_ms, of_tier.wall),
            cpu: time(self.cpu_ms, of_tier.cpu),
            startup_cpu: time(self.startup_cpu_ms, of_tier.startup_cpu),
            fuel: self.fuel.unwrap_or(of_tier.fuel),
            memory_bytes: self.memory_bytes.unwrap_or(of_tier.memory_bytes),
            output_bytes: self.output_bytes.unwrap_or(of_tier.output_bytes),
            calls: self.calls.unwrap_or(of_tier.calls),
            transfer_bytes: self.transfer_bytes.unwrap_or(of_tier.transfer_bytes),
            code_bytes: self.code_bytes.unwrap_or(of_tier.code_bytes),
        }
    }

    /// Rates with these in them.
    pub fn rates(&self, of_tier: Rates) -> Rates {
        let rate = |given: Option<u32>, otherwise| match given {
            Some(0) => None,
            Some(number) => Some(number),
            None => otherwise,
        };
        Rates {
            concurrency: self.concurrency.unwrap_or(of_tier.concurrency),
            waiting: self.waiting.unwrap_or(of_tier.waiting),
            executions_per_minute: rate(self.executions_per_minute, of_tier.executions_per_minute),
            calls_per_minute: rate(self.calls_per_minute, of_tier.calls_per_minute),
        }
    }

    /// A quota with these in it.
    pub fn quota(&self, of_tier: Quota) -> Quota {
        Quota {
            db_bytes: self.db_bytes.unwrap_or(of_tier.db_bytes),
            queue_messages: self.queue_messages.unwrap_or(of_tier.queue_messages),
            queue_bytes: self.queue_bytes.unwrap_or(of_tier.queue_bytes),
            consumers: self.consumers.unwrap_or(of_tier.consumers),
            tasks: self.tasks.unwrap_or(of_tier.tasks),
            mails_per_day: self.mails_per_day.unwrap_or(of_tier.mails_per_day),
            endpoints: self.endpoints.unwrap_or(of_tier.endpoints),
            sources: self.sources.unwrap_or(of_tier.sources),
            deliveries: self.deliveries.unwrap_or(of_tier.deliveries),
            users: self.users.unwrap_or(of_tier.users),
            api_keys: self.api_keys.unwrap_or(of_tier.api_keys),
            secrets: self.secrets.unwrap_or(of_tier.secrets),
            workers: self.workers.unwrap_or(of_tier.workers),
            worker_bytes: self.worker_bytes.unwrap_or(of_tier.worker_bytes),
        }
    }

    /// These with one number set by its name, or taken out.
    ///
    /// # Errors
    /// Where there is no number of that name, or it is too large.
    pub fn with(&self, name: &str, number: Option<u64>) -> Result<Self, OverrideError> {
        let failed = |error: serde_json::Error| OverrideError(format!("{name}: {error}"));
        let mut members: Map<String, Value> = match serde_json::to_value(self).map_err(failed)? {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        // A null is read like a number: an unknown name is found out either way.
        members.insert(name.to_owned(), number.map_or(Value::Null, Value::from));
        serde_json::from_value(Value::Object(members)).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use doer_core::tier::Tier;

    use super::*;

    #[test]
    fn each_number_replaces_its_own() {
        let one = TenantOverrides::default().with("memoryBytes", Some(1)).unwrap().with("users", Some(2)).unwrap();
        let (limits, quota) = (Limits::of(Tier::Tenant), Quota::of(Tier::Tenant));
        assert_eq!(one.limits(limits), Limits { memory_bytes: 1, ..limits });
        assert_eq!(one.quota(quota), Quota { users: 2, ..quota });
        assert_eq!(one.with("users", None).unwrap(), TenantOverrides { memory_bytes: Some(1), ..Default::default() });
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"memoryBytes":1,"users":2}"#);
    }

    #[test]
    fn unknown_names_and_large_numbers_are_refused() {
        let none = TenantOverrides::default();
        assert!(none.with("users2", Some(1)).unwrap_err().to_string().contains("users2"));
        assert!(none.with("users2", None).is_err());
        assert!(none.with("calls", Some(u64::from(u32::MAX) + 1)).is_err());
    }
}
