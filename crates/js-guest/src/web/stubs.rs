//! Stubs of workers and the values that go to them: natives for the scripts, and what the invoker needs of them.

use base64::{Engine, prelude::BASE64_STANDARD};
use doer_guest_protocol::{Failure, Operation, Target, WorkerCall};
use rquickjs::{Array, Ctx, Error, Exception, Function, JsLifetime, Object, Result, TypedArray, Value, function::Args};

use super::{bytes, network, text::Text};
use crate::{operations, scope::refuse_global};

/// What the scripts leave for the invoker.
struct Stubs<'js> {
    to_wire: Function<'js>,
    from_wire: Function<'js>,
    worker: Function<'js>,
    exports: Function<'js>,
    absent: Value<'js>,
    loader: Value<'js>,
    business: Object<'js>,
}

#[expect(unsafe_code, reason = "the lifetime of the type is that of the values in it")]
unsafe impl<'js> JsLifetime<'js> for Stubs<'js> {
    type Changed<'to> = Stubs<'to>;
}

/// Adds `callWorker`, `fetchWorker`, `loadWorker`, `serviceError`, `bytesBase64` and `base64Bytes`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("callWorker", Function::new(ctx.clone(), call)?)?;
    native.set("fetchWorker", Function::new(ctx.clone(), fetch)?)?;
    native.set("loadWorker", Function::new(ctx.clone(), load)?)?;
    native.set("serviceError", Function::new(ctx.clone(), service_error)?)?;
    native.set("bytesBase64", Function::new(ctx.clone(), to_base64)?)?;
    native.set("base64Bytes", Function::new(ctx.clone(), from_base64)?)
}

/// Keeps what the scripts have left in `native`.
pub fn keep<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    let stubs = Stubs {
        to_wire: native.get("toWire")?,
        from_wire: native.get("fromWire")?,
        worker: native.get("workerStub")?,
        exports: native.get("makeExports")?,
        absent: native.get("absentService")?,
        loader: native.get("loader")?,
        business: native.get("business")?,
    };
    ctx.store_userdata(stubs).map(|_| ()).map_err(|_| Error::Unknown)
}

/// A value as other heaps read it; `what` is what errors call it.
///
/// # Errors
/// A `DataCloneError` that names the path to what cannot be cloned; whatever a getter throws.
pub fn to_wire<'js>(ctx: &Ctx<'js>, value: Value<'js>, what: &str) -> Result<String> {
    kept(ctx, |stubs| stubs.to_wire.clone())?.call::<_, Text>((value, what)).map(|text| text.0)
}

/// A value that another heap wrote.
///
/// # Errors
/// A `TypeError` where it is none.
pub fn from_wire<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    kept(ctx, |stubs| stubs.from_wire.clone())?.call((text,))
}

/// The stub of a worker that is bound under that number.
///
/// # Errors
/// Only out of memory.
pub fn worker<'js>(ctx: &Ctx<'js>, number: u32) -> Result<Value<'js>> {
    kept(ctx, |stubs| stubs.worker.clone())?.call((number,))
}

/// `ctx.exports`: a stub for each name.
///
/// # Errors
/// Only out of memory.
pub fn exports<'js>(ctx: &Ctx<'js>, names: &[String]) -> Result<Object<'js>> {
    let mut args = Args::new(ctx.clone(), names.len());
    for name in names {
        args.push_arg(name.as_str())?;
    }
    kept(ctx, |stubs| stubs.exports.clone())?.call_arg(args)
}

/// What stands in for services where there are none.
///
/// # Errors
/// Only before the platform is installed.
pub fn absent_service<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    kept(ctx, |stubs| stubs.absent.clone())
}

/// `env.LOADER`
///
/// # Errors
/// Only before the platform is installed.
pub fn loader<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    kept(ctx, |stubs| stubs.loader.clone())
}

/// `$`
///
/// # Errors
/// Only before the platform is installed.
pub fn business<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    kept(ctx, |stubs| stubs.business.clone())
}

fn kept<'js, T>(ctx: &Ctx<'js>, pick: impl Fn(&Stubs<'js>) -> T) -> Result<T> {
    let stubs = ctx.userdata::<Stubs<'js>>();
    stubs.map(|stubs| pick(&stubs)).ok_or_else(|| Exception::throw_internal(ctx, "the web platform is not installed"))
}

/// The parts of a target: worker, entrypoint, props, limits.
struct Parts(Option<u32>, Option<String>, Option<String>, Option<String>);

impl Parts {
    fn of(parts: &Array<'_>) -> Result<Self> {
        let text = |at| Ok::<_, Error>(parts.get::<Option<Text>>(at)?.map(|text| text.0));
        Ok(Self(parts.get(0)?, text(1)?, text(2)?, text(3)?))
    }

    fn target(&self) -> Target<'_> {
        let Self(worker, entrypoint, props, limits) = self;
        Target {
            worker: *worker,
            entrypoint: entrypoint.as_deref(),
            props: props.as_deref(),
            limits: limits.as_deref(),
        }
    }
}

fn call<'js>(
    ctx: Ctx<'js>,
    parts: Array<'js>,
    method: Text,
    arguments: Text,
    resolve: Function<'js>,
    reject: Function<'js>,
) -> Result<()> {
    refuse_global(&ctx, "Calling a worker")?;
    let parts = Parts::of(&parts)?;
    let call = WorkerCall { method: &method.0, arguments: &arguments.0 };
    operations::submit(&ctx, &Operation::CallWorker(parts.target(), call), resolve, reject).map(|_| ())
}

fn fetch<'js>(
    ctx: Ctx<'js>,
    parts: Array<'js>,
    request: Array<'js>,
    resolve: Function<'js>,
    reject: Function<'js>,
) -> Result<u32> {
    refuse_global(&ctx, "Calling a worker")?;
    let parts = Parts::of(&parts)?;
    network::with_request(&request, |request| {
        operations::submit(&ctx, &Operation::FetchWorker(parts.target(), request), resolve, reject)
    })
}

fn load<'js>(
    ctx: Ctx<'js>,
    id: Option<Text>,
    code: Option<Text>,
    resolve: Function<'js>,
    reject: Function<'js>,
) -> Result<()> {
    refuse_global(&ctx, "Loading a worker")?;
    let (id, code) = (id.map(|id| id.0), code.map(|code| code.0));
    let operation = Operation::Load { id: id.as_deref(), code: code.as_deref() };
    operations::submit(&ctx, &operation, resolve, reject).map(|_| ())
}

fn service_error<'js>(ctx: Ctx<'js>, code: Text, message: Text) -> Result<Object<'js>> {
    let failure = Failure { code: &code.0, message: &message.0, name: None, retry_after_ms: None };
    operations::service_error(&ctx, &failure)
}

fn to_base64(bytes: TypedArray<'_, u8>) -> String {
    bytes::read(&bytes, |bytes| BASE64_STANDARD.encode(bytes))
}

fn from_base64<'js>(ctx: Ctx<'js>, text: Text) -> Result<TypedArray<'js, u8>> {
    let bytes = BASE64_STANDARD.decode(text.0).map_err(|_| Exception::throw_type(&ctx, "Not base64"))?;
    TypedArray::new(ctx, bytes)
}
