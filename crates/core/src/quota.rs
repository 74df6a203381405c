//! How much a namespace may have of what lasts.

use crate::tier::{Namespace, Tier};

const MIB: u64 = 1 << 20;

/// What a namespace may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Its database.
    pub db_bytes: u64,
    /// Messages in its queues that are not done.
    pub queue_messages: u64,
    /// The same in bytes.
    pub queue_bytes: u64,
    /// Queues that have a consumer.
    pub consumers: u64,
    /// Tasks.
    pub tasks: u64,
    /// Mails accepted within a day.
    pub mails_per_day: u64,
    /// Webhook endpoints.
    pub endpoints: u64,
    /// Webhook sources.
    pub sources: u64,
    /// Webhook deliveries, and events that came in, that are not done.
    pub deliveries: u64,
    /// Users.
    pub users: u64,
    /// API keys that hold.
    pub api_keys: u64,
    /// Secrets.
    pub secrets: u64,
    /// Workers.
    pub workers: u64,
    /// What is stored of their code, in all versions.
    pub worker_bytes: u64,
}

impl Quota {
    /// The defaults of a tier.
    pub const fn of(tier: Tier) -> Self {
        match tier {
            Tier::Internal => Self {
                db_bytes: 10_240 * MIB,
                queue_messages: 1_000_000,
                queue_bytes: 1_024 * MIB,
                consumers: 1_000,
                tasks: 1_000,
                mails_per_day: 100_000,
                endpoints: 1_000,
                sources: 1_000,
                deliveries: 1_000_000,
                users: 1_000_000,
                api_keys: 100_000,
                secrets: 1_000,
                workers: 100_000,
                worker_bytes: 10_240 * MIB,
            },
            Tier::Tenant => Self {
                db_bytes: 1_024 * MIB,
                queue_messages: 100_000,
                queue_bytes: 256 * MIB,
                consumers: 50,
                tasks: 100,
                mails_per_day: 1_000,
                endpoints: 50,
                sources: 50,
                deliveries: 100_000,
                users: 10_000,
                api_keys: 1_000,
                secrets: 100,
                workers: 1_000,
                worker_bytes: 1_024 * MIB,
            },
            Tier::Public => Self {
                db_bytes: 64 * MIB,
                queue_messages: 1_000,
                queue_bytes: 16 * MIB,
                consumers: 0,
                tasks: 0,
                mails_per_day: 0,
                endpoints: 0,
                sources: 0,
                deliveries: 0,
                users: 0,
                api_keys: 10,
                secrets: 10,
                workers: 0,
                worker_bytes: 0,
            },
        }
    }
}

/// What each namespace may have.
pub trait Quotas: Send + Sync + 'static {
    /// What a namespace may have, where a caller of this tier works in it.
    fn of(&self, tier: Tier, namespace: &Namespace) -> Quota;
}

/// The defaults, for everyone.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultQuotas;

impl Quotas for DefaultQuotas {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota::of(tier)
    }
}
