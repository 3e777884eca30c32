use std::time::Duration;

use proptest::prelude::*;

use super::*;
use memring::MessageKind;

fn any_shape() -> impl Strategy<Value = Shape> {
    (
        any::<bool>(),
        0usize..5000,
        0u32..=12,
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(is_typed, size, align, schema, little_endian)| Shape {
            message: match is_typed {
                true => MessageKind::Typed {
                    size,
                    align: 1 << align,
                },
                false => MessageKind::Bytes { limit: size },
            },
            schema,
            little_endian,
        })
}

fn any_ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..100, 1u64..100), 0..20).prop_map(|steps| {
        let mut at = 0;
        let range = |(gap, count)| {
            let first = at + gap;
            at = first + count;
            (first, at)
        };
        steps.into_iter().map(range).collect()
    })
}

/// Some packet, as bytes.
fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let ids = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let parts = (any_shape(), any_ranges(), any_ranges());
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (0..7, ids, parts, body, any::<bool>()).prop_map(|(sort, ids, parts, body, flag)| {
        let (one, two, three, four) = ids;
        let (shape, put, held) = parts;
        let packet = match sort {
            0 => Packet::Offer(Offer {
                source: one,
                session: two,
                shape,
                ended: flag,
            }),
            1 => Packet::Hello(Hello {
                target: one,
                session: two,
                stamp: three,
                shape,
                credit: four,
            }),
            2 => Packet::Data(Data {
                source: one,
                session: two,
                target: three,
                number: four,
                base: one >> 2,
                first: one >> 1,
                fingerprint: two,
                count: (three as u32 >> 13) + 1,
                uncertain: flag,
                payload: &body,
            }),
            4 => Packet::Export(ExportHello {
                export: one,
                limit: two,
                free: three as u32,
                max_attempts: four as u8,
            }),
            5 => Packet::Call(RemoteCall {
                import: one,
                export: two,
                number: three >> 1,
                base: three >> 2,
                attempt: (four as u8).max(1),
                remaining: flag.then(|| Duration::from_nanos(four >> 1)),
                part: match one % 3 {
                    0 => CallPart::Request(&body),
                    1 => CallPart::Waits,
                    _ => CallPart::Cancel,
                },
            }),
            6 => Packet::Answer(RemoteAnswer {
                import: one,
                export: two,
                number: three,
                outcome: match four % 3 {
                    0 => CallOutcome::Working,
                    1 => CallOutcome::Done,
                    _ => CallOutcome::Refused,
                },
                body: &body,
            }),
            _ => Packet::Ack(Ack {
                source: one,
                target: two,
                session: three,
                stamp: four,
                echo: (two, one),
                credit: three,
                ended: flag,
                put,
                held,
            }),
        };
        let bytes = packet.encode();
        assert_eq!(decode(&bytes).as_ref(), Ok(&packet));
        bytes
    })
}

/// The checksum of what was changed, so that the checks behind it are reached.
fn sum_again(bytes: &mut [u8]) {
    if bytes.len() >= HEADER {
        let length = bytes.len() as u32;
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        bytes[12..16].fill(0);
        let sum = crc32fast::hash(bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    }
}

proptest! {
    #[test]
    fn packets_are_read_as_written(_bytes in any_packet()) {}

    #[test]
    fn any_changed_byte_is_noticed(mut bytes in any_packet(), at: prop::sample::Index, flip in 1u8..) {
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn what_is_cut_short_or_longer_is_refused(bytes in any_packet(), cut: prop::sample::Index) {
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(decode(&longer).is_err());
    }

    #[test]
    fn whatever_is_summed_right_is_read_or_refused(
        mut bytes in any_packet(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in any::<prop::sample::Index>(),
        cuts: bool,
    ) {
        if cuts {
            bytes.truncate(length.index(bytes.len()));
        }
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        sum_again(&mut bytes);
        if let Ok(packet) = decode(&bytes) {
            // What is accepted is written the same way.
            prop_assert_eq!(packet.encode(), bytes);
        }
    }

    #[test]
    fn messages_are_found_or_the_payload_is_refused(
        payload in prop::collection::vec(0u8..9, 0..80),
        count in 0usize..30,
        size in prop::option::of(0usize..9),
    ) {
        if let Ok(found) = messages(&payload, count, size, 8) {
            prop_assert_eq!(found.len(), count);
            let prefix = if size.is_some() { 0 } else { 4 };
            let total: usize = found.iter().map(|message| message.len() + prefix).sum();
            prop_assert_eq!(total, payload.len());
            prop_assert!(found.iter().all(|message| message.len() <= 8));
        }
    }
}
