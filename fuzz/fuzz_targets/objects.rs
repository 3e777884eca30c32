#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::objects;

fuzz_target!(|input: objects::Input| objects::run(input));
