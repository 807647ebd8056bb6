//! Bodies that are not the bytes that were signed.

use base64ct::{Base64, Encoding};

use super::{Case, Mistake};

/// Each with what must have happened to the body.
pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let body = &**case.request.body();
    let mut all = Vec::new();
    let mut add = |signed: Option<Vec<u8>>, advice: &str| {
        if let Some(signed) = signed.filter(|signed| signed != body) {
            all.push(Mistake::new(advice, case.with_body(signed)));
        }
    };
    for ending in ["\r\n", "\n"] {
        let shorter = body.strip_suffix(ending.as_bytes()).map(<[u8]>::to_vec);
        add(
            shorter,
            "without the line break at the end of the body, which an editor or `echo` added after it was signed.",
        );
        let longer = [body, ending.as_bytes()].concat();
        add(
            Some(longer),
            "with a line break at the end of the body, which was cut off: read the raw body and trim nothing.",
        );
    }
    add(
        body.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec),
        "without the byte order mark at the beginning of the body, which an editor added.",
    );
    if let Ok(text) = std::str::from_utf8(body) {
        add(
            Some(text.replace("\r\n", "\n").into_bytes()),
            "with LF in place of CR LF in the body, which a tool converted: keep the raw bytes.",
        );
        add(
            Some(text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()),
            "with CR LF in place of LF in the body, which a tool converted: keep the raw bytes.",
        );
        let charset = "with the body in another character set: it was decoded and encoded again on its way; keep the raw bytes.";
        let latin: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
        add(latin, charset);
    } else {
        let text: String = body.iter().map(|byte| char::from(*byte)).collect();
        add(
            Some(text.into_bytes()),
            "with the body in UTF-8: it was converted to another character set on its way; keep the raw bytes.",
        );
    }
    let unwrapped = std::str::from_utf8(body).ok().and_then(|text| Base64::decode_vec(text).ok());
    add(
        unwrapped,
        "with the body decoded from base64, in which a gateway passed it on (`isBase64Encoded`).",
    );
    all
}
