//! `$`, whose parts are there as far as the services are that they need.

use crate::{scoped::Grants, service::Service};

/// What needs no service.
const COMMON: &str = include_str!("business/common.d.ts");

/// The declarations of `$`, with what the services that are granted make possible.
pub fn business(grants: Grants) -> Vec<String> {
    let parts = grants.iter().filter_map(part);
    std::iter::once(COMMON).chain(parts).map(str::to_owned).collect()
}

const fn part(service: Service) -> Option<&'static str> {
    match service {
        Service::Db => Some(include_str!("business/db.d.ts")),
        Service::Gateway => Some(include_str!("business/gateway.d.ts")),
        Service::Schedule => Some(include_str!("business/schedule.d.ts")),
        Service::Webhooks => Some(include_str!("business/webhooks.d.ts")),
        Service::Email => Some(include_str!("business/email.d.ts")),
        Service::Queue => Some(include_str!("business/queue.d.ts")),
        Service::Auth | Service::Mcp => None,
    }
}
