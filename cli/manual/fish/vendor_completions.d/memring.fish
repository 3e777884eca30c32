# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_memring_global_optspecs
    string join \n h/help V/version
end

function __fish_memring_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_memring_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_memring_using_subcommand
    set -l cmd (__fish_memring_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c memring -n "__fish_memring_needs_command" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_needs_command" -s V -l version -d 'Print version'
complete -c memring -n "__fish_memring_needs_command" -f -a "bench" -d 'Measure rings between processes on this machine, beside a pipe and a Unix socket'
complete -c memring -n "__fish_memring_needs_command" -f -a "torture" -d 'Kill processes at random and see whether the crash contract holds here'
complete -c memring -n "__fish_memring_needs_command" -f -a "send" -d 'Carry standard input into a ring'
complete -c memring -n "__fish_memring_needs_command" -f -a "recv" -d 'Carry a ring\'s messages to standard output'
complete -c memring -n "__fish_memring_needs_command" -f -a "serve" -d 'Answer requests with what a command prints'
complete -c memring -n "__fish_memring_needs_command" -f -a "call" -d 'Call a service with each line of standard input, and print the answers'
complete -c memring -n "__fish_memring_needs_command" -f -a "listen" -d 'Wait for memring connect, and carry standard input and output both ways'
complete -c memring -n "__fish_memring_needs_command" -f -a "connect" -d 'Connect to memring listen, and carry standard input and output both ways'
complete -c memring -n "__fish_memring_needs_command" -f -a "lock" -d 'Run a command while a lock is held'
complete -c memring -n "__fish_memring_needs_command" -f -a "create" -d 'Make a ring for byte messages, unless it is there'
complete -c memring -n "__fish_memring_needs_command" -f -a "list" -d 'List the rings, services, locks and other shared objects that there are'
complete -c memring -n "__fish_memring_needs_command" -f -a "remove" -d 'Remove rings, services, locks and other shared objects, with what is in them'
complete -c memring -n "__fish_memring_needs_command" -f -a "bridge" -d 'Carry rings between hosts, by memring-bridge if that is installed'
complete -c memring -n "__fish_memring_using_subcommand bench" -l html -d 'Write a page with charts and tables to this file, for a browser' -r -F
complete -c memring -n "__fish_memring_using_subcommand bench" -l svg -d 'Write the charts to this file, as a picture' -r -F
complete -c memring -n "__fish_memring_using_subcommand bench" -l cpus -d 'Run on these CPUs: sender, receiver, sender, ... [default: distinct cores first]' -r
complete -c memring -n "__fish_memring_using_subcommand bench" -l senders -d 'Measure 2, 4, ... up to N sending processes as well, with 8-byte messages [with --full: 2]' -r
complete -c memring -n "__fish_memring_using_subcommand bench" -l receivers -d 'Measure so many receiving processes, likewise' -r
complete -c memring -n "__fish_memring_using_subcommand bench" -l full -d 'Measure more, and for minutes: all sizes for all kinds, several senders and receivers'
complete -c memring -n "__fish_memring_using_subcommand bench" -l quick -d 'Measure for a few seconds only, to see that all works: the figures are rough'
complete -c memring -n "__fish_memring_using_subcommand bench" -l json -d 'Print one JSON document on standard output; rates in messages a second, times in nanoseconds'
complete -c memring -n "__fish_memring_using_subcommand bench" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand torture" -l kills -d 'Kill this many processes in all' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l seed -d 'Repeat the schedule of this seed [default: a new seed each time, which is printed]' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l kind -d 'Use this kind of ring only: spsc, mpsc, spmc or mpmc; may be repeated [default: all four]' -r -f -a "spsc\t''
mpsc\t''
spmc\t''
mpmc\t''"
complete -c memring -n "__fish_memring_using_subcommand torture" -l object -d 'Use this shared object, and no ring: mutex, rwlock, condvar, semaphore or latest; may be repeated' -r -f -a "mutex\t'A value that one process at a time changes'
rwlock\t'A value that many read, or one changes'
condvar\t'Tokens that are passed on under a mutex, and processes that wait for them'
semaphore\t'Permits'
latest\t'The last value of one writer'"
complete -c memring -n "__fish_memring_using_subcommand torture" -l seconds -d 'With --object: stop after this many seconds for each, even if kills are left' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l senders -d 'Run this many sending processes, where the kind has several' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l receivers -d 'Run this many receiving processes, where the kind has several' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l capacity -d 'Make a ring that holds this many messages: exactly, with one sender and one receiver, else rounded up to a power of two' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l layout -d 'Lay out the messages of spsc in memory: lines or dense [default: half of the kills for each]. Messages in lines have 8 bytes' -r -f -a "lines\t''
dense\t''"
complete -c memring -n "__fish_memring_using_subcommand torture" -l message -d 'Send messages of mixed lengths, or of 8, 64, 256, 1024 or 4096 bytes' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l on-death -d 'Do this with messages that a receiver held when it died: redeliver or discard' -r -f -a "redeliver\t''
discard\t''"
complete -c memring -n "__fish_memring_using_subcommand torture" -l dir -d 'Make the run\'s directory in this directory [default: /dev/shm]' -r -F
complete -c memring -n "__fish_memring_using_subcommand torture" -l sabotage -d 'Let a sender break the contract, to see that it is found' -r -f -a "lose\t'A message is written down as sent, and is not'
double\t'A message is sent twice'
tear\t'A message is spoilt'
swap\t'Two messages change places'
hang\t'A sender stops working'"
complete -c memring -n "__fish_memring_using_subcommand torture" -l hang-timeout -d 'Seconds after which a process counts as hanging' -r
complete -c memring -n "__fish_memring_using_subcommand torture" -l json -d 'Print one JSON document on standard output; times in nanoseconds'
complete -c memring -n "__fish_memring_using_subcommand torture" -l schedule -d 'Print the schedule, and start no process'
complete -c memring -n "__fish_memring_using_subcommand torture" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand send" -l kind -d 'Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers) [default: spsc]. An existing ring must be of this kind' -r -f -a "spsc\t''
mpsc\t''
spmc\t''
mpmc\t''"
complete -c memring -n "__fish_memring_using_subcommand send" -l capacity -d 'Make a ring that holds this many messages: exactly, with one sender and one receiver, else rounded up to a power of two [default: 256]. 0 makes a rendezvous ring, through which a message passes when it is received' -r
complete -c memring -n "__fish_memring_using_subcommand send" -l slot-size -d 'Make a ring for messages of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]' -r
complete -c memring -n "__fish_memring_using_subcommand send" -l layout -d 'Lay out the messages of an spsc ring in memory: lines (lowest latency; for messages of up to 48 bytes), dense (more pass in bulk) or auto [default: auto]. An existing ring keeps its layout' -r -f -a "lines\t''
dense\t''
auto\t''"
complete -c memring -n "__fish_memring_using_subcommand send" -l on-death -d 'Do this with messages that a receiver held when it died: redeliver or discard [default: redeliver]. An existing ring keeps its policy' -r -f -a "redeliver\t''
discard\t''"
complete -c memring -n "__fish_memring_using_subcommand send" -l mode -d 'Give the file of the ring these permissions, in octal, whatever the umask [default: 600]. If other users may write to it, every process has to open it with --allow-foreign. An existing ring keeps its permissions' -r
complete -c memring -n "__fish_memring_using_subcommand send" -l timeout -d 'Stop waiting after this many seconds (fractions are allowed)' -r
complete -c memring -n "__fish_memring_using_subcommand send" -l create -d 'Make the ring, unless it exists. A ring that is closed, empty and not attached to is replaced. recv first takes the messages that are left in a closed ring'
complete -c memring -n "__fish_memring_using_subcommand send" -l recreate -d 'Make a new ring, even if there is one; processes that use the old one get an error'
complete -c memring -n "__fish_memring_using_subcommand send" -l exclusive -d 'Make the ring, and fail if there is one'
complete -c memring -n "__fish_memring_using_subcommand send" -l allow-foreign -d 'Open a ring of another user\'s, or one that others may write to'
complete -c memring -n "__fish_memring_using_subcommand send" -l wait -d 'Wait until the ring exists, or can be replaced, and until an endpoint can attach to this side'
complete -c memring -n "__fish_memring_using_subcommand send" -l lines -d 'Send one message per line, without its newline; a line longer than a slot is an error'
complete -c memring -n "__fish_memring_using_subcommand send" -l keep-open -d 'Leave the ring open at end of input'
complete -c memring -n "__fish_memring_using_subcommand send" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand recv" -l kind -d 'Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers) [default: spsc]. An existing ring must be of this kind' -r -f -a "spsc\t''
mpsc\t''
spmc\t''
mpmc\t''"
complete -c memring -n "__fish_memring_using_subcommand recv" -l capacity -d 'Make a ring that holds this many messages: exactly, with one sender and one receiver, else rounded up to a power of two [default: 256]. 0 makes a rendezvous ring, through which a message passes when it is received' -r
complete -c memring -n "__fish_memring_using_subcommand recv" -l slot-size -d 'Make a ring for messages of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]' -r
complete -c memring -n "__fish_memring_using_subcommand recv" -l layout -d 'Lay out the messages of an spsc ring in memory: lines (lowest latency; for messages of up to 48 bytes), dense (more pass in bulk) or auto [default: auto]. An existing ring keeps its layout' -r -f -a "lines\t''
dense\t''
auto\t''"
complete -c memring -n "__fish_memring_using_subcommand recv" -l on-death -d 'Do this with messages that a receiver held when it died: redeliver or discard [default: redeliver]. An existing ring keeps its policy' -r -f -a "redeliver\t''
discard\t''"
complete -c memring -n "__fish_memring_using_subcommand recv" -l mode -d 'Give the file of the ring these permissions, in octal, whatever the umask [default: 600]. If other users may write to it, every process has to open it with --allow-foreign. An existing ring keeps its permissions' -r
complete -c memring -n "__fish_memring_using_subcommand recv" -l timeout -d 'Stop waiting after this many seconds (fractions are allowed)' -r
complete -c memring -n "__fish_memring_using_subcommand recv" -l create -d 'Make the ring, unless it exists. A ring that is closed, empty and not attached to is replaced. recv first takes the messages that are left in a closed ring'
complete -c memring -n "__fish_memring_using_subcommand recv" -l recreate -d 'Make a new ring, even if there is one; processes that use the old one get an error'
complete -c memring -n "__fish_memring_using_subcommand recv" -l exclusive -d 'Make the ring, and fail if there is one'
complete -c memring -n "__fish_memring_using_subcommand recv" -l allow-foreign -d 'Open a ring of another user\'s, or one that others may write to'
complete -c memring -n "__fish_memring_using_subcommand recv" -l wait -d 'Wait until the ring exists, or can be replaced, and until an endpoint can attach to this side'
complete -c memring -n "__fish_memring_using_subcommand recv" -l lines -d 'Write a newline after each message'
complete -c memring -n "__fish_memring_using_subcommand recv" -l end-on-disconnect -d 'End, with success, also when the ring is empty and all senders are gone without closing it'
complete -c memring -n "__fish_memring_using_subcommand recv" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand serve" -l jobs -d 'Run so many commands at a time' -r
complete -c memring -n "__fish_memring_using_subcommand serve" -l capacity -d 'Make a service that holds so many requests that wait or are being answered, rounded up to a power of two [default: 256]' -r
complete -c memring -n "__fish_memring_using_subcommand serve" -l slot-size -d 'Make a service for requests of up to so many bytes; K, M and G are understood [default: 16K]. How long an answer may be is for the caller to say' -r
complete -c memring -n "__fish_memring_using_subcommand serve" -l redeliver -d 'Make a service that hands a request to another server when one dies with it, up to four times in all: for commands that may be run twice for a request'
complete -c memring -n "__fish_memring_using_subcommand serve" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand call" -l timeout -d 'Give a call up this many seconds after it was sent (fractions are allowed). With --wait, give up waiting after the same time' -r
complete -c memring -n "__fish_memring_using_subcommand call" -l slot-size -d 'Take answers of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]' -r
complete -c memring -n "__fish_memring_using_subcommand call" -l wait -d 'Wait until the service exists and has a server'
complete -c memring -n "__fish_memring_using_subcommand call" -l raw -d 'Print the answers as they are, without adding newlines'
complete -c memring -n "__fish_memring_using_subcommand call" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand listen" -l capacity -d 'Let this many messages be under way in each direction [default: 64]' -r
complete -c memring -n "__fish_memring_using_subcommand listen" -l slot-size -d 'Cut the bytes into messages of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]' -r
complete -c memring -n "__fish_memring_using_subcommand listen" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand connect" -l timeout -d 'Stop waiting after this many seconds (fractions are allowed)' -r
complete -c memring -n "__fish_memring_using_subcommand connect" -l wait -d 'Wait until a process listens at the path'
complete -c memring -n "__fish_memring_using_subcommand connect" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand lock" -l timeout -d 'Fail if it is not free after this many seconds (fractions are allowed)' -r
complete -c memring -n "__fish_memring_using_subcommand lock" -s n -l nonblock -d 'Fail at once if another process holds it'
complete -c memring -n "__fish_memring_using_subcommand lock" -l allow-foreign -d 'Open a lock of another user\'s, or one that others may write to'
complete -c memring -n "__fish_memring_using_subcommand lock" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand create" -l kind -d 'Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers) [default: spsc]. An existing ring must be of this kind' -r -f -a "spsc\t''
mpsc\t''
spmc\t''
mpmc\t''"
complete -c memring -n "__fish_memring_using_subcommand create" -l capacity -d 'Make a ring that holds this many messages: exactly, with one sender and one receiver, else rounded up to a power of two [default: 256]. 0 makes a rendezvous ring, through which a message passes when it is received' -r
complete -c memring -n "__fish_memring_using_subcommand create" -l slot-size -d 'Make a ring for messages of up to this many bytes, such as 512, 16K, 1M or 1G [default: 16K]' -r
complete -c memring -n "__fish_memring_using_subcommand create" -l layout -d 'Lay out the messages of an spsc ring in memory: lines (lowest latency; for messages of up to 48 bytes), dense (more pass in bulk) or auto [default: auto]. An existing ring keeps its layout' -r -f -a "lines\t''
dense\t''
auto\t''"
complete -c memring -n "__fish_memring_using_subcommand create" -l on-death -d 'Do this with messages that a receiver held when it died: redeliver or discard [default: redeliver]. An existing ring keeps its policy' -r -f -a "redeliver\t''
discard\t''"
complete -c memring -n "__fish_memring_using_subcommand create" -l mode -d 'Give the file of the ring these permissions, in octal, whatever the umask [default: 600]. If other users may write to it, every process has to open it with --allow-foreign. An existing ring keeps its permissions' -r
complete -c memring -n "__fish_memring_using_subcommand create" -l timeout -d 'Stop waiting after this many seconds (fractions are allowed)' -r
complete -c memring -n "__fish_memring_using_subcommand create" -l recreate -d 'Make a new ring, even if there is one; processes that use the old one get an error'
complete -c memring -n "__fish_memring_using_subcommand create" -l exclusive -d 'Make the ring, and fail if there is one'
complete -c memring -n "__fish_memring_using_subcommand create" -l allow-foreign -d 'Open a ring of another user\'s, or one that others may write to'
complete -c memring -n "__fish_memring_using_subcommand create" -l wait -d 'Wait until a closed ring that is in the way can be replaced'
complete -c memring -n "__fish_memring_using_subcommand create" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand list" -l pids -d 'Print below each one the processes that use it'
complete -c memring -n "__fish_memring_using_subcommand list" -l json -d 'Print one JSON document instead of a table'
complete -c memring -n "__fish_memring_using_subcommand list" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand remove" -s f -l force -d 'Remove even what is in use, damaged, or of another version'
complete -c memring -n "__fish_memring_using_subcommand remove" -s h -l help -d 'Print help'
complete -c memring -n "__fish_memring_using_subcommand bridge" -s h -l help -d 'Print help (see more with \'--help\')'
