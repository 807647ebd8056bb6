//! What the compiler says to a program that is wrong in a likely way: it names the argument, and what it
//! lacks. The programs are compiled here; their messages are searched for what a reader needs, since the
//! rest changes from compiler to compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the compiler says of a program that uses the crate and axum.
fn compiler_says(program: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let manifest = format!(
        r#"
            [package]
            name = "program"
            version = "0.0.0"
            edition = "2024"
            [dependencies]
            axum = {{ version = "0.8", default-features = false, features = ["macros"] }}
            serde = {{ version = "1", features = ["derive"] }}
            [dependencies.inhook]
            path = "{}"
            default-features = false
            features = ["axum", "moka"]
            [workspace]
        "#,
        root.display()
    );
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    // The same versions, which are there already.
    fs::copy(root.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    fs::create_dir(directory.path().join("src")).unwrap();
    fs::write(directory.path().join("src/main.rs"), program).unwrap();
    let check = |offline: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--target-dir"])
            // One for all programs, so that the crate is compiled once.
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors"))
            .args(offline)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(!output.status.success(), "it compiles");
        String::from_utf8(output.stderr).unwrap()
    };
    // All that it needs is there, unless somebody has tidied up.
    let says = check(&["--offline"]);
    if says.contains("--offline") { check(&[]) } else { says }
}

#[test]
fn a_payload_that_does_not_deserialize_is_named_with_what_it_lacks() {
    let says = compiler_says(
        r#"
            use inhook::extract::Payload;
            struct Push { r#ref: String }
            #[axum::debug_handler]
            async fn pushed(Payload(push): Payload<Push>) -> String { push.r#ref }
            fn main() { let _: axum::Router = axum::Router::new().route("/", axum::routing::post(pushed)); }
        "#,
    );
    assert!(says.contains("Push") && says.contains("derive(serde::Deserialize)"), "{says}");
}

#[test]
fn an_argument_that_is_no_extractor_is_named() {
    let says = compiler_says(
        r#"
            use inhook::inbox::Job;
            #[axum::debug_handler]
            async fn handler(job: Job) -> String { job.source().to_owned() }
            fn main() { let _: axum::Router = axum::Router::new().route("/", axum::routing::post(handler)); }
        "#,
    );
    assert!(says.contains("`Job: FromRequest"), "{says}");
}

#[test]
fn a_store_of_the_wrong_kind_is_told_where_it_belongs() {
    let says = compiler_says(
        r#"
            use std::sync::Arc;
            fn main() {
                let _ = inhook::DedupLayer::new(Arc::new(inhook::MemoryInbox::new()));
                let _ = inhook::Intake::new(Arc::new(inhook::MemoryDedup::new()));
            }
        "#,
    );
    assert!(says.contains("an inbox needs no `DedupLayer`"), "{says}");
    assert!(says.contains("a store for deduplication is what `DedupLayer` takes"), "{says}");
}
