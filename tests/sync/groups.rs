//! Several objects in one file.

use memring::sync::{Condvar, Group, GroupBuilder, Mutex};
use memring::{Mismatch, RingError, Schema};
use memring_testkit::homes::Home;
use memring_testkit::text::says;

fn three() -> GroupBuilder {
    Group::builder()
        .mutex("small", 1u8)
        .condvar("changed")
        .mutex("large", [2u64; 64])
}

#[test]
fn parts_are_found_by_name() {
    let home = Home::new();
    let made = three().create(home.named("three")).unwrap();
    let opened = Group::open(home.named("three")).unwrap();
    assert_eq!(
        opened.names().collect::<Vec<_>>(),
        ["small", "changed", "large"]
    );
    let small = made.mutex::<u8>("small").unwrap();
    let large = opened.part::<Mutex<[u64; 64]>>("large").unwrap();
    opened.part::<Condvar>("changed").unwrap().notify_all();
    *small.lock().unwrap() = 7;
    large.lock().unwrap()[63] = 8;
    assert_eq!(*opened.mutex::<u8>("small").unwrap().lock().unwrap(), 7);
    let large = made.mutex::<[u64; 64]>("large").unwrap();
    let held = *large.lock().unwrap();
    assert_eq!((held[0], held[62], held[63]), (2, 2, 8));
    // One member each, whatever is opened of it.
    assert_eq!(made.handles().len(), 2);
    assert_eq!(small.id(), made.id());
}

#[test]
fn handles_of_parts_outlive_the_group() {
    let group = three().anonymous().unwrap();
    let small = group.mutex::<u8>("small").unwrap();
    drop(group);
    assert_eq!(*small.lock().unwrap(), 1);
}

#[test]
fn what_is_not_there_or_is_something_else() {
    let group = three().anonymous().unwrap();
    let error = group.mutex::<u8>("none").unwrap_err();
    says(
        &error,
        &[
            "no part \"none\"",
            "mutex \"small\"",
            "condition variable \"changed\"",
        ],
    );
    let error = group.mutex::<u16>("small").unwrap_err();
    says(&error, &["\"small\"", "bytes of the value 1, expected 2"]);
    let error = group.mutex::<[u32; 128]>("large").unwrap_err();
    says(&error, &["alignment of the value 8, expected 4"]);
    let error = group.condvar("small").unwrap_err();
    says(&error, &["kind mutex, expected condition variable"]);
}

#[test]
fn a_group_that_stands_must_have_the_parts() {
    let home = Home::new();
    let name = home.named("three");
    three().open_or_create(&name).unwrap();
    three().open_or_create(&name).unwrap();
    let fewer = Group::builder().condvar("changed");
    fewer.open_or_create(&name).unwrap();
    let more = || Group::builder().condvar("another");
    for error in [
        more().open_or_create(&name).unwrap_err(),
        more().open(&name).unwrap_err(),
    ] {
        says(&error, &["no part \"another\""]);
    }
    let error = three().create(&name).unwrap_err();
    assert!(matches!(error, RingError::AlreadyExists { .. }));
    // A file of another sort.
    let error = Mutex::<u8>::open(&name).unwrap_err();
    says(&error, &["no part \"\""]);
    let error = memring::Ring::<u8, memring::Spsc>::open(&name).unwrap_err();
    says(&error, &["shared objects, such as locks", "kind 2"]);
    memring::Ring::<u8, memring::Spsc>::create(home.named("ring"), 2).unwrap();
    let error = Group::open(home.named("ring")).unwrap_err();
    says(&error, &["a ring (", "kind 1", "expected shared objects"]);
}

#[test]
fn names_that_cannot_be() {
    for (builder, reason) in [
        (Group::builder(), "number of parts"),
        (three().condvar("small"), "\"small\" twice"),
        (three().condvar(""), "a name, where there are several"),
        (three().condvar(&"x".repeat(32)), "up to 31 bytes"),
        (three().condvar("a\nb"), "no control characters"),
        (three().max_handles(0), "1 to 1023, found 0"),
        (three().max_handles(1024), "1 to 1023, found 1024"),
        (three().mode(0o1777), "permission bits"),
    ] {
        says(&builder.anonymous().unwrap_err(), &[reason]);
    }
    let longest = "x".repeat(31);
    let group = Group::builder().condvar(&longest).max_handles(1023);
    assert!(group.anonymous().unwrap().condvar(&longest).is_ok());
    let many = (0..1024).fold(Group::builder(), |group, number| {
        group.condvar(&number.to_string())
    });
    assert!(many.anonymous().unwrap().condvar("1023").is_ok());
}

#[test]
fn the_tag_must_be_the_maker_s() {
    let home = Home::new();
    let name = home.named("tagged");
    three().schema_of::<u64>().create(&name).unwrap();
    assert!(three().schema(u64::SCHEMA).open(&name).is_ok());
    let error = Group::open(&name).unwrap_err();
    let expected = |wrong: &Mismatch| matches!(wrong, Mismatch::Schema { expected: 0, .. });
    assert!(matches!(&error, RingError::Mismatch { mismatch, .. } if expected(mismatch)));
    says(&error, &["schema tag"]);
}
