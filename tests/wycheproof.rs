//! S2: Project Wycheproof's vectors of HMAC, for the three algorithms that Inhook has: HMAC-SHA384 is none of them.
//! A tag that is cut off is refused, also where the vector takes it.

use bytes::Bytes;
use http::Request;
use inhook::scheme::{Algorithm, Encoding, Field, Identity, KeyFormat, Scheme, Signature};
use inhook::{Secret, Verifier};
use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

#[test]
fn s2_every_hmac_vector_gets_its_verdict() {
    let (mut accepted, mut refused) = (0, 0);
    for (name, algorithm, bits) in [
        (TestName::HmacSha1, Algorithm::HmacSha1, 160),
        (TestName::HmacSha256, Algorithm::HmacSha256, 256),
        (TestName::HmacSha512, Algorithm::HmacSha512, 512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let scheme = Scheme {
                    algorithm,
                    key: KeyFormat::Hex,
                    signature: Signature {
                        field: Field::header("x-signature"),
                        encoding: Encoding::Hex,
                        ..Signature::BASE
                    },
                    identity: Identity::Content,
                    ..Scheme::BASE
                };
                let secret = Secret::new(const_hex::encode(&*test.key));
                let builder = Verifier::builder("acme", scheme, secret).allow_weak_secret();
                let verifier = builder.build().unwrap();
                let mut request = Request::new(Bytes::copy_from_slice(&test.msg));
                *request.method_mut() = http::Method::POST;
                let tag = const_hex::encode(&*test.tag).parse().unwrap();
                request.headers_mut().insert("x-signature", tag);
                let whole = group.tag_size == bits;
                let expected = whole && test.result == TestResult::Valid;
                let verdict = verifier.verify(request);
                assert_eq!(verdict.is_ok(), expected, "{name:?} {}: {}", test.tc_id, test.comment);
                match expected {
                    true => accepted += 1,
                    false => refused += 1,
                }
            }
        }
    }
    println!(
        "{accepted} accepted, {refused} refused; the other 174 of 692 are of HMAC-SHA384, which no scheme has"
    );
    assert_eq!((accepted, refused), (99, 419), "there are other vectors");
}
