//! Fingerprints of the meaning of messages.

/// A type with a fingerprint of the meaning of its bytes, for
/// [`RingBuilder::schema_of`](crate::RingBuilder::schema_of).
///
/// An opener has to agree with a ring's maker on the size and the alignment of a message, but
/// that does not tell an `i64` from a `u64`. Integers, floats and arrays have a fingerprint;
/// [`schema!`](crate::schema!) gives structs a fingerprint of the names and types of their
/// fields, in order. Names and paths of the structs themselves do not count, so a type may be
/// renamed or moved. For a type that the macro cannot wrap, use [`fingerprint`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fingerprint",
    note = "wrap its definition in `memring::schema! {{ .. }}`, or implement `memring::Schema` \
            with `memring::fingerprint`"
)]
pub trait Schema {
    /// The fingerprint. It is the same in every program and on every machine.
    const SCHEMA: u64;
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a of `bytes`, after what led to `hash`.
const fn fnv1a(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(PRIME);
        at += 1;
    }
    hash
}

/// Returns the fingerprint of a struct with these fields, each with its type's fingerprint, in
/// order: 64-bit FNV-1a of, for each field, its name, a byte 0, and the fingerprint of its type,
/// the lowest byte first.
///
/// ```
/// use memring::{Schema, fingerprint};
///
/// # struct Position;
/// // A type of another crate, say, in a wrapper of ours.
/// struct Located(Position);
///
/// impl Schema for Located {
///     const SCHEMA: u64 = fingerprint(&[("x", f64::SCHEMA), ("y", f64::SCHEMA)]);
/// }
/// # assert_ne!(Located::SCHEMA, f64::SCHEMA);
/// ```
pub const fn fingerprint(fields: &[(&str, u64)]) -> u64 {
    let mut hash = OFFSET;
    let mut at = 0;
    while at < fields.len() {
        let (name, schema) = fields[at];
        hash = fnv1a(hash, name.as_bytes());
        hash = fnv1a(hash, &[0]);
        hash = fnv1a(hash, &schema.to_le_bytes());
        at += 1;
    }
    hash
}

macro_rules! primitives {
    ($($name:ident)*) => {
        $(impl Schema for $name {
            const SCHEMA: u64 = fnv1a(OFFSET, stringify!($name).as_bytes());
        })*
    };
}

primitives!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

impl<T: Schema, const N: usize> Schema for [T; N] {
    const SCHEMA: u64 = fingerprint(&[("array", T::SCHEMA), ("length", N as u64)]);
}

/// Defines structs, and their fingerprints: see [`Schema`](trait@crate::Schema).
///
/// ```
/// use memring::{Mismatch, Ring, RingError, Spsc};
///
/// memring::schema! {
///     #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
///     #[repr(C)]
///     struct Tick {
///         id: u64,
///         bid: f64,
///         ask: f64,
///     }
/// }
///
/// // What another program takes for it: as long, and not the same.
/// memring::schema! {
///     #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
///     #[repr(C)]
///     struct Trade {
///         id: u64,
///         price: f64,
///         quantity: f64,
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-schema-{}", std::process::id());
/// let builder = Ring::<Tick, Spsc>::builder().schema_of::<Tick>();
/// let ring = builder.capacity(1024).create(name)?;
///
/// let error = Ring::<Trade, Spsc>::builder().schema_of::<Trade>().open(name);
/// let Err(RingError::Mismatch { mismatch: Mismatch::Schema { .. }, .. }) = error else {
///     panic!("not the same messages");
/// };
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
///
/// Each field's type has to have a fingerprint itself. The macro takes structs with named fields
/// and tuple structs, without type parameters. Attributes and visibility before `struct` stay as
/// they are.
#[macro_export]
macro_rules! schema {
    () => {};
    (
        $(#[$outer:meta])*
        $visible:vis struct $name:ident {
            $($(#[$inner:meta])* $shown:vis $field:ident: $type:ty),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[$outer])*
        $visible struct $name {
            $($(#[$inner])* $shown $field: $type,)*
        }

        impl $crate::Schema for $name {
            const SCHEMA: u64 = $crate::fingerprint(&[
                $((stringify!($field), <$type as $crate::Schema>::SCHEMA),)*
            ]);
        }

        $crate::schema! { $($rest)* }
    };
    (
        $(#[$outer:meta])*
        $visible:vis struct $name:ident($($(#[$inner:meta])* $shown:vis $type:ty),* $(,)?);
        $($rest:tt)*
    ) => {
        $(#[$outer])*
        $visible struct $name($($(#[$inner])* $shown $type,)*);

        impl $crate::Schema for $name {
            const SCHEMA: u64 = $crate::fingerprint(&[
                $(("", <$type as $crate::Schema>::SCHEMA),)*
            ]);
        }

        $crate::schema! { $($rest)* }
    };
}

#[cfg(test)]
#[allow(dead_code)] // of the structs only the descriptions are looked at
mod tests {
    use super::*;

    crate::schema! {
        struct Candle {
            id: u64,
            prices: [f64; 2],
        }

        /// Another name, and the same fields.
        #[derive(Clone, Copy)]
        pub struct Renamed {
            /// The number.
            pub id: u64,
            prices: [core::primitive::f64; 2],
        }

        struct Swapped { prices: [f64; 2], id: u64 }
        struct Signed { id: i64, prices: [f64; 2] }
        struct Longer { id: u64, prices: [f64; 3] }
        struct Inner { tick: Candle }
        struct Tuple(u64, pub [f64; 2]);
        struct Order(u64);
    }

    /// By another implementation of FNV-1a: the tags are in the headers of rings.
    #[test]
    fn fingerprints_stay_as_they_are() {
        assert_eq!(fnv1a(OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(u64::SCHEMA, 0x4d35_d319_3e8d_66f2);
        assert_eq!(<[u8; 3]>::SCHEMA, 0x9b79_f4b1_938b_e011);
        assert_eq!(Candle::SCHEMA, 0x6acd_ba8a_9e74_adc6);
        assert_eq!(Tuple::SCHEMA, 0x6adb_6686_2d73_2611);
    }

    #[test]
    fn names_and_types_of_fields_count_and_nothing_else() {
        assert_eq!(Renamed::SCHEMA, Candle::SCHEMA);
        let mut all = [
            u64::SCHEMA,
            i64::SCHEMA,
            f64::SCHEMA,
            <[u64; 1]>::SCHEMA,
            <[[u64; 2]; 3]>::SCHEMA,
            <[[u64; 3]; 2]>::SCHEMA,
            Candle::SCHEMA,
            Swapped::SCHEMA,
            Signed::SCHEMA,
            Longer::SCHEMA,
            Inner::SCHEMA,
            Tuple::SCHEMA,
            Order::SCHEMA,
            0, // of a ring without a tag
        ];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
