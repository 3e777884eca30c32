//! Opening: races, and files that are not what they should be.

use std::thread;

use memring::sync::Mutex;
use memring_testkit::homes::Home;
use memring_testkit::text::says;

#[test]
fn all_that_race_end_on_the_same_one() {
    let home = Home::new();
    for round in 0..20 {
        let name = home.named(&format!("one {round}"));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mutex = Mutex::open_or_create(&name, 0u64).unwrap();
                    *mutex.lock().unwrap() += 1;
                });
            }
        });
        assert_eq!(*Mutex::<u64>::open(&name).unwrap().lock().unwrap(), 4);
    }
}

#[test]
fn what_is_not_there() {
    let home = Home::new();
    let error = Mutex::<u64>::open(home.named("none")).unwrap_err();
    says(&error, &["none", "nothing to open"]);
    assert!(Mutex::<u64>::create("", 0).is_err());
    let error = Mutex::<[u8; 4]>::create(home.named("four"), [0; 4]);
    drop(error.unwrap());
    let error = Mutex::<u32>::open(home.named("four")).unwrap_err();
    says(&error, &["alignment of the value 1, expected 4"]);
    let error = Mutex::<u32>::open_or_create(home.named("four"), 0).unwrap_err();
    says(&error, &["alignment of the value 1, expected 4"]);
}
