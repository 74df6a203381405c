//! Tenants: suspension, deletion, and what they were given beyond their tier.
