//! Compressed streams: deflate, with or without the wrappings that the standard names.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use rquickjs::{
    Class, Ctx, Exception, Function, JsLifetime, Object, Result, TypedArray,
    class::{JsClass, Trace, Tracer, Writable},
    function::Constructor,
};

use super::{bytes, gzip, text::Text};

/// How much room the next piece of output gets.
const STEP_BYTES: usize = 16 << 10;

/// One stream on its way, in either direction; held by one `CompressionStream` or `DecompressionStream`.
pub struct Compressor(Coder);

enum Coder {
    Deflate { state: Compress, gzip: Option<gzip::Sum>, begun: bool },
    Inflate { state: Decompress, gzip: Option<gzip::Envelope>, ended: bool },
}

impl<'js> Trace<'js> for Compressor {
    fn trace<'a>(&self, _tracer: Tracer<'a, 'js>) {}
}

#[expect(unsafe_code, reason = "the type holds no JavaScript value")]
unsafe impl<'js> JsLifetime<'js> for Compressor {
    type Changed<'to> = Compressor;
}

impl<'js> JsClass<'js> for Compressor {
    const NAME: &'static str = "Compressor";
    type Mutable = Writable;

    fn constructor(_ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

/// Adds `newCompressor`, `newDecompressor` and `compress`, which serves both.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("newCompressor", Function::new(ctx.clone(), new_compressor)?)?;
    native.set("newDecompressor", Function::new(ctx.clone(), new_decompressor)?)?;
    native.set("compress", Function::new(ctx.clone(), step)?)
}

fn new_compressor(ctx: Ctx<'_>, format: Text) -> Result<Class<'_, Compressor>> {
    let gzip = (format.0 == "gzip").then(|| gzip::Sum(Crc::new()));
    let state = Compress::new(Compression::default(), format.0 == "deflate");
    Class::instance(ctx, Compressor(Coder::Deflate { state, gzip, begun: false }))
}

fn new_decompressor(ctx: Ctx<'_>, format: Text) -> Result<Class<'_, Compressor>> {
    let gzip = (format.0 == "gzip").then(gzip::Envelope::default);
    Class::instance(
        ctx,
        Compressor(Coder::Inflate { state: Decompress::new(format.0 == "deflate"), gzip, ended: false }),
    )
}

/// What comes out for the next piece of input. With `last`, the stream has to end.
fn step<'js>(
    ctx: Ctx<'js>,
    coder: Class<'js, Compressor>,
    data: TypedArray<'js, u8>,
    last: bool,
) -> Result<TypedArray<'js, u8>> {
    let mut coder = coder.try_borrow_mut()?;
    let out = bytes::read(&data, |data| match &mut coder.0 {
        Coder::Deflate { state, gzip, begun } => deflate(state, gzip, begun, data, last),
        Coder::Inflate { state, gzip, ended } => inflate(state, gzip, ended, data, last),
    });
    match out {
        Ok(out) => TypedArray::new(ctx, out),
        Err(reason) => Err(Exception::throw_type(&ctx, reason)),
    }
}

type Step = std::result::Result<Vec<u8>, &'static str>;

fn deflate(state: &mut Compress, gzip: &mut Option<gzip::Sum>, begun: &mut bool, mut data: &[u8], last: bool) -> Step {
    let mut out = Vec::new();
    if let Some(sum) = gzip {
        if !*begun {
            out.extend_from_slice(&gzip::HEADER);
        }
        sum.0.update(data);
    }
    *begun = true;
    let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
    loop {
        out.reserve(STEP_BYTES);
        let before = state.total_in();
        let status = state.compress_vec(data, &mut out, flush).map_err(|_| "The data cannot be compressed")?;
        data = &data[(state.total_in() - before) as usize..];
        let room = out.capacity() > out.len();
        if status == Status::StreamEnd || (data.is_empty() && room && !last) {
            break;
        }
    }
    if let (Some(sum), true) = (gzip, last) {
        out.extend_from_slice(&sum.trailer());
    }
    Ok(out)
}

fn inflate(
    state: &mut Decompress,
    gzip: &mut Option<gzip::Envelope>,
    ended: &mut bool,
    data: &[u8],
    last: bool,
) -> Step {
    let header;
    let mut data = data;
    if let Some(envelope) = gzip {
        header = envelope.without_header(data)?;
        data = &header;
    }
    let mut out = Vec::new();
    while !*ended && !data.is_empty() {
        out.reserve(STEP_BYTES);
        let (before, had) = (state.total_in(), out.len());
        let status = state.decompress_vec(data, &mut out, FlushDecompress::None);
        let status = status.map_err(|_| "The compressed data was not valid")?;
        data = &data[(state.total_in() - before) as usize..];
        *ended = status == Status::StreamEnd;
        if !*ended && out.len() == had && state.total_in() == before {
            return Err("The compressed data was not valid");
        }
    }
    // Output that did not fit when the input ran out.
    while !*ended {
        out.reserve(STEP_BYTES);
        let had = out.len();
        let status = state.decompress_vec(&[], &mut out, FlushDecompress::None);
        *ended = matches!(status, Ok(Status::StreamEnd));
        if out.len() == had {
            break;
        }
    }
    let complete = match gzip {
        Some(envelope) => {
            envelope.update(&out);
            if *ended { envelope.trailer(data)? } else { false }
        }
        None if *ended && !data.is_empty() => return Err("There is data after the end of the compressed stream"),
        None => *ended,
    };
    if last && !complete {
        return Err("The compressed data ends too early");
    }
    Ok(out)
}
