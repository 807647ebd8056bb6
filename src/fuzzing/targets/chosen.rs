//! A scheme that the data chooses, key by key.

use std::time::Duration;

use crate::fuzzing::choices::Choices;
use crate::scheme::{
    Algorithm, Answer, Danger, Encoding, Field, Identity, Json, KeyFormat, KeyId, Layout, Part,
    Scheme, SentAt, Signature, TimeFormat, Tolerance,
};

impl Choices<'_> {
    /// Most of what is chosen is no scheme: what fits together only by chance is chosen together.
    pub(super) fn scheme(&mut self) -> Scheme {
        let count = self.below_byte(5) + 1;
        let mut content = Vec::new();
        for _ in 0..count {
            let part = self.part();
            if matches!(part, Part::Literal(_)) || !content.contains(&part) {
                content.push(part);
            }
        }
        let signature = self.signature();
        let has = |part: &Part| content.contains(part);
        let id = (self.one_in(2) || has(&Part::Id)).then(|| self.field());
        let sent_at = (self.one_in(3) || has(&Part::SentAt)).then(|| SentAt {
            field: self.time_field(&signature),
            format: self.one(&[
                TimeFormat::UnixSeconds,
                TimeFormat::UnixMillis,
                TimeFormat::Rfc3339,
            ]),
        });
        let dangers = [Danger::UnsignedBody, Danger::AmbiguousContent];
        let dangers: Vec<Danger> = dangers.into_iter().filter(|_| self.one_in(3)).collect();
        let mut scheme = Scheme {
            name: "chosen".into(),
            algorithm: self.one(&[
                Algorithm::HmacSha256,
                Algorithm::HmacSha1,
                Algorithm::HmacSha512,
            ]),
            key: self.key(),
            key_id: self
                .one_in(6)
                .then(|| self.one(&[KeyId::Header("x-key".into()), KeyId::Prefix('|')])),
            signature,
            content: content.into(),
            items: None,
            digest: self.one_in(6).then(|| self.one(&[Field::header("x-d"), Field::query("d")])),
            requires: if self.one_in(8) {
                vec![("x-version".into(), self.one(&["1", "v1 beta"]).into())].into()
            } else {
                Scheme::BASE.requires
            },
            json: if self.one_in(6) { Json::Form("payload".into()) } else { Json::Body },
            optional_end: self.one_in(6).then(|| self.one(&["|", "\n", "1"]).into()),
            multipart: self.one_in(8),
            either_port: self.one_in(4),
            event: self.one_in(2).then(|| self.event()),
            tolerance: match self.below_byte(8) {
                1 | 2 => None,
                3 if sent_at.is_some() => Some(Tolerance::past(1)),
                _ => Scheme::BASE.tolerance,
            },
            identity: self.identity(id.as_ref()),
            id,
            sent_at,
            aliases: if self.one_in(4) {
                let others = ["x-other", "x-b", "X-Second"];
                let names = ["x-signature", "x-a", "X-A", "x-key", "x-version", "x-d"];
                vec![(self.one(&names).into(), self.one(&others).into())].into()
            } else {
                Scheme::BASE.aliases
            },
            dangerously_allow: dangers.into(),
            answer: self.one(&[
                Answer::BASE,
                Answer { status: 202, body: "[accepted]".into() },
                Answer { status: 204, ..Answer::BASE },
            ]),
            retry_horizon: self.one(&[Scheme::BASE.retry_horizon, Duration::ZERO]),
            deadline: self.one(&[Scheme::BASE.deadline, Duration::from_millis(1500)]),
        };
        if self.one_in(8) {
            of_items(&mut scheme);
        }
        scheme
    }

    fn key(&mut self) -> KeyFormat {
        self.one(&[
            KeyFormat::Raw,
            KeyFormat::Base64 { prefix: "whsec_".into() },
            KeyFormat::Base64If { prefix: "whsec_".into() },
            KeyFormat::Hex,
            KeyFormat::Tail { prefix: "a".into(), separator: ' ' },
            KeyFormat::Sha1,
            KeyFormat::Nfkd,
        ])
    }

    fn signature(&mut self) -> Signature {
        let field = match self.below_byte(8) {
            0 => Field::query("s"),
            1 => Field::form("s"),
            2 => Field::pointer("/s"),
            _ => Field::header("x-signature"),
        };
        let others = field.as_header().is_some() && self.one_in(8);
        Signature {
            field,
            others: if others { vec!["x-second".into()].into() } else { Signature::BASE.others },
            prefix: self.one(&["", "v1=", "HMAC "]).into(),
            layout: self.one(&[
                Layout::Single,
                Layout::List(','),
                Layout::SpacedList(','),
                Layout::Lists(','),
                Layout::Repeated,
                Layout::Numbered,
            ]),
            encoding: self.one(&[
                Encoding::Hex,
                Encoding::Base64,
                Encoding::Base64Url,
                Encoding::AnyCaseHex,
            ]),
        }
    }

    /// In a list there is room for it.
    fn time_field(&mut self, signature: &Signature) -> Field {
        let is_list = signature.layout.separator().is_some();
        match self.below_byte(4) {
            1 if is_list => Field::parameter("t"),
            2 if is_list => Field::Entry(self.below_byte(3)),
            _ => self.field(),
        }
    }

    fn identity(&mut self, id: Option<&Field>) -> Identity {
        match (self.below_byte(6), id) {
            (0, Some(id)) => Identity::Fields(vec![id.clone()].into()),
            (1, _) => {
                let mut fields = vec![self.field()];
                let other = self.field();
                if self.one_in(2) {
                    fields.push(other);
                }
                Identity::Fields(fields.into())
            }
            (2, _) => Identity::IdAndContent,
            (3, _) => Identity::UnsignedId,
            (4, _) => Identity::None,
            _ => Identity::Content,
        }
    }

    fn event(&mut self) -> Field {
        if self.one_in(4) {
            return Field::FirstOf(vec![self.field(), self.field()].into());
        }
        self.field()
    }

    fn field(&mut self) -> Field {
        let name = self.one(&["a", "b", "c", "d"]);
        match self.below_byte(5) {
            0 => Field::Header(format!("x-{name}").into()),
            1 => Field::query(name),
            2 => Field::form(name),
            3 => Field::Pointer(format!("/{name}").into()),
            _ => Field::Integer(format!("/{name}").into()),
        }
    }

    fn literal(&mut self) -> Part {
        Part::Literal(self.one(&["|", ".", ";", "\n", "a", "1", "|a"]).into())
    }

    fn part(&mut self) -> Part {
        match self.below_byte(16) {
            0..=2 => Part::Body,
            3 => Part::BodySha256,
            4 => Part::Id,
            5 => Part::SentAt,
            6 => Part::Method,
            7 => Part::Url,
            8 => Part::Path,
            9 => Part::Query,
            10 => Part::Field(self.field()),
            11 => Part::SortedForm,
            12 => {
                let value = if self.one_in(4) { Part::Query } else { Part::Field(self.field()) };
                let parts = match self.below_byte(3) {
                    0 => vec![value],
                    1 => vec![self.literal(), value],
                    _ => vec![self.literal(), value, self.literal()],
                };
                Part::Optional(parts.into())
            }
            _ => self.literal(),
        }
    }
}

/// The same for each item: only fields and constants are signed, and the signature is in it.
fn of_items(scheme: &mut Scheme) {
    let signed = |part: &Part| {
        matches!(part, Part::Field(_) | Part::Literal(_) | Part::Query | Part::Optional(_))
    };
    let mut content: Vec<Part> =
        scheme.content.iter().filter(|part| signed(part)).cloned().collect();
    if !content.iter().any(|part| part.as_field().is_some()) {
        content.insert(0, Part::Field(Field::pointer("/a")));
    }
    let layout = match scheme.signature.layout {
        Layout::Repeated | Layout::Numbered => Layout::Single,
        layout => layout,
    };
    let signature = scheme.signature.clone();
    scheme.signature = Signature {
        field: Field::pointer("/s"),
        others: Signature::BASE.others,
        layout,
        ..signature
    };
    scheme.content = content.into();
    scheme.items = Some("/i".into());
    let mut dangers = vec![Danger::UnsignedBody, Danger::LooseItems];
    dangers.extend(scheme.dangerously_allow.iter().filter(|it| **it == Danger::AmbiguousContent));
    scheme.dangerously_allow = dangers.into();
}
