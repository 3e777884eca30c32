//! What two processes tell each other before they share anything: messages of one size, each
//! field of which is checked.

use bytemuck::{Pod, Zeroable};

use super::error::RendezvousError;
use crate::error::Mismatch;
use crate::message::Message;

const MAGIC: [u8; 8] = *b"mrmeet\0\x01";
const BYTE_ORDER: u32 = 0x0102_0304;
const VERSION: u32 = 1;

/// Bytes of each message.
pub(super) const HELLO_BYTES: usize = size_of::<Hello>();

/// What a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// From the one that connects: may I?
    Hello,
    /// From the listener, with the descriptors: here you are.
    Accept,
    /// From the one that connects: I have them.
    Done,
    /// From the listener: no.
    Refuse(RefusalReason),
}

/// Why a listener refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalReason {
    Mismatch,
    NotAdmitted,
    Crowded,
    Resources,
    Protocol,
}

impl RefusalReason {
    /// What the other end's error says.
    pub(super) fn text(self) -> &'static str {
        match self {
            RefusalReason::Mismatch => "the two do not mean the same",
            RefusalReason::NotAdmitted => {
                "its policy does not admit this process (by default: processes of the same user)"
            }
            RefusalReason::Crowded => {
                "too many connections are half made, and this process has the most of them"
            }
            RefusalReason::Resources => "it lacks memory or descriptors, or has wrong options",
            RefusalReason::Protocol => "it did not understand what this process sent",
        }
    }
}

const VERDICTS: [(u32, Verdict); 8] = [
    (1, Verdict::Hello),
    (2, Verdict::Accept),
    (3, Verdict::Done),
    (16, Verdict::Refuse(RefusalReason::Mismatch)),
    (17, Verdict::Refuse(RefusalReason::NotAdmitted)),
    (18, Verdict::Refuse(RefusalReason::Crowded)),
    (19, Verdict::Refuse(RefusalReason::Resources)),
    (20, Verdict::Refuse(RefusalReason::Protocol)),
];

/// The messages of one direction, as one end means them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Direction {
    /// 0: no messages; 1: of one type; 2: bytes.
    form: u32,
    align: u32,
    size: u64,
    /// From the listener: bytes of a byte message, at most.
    pub(super) limit: u64,
    schema: u64,
}

impl Direction {
    pub(super) const NOTHING: Direction = Direction {
        form: 0,
        align: 0,
        size: 0,
        limit: 0,
        schema: 0,
    };

    pub(super) fn of<T: Message + ?Sized>(schema: u64, limit: usize) -> Direction {
        match T::FIXED {
            Some((size, align)) => Direction {
                form: 1,
                align: align as u32,
                size: size as u64,
                limit: size as u64,
                schema,
            },
            None => Direction {
                form: 2,
                align: 1,
                size: 0,
                limit: limit as u64,
                schema,
            },
        }
    }

    fn form_name(self) -> &'static str {
        match self.form {
            0 => "no messages",
            1 => "fixed-size messages",
            2 => "byte messages",
            _ => "an unknown sort of messages",
        }
    }

    fn check(self, found: Direction) -> Result<(), Mismatch> {
        if self.form != found.form {
            return Err(Mismatch::Shape {
                expected: self.form_name(),
                found: found.form_name(),
            });
        }
        if self.size != found.size {
            return Err(Mismatch::MessageSize {
                expected: self.size,
                found: found.size,
            });
        }
        if self.align != found.align {
            return Err(Mismatch::MessageAlign {
                expected: self.align.into(),
                found: found.align.into(),
            });
        }
        if self.schema != found.schema {
            return Err(Mismatch::Schema {
                expected: self.schema,
                found: found.schema,
            });
        }
        Ok(())
    }
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Hello {
    magic: [u8; 8],
    byte_order: u32,
    version: u32,
    verdict: u32,
    carrier: u32,
    /// What the one that says it sends.
    pub(super) outgoing: Direction,
    /// And receives.
    pub(super) incoming: Direction,
}

