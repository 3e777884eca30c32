use super::*;

fn ring() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let ring = home.path().join("ring");
    fs::write(&ring, "a ring").unwrap();
    (home, ring)
}

fn open(ring: &Path) -> Result<Journal> {
    Journal::open(ring, Role::Target, Duration::ZERO)
}

const ONE: Record = Record::Intent {
    source: 1,
    first: 5,
    end: 9,
    sent: 3,
};
const TWO: Record = Record::Put {
    source: 1,
    first: 5,
    end: 9,
};

#[test]
fn what_was_appended_is_found() {
    let (_home, ring) = ring();
    let mut journal = open(&ring).unwrap();
    assert!(!journal.existed());
    let id = journal.id();
    journal.append(ONE).unwrap();
    journal.note_progress(3).unwrap();
    drop(journal);
    let mut journal = open(&ring).unwrap();
    assert_eq!((journal.id(), journal.records()), (id, &[ONE][..]));
    assert_eq!(journal.progress(), 3);
    assert!(journal.is_of_this_ring());
    journal.append(TWO).unwrap();
    journal.append(ONE).unwrap();
    drop(journal);
    let mut journal = open(&ring).unwrap();
    assert_eq!(journal.records(), [ONE, TWO, ONE]);
    assert_eq!(journal.progress(), 0, "it was of the intent before");
    journal.replace(&[TWO]).unwrap();
    journal.append(ONE).unwrap();
    journal.note_progress(1).unwrap();
    drop(journal);
    let journal = open(&ring).unwrap();
    assert_eq!(
        (journal.records(), journal.progress()),
        (&[TWO, ONE][..], 1)
    );
}

#[test]
fn one_process_has_it() {
    let (_home, ring) = ring();
    let journal = open(&ring).unwrap();
    let error = open(&ring).unwrap_err().to_string();
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    assert!(error.contains("--wait"), "{error}");
    // The other role is another matter.
    Journal::open(&ring, Role::Source, Duration::ZERO).unwrap();
    let waits = std::thread::spawn({
        let ring = ring.clone();
        move || Journal::open(&ring, Role::Target, Duration::from_secs(20)).map(drop)
    });
    drop(journal);
    waits.join().unwrap().unwrap();
}

#[test]
fn a_record_that_was_cut_short_is_dropped_and_damage_is_an_error() {
    let (home, ring) = ring();
    let mut journal = open(&ring).unwrap();
    journal.append(ONE).unwrap();
    journal.append(TWO).unwrap();
    drop(journal);
    let path = home.path().join(".bridge/ring.target");
    let whole = fs::read(&path).unwrap();
    for cut in 1..Record::SIZE {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let mut journal = open(&ring).unwrap();
        assert_eq!(journal.records(), [ONE]);
        journal.append(TWO).unwrap();
        drop(journal);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    for at in (0..whole.len()).filter(|at| !(PROGRESS..PROGRESS + 8).contains(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let error = format!("{:#}", open(&ring).unwrap_err());
        assert!(error.contains("Remove it"), "byte {at}: {error}");
    }
    fs::write(&path, &whole[..20]).unwrap();
    assert!(open(&ring).is_err());
}

#[test]
fn another_ring_of_the_name_is_another_source_and_the_same_target() {
    let (_home, ring) = ring();
    let mut ids = Vec::new();
    for role in [Role::Source, Role::Target] {
        let mut journal = Journal::open(&ring, role, Duration::ZERO).unwrap();
        journal.append(TWO).unwrap();
        ids.push(journal.id());
    }
    fs::rename(&ring, ring.with_file_name("old")).unwrap();
    fs::write(&ring, "another").unwrap();
    let source = Journal::open(&ring, Role::Source, Duration::ZERO).unwrap();
    assert!(source.id() != ids[0] && source.records().is_empty());
    let target = Journal::open(&ring, Role::Target, Duration::ZERO).unwrap();
    assert_eq!((target.id(), target.records()), (ids[1], &[TWO][..]));
    assert!(!target.is_of_this_ring());
    drop(target);
    assert!(open(&ring).unwrap().is_of_this_ring());
}
