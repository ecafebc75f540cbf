"""Damage files at random: flipped bytes, truncations, moved parts and changed lengths, also behind valid checksums."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

HEADER = 1024
"""Half of all changes are in the first bytes of a file, where the sizes are."""

LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**62, 2**64 - 1)


def mutate(content: bytes, random: Random) -> bytes:
    """Return the content with one to three changes."""
    container = _container(content)
    if container and random.random() < 0.6:
        return container(content, random)
    for _ in range(random.randint(1, 3)):
        content = random.choice(_CHANGES)(content, random)
    return content


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[_position(changed, random)] = random.randrange(256)
    return bytes(changed)


def _truncate(content: bytes, random: Random) -> bytes:
    return content[: _position(content, random)]


def _move(content: bytes, random: Random) -> bytes:
    """Copy a part to another place, over what is there or before it, or leave it out."""
    start, target = _position(content, random), _position(content, random)
    part = content[start : start + random.randint(1, 64)]
    covered = random.choice((0, len(part)))
    if random.random() < 0.3:
        return content[:start] + content[start + len(part) :]
    return content[:target] + part + content[target + covered :]


def _change_length(content: bytes, random: Random) -> bytes:
    """Overwrite two, four or eight bytes with an extreme number."""
    size = random.choice((2, 4, 8))
    number = random.choice(LENGTHS) % 256**size
    at = _position(content, random)
    return content[:at] + number.to_bytes(size, random.choice(("little", "big"))) + content[at + size :]


def _change_digits(content: bytes, random: Random) -> bytes:
    """Replace a number in text by another one."""
    digits = [at for at, byte in enumerate(content[: 64 * HEADER]) if chr(byte).isdigit()]
    if not digits:
        return content
    at = random.choice(digits)
    return content[:at] + random.choice((b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b'"x"')) + content[at + 1 :]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _truncate, _move, _change_length, _change_digits)


def _position(content: bytes | bytearray, random: Random) -> int:
    end = len(content) if random.random() < 0.5 else min(HEADER, len(content))
    return random.randrange(end) if end else 0


def _container(content: bytes) -> Callable[[bytes, Random], bytes] | None:
    if content.startswith(b"\x89PNG"):
        return _change_chunk
    if content.startswith(b"PK"):
        return _change_member
    return _change_state if b'"style-transfer checkpoint' in content[:HEADER] else None


def _change_chunk(content: bytes, random: Random) -> bytes:
    """Change one chunk of a PNG file, or its compressed content, and compute its checksum again."""
    chunks, at = [], 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    index = random.randrange(len(chunks))
    kind, data = chunks[index]
    if kind == b"IDAT" and random.random() < 0.5:
        data = zlib.compress(random.choice(_CHANGES)(zlib.decompress(data), random))
    else:
        data = random.choice(_CHANGES)(data, random)
    chunks[index] = kind, data
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _change_state(content: bytes, random: Random) -> bytes:
    """Change the state in the header of a checkpoint, and compute its checksum again."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header["__metadata__"]
    change = random.choice((_flip, _change_digits, _change_digits, _move))
    metadata["state"] = change(metadata["state"].encode(), random).decode(errors="replace")
    metadata["sha256"] = hashlib.sha256(metadata["state"].encode()).hexdigest()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _change_member(content: bytes, random: Random) -> bytes:
    """Change one member of a zip archive, and compute its checksum again."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w") as target:
        changed = random.choice(source.namelist())
        for name in source.namelist():
            member = source.read(name)
            target.writestr(name, random.choice(_CHANGES)(member, random) if name == changed else member)
    return file.getvalue()
