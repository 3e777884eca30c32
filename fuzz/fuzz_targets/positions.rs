#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::positions;

fuzz_target!(|input: positions::Input| positions::run(input));
