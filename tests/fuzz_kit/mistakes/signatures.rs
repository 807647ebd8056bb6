//! Signatures that are read too kindly, or too strictly.

use base64ct::{Base64, Encoding as _};

use super::*;
use crate::homemade::{hmac, hmac_sha1};

#[test]
fn s5_signatures_that_are_read_too_kindly_or_too_strictly_are_found() {
    find(&[
        (
            "the first of a list with spaces",
            presets::WORKOS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "workos-signature", |text| {
                        text.split(", ").take(2).collect::<Vec<_>>().join(", ")
                    })
                })
            },
            Oracle::AcceptsGenuine,
            "the right signature stands behind",
        ),
        (
            "half of a tag",
            GITHUB,
            |verifier, request| {
                let tag = hmac(notation::secret(&GITHUB, 1).as_bytes(), request.body());
                let half = format!("sha256={}", const_hex::encode(&tag[..16]));
                let is_half = request.headers().get("x-hub-signature-256")? == half.as_str();
                if is_half { Some(tag) } else { key(verifier, request) }
            },
            Oracle::RefusesForged,
            "its tag is cut off",
        ),
        (
            "an algorithm that is told by the length of the tag",
            GITHUB,
            |verifier, request| {
                let secret = notation::secret(&GITHUB, 1);
                let short = hmac_sha1(secret.as_bytes(), request.body());
                let short = format!("sha256={}", const_hex::encode(&short));
                let is_short = request.headers().get("x-hub-signature-256")? == short.as_str();
                if is_short { Some(request.body().to_vec()) } else { key(verifier, request) }
            },
            Oracle::RefusesForged,
            "signed by HMAC-sha1, without saying so",
        ),
        (
            "the first bytes in hex",
            GITHUB,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-hub-signature-256", |text| {
                        let bytes = const_hex::decode(text.trim_start_matches("sha256="));
                        let first = bytes.ok().and_then(|it| it.get(..32).map(const_hex::encode));
                        first.map_or(text.to_owned(), |first| format!("sha256={first}"))
                    })
                })
            },
            Oracle::RefusesRespelled,
            "its tag has one byte more",
        ),
        (
            "the first bytes in base64",
            presets::SHOPIFY,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-shopify-hmac-sha256", |text| {
                        let bytes = Base64::decode_vec(text).ok();
                        let first = bytes.and_then(|it| it.get(..32).map(Base64::encode_string));
                        first.unwrap_or(text.to_owned())
                    })
                })
            },
            Oracle::RefusesRespelled,
            "its tag has one byte more",
        ),
        (
            "whatever version begins like it",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "webhook-signature", |text| text.replace("v1a,", "v1,"))
                })
            },
            Oracle::RefusesChanged,
            "`v1a,`",
        ),
        (
            "its prefix as often as it is there",
            GITHUB,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-hub-signature-256", |text| {
                        format!("sha256={}", text.trim_start_matches("sha256="))
                    })
                })
            },
            Oracle::RefusesChanged,
            "`sha256=sha256=`",
        ),
        (
            "what stands between two `=`",
            GITHUB,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-hub-signature-256", |text| {
                        text.split('=').take(2).collect::<Vec<_>>().join("=")
                    })
                })
            },
            Oracle::RefusesRespelled,
            "`=other` behind it",
        ),
        (
            "hex as of a number",
            GITHUB,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-hub-signature-256", |text| text.replace("=0x", "="))
                })
            },
            Oracle::RefusesRespelled,
            "`0x` before it",
        ),
        (
            "the first of several headers",
            presets::MOLLIE,
            |verifier, request| {
                changed(verifier, request, |request| {
                    let first = one_header(request, "x-mollie-signature", <[_]>::first);
                    first.map(|first| request.headers_mut().insert("x-mollie-signature", first));
                })
            },
            Oracle::AcceptsGenuine,
            "the right signature stands behind",
        ),
        (
            "only as long as it should be",
            presets::DOCUSIGN,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-docusign-signature-1", |text| {
                        text.chars().take(44).collect()
                    })
                })
            },
            Oracle::RefusesRespelled,
            "its tag ",
        ),
        (
            "base64 without what is none",
            presets::SHOPIFY,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "x-shopify-hmac-sha256", |text| text.replace('*', ""))
                })
            },
            Oracle::RefusesRespelled,
            "its tag has a `*` in it",
        ),
        (
            "a space in the list",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "webhook-signature", |text| text.replace(", ", ","))
                })
            },
            Oracle::RefusesRespelled,
            "its tag has a space before it",
        ),
        (
            "a tag in the body in either case",
            presets::MAILGUN,
            |verifier, request| {
                let mut json: Value = serde_json::from_slice(request.body()).ok()?;
                let tag = json.pointer_mut("/signature/signature")?;
                *tag = tag.as_str()?.to_ascii_lowercase().into();
                with_body(verifier, request, json.to_string().as_bytes())
            },
            Oracle::RefusesRespelled,
            "its tag is in upper case",
        ),
    ]);
}

/// Of two headers of a name one, and the other.
fn one_header(
    request: &Request<Bytes>,
    name: &'static str,
    which: fn(&[HeaderValue]) -> Option<&HeaderValue>,
) -> Option<HeaderValue> {
    let values: Vec<HeaderValue> = request.headers().get_all(name).iter().cloned().collect();
    which(&values).cloned()
}
