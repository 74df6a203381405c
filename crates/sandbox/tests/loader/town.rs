//! Workers that are bound to each other: a host that knows them by id.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use doer_core::tier::Namespace;
use doer_sandbox::{
    Sandbox,
    loader::{Code, EnvBinding, Factory, Host, Key, LoadError, Registry, Stub, WorkerBinding},
};

use crate::{ROOM, code, key};

/// The code of workers, by id, and secrets.
#[derive(Default)]
pub struct Known {
    codes: Mutex<BTreeMap<String, Code>>,
    secrets: BTreeMap<&'static str, &'static str>,
}

#[async_trait]
impl Host for Known {
    fn factory(&self, key: &Key) -> Arc<dyn Factory> {
        let code = self.codes.lock().unwrap().get(&key.id).cloned();
        Arc::new(move || {
            let code = code.clone();
            async move { code.ok_or(LoadError::NotFound) }
        })
    }

    async fn secret(&self, _: &Namespace, name: &str) -> Result<Option<String>, LoadError> {
        Ok(self.secrets.get(name).map(|secret| (*secret).to_owned()))
    }
}

/// A registry whose workers are all of one namespace.
pub struct Town {
    pub registry: Registry,
    known: Arc<Known>,
}

impl Town {
    pub fn new(sandbox: Sandbox) -> Self {
        Self::with_secret(sandbox, "s3cret")
    }

    /// With that as the secret `KEY`.
    pub fn with_secret(sandbox: Sandbox, secret: &'static str) -> Self {
        let known = Arc::new(Known { secrets: BTreeMap::from([("KEY", secret)]), ..Known::default() });
        Self { registry: Registry::with_host(sandbox, ROOM, Arc::<Known>::clone(&known)), known }
    }

    /// A worker of that name.
    pub fn settle(&self, id: &str, code: Code) -> Stub {
        self.known.codes.lock().unwrap().insert(id.to_owned(), code.clone());
        self.registry.get(key(id), move || {
            let code = code.clone();
            async move { Ok(code) }
        })
    }

    /// A worker with these members of `env`.
    pub fn bound(&self, id: &str, source: &str, env: impl IntoIterator<Item = (&'static str, EnvBinding)>) -> Stub {
        self.settle(id, with_env(source, env))
    }
}

pub fn with_env(source: &str, env: impl IntoIterator<Item = (&'static str, EnvBinding)>) -> Code {
    Code { env: Some(env.into_iter().map(|(name, member)| (name.to_owned(), member)).collect()), ..code(source) }
}

/// The default entrypoint of a worker.
pub fn to(id: &str) -> WorkerBinding {
    WorkerBinding { id: id.to_owned(), entrypoint: None, props: None }
}
