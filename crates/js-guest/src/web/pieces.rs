//! Bodies that cross the wall piece by piece: what the scripts reach of it.

use doer_guest_protocol::{Bytes, Operation};
use rquickjs::{Ctx, Function, Object, Result, TypedArray};

use super::{bytes, text::Text};
use crate::operations;

/// Adds `readBody`, `closeBody`, `writeBody` and `finishBody`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("readBody", Function::new(ctx.clone(), read)?)?;
    native.set("closeBody", Function::new(ctx.clone(), close)?)?;
    native.set("writeBody", Function::new(ctx.clone(), write)?)?;
    native.set("finishBody", Function::new(ctx.clone(), finish)?)
}

fn read<'js>(ctx: Ctx<'js>, source: u32, resolve: Function<'js>, reject: Function<'js>) -> Result<()> {
    operations::submit(&ctx, &Operation::Read { source }, resolve, reject).map(|_| ())
}

fn close(ctx: Ctx<'_>, source: u32) -> Result<()> {
    operations::tell_host(&ctx, &Operation::Close { source })
}

fn write<'js>(ctx: Ctx<'js>, piece: TypedArray<'js, u8>, resolve: Function<'js>, reject: Function<'js>) -> Result<()> {
    let piece = bytes::read(&piece, <[u8]>::to_vec);
    operations::submit(&ctx, &Operation::Write(Bytes(&piece)), resolve, reject).map(|_| ())
}

fn finish(ctx: Ctx<'_>, error: Option<Text>) -> Result<()> {
    let error = error.as_ref().map(|error| error.0.as_str());
    operations::tell_host(&ctx, &Operation::Finish { error })
}
