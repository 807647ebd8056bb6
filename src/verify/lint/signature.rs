//! The signature: whether it can be found, and told from what stands beside it.

use crate::error::ConfigError;
use crate::scheme::{Encoding, Field, KeyId, Layout, Part, Scheme, SentAt, TimeFormat};
use crate::verify::signatures::MAX_CANDIDATES;

pub(super) fn lint(scheme: &Scheme) -> Result<(), ConfigError> {
    lint_place(scheme)?;
    lint_separators(scheme)?;
    lint_parameter(scheme)
}

fn lint_place(scheme: &Scheme) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::Signature { problem });
    let signature = &scheme.signature;
    let in_header = matches!(signature.field, Field::Header(_));
    let headers = !signature.others.is_empty()
        || matches!(signature.layout, Layout::Repeated | Layout::Numbered);
    if matches!(
        signature.field,
        Field::Parameter(_) | Field::Entry(_) | Field::FirstOf(_) | Field::Integer(_)
    ) {
        return wrong("needs one place that can hold it; name a header");
    }
    if matches!(&signature.field, Field::Header(name) if name.is_empty()) {
        return wrong("is nowhere: name the header that it is in, as `signature.field`");
    }
    let others = signature.others.iter().map(|name| Field::Header(name.clone()));
    let mut places = others.chain([signature.field.clone()]);
    let in_item = |part: &Part| matches!(part, Part::Field(field) if field.is(&signature.field));
    if places.any(|place| scheme.signs(&place))
        || super::signs(&scheme.content, &in_item)
        || signature.field.is_in_body() && scheme.covers_body_or_form()
    {
        return wrong("is in what it signs, so it can never be right");
    }
    if !super::begins_value(&signature.prefix) {
        return wrong("has a prefix that no header can hold");
    }
    let is_value =
        |text: &str| !text.is_empty() && super::begins_value(text) && !text.ends_with(' ');
    if scheme.requires.iter().any(|(_, value)| !is_value(value)) {
        return wrong("comes with a required header whose value no header can have");
    }
    if headers && !in_header {
        return wrong("is not in a header, so there are no further ones");
    }
    if headers && scheme.sent_at.as_ref().is_some_and(is_entry) {
        return wrong("is in several headers, so none of them can have the time");
    }
    if signature.layout == Layout::Numbered && !signature.others.is_empty() {
        return wrong("is in numbered headers, so there are no others");
    }
    if headers && scheme.aliases.iter().any(|(name, _)| is_signature(scheme, name)) {
        return wrong("is in several headers; name them in `others` instead of `aliases`");
    }
    let item_signs_itself = matches!(signature.field, Field::Pointer(_));
    if scheme.items.is_some() && !item_signs_itself {
        return wrong("is not in the items, so one would be right for all of them");
    }
    Ok(())
}

fn is_signature(scheme: &Scheme, name: &str) -> bool {
    match &scheme.signature.field {
        Field::Header(header) => header.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// Whether the time is in the signature header.
fn is_entry(sent_at: &SentAt) -> bool {
    matches!(sent_at.field, Field::Parameter(_) | Field::Entry(_))
}

fn lint_separators(scheme: &Scheme) -> Result<(), ConfigError> {
    let signature = &scheme.signature;
    let in_encoding = |separator: char| match signature.encoding {
        Encoding::Hex | Encoding::AnyCaseHex => separator.is_ascii_hexdigit(),
        Encoding::Base64 => separator.is_ascii_alphanumeric() || "+/=".contains(separator),
        Encoding::Base64Url => separator.is_ascii_alphanumeric() || "-_".contains(separator),
    };
    let usable = |separator: char| {
        (separator == ' ' || separator.is_ascii_graphic())
            && !in_encoding(separator)
            && !signature.prefix.contains(separator)
    };
    let list = match signature.layout {
        Layout::Single | Layout::Repeated | Layout::Numbered => true,
        Layout::List(separator) => usable(separator),
        // A space has a meaning of its own in these.
        Layout::SpacedList(separator) | Layout::Lists(separator) => {
            usable(separator) && separator != ' ' && !signature.prefix.contains(' ')
        }
    };
    let label = match scheme.key_id {
        Some(KeyId::Prefix(end)) => usable(end) && signature.layout.separator() != Some(end),
        _ => true,
    };
    if list && label { Ok(()) } else { Err(ConfigError::Separator) }
}

/// A parameter is an entry of a list, and what it begins with tells it from the signatures.
fn lint_parameter(scheme: &Scheme) -> Result<(), ConfigError> {
    let Some(sent_at @ SentAt { field, format }) = &scheme.sent_at else { return Ok(()) };
    if !is_entry(sent_at) {
        return Ok(());
    }
    let name = super::name_of(field);
    let wrong = |problem| Err(ConfigError::Parameter { name: name.clone(), problem });
    let list = scheme.signature.layout.separator();
    let (Some(separator), Field::Header(_)) = (list, &scheme.signature.field) else {
        return wrong("needs a list in a header: a single signature leaves no room for it");
    };
    if *format == TimeFormat::Rfc3339 && "+-.:TZ".contains(separator) {
        return wrong("contains the list separator: choose another one");
    }
    if matches!(field, Field::Entry(entry) if *entry >= MAX_CANDIDATES) {
        return wrong(
            "is behind more signatures than are compared: it is one of the first 16, from 0",
        );
    }
    let Field::Parameter(name) = field else { return Ok(()) };
    let (start, prefix) = (format!("{name}="), &*scheme.signature.prefix);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) || name.contains('=') {
        return wrong("needs a name of visible ASCII without `=`");
    }
    if start.contains(separator) {
        return wrong("contains the list separator: choose another one");
    }
    // Without a prefix it has an `=` where no signature can have one.
    if !prefix.is_empty() && (start.starts_with(prefix) || prefix.starts_with(&start)) {
        return wrong("begins like a signature: the prefix must tell them apart");
    }
    Ok(())
}
