//! What the documents say is so: the table of presets is the one that the code makes, and the guide's
//! example is a scheme that verifies what the text describes.

use std::fmt::Write;
use std::path::Path;

use inhook::presets::{self, Confirmed, Preset};
use inhook::scheme::{Field, Identity, Layout, Part, Scheme};

#[path = "common/vector.rs"]
mod vector;

use vector::Vector;

const TABLE: &str = "docs/presets.md";

/// `INHOOK_WRITE=1 cargo test --test documents` writes the table anew.
#[test]
fn the_table_of_presets_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let table = table();
    if std::env::var_os("INHOOK_WRITE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == table, "run `INHOOK_WRITE=1 cargo test --test documents` for {TABLE}");
}

/// Its own code is compiled where it stands, but for tests.
#[test]
fn the_test_in_the_readme_is_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [readme, test] = ["README.md", "tests/attack.rs"]
        .map(|file| std::fs::read_to_string(path.join(file)).unwrap());
    let (_, code) = test.split_once("\n\n").unwrap();
    assert!(readme.contains(&format!("```rust\n{code}```")), "README has another test");
}

fn table() -> String {
    let vectors = Vector::all();
    let mut table = String::from(
        "# Presets\n\n\
         What each partner signs and what that leaves open, made from the code by\n\
         `INHOOK_WRITE=1 cargo test --test documents`.\n\n\
         **Confirmed** says where the facts are from: the source of the partner's own library or server, its\n\
         documentation, or third parties only. **Vectors** are the requests that `tests/vectors.rs` checks: those\n\
         that the partner's library accepted or refused, or that were *computed* from its documentation by a program\n\
         that shares nothing with Inhook. In **signed**, `{…}` is a value and `[…]` is left out where it is absent.\n\n\
         | preset | signed | confirmed | vectors | identity | not authenticated |\n\
         |---|---|---|---|---|---|\n",
    );
    for preset in presets::all() {
        let of: Vec<&Vector> = vectors
            .iter()
            .filter(|vector| vector.scheme == preset.name && vector.normative)
            .collect();
        assert!(!of.is_empty(), "{} has no vectors", preset.name);
        let computed = of.iter().all(|vector| vector.verified_by.starts_with("derived"));
        let vectors = format!("{}{}", of.len(), if computed { " computed" } else { "" });
        let signed = signed(&preset.scheme, &preset.scheme.content);
        let signed = match &preset.scheme.digest {
            Some(digest) => {
                format!("{signed}`, where `{}` is the SHA-256 of the body`", name(digest))
            }
            None => format!("{signed}`"),
        };
        let signed = match &preset.scheme.items {
            Some(items) => format!("{signed} for each item of `{items}`"),
            None => signed,
        };
        writeln!(
            table,
            "| [`{}`]({}) | `{signed} | {} | {vectors} | {} | {} |",
            preset.name,
            preset.page,
            confirmed(preset),
            identity(&preset.scheme),
            preset.unsigned
        )
        .unwrap();
    }
    table
}

fn confirmed(preset: &Preset) -> &'static str {
    match preset.confirmed {
        Confirmed::BySource => "by source",
        Confirmed::ByDocs => "by docs",
        Confirmed::ByThirdParty => "third parties",
        _ => panic!("a kind that the table does not know"),
    }
}

fn signed(scheme: &Scheme, parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Body => "{body}".into(),
        Part::BodySha256 => "{SHA-256 of the body}".into(),
        Part::Id => format!("{{{}}}", name(scheme.id.as_ref().unwrap())),
        Part::SentAt => "{time}".into(),
        Part::Literal(text) => text.to_string(),
        Part::Method => "{method}".into(),
        Part::Url => "{URL}".into(),
        Part::Path => "{path}".into(),
        Part::Query => "{query}".into(),
        Part::Field(field) => format!("{{{}}}", name(field)),
        Part::SortedForm => "{sorted form}".into(),
        Part::Optional(parts) => format!("[{}]", signed(scheme, parts)),
        _ => panic!("a part that the table does not know"),
    };
    parts.iter().map(part).collect()
}

fn name(field: &Field) -> &str {
    match field {
        Field::Header(name)
        | Field::Pointer(name)
        | Field::Integer(name)
        | Field::Query(name)
        | Field::Form(name) => name,
        _ => panic!("a field that the table does not know"),
    }
}

fn identity(scheme: &Scheme) -> String {
    let id = || name(scheme.id.as_ref().unwrap()).to_owned();
    match &scheme.identity {
        Identity::Fields(fields) => {
            fields.iter().map(|field| format!("`{}`", name(field))).collect::<Vec<_>>().join(", ")
        }
        Identity::Content => "the content".into(),
        Identity::IdAndContent => format!("`{}` and the content", id()),
        Identity::UnsignedId => format!("`{}` alone, unsigned", id()),
        Identity::None => "none".into(),
        _ => panic!("an identity that the table does not know"),
    }
}

