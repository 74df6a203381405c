//! `doer:platform`: each method of the contracts as a function that a component imports, answered through the door of
//! its run. What was not granted can be imported all the same, and answers `forbidden`.

use std::sync::Arc;

use doer_core::{
    describe::wit::{self, Function, Interface},
    scoped::CallError,
    service::ServiceError,
};
use serde_json::value::RawValue;
use wasmtime::{
    StoreContextMut,
    component::{Linker, Val},
};

use super::value::{Mismatch, given, to_json};
use crate::{account::Ended, store::State};

/// Adds all interfaces.
///
/// # Errors
/// Never: the names are all different.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for interface in wit::interfaces() {
        let name = format!("{}/{}@{}", wit::PACKAGE, interface.service, wit::VERSION);
        let mut functions = linker.instance(&name)?;
        for function in &interface.functions {
            functions.func_new_async(&function.name, move |store, _, parameters, results| {
                Box::new(call(store, interface, function, parameters, results))
            })?;
        }
    }
    // Types alone; whoever uses them imports the interface too.
    linker.instance(&format!("{}/{}@{}", wit::PACKAGE, wit::COMMON, wit::VERSION))?;
    Ok(())
}

async fn call(
    store: StoreContextMut<'_, State>,
    interface: &Interface,
    function: &Function,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let account = Arc::clone(&store.data().account);
    let answer = match &account.door {
        None => Err(ServiceError::forbidden("Access denied: no services are granted")),
        Some(door) => match to_json(interface, &function.parameters, parameters) {
            Ok(arguments) => {
                let (service, method) = (interface.service.name(), function.method.name);
                match door.call(service, method, Some(&arguments)).await {
                    Ok(result) => Ok(result),
                    Err(CallError::Service(error)) => Err(error),
                    Err(CallError::Ended(termination)) => return Err(Ended(termination).into()),
                }
            }
            Err(Mismatch::Json(name)) => {
                // It counts as a call: what is refused costs something too.
                door.ledger().charge_call(interface.service.name()).map_err(Ended)?;
                Err(ServiceError::invalid(format!("{name}: is not JSON")))
            }
            Err(Mismatch::Type) => return Err(other_version(function)),
        },
    };
    let result = match &answer {
        Ok(result) => Ok(Some(Box::new(result_of(interface, function, result)?))),
        Err(error) => Err(Some(Box::new(failure(error)))),
    };
    *results.first_mut().ok_or_else(|| other_version(function))? = Val::Result(result);
    Ok(())
}

fn result_of(interface: &Interface, function: &Function, result: &RawValue) -> wasmtime::Result<Val> {
    given(interface, &function.result, result.get()).ok_or_else(|| {
        wasmtime::Error::msg(format!("{}: the answer is not what its contract says", function.method.path()))
    })
}

/// The error as the record that `common.wit` has.
fn failure(error: &ServiceError) -> Val {
    let text = |name: &str, text: &str| (name.to_owned(), Val::String(text.to_owned()));
    let wait = error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Val::Record(vec![
        text("name", "ServiceError"),
        text("message", &error.message),
        text("code", error.code.name()),
        ("retry-after-ms".to_owned(), Val::Option(wait.map(|wait| Box::new(Val::U64(wait))))),
    ])
}

fn other_version(function: &Function) -> wasmtime::Error {
    wasmtime::Error::msg(format!(
        "the component was built with other types for {} than {}@{} has",
        function.method.path(),
        wit::PACKAGE,
        wit::VERSION
    ))
}
