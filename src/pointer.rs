//! The JSON pointers that a scheme needs, found in one pass over the body without building a tree.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ConfigError;

mod items;

pub(crate) use items::Path;

/// How many pointers one pass looks for: as many as fit the set of those still alive.
pub(crate) const MAX_POINTERS: usize = 16;
/// How many levels a pointer leads down. The parser goes down 127, and to items there are two pointers.
pub(crate) const MAX_LEVELS: usize = 60;

/// A set of JSON pointers.
#[derive(Debug)]
pub(crate) struct Pointers {
    paths: Vec<Vec<Token>>,
}

/// What a pointer points at. Strings keep whether they were written with escapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'de> {
    /// A string without escapes: these very bytes stand in the body.
    Plain(&'de str),
    /// A string that has escapes, decoded.
    Escaped(String),
    /// A number that is written as canonical digits.
    Integer(u64),
    /// `true`, `false`, or a negative whole number, as it is written.
    Word(String),
    Null,
    /// Anything else: it is there, but it is no text.
    Other,
}

/// What was found, by the position of the pointer in the set.
#[derive(Debug, Default)]
pub(crate) struct Found<'de>([Option<Scalar<'de>>; MAX_POINTERS]);

impl<'de> Found<'de> {
    pub(crate) fn get(&self, at: usize) -> Option<&Scalar<'de>> {
        self.0.get(at)?.as_ref()
    }
}

/// The body is not one JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

#[derive(Debug)]
struct Token {
    key: Box<str>,
    index: Option<usize>,
}

impl Pointers {
    pub(crate) fn new<'a>(
        pointers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let paths = pointers.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if paths.len() > MAX_POINTERS {
            return Err(ConfigError::TooManyPointers { count: paths.len(), max: MAX_POINTERS });
        }
        Ok(Self { paths })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Looks all of them up. The body has to be one JSON value, to its last byte. What no pointer
    /// leads to is skipped: numbers there have no range, and text need not be UTF-8.
    pub(crate) fn find<'de>(&self, body: &'de [u8]) -> Result<Found<'de>, NotJson> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let found = self.find_in(&mut json).map_err(|_| NotJson)?;
        json.end().map_err(|_| NotJson)?;
        Ok(found)
    }

    /// The same in a value that is being read.
    fn find_in<'de, D: Deserializer<'de>>(&self, json: D) -> Result<Found<'de>, D::Error> {
        let mut found = Found::default();
        let alive = (0..self.paths.len()).fold(Alive(0), |alive, path| alive.with(path));
        Node { paths: &self.paths, alive, depth: 0, found: &mut found }.deserialize(json)?;
        Ok(found)
    }
}

fn parse(pointer: &str) -> Result<Vec<Token>, ConfigError> {
    let malformed = || ConfigError::Pointer { pointer: pointer.into() };
    let tokens = pointer.strip_prefix('/').ok_or_else(malformed)?;
    if tokens.split('/').count() > MAX_LEVELS {
        return Err(malformed());
    }
    tokens
        .split('/')
        .map(|token| {
            let key = token.replace("~1", "/").replace("~0", "~");
            // Every `~` must have been one of the two escapes.
            let escapes = token.matches("~0").count().saturating_add(token.matches("~1").count());
            if token.matches('~').count() != escapes {
                return Err(malformed());
            }
            // An array index has one spelling; `-`, the end of an array, points at nothing.
            let index = key.parse().ok().filter(|index: &usize| index.to_string() == key);
            Ok(Token { key: key.into(), index })
        })
        .collect()
}

/// The set of pointers that lead through the value at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Alive(u16);

impl Alive {
    const NONE: Alive = Alive(0);

    fn with(self, path: usize) -> Self {
        // There are no more of them than bits.
        Self(self.0 | 1u16.rotate_left(u32::try_from(path).unwrap_or_default()))
    }

    fn has(self, path: usize) -> bool {
        self.with(path) == self
    }
}

/// The value at one depth of the walk.
struct Node<'p, 'f, 'de> {
    paths: &'p [Vec<Token>],
    alive: Alive,
    depth: usize,
    found: &'f mut Found<'de>,
}

