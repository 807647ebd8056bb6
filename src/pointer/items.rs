//! The items of an array somewhere in the body, each looked through for the same pointers.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Found, Pointers, Token, parse};
use crate::error::ConfigError;

/// A pointer to an array.
#[derive(Debug)]
pub(crate) struct Path(Vec<Token>);

impl Path {
    pub(crate) fn parse(pointer: &str) -> Result<Self, ConfigError> {
        parse(pointer).map(Self)
    }

    /// What the pointers find in each item; `None` if there is no array, no item, or more than `max`, or
    /// if a key that leads there is repeated.
    pub(crate) fn find<'de>(
        &self,
        pointers: &Pointers,
        body: &'de [u8],
        max: usize,
    ) -> Option<Vec<Found<'de>>> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let items = Items { path: &self.0, pointers, max }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(items).filter(|items| !items.is_empty())
    }
}

/// The array, or what leads to it.
#[derive(Clone, Copy)]
struct Items<'p> {
    path: &'p [Token],
    pointers: &'p Pointers,
    max: usize,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Found<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Found<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array, or what leads to it")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((token, path)) = self.path.split_first() else {
            return Err(A::Error::custom("no array"));
        };
        let mut items = None;
        while let Some(leads) = map.next_key_seed(Leads(token))? {
            if !leads {
                map.next_value::<IgnoredAny>()?;
            } else if items.replace(map.next_value_seed(Items { path, ..self })?).is_some() {
                return Err(A::Error::custom("a key is repeated"));
            }
        }
        Ok(items.unwrap_or_default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        let Some((token, path)) = self.path.split_first() else {
            while let Some(item) = seq.next_element_seed(Item(self.pointers))? {
                if items.len() == self.max {
                    return Err(A::Error::custom("too many items"));
                }
                items.push(item);
            }
            return Ok(items);
        };
        for index in 0usize.. {
            if token.index == Some(index) {
                match seq.next_element_seed(Items { path, ..self })? {
                    Some(found) => items = found,
                    None => break,
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(items)
    }
}

/// Whether a key is the one that a path goes on with.
struct Leads<'p>(&'p Token);

impl<'de> DeserializeSeed<'de> for Leads<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Leads<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(&*self.0.key == key)
    }
}

/// One item.
struct Item<'p>(&'p Pointers);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found<'de>, D::Error> {
        self.0.find_in(json)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scalar;
    use super::*;

    #[test]
    fn items_are_where_the_path_leads() {
        let pointers = Pointers::new(["/x"]).unwrap();
        let find = |body: &'static str| {
            let found = Path::parse("/a/1/b").unwrap().find(&pointers, body.as_bytes(), 2)?;
            Some(found.iter().map(|found| found.get(0).cloned()).collect::<Vec<_>>())
        };
        let body = r#" {"\u0061":[{"b":[9]},{"c":[],"b": [ {"x" : 1}, "y" ]}, 7]} "#;
        assert_eq!(find(body), Some(vec![Some(Scalar::Integer(1)), None]));
        for none in [
            r#"{"a":[0,{"b":[]}]}"#,
            r#"{"a":[0,{"b":[1,2,3]}]}"#,
            r#"{"a":[0,{"b":{}}]}"#,
            r#"{"a":[0,{"b":[1]}],"a":[]}"#,
            r#"{"a":[],"\u0061":[0,{"b":[1]}]}"#,
            "{\"a\":[0,{\"b\":[1],\"\u{1}\":1}]}",
            r#"{"a":{"1":7}}"#,
            r#"{"a":[0]}"#,
            r#"{"a":[0,{"b":[1]}]} x"#,
            "",
        ] {
            assert_eq!(find(none), None, "{none}");
        }
    }
}
