#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::hostile;

fuzz_target!(|input: hostile::Input| hostile::run(input));
