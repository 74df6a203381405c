//! Text encodings, as the Encoding standard has them.

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, UTF_8};
use rquickjs::{
    Array, Class, Ctx, Error, Exception, Function, JsLifetime, Object, Result, TypedArray,
    class::{JsClass, Trace, Tracer, Writable},
    function::Constructor,
};

use super::{bytes, text::Text};

/// A decoder amid a stream, held by one `TextDecoder`.
pub struct StreamDecoder {
    encoding: &'static Encoding,
    ignore_bom: bool,
    /// None between streams.
    decoder: Option<Decoder>,
}

impl<'js> Trace<'js> for StreamDecoder {
    fn trace<'a>(&self, _tracer: Tracer<'a, 'js>) {}
}

#[expect(unsafe_code, reason = "the type holds no JavaScript value")]
unsafe impl<'js> JsLifetime<'js> for StreamDecoder {
    type Changed<'to> = StreamDecoder;
}

impl<'js> JsClass<'js> for StreamDecoder {
    const NAME: &'static str = "StreamDecoder";
    type Mutable = Writable;

    fn constructor(_ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

/// Adds the natives of `TextEncoder`, `TextDecoder` and of bodies.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("encode", Function::new(ctx.clone(), encode)?)?;
    native.set("encodeInto", Function::new(ctx.clone(), encode_into)?)?;
    native.set("encodingName", Function::new(ctx.clone(), encoding_name)?)?;
    native.set("newDecoder", Function::new(ctx.clone(), new_decoder)?)?;
    native.set("decode", Function::new(ctx.clone(), decode)?)?;
    native.set("decodeUtf8", Function::new(ctx.clone(), decode_utf8)?)?;
    native.set("decodeForm", Function::new(ctx.clone(), decode_form)?)
}

fn encode(ctx: Ctx<'_>, text: Text) -> Result<TypedArray<'_, u8>> {
    TypedArray::new_copy(ctx, text.0.as_bytes())
}

/// Writes as many whole characters as fit; answers how many UTF-16 units were read and bytes written.
fn encode_into<'js>(ctx: Ctx<'js>, text: Text, target: TypedArray<'js, u8>) -> Result<Array<'js>> {
    let text = text.0.as_str();
    let written = bytes::write(&target, |target| {
        let end = text.floor_char_boundary(target.len());
        target[..end].copy_from_slice(&text.as_bytes()[..end]);
        end
    });
    let pair = Array::new(ctx)?;
    pair.set(0, text[..written].encode_utf16().count())?;
    pair.set(1, written)?;
    Ok(pair)
}

/// The standard's name in lower case; `undefined` where the label means nothing, or `replacement`.
fn encoding_name(label: Text) -> Option<String> {
    Encoding::for_label_no_replacement(label.0.as_bytes()).map(|encoding| encoding.name().to_ascii_lowercase())
}

fn new_decoder(ctx: Ctx<'_>, label: Text, ignore_bom: bool) -> Result<Class<'_, StreamDecoder>> {
    let encoding = Encoding::for_label_no_replacement(label.0.as_bytes()).unwrap_or(UTF_8);
    Class::instance(ctx, StreamDecoder { encoding, ignore_bom, decoder: None })
}

/// Decodes the next chunk; the stream goes on after it if `stream` is set.
fn decode<'js>(
    ctx: Ctx<'js>,
    state: Class<'js, StreamDecoder>,
    data: TypedArray<'js, u8>,
    fatal: bool,
    stream: bool,
) -> Result<String> {
    let mut state = state.try_borrow_mut()?;
    // A finished decoder must not be used again, so it is taken out and put back only amid a stream.
    let mut decoder = state.decoder.take().unwrap_or_else(|| match state.ignore_bom {
        true => state.encoding.new_decoder_without_bom_handling(),
        false => state.encoding.new_decoder_with_bom_removal(),
    });
    let text = bytes::read(&data, |data| decode_chunk(&mut decoder, data, fatal, !stream));
    if stream && text.is_ok() {
        state.decoder = Some(decoder);
    }
    text.map_err(|failure| failure.throw(&ctx))
}

/// Why a chunk has no text.
enum Undecodable {
    TooLong,
    Malformed,
}

impl Undecodable {
    fn throw(self, ctx: &Ctx<'_>) -> Error {
        match self {
            Self::TooLong => Exception::throw_range(ctx, "The data to decode is too long"),
            Self::Malformed => Exception::throw_type(ctx, "The encoded data was not valid"),
        }
    }
}

fn decode_chunk(
    decoder: &mut Decoder,
    data: &[u8],
    fatal: bool,
    last: bool,
) -> std::result::Result<String, Undecodable> {
    let room = match fatal {
        true => decoder.max_utf8_buffer_length_without_replacement(data.len()),
        false => decoder.max_utf8_buffer_length(data.len()),
    };
    let mut text = String::with_capacity(room.ok_or(Undecodable::TooLong)?);
    // The text has room for the worst case, so one call takes all of the data.
    match fatal {
        true => match decoder.decode_to_string_without_replacement(data, &mut text, last).0 {
            DecoderResult::InputEmpty => Ok(text),
            DecoderResult::OutputFull => Err(Undecodable::TooLong),
            DecoderResult::Malformed(..) => Err(Undecodable::Malformed),
        },
        false => match decoder.decode_to_string(data, &mut text, last).0 {
            CoderResult::InputEmpty => Ok(text),
            CoderResult::OutputFull => Err(Undecodable::TooLong),
        },
    }
}

/// The standard's "UTF-8 decode": without the byte order mark, with U+FFFD for what is malformed.
fn decode_utf8(data: TypedArray<'_, u8>) -> String {
    bytes::read(&data, |data| UTF_8.decode_with_bom_removal(data).0.into_owned())
}

/// The standard's "UTF-8 decode without BOM": a byte order mark is a character like any other.
fn decode_form(data: TypedArray<'_, u8>) -> String {
    bytes::read(&data, |data| UTF_8.decode_without_bom_handling(data).0.into_owned())
}
