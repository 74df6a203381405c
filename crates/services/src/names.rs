//! Names that callers give to queues and tasks.

use doer_core::service::ServiceError;

/// The longest one.
pub(crate) const MAX_NAME: usize = 128;

/// Checks the name given as `parameter`.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check(parameter: &str, name: &str) -> Result<(), ServiceError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(known) {
        return Ok(());
    }
    Err(ServiceError::invalid(format!("{parameter}: must have 1 to {MAX_NAME} letters, digits or any of - _ . :")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_128_plain_characters() {
        for good in ["a", "a-b_c.d:9", &"x".repeat(128)] {
            check("queue", good).unwrap();
        }
        for bad in ["", "a b", "ä", "a/b", "a\0", &"x".repeat(129)] {
            let error = check("queue", bad).unwrap_err();
            assert_eq!(error.message, "queue: must have 1 to 128 letters, digits or any of - _ . :");
        }
    }
}
