#!/usr/bin/env python3
"""Shows what is in a ring: its header, how full it is, and its members.

    python3 examples/read_ring.py PATH [--slots]

It needs nothing but Python's standard library and docs/format.md, which it
follows. It opens the file for reading only, takes no lock, and reads with
pread, so that it disturbs no process and a file that is cut short meanwhile is an
error and no signal. The ring may be in use: the figures are taken one after the
other and need not agree with each other.
"""

import errno
import fcntl
import os
import stat
import struct
import sys

HEADER = struct.Struct("=8s6I4Q 6I6Q56s")
FIELDS = (
    # The region's header,
    "magic version byte_order object object_version barrier reserved "
    "total_size table_offset table_entries data_offset "
    # and the ring's.
    "kind wakeups on_death max_deliveries shape ring_reserved capacity "
    "message_size message_align stride schema start reserved_bytes"
).split()
MAGIC = b"memring\0"
VERSION, RING, RING_VERSION = 3, 1, 1
TABLE, ENTRIES, ENTRY = 0x1000, 1024, 16
SLOTS = 0x5000
SENDERS, RECEIVERS = range(1, 512), range(512, 1024)
KINDS = "spsc", "mpsc", "spmc", "mpmc"
STATES = "FREE", "CLAIMED", "PUBLISHED", "READING"
WORDS = {
    "tail": 0x400,
    "head": 0x480,
    "sent": 0x500,
    "busy": 0x508,
    "taken": 0x580,
    "done": 0x588,
    "credit": 0x600,
    "requeues": 0x680,
    "mark": 0x140,
    "closed": 0x700,
    "lost": 0x780,
    "redelivered": 0x788,
}
# fcntl.F_OFD_GETLK, which older Pythons do not name.
F_OFD_GETLK = 36
# struct flock of 64-bit Linux: type, whence, start, length, process.
FLOCK = struct.Struct("hhqqi0q")


class Invalid(Exception):
    """The file is no ring, or a broken one."""


def expect(what, found, expected, good):
    if not good:
        raise Invalid(f"{what}: expected {expected}, found {found}")


def power_of_two(number):
    return number > 0 and number & (number - 1) == 0


def round_up(number, unit):
    return (number + unit - 1) // unit * unit


def slot_layout(size, align):
    """Where the message lies in its slot, and bytes from slot to slot."""
    payload = max(8, align)
    end = payload + round_up(size, 8)
    if end > 64:
        return payload, round_up(end, payload)
    stride = 8
    while stride < end:
        stride *= 2
    return payload, stride


