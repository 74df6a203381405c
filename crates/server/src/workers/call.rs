//! Calls of workers by id, put together: what may be used, by whose leave, and who listens.

use std::sync::Arc;

use doer_core::{id::WorkerId, limits::Allowance};
use serde_json::Value;

use super::{Known, Workers, key};
use crate::{
    auth::Caller,
    execute::{WorkerCall, visitor_context},
    http::error::ApiError,
};

impl Workers {
    /// A call of a worker by a caller of its namespace; `what` says what is asked, for those who listen.
    ///
    /// # Errors
    /// `loader_unavailable`.
    pub fn call(
        self: &Arc<Self>,
        caller: &Caller,
        id: &WorkerId,
        known: &Known,
        allowance: &Allowance,
        what: Value,
    ) -> Result<WorkerCall, ApiError> {
        let stub = self.stub(&caller.namespace, id)?;
        let key = key(&caller.namespace, id);
        let call = WorkerCall::new(stub, caller, known.limits(allowance.limits), allowance.rates, None)?;
        Ok(WorkerCall {
            grants: known.grants(caller.tier),
            network: known.network,
            tail: self.tails.of(&key, what),
            registered: Some(key),
            ..call
        })
    }

    /// The same on behalf of its own namespace, for somebody whom doer does not know.
    ///
    /// # Errors
    /// As [`Workers::call`].
    pub fn visit(
        self: &Arc<Self>,
        owner: &Caller,
        id: &WorkerId,
        known: &Known,
        allowance: &Allowance,
        what: Value,
    ) -> Result<WorkerCall, ApiError> {
        let context = visitor_context(owner)?;
        Ok(WorkerCall { context, ..self.call(owner, id, known, allowance, what)? })
    }
}
