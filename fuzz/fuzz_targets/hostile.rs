#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_fuzz::bodies::hostile;

fuzz_target!(|input: hostile::Input| hostile::run(input));