impl<'p, 'de> Node<'p, '_, 'de> {
    /// The pointers that go on through a child.
    fn step(&self, through: impl Fn(&Token) -> bool) -> Alive {
        let leads = |path: &Vec<Token>| path.get(self.depth).is_some_and(&through);
        let alive = self.paths.iter().enumerate().filter(|(at, _)| self.alive.has(*at));
        alive.filter(|(_, path)| leads(path)).fold(Alive::NONE, |alive, (at, _)| alive.with(at))
    }

    fn child(&mut self, alive: Alive) -> Node<'p, '_, 'de> {
        let depth = self.depth.saturating_add(1);
        Node { paths: self.paths, alive, depth, found: self.found }
    }

    /// A repeated key forgets what was found under its first value: the last one counts.
    fn forget(&mut self, alive: Alive) {
        for (at, slot) in self.found.0.iter_mut().enumerate() {
            if alive.has(at) {
                *slot = None;
            }
        }
    }

    /// Takes the value for every pointer that ends here.
    fn take(&mut self, value: Scalar<'de>) {
        for (at, (slot, path)) in self.found.0.iter_mut().zip(self.paths).enumerate() {
            if self.alive.has(at) && path.len() == self.depth {
                *slot = Some(value.clone());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.take(Scalar::Other);
        while let Some(alive) = map.next_key_seed(Key(&self))? {
            if alive == Alive::NONE {
                map.next_value::<IgnoredAny>()?;
            } else {
                self.forget(alive);
                map.next_value_seed(self.child(alive))?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.take(Scalar::Other);
        for index in 0usize.. {
            let alive = self.step(|token| token.index == Some(index));
            let more = if alive == Alive::NONE {
                seq.next_element::<IgnoredAny>()?.is_some()
            } else {
                seq.next_element_seed(self.child(alive))?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<(), E> {
        self.take(Scalar::Plain(text));
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.take(Scalar::Escaped(text.into()));
        Ok(())
    }

    fn visit_u64<E>(mut self, number: u64) -> Result<(), E> {
        self.take(Scalar::Integer(number));
        Ok(())
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<(), E> {
        self.take(Scalar::Word(number.to_string()));
        Ok(())
    }

    fn visit_f64<E>(mut self, _: f64) -> Result<(), E> {
        self.take(Scalar::Other);
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.take(Scalar::Word(value.to_string()));
        Ok(())
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.take(Scalar::Null);
        Ok(())
    }
}

/// The key of a map entry: which pointers lead through it.
struct Key<'n, 'p, 'f, 'de>(&'n Node<'p, 'f, 'de>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_, '_, '_> {
    type Value = Alive;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Alive, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_, '_> {
    type Value = Alive;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Alive, E> {
        Ok(self.0.step(|token| &*token.key == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'de>(pointers: &[&str], body: &'de str) -> Result<Vec<Option<Scalar<'de>>>, NotJson> {
        let set = Pointers::new(pointers.iter().copied()).unwrap();
        Ok(set.find(body.as_bytes())?.0.into_iter().take(pointers.len()).collect())
    }

    #[test]
    fn finds_all_pointers_in_one_pass() {
        let body = r#"{"a":{"b":"x","c":[1,{"d":"y"}]},"e/f":"z","~":7,"":{"":"w"},"n":-1}"#;
        let pointers = ["/a/b", "/a/c/1/d", "/e~1f", "/~0", "//", "/n", "/a/c", "/no"];
        let found = find(&pointers, body).unwrap();
        assert_eq!(
            found,
            [
                Some(Scalar::Plain("x")),
                Some(Scalar::Plain("y")),
                Some(Scalar::Plain("z")),
                Some(Scalar::Integer(7)),
                Some(Scalar::Plain("w")),
                Some(Scalar::Word("-1".into())),
                Some(Scalar::Other),
                None,
            ]
        );
    }

    #[test]
    fn the_last_of_repeated_keys_counts_and_forgets_the_first() {
        assert_eq!(find(&["/a"], r#"{"a":"1","a":"2"}"#).unwrap(), [Some(Scalar::Plain("2"))]);
        assert_eq!(find(&["/a/b"], r#"{"a":{"b":"1"},"a":{}}"#).unwrap(), [None]);
        assert_eq!(find(&["/a/b"], r#"{"a":{"b":"1"},"\u0061":3}"#).unwrap(), [None]);
    }

    #[test]
    fn escapes_are_decoded_and_told_apart() {
        let found = find(&["/a"], r#"{"a":"\u0031"}"#).unwrap();
        assert_eq!(found, [Some(Scalar::Escaped("1".into()))]);
    }

    #[test]
    fn an_array_index_has_one_spelling() {
        assert_eq!(find(&["/01", "/-", "/+1"], "[1,2]").unwrap(), [None, None, None]);
    }

    #[test]
    fn whatever_is_not_one_json_value_is_refused() {
        for body in ["", "{", "nope", r#"{"a":1} x"#, r#"{"a":1}{"a":2}"#, "{\"a\":\"\n\"}"] {
            assert_eq!(find(&["/a"], body), Err(NotJson), "{body:?}");
        }
    }

    #[test]
    fn pointers_must_be_well_formed() {
        for pointer in ["", "a", "/a~", "/~2", "/~01~"] {
            assert!(Pointers::new([pointer]).is_err(), "{pointer:?}");
        }
        let many = ["/a"; MAX_POINTERS + 1];
        assert!(matches!(Pointers::new(many), Err(ConfigError::TooManyPointers { .. })));
    }
}