/// The guide's file and the guide's constant are one scheme.
#[test]
fn the_guides_example_is_a_scheme() {
    use std::borrow::Cow::Borrowed;
    use std::time::Duration;

    use inhook::scheme::{SentAt, Signature, TimeFormat};

    let guide = include_str!("../docs/add-a-partner.md");
    let file = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let scheme = Scheme::from_toml("acme.toml", file).unwrap();
    let constant = Scheme {
        name: Borrowed("acme-parcels"),
        signature: Signature {
            field: Field::header("x-acme-signature"),
            prefix: Borrowed("v1="),
            layout: Layout::List(','),
            ..Signature::BASE
        },
        content: Borrowed(&[Part::SentAt, Part::Literal(Borrowed(".")), Part::Body]),
        sent_at: Some(SentAt { field: Field::parameter("t"), format: TimeFormat::UnixSeconds }),
        id: Some(Field::pointer("/id")),
        event: Some(Field::pointer("/type")),
        identity: Identity::Fields(vec![Field::pointer("/id")].into()),
        retry_horizon: Duration::from_secs(48 * 60 * 60),
        deadline: Duration::from_secs(15),
        ..Scheme::BASE
    };
    assert_eq!(scheme, constant);
    // Whatever key the guide names, there is one.
    for key in
        ["algorithm", "key", "signature", "content", "sent_at", "tolerance", "id", "identity"]
    {
        assert!(guide.contains(&format!("`{key}`")), "{key}");
    }
}

/// Whatever the guide's table says that a key can be, it can be.
#[test]
fn the_guides_table_is_the_language() {
    let guide = include_str!("../docs/add-a-partner.md");
    let place = r#"{ header = "x-place" }"#;
    let timed = "content = [\"sent_at\", { literal = \".\" }, \"body\"]\n\
                 sent_at = { field = { header = \"x-time\" }, format = \"unix_seconds\" }\n";
    let header = "signature = { field = { header = \"x-signature\" } }\n";
    let listed = |key: &str| -> Vec<String> {
        let row = guide.lines().find(|line| line.starts_with(&format!("| {key} |"))).unwrap();
        let cell = row.splitn(3, '|').nth(2).unwrap();
        let code = cell.split('`').skip(1).step_by(2);
        code.filter(|code| code.starts_with(['"', '{', '[']))
            .map(|code| code.replace("\\|", "|"))
            .collect()
    };
    let mut checked = 0;
    let mut check = |file: String| {
        checked += 1;
        let read = Scheme::from_toml("guide.toml", &file);
        read.unwrap_or_else(|error| panic!("{error}\n{file}"));
    };
    for key in ["`algorithm`", "`key`", "`key_id`", "`requires`", "`aliases`"] {
        for value in listed(key) {
            check(format!("{header}{} = {value}", key.trim_matches('`')));
        }
    }
    for layout in listed("… `layout`") {
        check(format!("signature = {{ field = {{ header = \"x-sig-\" }}, layout = {layout} }}"));
    }
    for encoding in listed("… `encoding`") {
        check(format!("signature = {{ field = {{ header = \"x-sig\" }}, encoding = {encoding} }}"));
    }
    for tolerance in listed("`tolerance`") {
        check(format!("{header}{timed}tolerance = {tolerance}"));
    }
    for answer in listed("`answer`") {
        check(format!("{header}answer = {answer}"));
    }
    for identity in listed("`identity`").iter().filter(|identity| !identity.contains("PLACE")) {
        check(format!("{header}id = {place}\nidentity = {identity}"));
    }
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `"));
    let parts = rows.filter(|row| row.starts_with('"') || row.starts_with('{'));
    for part in parts.flat_map(|row| row.split(" |").next().unwrap().split(", `")) {
        let part = part.trim_end_matches('`').replace("PLACE", place);
        let content = match &*part {
            "\"body\"" => "[\"body\"]".into(),
            "\"sent_at\"" | "\"id\"" => format!("[{part}, {{ literal = \".\" }}, \"body\"]"),
            "\"sorted_form\"" => "[\"sorted_form\"]".into(),
            part if part.contains("PART") => {
                "[{ optional = [{ literal = \"?\" }, \"query\", { literal = \".\" }] }, { literal = \".\" }, \"body\"]"
                    .into()
            }
            part => format!("[{part}, {{ literal = \"\\n\" }}, \"body\"]"),
        };
        let mut file = format!("{header}id = {place}\ncontent = {content}\n");
        if part.contains("sent_at") {
            file += "sent_at = { field = { header = \"x-time\" }, format = \"rfc3339\" }\n";
        }
        if part.contains("sorted_form") {
            file += "dangerously_allow = [\"ambiguous_content\"]\n";
        }
        if part.contains("body_sha256") {
            file = file.replace(", { literal = \"\\n\" }, \"body\"", "");
        }
        check(file);
    }
    assert!(checked > 40, "{checked}");
}
