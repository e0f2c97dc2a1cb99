//! Closed sets whose members have a name on the wire and in the store.

/// Gives an enum its names, each way.
macro_rules! names {
    ($type:ident, $kind:literal, $($variant:ident = $name:literal),* $(,)?) => {
        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The name on the wire and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = $crate::id::InvalidId;
            fn from_str(text: &str) -> Result<$type, $crate::id::InvalidId> {
                let rule = concat!("one of: ", $($name, " "),*);
                $type::ALL.iter().copied().find(|known| known.as_str() == text).ok_or($crate::id::InvalidId { kind: $kind, rule })
            }
        }
    };
}
pub(crate) use names;
