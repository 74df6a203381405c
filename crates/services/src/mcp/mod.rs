//! `mcp`, embedded: a client of the MCP servers that the installation configures.
//!
//! Each server has one connection (`server`), which is made when it is first needed, kept, and made anew after it
//! broke. The tools that it has are known (`tools`) until it says that they changed; arguments are held against a
//! tool's schema before it is called. Which wire a server speaks, HTTP or a child process's standard streams, is
//! `connection`'s business alone.

mod connection;
mod result;
mod server;
mod settings;
mod tools;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use doer_core::{
    scope::Scope,
    service::{
        Code, Health, ServiceError,
        mcp::{CallTool, ListResources, ListTools, Mcp, ReadResource, Resource, ResourceContent, Tool},
    },
    time::Clock,
};
use futures_util::future::join_all;
use rmcp::model::{CallToolRequestParams, ErrorCode};
use serde_json::Value;

use self::server::{Failure, Server};
pub use self::settings::{Error, ServerSettings, Settings, Transport};
use crate::{tasks::Tasks, tls};

/// The MCP servers of an installation.
#[derive(Debug)]
pub struct McpClient {
    servers: BTreeMap<String, Server>,
    max_result_bytes: usize,
}

impl McpClient {
    /// One with these servers. None of them is connected to before it is needed.
    ///
    /// # Errors
    /// [`Error`], naming the setting that makes no sense.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let client = tls::http_client()?.build().map_err(tls::Error::from)?;
        let mut servers = BTreeMap::new();
        for (name, settings) in settings.servers {
            settings.check(&name)?;
            servers.insert(name.clone(), Server::new(name, settings, client.clone(), clock.clone()));
        }
        Ok(Self { servers, max_result_bytes: settings.max_result_bytes })
    }

    /// Ends the connections, and the child processes with them, when the tasks are stopped.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let (this, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn(async move {
            stopping.cancelled().await;
            join_all(this.servers.values().map(Server::close)).await;
        });
    }

    /// The servers that the caller may use.
    fn servers(&self, scope: &Scope) -> impl Iterator<Item = &Server> {
        self.servers.values().filter(|server| server.is_for(scope))
    }

    fn server(&self, scope: &Scope, name: &str) -> Option<&Server> {
        self.servers.get(name).filter(|server| server.is_for(scope))
    }

    /// What is given to a caller must not be larger than a caller can take.
    fn bounded(&self, what: &str, value: &impl serde::Serialize) -> Result<(), ServiceError> {
        let bytes = serde_json::to_vec(value).map_err(ServiceError::internal)?.len();
        let most = self.max_result_bytes;
        match bytes > most {
            true => {
                Err(ServiceError::new(Code::UpstreamError, format!("{what}: the result is larger than {most} bytes")))
            }
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Mcp for McpClient {
    async fn list_tools(&self, scope: &Scope, _: ListTools) -> Result<Vec<Tool>, ServiceError> {
        let lists = join_all(self.servers(scope).map(|server| async move { (server, server.tools().await) })).await;
        let found = lists.into_iter().filter_map(|(server, tools)| Some((server, tools.ok()?)));
        Ok(found.flat_map(|(server, tools)| tools.described(server.name())).collect())
    }

    async fn call_tool(&self, scope: &Scope, params: CallTool) -> Result<Value, ServiceError> {
        let name = params.tool_name;
        let not_found = || ServiceError::not_found(format!("Tool {} not found", crate::wire::shorten(&name)));
        let (server, tool) = name.split_once('.').ok_or_else(not_found)?;
        let server = self.server(scope, server).ok_or_else(not_found)?;
        let tools = server.tools_with(tool).await.map_err(|failure| failure.told(&name))?;
        let arguments = Value::Object(params.args.unwrap_or_default());
        tools.find(tool).ok_or_else(not_found)?.check(&arguments)?;
        let mut request = CallToolRequestParams::new(tool.to_owned());
        if let Value::Object(arguments) = arguments {
            request = request.with_arguments(arguments);
        }
        let result = server.call(request).await.map_err(|failure| failure.told(&name))?;
        let value = result::value(&name, result)?;
        self.bounded(&name, &value)?;
        Ok(value)
    }

    async fn list_resources(&self, scope: &Scope, _: ListResources) -> Result<Vec<Resource>, ServiceError> {
        let lists = join_all(self.servers(scope).map(|server| async move { (server, server.resources().await) })).await;
        let found = lists.into_iter().filter_map(|(server, resources)| Some((server, resources.ok()?)));
        Ok(found.flat_map(|(server, list)| list.into_iter().map(|one| result::resource(server.name(), one))).collect())
    }

    async fn read_resource(&self, scope: &Scope, params: ReadResource) -> Result<Vec<ResourceContent>, ServiceError> {
        let ReadResource { server: name, uri } = params;
        let not_found = || {
            let (name, uri) = (crate::wire::shorten(&name), crate::wire::shorten(&uri));
            ServiceError::not_found(format!("Resource {uri} of {name} not found"))
        };
        let server = self.server(scope, &name).ok_or_else(not_found)?;
        let contents = server.read(&uri).await.map_err(|failure| match failure {
            // The URI is all that there is to be wrong: the newest protocol, and the official TypeScript SDK, say so
            // of one that leads nowhere.
            Failure::Refused(error)
                if matches!(error.code, ErrorCode::RESOURCE_NOT_FOUND | ErrorCode::INVALID_PARAMS) =>
            {
                not_found()
            }
            failure => failure.told(&name),
        })?;
        let contents: Vec<ResourceContent> = contents.into_iter().filter_map(result::content).collect();
        self.bounded(&name, &contents)?;
        Ok(contents)
    }

    fn health(&self) -> Health {
        let well = self.servers.values().all(Server::is_well);
        if well { Health::Ok } else { Health::Degraded }
    }
}
