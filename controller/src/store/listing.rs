//! A statement that is put together by what was asked for.

use super::value::Value;

/// A statement that grows, and its parameters.
pub(super) struct Listing<'a> {
    pub(super) sql: String,
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Listing<'a> {
    pub(super) fn begin(sql: impl Into<String>) -> Listing<'a> {
        Listing { sql: sql.into(), values: Vec::new() }
    }

    /// One more parameter, with the words around it.
    pub(super) fn add(&mut self, before: &str, value: Value<'a>, after: &str) -> &mut Self {
        self.values.push(value);
        self.sql.push_str(&format!("{before}${}{after}", self.values.len()));
        self
    }

    /// The same, if there is a value.
    pub(super) fn add_if(&mut self, before: &str, value: Option<impl Into<Value<'a>>>) -> &mut Self {
        match value {
            Some(value) => self.add(before, value.into(), ""),
            None => self,
        }
    }

    pub(super) fn say(&mut self, words: &str) -> &mut Self {
        self.sql.push_str(words);
        self
    }
}
