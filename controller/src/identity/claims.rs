//! What an ID token says: JSON in which no name stands twice, so that no two readers read two things.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The claims of a token, or the fields of its header.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Of a part of a token (RFC 7515, section 7.1); none when it is not one.
    pub(super) fn decode(part: &str) -> Option<Claims> {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        match serde_json::from_slice(&bytes).ok()? {
            Unique(Value::Object(fields)) => Some(Claims(fields)),
            Unique(_) => None,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Seconds since the epoch.
    pub(super) fn second(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// Whether it is that text, or a list with it.
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        match self.get(name) {
            Some(Value::String(text)) => text == value,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
            _ => false,
        }
    }
}

/// Any JSON whose objects have every name once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Unique, D::Error> {
        input.deserialize_any(Reader).map(Unique)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON in which no name stands twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Unique(value))) = fields.next_entry::<String, Unique>()? {
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_an_object_in_which_no_name_stands_twice() {
        let check = |text: &str, good: bool| {
            assert_eq!(Claims::decode(&URL_SAFE_NO_PAD.encode(text)).is_some(), good, "{text}");
        };
        check(r#"{"sub":"a","firebase":{"tenant":"t"},"n":[1,-2,2.5,true,null]}"#, true);
        check(r#"{"sub":"a","sub":"b"}"#, false);
        check(r#"{"sub":"a","\u0073ub":"b"}"#, false);
        check(r#"{"firebase":{"tenant":"t","tenant":"u"}}"#, false);
        check(r#"["sub"]"#, false);
        check(r#"{"sub":"a"} "#, true);
        check(r#"{"sub":"a"}{}"#, false);
        check("", false);
        assert!(Claims::decode("e30=").is_none(), "padding is no part of a token");
    }

    #[test]
    fn a_claim_is_of_its_type_or_not_there() {
        let claims = r#"{"exp":"5","iat":5,"aud":["a","b"],"sub":"a","nbf":null}"#;
        let claims = Claims::decode(&URL_SAFE_NO_PAD.encode(claims)).expect("an object");
        assert_eq!((claims.second("exp"), claims.second("iat"), claims.text("iat")), (None, Some(5), None));
        assert!(claims.says("aud", "b") && claims.says("sub", "a") && !claims.says("aud", "c"));
        assert!(claims.get("nbf").is_none());
    }
}
