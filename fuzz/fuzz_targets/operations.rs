#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::operations;

fuzz_target!(|input: operations::Input| operations::run(input));