impl Hello {
    pub(super) fn new(carrier: u32, outgoing: Direction, incoming: Direction) -> Hello {
        Hello {
            magic: MAGIC,
            byte_order: BYTE_ORDER,
            version: VERSION,
            verdict: 0,
            carrier,
            outgoing,
            incoming,
        }
    }

    /// The same, to say this.
    pub(super) fn saying(mut self, verdict: Verdict) -> Hello {
        let mut known = VERDICTS.iter().filter(|(_, known)| *known == verdict);
        self.verdict = known.next().map_or(0, |(number, _)| *number);
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }

    /// What came, if it is a message of this protocol and version.
    pub(super) fn parse(bytes: &[u8]) -> Result<Hello, RendezvousError> {
        let protocol = |what, found| RendezvousError::Protocol { what, found };
        let use_of = |mismatch| RendezvousError::Mismatch {
            direction: "the protocol",
            mismatch,
        };
        let (Some(magic), true) = (bytes.first_chunk::<8>(), bytes.len() == HELLO_BYTES) else {
            return Err(protocol("a message of another size", bytes.len() as u64));
        };
        if *magic != MAGIC {
            let found = u64::from_le_bytes(*magic);
            return Err(protocol("a message without the magic number", found));
        }
        let hello: Hello = bytemuck::pod_read_unaligned(bytes);
        if hello.byte_order != BYTE_ORDER {
            return Err(use_of(Mismatch::ByteOrder {
                expected: BYTE_ORDER,
                found: hello.byte_order,
            }));
        }
        if hello.version != VERSION {
            return Err(use_of(Mismatch::Version {
                expected: VERSION,
                found: hello.version,
            }));
        }
        Ok(hello)
    }

    /// What it says.
    pub(super) fn verdict(&self) -> Result<Verdict, RendezvousError> {
        let mut known = VERDICTS
            .iter()
            .filter(|(number, _)| *number == self.verdict);
        match known.next() {
            Some((_, verdict)) => Ok(*verdict),
            None => Err(RendezvousError::Protocol {
                what: "a message of an unknown sort",
                found: self.verdict.into(),
            }),
        }
    }

    /// Whether the other end means the same. Both ends ask it, of each other, and so both
    /// find the same difference.
    pub(super) fn check(&self, found: &Hello) -> Result<(), RendezvousError> {
        let of = |direction| {
            move |mismatch| RendezvousError::Mismatch {
                direction,
                mismatch,
            }
        };
        if self.carrier != found.carrier {
            return Err(of("what carries the messages")(Mismatch::Kind {
                expected: carrier_name(self.carrier),
                found: carrier_name(found.carrier),
            }));
        }
        self.outgoing
            .check(found.incoming)
            .map_err(of("messages that this end sends"))?;
        self.incoming
            .check(found.outgoing)
            .map_err(of("messages that this end receives"))
    }
}

/// The numbers of carriers that are sockets; those of rings are below.
pub(super) const STREAM: u32 = 0x100;
pub(super) const SEQ_PACKET: u32 = 0x101;
pub(super) const DATAGRAM: u32 = 0x102;

