#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::open;

fuzz_target!(|input: open::Input| open::run(input));
