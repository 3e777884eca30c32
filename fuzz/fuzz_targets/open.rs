#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_fuzz::bodies::open;

fuzz_target!(|input: open::Input| open::run(input));
