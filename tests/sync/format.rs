//! The bytes are where `docs/format.md` says.

use memring::sync::Group;
use memring_testkit::homes::Home;

fn short(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn of_a_group() {
    let home = Home::new();
    let path = home.named("group");
    let group = Group::builder()
        .mutex("balance", [7u64, 8])
        .condvar("changed")
        .barrier("start", 3)
        .once_value::<u32>("seed")
        .max_handles(9)
        .schema(0x51);
    let group = group.create(&path).unwrap();
    let mutex = group.mutex::<[u64; 2]>("balance").unwrap();
    let guard = mutex.lock().unwrap();
    let barrier = group.barrier("start").unwrap();
    let _seat = barrier.join().unwrap();
    let seed = group.once_value::<u32>("seed").unwrap();
    assert_eq!(seed.get_or_init(|| 5), Ok(&5));
    let bytes = std::fs::read(&path).unwrap();

    // The region's header, and the objects' own.
    assert_eq!((short(&bytes, 16), short(&bytes, 20)), (2, 1));
    assert_eq!((short(&bytes, 64), short(&bytes, 68)), (9, 4));
    assert!(bytes[72..192].iter().all(|byte| *byte == 0));

    // Name, kind, size, alignment, parameter, and what the length comes to.
    let parts = [
        ("balance", 1, 16, 8, 0, 128),
        ("changed", 3, 0, 1, 0, 128),
        ("start", 5, 0, 1, 3, 128),
        ("seed", 6, 4, 4, 0, 128),
    ];
    let mut end = 0x5000 + 128 * parts.len();
    for (at, (name, kind, size, align, parameter, length)) in parts.into_iter().enumerate() {
        let entry = &bytes[0x5000 + 128 * at..][..128];
        assert_eq!(&entry[..name.len()], name.as_bytes());
        assert!(entry[name.len()..32].iter().all(|byte| *byte == 0));
        assert_eq!((short(entry, 32), short(entry, 36)), (kind, 0));
        assert_eq!((long(entry, 40), long(entry, 48)), (size, align));
        assert_eq!((long(entry, 56), long(entry, 64)), (0x51, parameter));
        assert_eq!((long(entry, 72), long(entry, 80)), (end as u64, length));
        assert!(entry[88..].iter().all(|byte| *byte == 0));
        end += length as usize;
    }
    assert_eq!(bytes.len(), end.next_multiple_of(4096));

    // The words: held by our id, counted once; a seat; done.
    let (id, parts) = (u64::from(group.id()), 0x5000 + 128 * 4);
    assert_eq!(long(&bytes, parts), id << 2 | 1 << 12);
    assert_eq!((long(&bytes, parts + 8), long(&bytes, parts + 16)), (7, 8));
    assert_eq!(short(&bytes, parts + 128), 0);
    assert_eq!(long(&bytes, parts + 256), 0);
    assert_eq!(long(&bytes, parts + 256 + 64), id);
    assert_eq!(long(&bytes, parts + 256 + 72), 0);
    assert_eq!(long(&bytes, parts + 384), 2 << 2 | 1 << 14);
    assert_eq!(short(&bytes, parts + 384 + 8), 5);
    drop(guard);
}
