#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::calls;

fuzz_target!(|input: calls::Input| calls::run(input));
