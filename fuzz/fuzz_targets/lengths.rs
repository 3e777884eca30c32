#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::lengths;

fuzz_target!(|input: lengths::Input| lengths::run(input));
