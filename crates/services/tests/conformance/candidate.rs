//! A backend that is held against its service's contract, and what stands around it meanwhile.

use std::{any::Any, collections::BTreeMap, sync::Arc};

use doer_core::service::{Backend, Service};
use doer_services::tasks::Tasks;

use crate::{
    door::Direct,
    scenarios::{run, shows_the_contract},
};

/// A backend, ready to be called.
pub struct Candidate {
    pub service: Service,
    pub backend: Arc<dyn Backend>,
    /// What the scenarios know by name.
    pub fixtures: BTreeMap<String, String>,
    /// What moves in it by itself.
    pub tasks: Tasks,
    /// What must be there as long: directories, servers.
    pub around: Vec<Box<dyn Any>>,
}

impl Candidate {
    /// One with nothing around it.
    pub fn new(service: Service, backend: impl Backend + 'static) -> Self {
        Self {
            service,
            backend: Arc::new(backend),
            fixtures: BTreeMap::new(),
            tasks: Tasks::default(),
            around: Vec::new(),
        }
    }

    /// Runs every scenario of the service.
    pub async fn keeps_the_contract(self) {
        let transcript = run(self.service, &Direct(&*self.backend), &self.fixtures, "direct").await;
        shows_the_contract(self.service, &transcript);
        self.tasks.stop().await;
        drop(self.around);
    }
}
