//! Messages that carry their sender, their number, and a check of every byte.

use memring::Message;

/// Which sender sent a message, and as which: both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its sender.
    pub sender: u64,
    /// Its number among those of the sender.
    pub number: u64,
}

/// The message of most tests: where any would do.
pub type Line = [u64; 8];

/// Three of these lie in a line of a ring of one sender and one receiver.
pub type Pair = [u64; 2];

/// A message type that the tests send.
pub trait Load: Message + 'static {
    /// How a child is told of it.
    const NAME: &'static str;
    /// Numbers start again from 0 after so many: `u64::MAX` where they all fit.
    const PERIOD: u64 = u64::MAX;
    /// The message with this stamp.
    fn make(stamp: Stamp) -> Self::Received;
    /// The message as it is sent.
    fn lend(made: &Self::Received) -> Self::Sent<'_>;
    /// The message of sender 0 with this number.
    fn numbered(number: u64) -> Self::Received {
        Self::make(Stamp { sender: 0, number })
    }
    /// Reads the stamp and checks that the rest belongs to it.
    fn stamp(received: &Self::Received) -> Stamp;
}

const NUMBER_BITS: u32 = 40;

fn pack(stamp: Stamp) -> u64 {
    assert!(stamp.number < 1 << NUMBER_BITS);
    (stamp.sender << NUMBER_BITS) | stamp.number
}

fn unpack(word: u64) -> Stamp {
    Stamp {
        sender: word >> NUMBER_BITS,
        number: word & ((1 << NUMBER_BITS) - 1),
    }
}

/// Word `index` of the message that begins with `first`.
#[inline]
fn word(first: u64, index: u64) -> u64 {
    first
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(index.wrapping_mul(0xd134_2543_de82_ef95))
        | 1 // never what an unwritten slot holds
}

macro_rules! words {
    ($($count:literal $name:literal),*) => {$(
        impl Load for [u64; $count] {
            const NAME: &'static str = $name;

            fn make(stamp: Stamp) -> Self {
                let first = pack(stamp);
                std::array::from_fn(|index| match index {
                    0 => first,
                    _ => word(first, index as u64),
                })
            }

            fn lend(made: &Self) -> Self {
                *made
            }

            fn stamp(received: &Self) -> Stamp {
                let stamp = unpack(received[0]);
                assert!(*received == Self::make(stamp), "{stamp:?}: a torn message");
                stamp
            }
        }
    )*};
}

words!(1 "word", 2 "pair", 7 "small", 8 "line", 512 "page");

/// One byte holds two bits of the sender and six of the number.
impl Load for u8 {
    const NAME: &'static str = "byte";
    const PERIOD: u64 = 64;

    fn make(stamp: Stamp) -> u8 {
        assert!(stamp.sender < 4);
        ((stamp.sender << 6) | (stamp.number % Self::PERIOD)) as u8
    }

    fn lend(made: &u8) -> u8 {
        *made
    }

    fn stamp(received: &u8) -> Stamp {
        Stamp {
            sender: u64::from(received >> 6),
            number: u64::from(received & 63),
        }
    }
}

/// Bytes of every length from 8 to the default limit.
impl Load for [u8] {
    const NAME: &'static str = "bytes";

    fn make(stamp: Stamp) -> Vec<u8> {
        let first = pack(stamp);
        let length = 8 + (stamp.number * 389 % 1017) as usize;
        let mut bytes = first.to_le_bytes().to_vec();
        for index in 1..=length as u64 / 8 {
            bytes.extend(word(first, index).to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn lend(made: &Vec<u8>) -> &[u8] {
        made
    }

    fn stamp(received: &Vec<u8>) -> Stamp {
        let first = received.first_chunk().expect("at least the stamp");
        let stamp = unpack(u64::from_le_bytes(*first));
        assert!(*received == Self::make(stamp), "{stamp:?}: a torn message");
        stamp
    }
}

/// Evaluates an expression in which a type stands for the message called `$name`:
/// `with_load!(name, T => run::<T>())`.
#[macro_export]
macro_rules! with_load {
    ($name:expr, $T:ident => $body:expr) => {{
        use $crate::loads::Load;
        match $name {
            <u8 as Load>::NAME => {
                type $T = u8;
                $body
            }
            <[u64; 7] as Load>::NAME => {
                type $T = [u64; 7];
                $body
            }
            <[u64; 8] as Load>::NAME => {
                type $T = [u64; 8];
                $body
            }
            <[u64; 512] as Load>::NAME => {
                type $T = [u64; 512];
                $body
            }
            <[u8] as Load>::NAME => {
                type $T = [u8];
                $body
            }
            other => panic!("no message called {other}"),
        }
    }};
}
