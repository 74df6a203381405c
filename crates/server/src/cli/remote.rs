//! A running server, as commands speak to it: where it is, and with which key.

use std::{error::Error, path::PathBuf};

use clap::Args;
use doer_services::tls;
use reqwest::{Method, RequestBuilder, Response, header::CONTENT_TYPE};
use serde_json::Value;

use super::{ConfigFile, health::reachable};

/// The key is in here, where no file is named.
const KEY_VARIABLE: &str = "DOER_KEY";

#[derive(Debug, Args)]
pub struct Remote {
    /// The server, like https://doer.example.com [default: the one of the configuration, on this machine]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A file with an API key in it [default: the key in $DOER_KEY; none for a server in development mode]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

/// A server to be asked.
pub struct Server {
    /// Where it is, without a `/` at the end.
    pub url: String,
    client: reqwest::Client,
    key: Option<String>,
}

impl Remote {
    /// Finds out where the server is.
    ///
    /// # Errors
    /// The configuration, and the file of the key.
    pub fn server(self) -> Result<Server, Box<dyn Error>> {
        let url = match self.server {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", reachable(self.file.load(Vec::new())?.server.listen)),
        };
        let key = match self.key_file {
            Some(path) => {
                let text = std::fs::read_to_string(&path);
                Some(text.map_err(|error| format!("cannot read {}: {error}", path.display()))?)
            }
            None => std::env::var_os(KEY_VARIABLE).and_then(|key| key.into_string().ok()),
        };
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        Ok(Server { url, client: tls::http_client()?.build()?, key })
    }
}

impl Server {
    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// A request with a JSON body, and its answer.
    ///
    /// # Errors
    /// That the server cannot be reached, and what it refuses.
    pub async fn send(&self, method: Method, path: &str, json: String) -> Result<Value, Box<dyn Error>> {
        let request = self.request(method, path).header(CONTENT_TYPE, "application/json").body(json);
        let answer = accepted(request.send().await?).await?;
        Ok(answer.json().await?)
    }
}

/// An answer that is no refusal.
///
/// # Errors
/// The refusal, with its place in the code where it has one.
pub async fn accepted(answer: Response) -> Result<Response, Box<dyn Error>> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let text = answer.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let error = &body["error"];
    let Some(message) = error["message"].as_str() else {
        return Err(format!("the server answered with status {status}").into());
    };
    let mut told = message.to_owned();
    match (error["stack"].as_str(), error["line"].as_u64(), error["column"].as_u64()) {
        (Some(stack), _, _) if !stack.trim().is_empty() => told = format!("{told}\n{}", stack.trim_end()),
        (_, Some(line), Some(column)) => told = format!("{told}\n    at {line}:{column}"),
        (_, Some(line), None) => told = format!("{told}\n    at line {line}"),
        _ => {}
    }
    Err(told.into())
}
