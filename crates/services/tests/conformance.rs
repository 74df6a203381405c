//! One conformance suite a service, and every backend held against it: the services as they are embedded, and the same
//! behind a wire.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "conformance/auth.rs"]
mod auth;
#[path = "conformance/candidate.rs"]
mod candidate;
#[path = "conformance/db.rs"]
mod db;
#[path = "conformance/door.rs"]
mod door;
#[path = "conformance/email.rs"]
mod email;
#[path = "conformance/forward.rs"]
mod forward;
#[path = "conformance/gateway.rs"]
mod gateway;
#[path = "support/jobs.rs"]
mod jobs;
#[path = "conformance/mcp.rs"]
mod mcp;
#[path = "conformance/queue.rs"]
mod queue;
#[path = "../../../tests/scenarios/mod.rs"]
mod scenarios;
#[path = "conformance/schedule.rs"]
mod schedule;
#[path = "fixtures/smtp.rs"]
#[expect(dead_code, reason = "scenarios look at answers only, and not at what the server was given")]
mod smtp;
#[path = "conformance/webhooks.rs"]
mod webhooks;

/// A test for each service and backend, so that they run side by side and a failure names both.
macro_rules! every_backend_keeps_the_contract {
    ($($service:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $service() {
                    crate::$service::embedded().await.keeps_the_contract().await;
                }
            )*
        }

        mod forwarded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $service() {
                    let embedded = crate::$service::embedded().await;
                    crate::forward::forwarded(embedded).await.keeps_the_contract().await;
                }
            )*
        }
    };
}

every_backend_keeps_the_contract!(db, auth, gateway, schedule, webhooks, email, mcp, queue);