class Ring:
    def __init__(self, path):
        # A link is not followed, and a pipe does not keep us waiting.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self.file = os.open(path, flags)
        facts = os.fstat(self.file)
        if not stat.S_ISREG(facts.st_mode):
            raise Invalid("expected a regular file")
        self.size = facts.st_size
        # Once; from here on the copy counts.
        self.header = self.check(self.read(0, HEADER.size, "header"))

    def read(self, offset, length, what):
        found = os.pread(self.file, length, offset)
        if len(found) < length:
            end = offset + len(found)
            raise Invalid(f"{what}: the file ends after {end} bytes, expected {offset + length}")
        return found

    def check(self, data):
        header = dict(zip(FIELDS, HEADER.unpack(data)))
        expect("magic", header["magic"], MAGIC, header["magic"] == MAGIC)
        order = int.from_bytes(bytes([1, 2, 3, 4]), sys.byteorder)
        found = header["byte_order"]
        expect("byte order", f"{found:#010x}", f"{order:#010x}, as of this machine", found == order)
        expect("format version", header["version"], VERSION, header["version"] == VERSION)
        for field, value in [("object", RING), ("object_version", RING_VERSION)]:
            expect(field, header[field], value, header[field] == value)
        for field, last in [("kind", 3), ("wakeups", 1), ("barrier", 1), ("on_death", 1), ("shape", 1)]:
            expect(field, header[field], f"0 to {last}", header[field] <= last)
        deliveries, capacity = header["max_deliveries"], header["capacity"]
        expect("max_deliveries", deliveries, "1 to 15", 1 <= deliveries <= 15)
        good = power_of_two(capacity) and capacity <= 1 << 31
        expect("capacity", capacity, "a power of two up to 2^31", good)
        size, align = header["message_size"], header["message_align"]
        good = power_of_two(align) and align <= 4096 and (header["shape"] == 0 or align == 1)
        expect("message_align", align, "a power of two up to 4096, and 1 for bytes", good)
        self.payload, stride = slot_layout(size + 8, 8) if header["shape"] else slot_layout(size, align)
        for field, value in [
            ("stride", stride),
            ("table_offset", TABLE),
            ("table_entries", ENTRIES),
            ("data_offset", SLOTS),
            ("total_size", SLOTS + capacity * stride),
            ("reserved", 0),
            ("ring_reserved", 0),
            ("reserved_bytes", bytes(56)),
        ]:
            expect(field, header[field], value, header[field] == value)
        total = header["total_size"]
        expect("file size", self.size, f"at least {total}", self.size >= total)
        return header

    def word(self, offset, what):
        """One word: a single aligned read of its own width."""
        return int.from_bytes(self.read(offset, 8, what), sys.byteorder)

    def cell(self, name):
        value = self.word(WORDS[name], name)
        last = {"busy": 1, "closed": 2, "mark": 2}.get(name)
        expect(name, value, f"0 to {last}", last is None or value <= last)
        return value

    def progress(self):
        """Positions that senders have used, and that receivers have passed."""
        kind = self.header["kind"]
        # The receivers' first: they never overtake the senders.
        received = self.cell("head" if kind & 2 else "done")
        sent = self.cell(("sent", "tail", "head", "tail")[kind])
        # Hints lag, and `sent` may: the words of the slots know better.
        sent = self.passed(sent, lambda state, ahead: ahead > 0 or ahead == 0 and state != "FREE")
        received = self.passed(received, lambda state, ahead: ahead > 0)
        return sent, received

    def passed(self, position, is_passed):
        """The first position from this one on, two laps on at most, that was not passed."""
        capacity = self.header["capacity"]
        bits = min(48, 65 - capacity.bit_length())  # as many as a lap has
        for step in range(2 * capacity):
            lap, index = divmod((position + step) % 2**64, capacity)
            word = self.word(SLOTS + index * self.header["stride"], f"slot {index}")
            ahead = ((word >> 16) - lap) % 2**bits
            if ahead >= 2 ** (bits - 1):
                ahead -= 2**bits
            if not is_passed(STATES[word >> 14 & 3], ahead):
                return (position + step) % 2**64
        return (position + 2 * capacity) % 2**64

    def length(self):
        sent, received = self.progress()
        under_way = (sent - received) % 2**64
        if under_way >= 2**63:
            under_way = 0  # a hint that lags
        return min(under_way, self.header["capacity"])

    def slots(self):
        """Index, lap, state, redeliveries and owner of every slot."""
        for index in range(self.header["capacity"]):
            what = f"slot {index}"
            word = self.word(SLOTS + index * self.header["stride"], what)
            state, redeliveries, owner = STATES[word >> 14 & 3], word >> 10 & 15, word & 1023
            holders = {"CLAIMED": SENDERS, "READING": RECEIVERS}.get(state, range(1))
            good = owner in holders and redeliveries <= (14 if state in ("PUBLISHED", "READING") else 0)
            expect(what, f"{word:#018x}", "the word of some state", good)
            yield index, word >> 16, state, redeliveries, owner

    def is_held(self, byte):
        """Whether a process holds a lock on this byte. Asks, and takes nothing."""
        ask = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        answer = fcntl.fcntl(self.file, F_OFD_GETLK, ask)
        return FLOCK.unpack(answer)[0] != fcntl.F_UNLCK

    def members(self):
        """Id, process and life of every member, dead ones included that were not reaped."""
        for ident in range(1, ENTRIES):
            entry = self.word(TABLE + ident * ENTRY, "table of members")
            if entry & 1:
                process = self.word(TABLE + ident * ENTRY + 8, "table of members")
                yield ident, process, self.is_held(ident)


def show(path, with_slots):
    ring = Ring(path)
    header = ring.header
    sent, received = ring.progress()
    message = "up to {} bytes" if header["shape"] else "{} bytes, aligned to {}"
    rows = [
        ("ring", path),
        ("format", f"version {header['version']}, {sys.byteorder}-endian"),
        ("kind", KINDS[header["kind"]]),
        ("message", message.format(header["message_size"], header["message_align"])),
        ("capacity", f"{header['capacity']} slots of {header['stride']} bytes"),
        ("schema", f"{header['schema']:#x}"),
        ("wake-ups", ("spin only", "blocking")[header["wakeups"]]),
        ("barrier", ("fences", "membarrier")[header["barrier"]]),
        ("on death", ("redeliver", "discard")[header["on_death"]]),
        ("deliveries", header["max_deliveries"]),
        ("start", header["start"]),
        ("file", f"{ring.size} bytes"),
        ("in use", "yes" if ring.is_held(0) else "no"),
        ("closed", "yes" if ring.cell("closed") else "no"),
        ("removed", "yes" if ring.cell("mark") else "no"),
        ("sent", (sent - header["start"]) % 2**64),
        ("received", (received - header["start"]) % 2**64),
        ("length", ring.length()),
        ("lost", ring.cell("lost")),
        ("redelivered", ring.cell("redelivered")),
    ]
    for ident, process, alive in ring.members():
        side = "sender" if ident in SENDERS else "receiver"
        life = "alive" if alive else "dead"
        rows.append(("member", f"{ident} {side} process {process} {life}"))
    if with_slots:
        for index, lap, state, redeliveries, owner in ring.slots():
            rows.append(("slot", f"{index} lap {lap} {state} redeliveries {redeliveries} owner {owner}"))
    # Only now: nothing is printed of a file that turns out to be invalid.
    for name, value in rows:
        print(f"{name:12} {value}")


def main(args):
    paths = [arg for arg in args if arg != "--slots"]
    if len(paths) != 1 or paths[0].startswith("-"):
        print("usage: read_ring.py PATH [--slots]", file=sys.stderr)
        return 2
    try:
        show(paths[0], "--slots" in args)
    except Invalid as error:
        print(f"read_ring: {paths[0]}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        link = error.errno == errno.ELOOP
        why = "expected a regular file, found a symbolic link" if link else error.strerror
        print(f"read_ring: {paths[0]}: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
