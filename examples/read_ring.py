#!/usr/bin/env python3
"""Shows what is in a ring: its header, how full it is, and its members.

    python3 examples/read_ring.py PATH [--slots]

With --slots also what lies in it: the slots and their states, or, with one sender and one
receiver, the words of the lines and each message that is in the ring.

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

HEADER = struct.Struct("=8s6I4Q 6I7Q48s")
FIELDS = (
    # The region's header,
    "magic version byte_order object object_version barrier reserved "
    "total_size table_offset table_entries data_offset "
    # and the ring's.
    "kind wakeups on_death max_deliveries shape arrangement capacity "
    "message_size message_align stride schema start handovers reserved_bytes"
).split()
MAGIC = b"memring\0"
VERSION, RING, RING_VERSION = 3, 1, 1
TABLE, ENTRIES, ENTRY = 0x1000, 1024, 16
SLOTS = 0x5000
SENDERS, RECEIVERS = range(1, 512), range(512, 1024)
KINDS = "spsc", "mpsc", "spmc", "mpmc"
SLOTTED, LINES, DENSE = range(3)
ARRANGEMENTS = "slots", "lines", "dense"
LINE, LINE_ROOM = 64, 56
# Bytes of a message that are shown.
SHOWN = 32
STATES = "FREE", "CLAIMED", "PUBLISHED", "READING"
WORDS = {
    "tail": 0x400,
    "head": 0x480,
    "sent": 0x500,
    "busy": 0x508,
    "taken": 0x580,
    "done": 0x588,
    "marked": 0x590,
    "credit": 0x600,
    "requeues": 0x680,
    "mark": 0x140,
    "closed": 0x700,
    "final": 0x708,
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


def next_power_of_two(number):
    return 1 << max(0, number - 1).bit_length()


def wrapped(number):
    """A difference of two positions, which wrap."""
    number %= 2**64
    return number - 2**64 if number >= 2**63 else number


def slot_layout(size, align):
    """Where the message lies in its slot, and bytes from slot to slot."""
    payload = max(8, align)
    end = payload + round_up(size, 8)
    return payload, round_up(end, payload) if end > LINE else next_power_of_two(end)


class Slots:
    """Where everything lies in a ring with many senders or many receivers."""

    def __init__(self, header):
        size, align = header["message_size"], header["message_align"]
        capacity = header["capacity"]
        if header["shape"]:
            size, align = size + 8, 8
        _, self.stride = slot_layout(size, align)
        good = power_of_two(capacity) and capacity <= 1 << 31
        expect("capacity", capacity, "a power of two up to 2^31", good)
        self.size = SLOTS + capacity * self.stride

    def text(self, header):
        return f"{header['capacity']} slots of {self.stride} bytes"


class Places:
    """Where everything lies in a ring of one sender and one receiver.

    A position is `line * places + place`; of the places of a line only the first
    `per_line` hold a message. A dense ring has lines of one place, and they have no word.
    """

    def __init__(self, header):
        size, capacity = header["message_size"], header["capacity"]
        expect("capacity", capacity, "1 to 2^31", 1 <= capacity <= 1 << 31)
        if header["shape"]:
            size = round_up(size, 8) + 8
        size = max(1, size)
        self.capacity = capacity
        self.dense = header["arrangement"] == DENSE
        self.stride, self.places, self.per_line = size, 1, 1
        if not self.dense:
            expect("message size", size, f"up to {LINE_ROOM} bytes in a line", size <= LINE_ROOM)
            self.stride = next_power_of_two(size)
            self.places = LINE // self.stride
            self.per_line = (LINE_ROOM - size) // self.stride + 1
        self.lines = next_power_of_two(-(-capacity // self.per_line))
        self.lap = self.lines * self.places
        # One byte for each position of a lap.
        self.attempts = round_up(SLOTS + self.lap * self.stride, 8)
        self.size = self.attempts + round_up(self.lap, 8)

    def text(self, header):
        name = ARRANGEMENTS[header["arrangement"]]
        if self.dense:
            return f"{self.capacity} messages, {name}, {self.lap} places of {self.stride} bytes"
        return f"{self.capacity} messages, {name}, {self.lines} of {self.per_line}"

    def canonical(self, position):
        """The position itself, or the start of the next line, past the last message."""
        place = position % self.places
        return position if place < self.per_line else (position - place + self.places) % 2**64

    def after(self, position):
        return self.canonical((position + 1) % 2**64)

    def count(self, start, end):
        """Messages from one position to another; fewer than none: `end` comes first."""
        lines = wrapped(end - end % self.places - start + start % self.places) // self.places
        return lines * self.per_line + end % self.places - start % self.places

    def address(self, position):
        return SLOTS + position % self.lap * self.stride

    def word(self, position):
        """Where the word lies that tells whether a position is published."""
        if self.dense:
            return WORDS["sent"]
        return SLOTS + position % self.lap // self.places * LINE + LINE_ROOM


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
        deliveries = header["max_deliveries"]
        expect("max_deliveries", deliveries, "1 to 15", 1 <= deliveries <= 15)
        arrangement = header["arrangement"]
        good = arrangement in ((LINES, DENSE) if header["kind"] == 0 else (SLOTTED,))
        expect("arrangement", arrangement, "1 or 2 in a ring of kind 0, else 0", good)
        align = header["message_align"]
        good = power_of_two(align) and align <= 4096 and (header["shape"] == 0 or align == 1)
        expect("message_align", align, "a power of two up to 4096, and 1 for bytes", good)
        capacity = header["capacity"]
        expect("capacity", capacity, "a ring that holds messages, no rendezvous ring", capacity > 0)
        self.layout = (Slots if arrangement == SLOTTED else Places)(header)
        for field, value in [
            ("stride", self.layout.stride),
            ("table_offset", TABLE),
            ("table_entries", ENTRIES),
            ("data_offset", SLOTS),
            ("total_size", self.layout.size),
            ("reserved", 0),
            ("handovers", 0),
            ("reserved_bytes", bytes(48)),
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
        if name == "final":
            expect(name, f"{value:#x}", "0, or odd", value == 0 or value & 1)
        return value

    def progress(self):
        """Counted since the start: what senders have sent, and what receivers have passed."""
        start = self.header["start"]
        if self.header["kind"] == 0:
            start, (sent, received) = self.layout.canonical(start), self.ends()
            return self.layout.count(start, sent), self.layout.count(start, received)
        sent, received = self.positions()
        return (sent - start) % 2**64, (received - start) % 2**64

    def ends(self):
        """One sender, one receiver: one past the last message, and the first in the ring."""
        layout = self.layout
        received = layout.canonical(self.cell("done"))
        at = received
        if not layout.dense:
            # A hint that lags; beyond belief if it is not within a lap of messages.
            hint = layout.canonical(self.cell("sent"))
            at = hint if 0 <= layout.count(received, hint) <= layout.capacity else received
        for _ in range(layout.lines + 2):
            word = self.word(layout.word(at), "publication")
            if wrapped(word - at) <= 0:
                break
            at = layout.canonical(word)
        return self.ended(at), received

    def ended(self, position):
        """The position, or where the ring ended if that was before."""
        final = self.cell("final")
        if final == 0:
            return position
        # Its highest bit is lost: the nearer of two positions is meant.
        distance = wrapped(final - (position << 1 | 1)) >> 1
        return self.layout.canonical((position + min(0, distance)) % 2**64)

    def positions(self):
        """Positions that senders have used, and that receivers have passed."""
        kind = self.header["kind"]
        # The receivers' first: they never overtake the senders.
        received = self.cell("head" if kind & 2 else "done")
        sent = self.cell("tail" if kind & 1 else "head")
        # Hints lag: the words of the slots are right.
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
        under_way = wrapped(sent - received)
        capacity = self.header["capacity"]
        if self.header["kind"] == 0:
            # More: the receiver has gone on between our two looks.
            return under_way if 0 <= under_way <= capacity else 0
        return min(max(0, under_way), capacity)

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

    def lines(self):
        """Index and word of every line."""
        layout, start = self.layout, self.header["start"]
        for index in range(0 if layout.dense else layout.lines):
            what = f"line {index}"
            word = self.word(SLOTS + index * LINE + LINE_ROOM, what)
            last = (word - 1) % 2**64
            here = last % layout.lap // layout.places == index
            good = word == start or here and last % layout.places < layout.per_line
            expect(what, word, "one past a message of this line, or the start", good)
            yield index, word

    def messages(self):
        """One sender, one receiver: position, redeliveries, length and bytes of each message
        that is in the ring. (Of a ring in use: some may be of a later lap already.)"""
        layout, header = self.layout, self.header
        sent, at = self.ends()
        marked = self.cell("marked")
        for _ in range(self.length()):
            what = f"message {at}"
            attempts = 0
            if wrapped(marked - at) > 0:
                attempts = self.read(layout.attempts + at % layout.lap, 1, what)[0]
            offset, length = layout.address(at), header["message_size"]
            if header["shape"]:
                limit, length = length, self.word(offset, what)
                offset += 8
                expect(what, f"{length} bytes", f"at most {limit}", length <= limit)
            yield at, attempts, length, self.read(offset, length, what)
            at = layout.after(at)
            if at == sent:
                break

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
        ("capacity", ring.layout.text(header)),
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
        ("sent", sent),
        ("received", received),
        ("length", ring.length()),
        ("lost", ring.cell("lost")),
        ("redelivered", ring.cell("redelivered")),
    ]
    for ident, process, alive in ring.members():
        side = "sender" if ident in SENDERS else "receiver"
        life = "alive" if alive else "dead"
        rows.append(("member", f"{ident} {side} process {process} {life}"))
    if with_slots and header["kind"] == 0:
        for index, word in ring.lines():
            rows.append(("line", f"{index} word {word}"))
        for at, attempts, length, data in ring.messages():
            text = data[:SHOWN].hex() + ("..." if length > SHOWN else "")
            rows.append(("in the ring", f"{at} redeliveries {attempts} bytes {length}: {text}"))
    elif with_slots:
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
