//! Settings from the environment.

/// A whole number, if the variable is set. Anything else in it panics: a run of another length or seed than somebody
/// asked for would look like the right one.
pub(crate) fn whole_number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?.to_string_lossy().into_owned();
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} has to be a whole number, such as 60: `{text}`")))
}
