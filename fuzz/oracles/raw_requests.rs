//! A raw request in a file: it is refused, or what is printed of it is read as the same request.

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(captured) = crate::request::parse(data) else { return false };
    let request = captured.request;
    let mut printed = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        printed.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    printed.extend_from_slice(b"\r\n");
    printed.extend_from_slice(request.body());
    let again = crate::request::parse(&printed).expect("a request that was read before").request;
    assert_eq!(again.method(), request.method());
    assert_eq!(again.uri(), request.uri());
    assert_eq!(again.headers(), request.headers());
    assert_eq!(again.body(), request.body());
    // The body is the end of the file, byte for byte.
    assert!(data.ends_with(request.body()), "another body than there was");
    true
}
