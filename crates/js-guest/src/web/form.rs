//! `application/x-www-form-urlencoded`, for `URLSearchParams` and bodies.

use rquickjs::{Array, Ctx, Function, Object, Result};
use url::form_urlencoded::{Serializer, parse};

use super::text::Text;

/// Adds `formParse` and `formSerialize`; a list is flat: name, value, name, value.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("formParse", Function::new(ctx.clone(), form_parse)?)?;
    native.set("formSerialize", Function::new(ctx.clone(), form_serialize)?)
}

fn form_parse<'js>(ctx: Ctx<'js>, text: Text) -> Result<Array<'js>> {
    let list = Array::new(ctx)?;
    for (at, (name, value)) in parse(text.0.as_bytes()).enumerate() {
        list.set(2 * at, name.as_ref())?;
        list.set(2 * at + 1, value.as_ref())?;
    }
    Ok(list)
}

fn form_serialize(list: Array<'_>) -> Result<String> {
    let mut form = Serializer::new(String::new());
    for at in (0..list.len()).step_by(2) {
        form.append_pair(&list.get::<Text>(at)?.0, &list.get::<Text>(at + 1)?.0);
    }
    Ok(form.finish())
}
