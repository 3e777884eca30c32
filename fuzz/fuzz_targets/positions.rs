#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_fuzz::bodies::positions;

fuzz_target!(|input: positions::Input| positions::run(input));