fn carrier_name(carrier: u32) -> String {
    match carrier {
        1 => "one to one".into(),
        2 => "many to one".into(),
        3 => "one to many".into(),
        4 => "many to many".into(),
        STREAM => "a stream".into(),
        SEQ_PACKET => "packets".into(),
        DATAGRAM => "datagrams".into(),
        other => format!("an unknown carrier ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        let out = Direction::of::<u64>(7, 0);
        Hello::new(1, out, Direction::of::<[u8]>(0, 100)).saying(Verdict::Hello)
    }

    fn mirrored(of: &Hello) -> Hello {
        Hello::new(of.carrier, of.incoming, of.outgoing)
    }

    #[test]
    fn messages_go_both_ways() {
        for (_, verdict) in VERDICTS {
            let said = hello().saying(verdict);
            let heard = Hello::parse(said.as_bytes()).unwrap();
            assert_eq!((heard, heard.verdict().unwrap()), (said, verdict));
        }
        assert_eq!(HELLO_BYTES, 88);
        hello().check(&mirrored(&hello())).unwrap();
    }

    /// Each field that is not as expected is refused, at both ends and by both values.
    #[test]
    fn each_difference_is_named_at_both_ends() {
        type Change = fn(&mut Hello);
        let changes: [(&str, Change); 5] = [
            ("carrier", |it| it.carrier = 4),
            ("form", |it| it.incoming.form = 2),
            ("size", |it| it.incoming.size = 16),
            ("align", |it| it.incoming.align = 16),
            ("schema", |it| it.outgoing.schema = 9),
        ];
        for (field, change) in changes {
            let ours = hello();
            let mut theirs = mirrored(&ours);
            change(&mut theirs);
            let here = ours.check(&theirs).expect_err(field);
            let there = theirs.check(&ours).expect_err(field);
            let (
                RendezvousError::Mismatch { mismatch: here, .. },
                RendezvousError::Mismatch {
                    mismatch: there, ..
                },
            ) = (here, there)
            else {
                panic!("{field}: not a mismatch");
            };
            let swapped = |one: &Mismatch, other: &Mismatch| match (one, other) {
                (
                    Mismatch::Kind { expected, found },
                    Mismatch::Kind {
                        expected: e,
                        found: f,
                    },
                ) => (expected, found) == (f, e),
                (
                    Mismatch::Shape { expected, found },
                    Mismatch::Shape {
                        expected: e,
                        found: f,
                    },
                ) => (expected, found) == (f, e),
                (
                    Mismatch::MessageSize { expected, found },
                    Mismatch::MessageSize {
                        expected: e,
                        found: f,
                    },
                )
                | (
                    Mismatch::MessageAlign { expected, found },
                    Mismatch::MessageAlign {
                        expected: e,
                        found: f,
                    },
                )
                | (
                    Mismatch::Schema { expected, found },
                    Mismatch::Schema {
                        expected: e,
                        found: f,
                    },
                ) => (expected, found) == (f, e),
                _ => false,
            };
            assert!(swapped(&here, &there), "{field}: {here:?}, {there:?}");
        }
    }

    #[test]
    fn other_versions_and_byte_orders_are_refused() {
        let refused = |change: fn(&mut Hello)| {
            let mut hello = hello();
            change(&mut hello);
            Hello::parse(hello.as_bytes()).unwrap_err()
        };
        let version = refused(|it| it.version = 2);
        let order = refused(|it| it.byte_order = it.byte_order.swap_bytes());
        for error in [version, order] {
            assert!(matches!(error, RendezvousError::Mismatch { .. }), "{error}");
        }
        let magic = refused(|it| it.magic[0] = 0);
        assert!(matches!(magic, RendezvousError::Protocol { .. }), "{magic}");
    }

    /// No bytes whatever make it panic, and none but its own pass.
    #[test]
    fn arbitrary_bytes_are_refused() {
        let ours = hello();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let mut bytes = match round % 3 {
                // Of any length,
                0 => vec![0; random() as usize % 200],
                // right at first,
                1 => mirrored(&ours).as_bytes()[..16]
                    .iter()
                    .copied()
                    .chain([0; HELLO_BYTES - 16])
                    .collect(),
                // and all but one field.
                _ => mirrored(&ours).as_bytes().to_vec(),
            };
            let skip = if round % 3 == 1 { 16 } else { 0 };
            match round % 3 {
                2 => {
                    let at = random() as usize % HELLO_BYTES;
                    bytes[at] ^= 1 + (random() % 255) as u8;
                }
                _ => bytes[skip..].fill_with(|| random() as u8),
            }
            let Ok(heard) = Hello::parse(&bytes) else {
                continue;
            };
            let _ = heard.verdict();
            let same = Hello {
                verdict: heard.verdict,
                outgoing: Direction {
                    limit: heard.outgoing.limit,
                    ..ours.incoming
                },
                incoming: Direction {
                    limit: heard.incoming.limit,
                    ..ours.outgoing
                },
                ..ours
            };
            assert_eq!(ours.check(&heard).is_ok(), heard == same, "{heard:?}");
        }
    }
}
