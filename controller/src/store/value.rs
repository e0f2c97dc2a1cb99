//! Values and rows, as either database takes and gives them.

use std::error::Error as StdError;

use bytes::BytesMut;
use podling_session::id::{LaunchName, RunnerId, Uid};
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{clock::timestamp, error::Error};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Text in SQLite, which has no type for it.
    Uid(Uid),
    Numbers(&'a [i64]),
    Uids(&'a [uuid::Uuid]),
}

/// The parameters of a statement: `$1` is the first.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::value::Value::from($value)),*] };
}
pub(super) use values;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Number(number.into())
    }
}

/// An offset, a size or a sequence.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a LaunchName> for Value<'a> {
    fn from(name: &'a LaunchName) -> Self {
        Value::Text(name.as_str())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a> From<&'a [u8; 32]> for Value<'a> {
    fn from(bytes: &'a [u8; 32]) -> Self {
        Value::Bytes(bytes)
    }
}

impl From<Uid> for Value<'_> {
    fn from(uid: Uid) -> Self {
        Value::Uid(uid)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Number(number) => (*number).into(),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Uid(uid) => uid.to_string().into(),
            Value::Numbers(_) | Value::Uids(_) => {
                let reason = "SQLite has no arrays".into();
                return Err(rusqlite::Error::ToSqlConversionFailure(reason));
            }
        })
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Number(number) => number.to_sql_checked(ty, out),
            // The one character that Postgres keeps in no text.
            Value::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Bytes(bytes) => bytes.to_sql_checked(ty, out),
            Value::Uid(uid) => uid.as_uuid().to_sql_checked(ty, out),
            Value::Numbers(numbers) => numbers.to_sql_checked(ty, out),
            Value::Uids(uids) => uids.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true // Each value checks its own.
    }

    to_sql_checked!();
}

/// A row of a result.
#[derive(Clone, Copy)]
pub(super) enum Row<'row> {
    Sqlite(&'row rusqlite::Row<'row>),
    Postgres(&'row tokio_postgres::Row),
}

/// What a column may hold.
pub(super) trait Column: FromSql + for<'a> tokio_postgres::types::FromSql<'a> {}

impl<T: FromSql + for<'a> tokio_postgres::types::FromSql<'a>> Column for T {}

impl Row<'_> {
    pub(super) fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        match self {
            Row::Sqlite(row) => Ok(row.get(column)?),
            Row::Postgres(row) => row.try_get(column).map_err(|error| Error::Corrupt(error.to_string())),
        }
    }

    pub(super) fn text(&self, column: &str) -> Result<String, Error> {
        self.get(column)
    }

    /// An offset, a size or a sequence.
    pub(super) fn unsigned(&self, column: &str) -> Result<u64, Error> {
        let value: i64 = self.get(column)?;
        u64::try_from(value).map_err(|_| Error::Corrupt(format!("{column} is below zero")))
    }

    pub(super) fn small(&self, column: &str) -> Result<u32, Error> {
        let value: i64 = self.get(column)?;
        u32::try_from(value).map_err(|_| Error::Corrupt(format!("{column} is out of range")))
    }

    pub(super) fn timestamp(&self, column: &str) -> Result<jiff::Timestamp, Error> {
        Ok(timestamp(self.get(column)?)?)
    }

    pub(super) fn time(&self, column: &str) -> Result<Option<jiff::Timestamp>, Error> {
        let millis: Option<i64> = self.get(column)?;
        Ok(millis.map(timestamp).transpose()?)
    }

    pub(super) fn bytes32(&self, column: &str) -> Result<[u8; 32], Error> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes.try_into().map_err(|_| Error::Corrupt(format!("{column} has not 32 bytes")))
    }

    pub(super) fn uid(&self, column: &str) -> Result<Uid, Error> {
        self.uid_if_any(column)?.ok_or_else(|| Error::Corrupt(format!("{column} is null")))
    }

    pub(super) fn uid_if_any(&self, column: &str) -> Result<Option<Uid>, Error> {
        let text: Option<String> = match self {
            Row::Sqlite(_) => self.get(column)?,
            Row::Postgres(row) => {
                let uid: Option<uuid::Uuid> = row.try_get(column).map_err(|error| Error::Corrupt(error.to_string()))?;
                uid.map(|uid| uid.to_string())
            }
        };
        Ok(text.map(|text| text.parse()).transpose()?)
    }

    pub(super) fn runner_id(&self, column: &str) -> Result<RunnerId, Error> {
        Ok(self.text(column)?.parse()?)
    }
}
