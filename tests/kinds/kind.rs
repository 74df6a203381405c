//! The kinds of guests there are, and through which door each of them is asked.

/// What a guest is made of, and how it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body of a function, in JavaScript.
    Snippet,
    /// A module in JavaScript with a default export, run once.
    Module,
    /// A WASI command of preview 1.
    Command,
    /// A component that exports `wasi:cli/run`.
    ComponentCommand,
    /// A component that exports `wasi:http/incoming-handler`, run once.
    ComponentHandler,
    /// A worker in JavaScript, one of whose methods is called.
    Method,
    /// A worker in JavaScript that answers a request.
    Worker,
    /// A component that answers a request as a worker.
    ComponentWorker,
}

/// Where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST /execute`
    Execute,
    /// `POST /workers/{id}/rpc/act`
    Rpc,
    /// `POST /workers/{id}/fetch/`
    Fetch,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Snippet,
        Self::Module,
        Self::Command,
        Self::ComponentCommand,
        Self::ComponentHandler,
        Self::Method,
        Self::Worker,
        Self::ComponentWorker,
    ];

    pub const fn door(self) -> Door {
        match self {
            Self::Snippet | Self::Module | Self::Command | Self::ComponentCommand | Self::ComponentHandler => {
                Door::Execute
            }
            Self::Method => Door::Rpc,
            Self::Worker | Self::ComponentWorker => Door::Fetch,
        }
    }

    /// WebAssembly that the user brings, rather than JavaScript?
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Command | Self::ComponentCommand | Self::ComponentHandler | Self::ComponentWorker)
    }
}

/// How a run comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It answers; this stands in the answer.
    Answers(&'static str),
    /// It fails by its own doing, with an error of this name.
    Fails(&'static str),
    /// The host ends it, for the reason with this code.
    Ends(&'static str),
}

impl Ending {
    /// As receipts, logs and metrics have it.
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Answers(_) => "ok",
            Self::Fails(_) => "guest_error",
            Self::Ends(code) => code,
        }
    }

    /// The name of the error.
    pub fn error(self) -> Option<&'static str> {
        match self {
            Self::Answers(_) => None,
            Self::Fails(name) => Some(name),
            Self::Ends("timeout") => Some("TimeoutError"),
            Self::Ends("cancelled") => Some("AbortError"),
            Self::Ends(_) => Some("LimitError"),
        }
    }

    /// The status of the answer. What a guest did is a success of `/execute`; behind `fetch` nothing but a status is left
    /// to say it.
    pub fn status(self, door: Door) -> u16 {
        match (door, self) {
            (Door::Execute | Door::Rpc, _) | (Door::Fetch, Self::Answers(_)) => 200,
            (Door::Fetch, Self::Ends("timeout" | "cpu_limit" | "fuel_exhausted")) => 504,
            (Door::Fetch, Self::Ends("cancelled")) => 503,
            (Door::Fetch, Self::Fails(_) | Self::Ends(_)) => 502,
        }
    }
}
