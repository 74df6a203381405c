//! What a call goes to once it is known to be allowed: a service by its wire, whoever implements it.

use async_trait::async_trait;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Arguments, Code, Method, Service, ServiceError};
use crate::scope::Scope;

/// A service by its wire. Every service trait's object is one, and so is whatever forwards calls elsewhere.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Calls a method of this service.
    ///
    /// # Errors
    /// Those of the method's contract.
    async fn call(
        &self,
        scope: &Scope,
        method: &'static Method,
        arguments: Arguments,
    ) -> Result<Box<RawValue>, ServiceError>;

    /// Is it well?
    fn health(&self) -> Health;
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers.
    Ok,
    /// It failed lately, or part of it cannot be reached.
    Degraded,
    /// It is switched off.
    Off,
}

/// A service that is switched off.
#[derive(Debug, Clone, Copy)]
pub struct Off(pub Service);

#[async_trait]
impl Backend for Off {
    async fn call(&self, _: &Scope, _: &'static Method, _: Arguments) -> Result<Box<RawValue>, ServiceError> {
        Err(ServiceError::new(Code::ServiceUnavailable, format!("Service {} not available", self.0)))
    }

    fn health(&self) -> Health {
        Health::Off
    }
}

/// A result on its way to the wire.
pub(super) fn json<T: Serialize>(result: &T) -> Result<Box<RawValue>, ServiceError> {
    to_raw_value(result).map_err(ServiceError::internal)
}

impl Method {
    /// The error for a method that is in the table and not in the service; the table is made from the service.
    pub(super) fn not_here(&self) -> ServiceError {
        ServiceError::not_found(format!("Method {} not found", self.path()))
    }
}
