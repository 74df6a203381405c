//! The platform services, implemented.
