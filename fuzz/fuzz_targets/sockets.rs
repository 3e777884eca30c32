#![no_main]

use libfuzzer_sys::fuzz_target;
use memring_testkit::fuzzing::sockets;

fuzz_target!(|input: sockets::Input| sockets::run(input));
