//! What a refusal is called.

use super::*;

#[test]
fn the_reasons_of_rejections_are_the_words_that_are_listed() {
    let header = http::HeaderName::from_static("x-signature");
    let (max, second, field) = (1, Duration::from_secs(1), Arc::<str>::from("/id"));
    let rejections = [
        Rejection::Method,
        Rejection::TooLarge { max },
        Rejection::BodyTimeout { deadline: second },
        Rejection::BodyAborted,
        Rejection::ContentEncoding,
        Rejection::Overloaded { max },
        Rejection::Busy { after: second },
        Rejection::MissingHeader { header: header.clone() },
        Rejection::RepeatedHeader { header: header.clone() },
        Rejection::MalformedHeader { header: header.clone() },
        Rejection::TooManySignatures { header, max },
        Rejection::WrongSignature,
        Rejection::MalformedTime { pointer: field.clone() },
        Rejection::Stale { age: second },
        Rejection::Future { ahead: second },
        Rejection::MalformedQuery,
        Rejection::NotForm,
        Rejection::SignedJson,
        Rejection::SignedField { field: field.clone() },
        Rejection::SignedItems { max },
        Rejection::WrongDigest,
        Rejection::NotJson { pointer: field.clone() },
        Rejection::IdentityField { field, max },
    ];
    let reasons: Vec<&str> = rejections.iter().map(Rejection::reason).collect();
    assert_eq!(reasons, Rejection::REASONS);
    for rejection in rejections {
        // The word is the name of the variant.
        let debug = format!("{rejection:?}");
        let name = debug.split([' ', '{', '(']).next().unwrap();
        assert_eq!(name.to_lowercase(), rejection.reason().replace('_', ""));
        assert!(rejection.status().is_client_error() || rejection.status() == 503);
    }
}
