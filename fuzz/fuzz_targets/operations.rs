#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_fuzz::bodies::operations;

fuzz_target!(|input: operations::Input| operations::run(input));
