"""Image files and colour profiles written by hand, and formulas for their expected values."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import PngImagePlugin

WIDTH, HEIGHT = 24, 20
CARRIERS = [("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("jpg", 8), ("jpeg", 8), ("webp", 8), ("bmp", 8)]
"""Suffixes and bit depths of files that hold a colour profile and a record."""


def as_rows(pixels):
    """Return (1, C, H, W) as (H, W, C)."""
    return pixels[0].transpose(1, 2, 0)


def smooth_pixels():
    """Return an image (1, 3, 64, 48) that lossy formats represent well."""
    y, x = np.mgrid[0:64, 0:48].astype(np.float32)
    return np.stack([x / 47, y / 63, 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 11)])[None].astype(np.float32)


def srgb_encoded(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_of_lightness(lightness):
    """Return the sRGB value of the grey with lightness L* (CIE 15)."""
    return srgb_encoded(np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3))


D50 = (0.9642, 1.0, 0.8249)


def cmyk_profile():
    """Return the profile of a printer whose L* is linear in its black ink, and whose other inks are grey."""
    unit_curve = bytes(range(256))
    corners = bytearray()
    for corner in np.ndindex(2, 2, 2, 2):  # cyan slowest, black fastest
        corners += bytes([round(255 * (1 - corner[3]) * (1 - sum(corner[:3]) / 3)), 128, 128])
    matrix = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel().tolist())
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + unit_curve * 4 + bytes(corners) + unit_curve * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in D50))
    return icc_file("CMYK", b"prtr", b"Lab ", {b"wtpt": white, b"A2B0": table})


def icc_profile(space, gamma):
    """Return a version 2 profile with the curve v ** gamma, "GRAY" or "RGB " with the primaries of sRGB."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    def xyz(*values):
        return b"XYZ \0\0\0\0" + fixed(*values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": xyz(*D50)}
    if space == "GRAY":
        tags[b"kTRC"] = curve
    else:
        primaries = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
        for letter, primary in zip("rgb", primaries, strict=True):
            tags[f"{letter}XYZ".encode()] = xyz(*primary)
            tags[f"{letter}TRC".encode()] = curve
    return icc_file(space, b"mntr", b"XYZ ", tags)


def icc_file(space, device, connection, tags):
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"t\0" + bytes(78)} | tags
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, device, space.encode(), connection)
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", *(round(value * 65536) for value in D50)) + bytes(48)
    return header + table + body


def png_16_bit(samples, *chunks):
    """Return a 16-bit PNG file without filters from (H, W) or (H, W, C) uint16."""
    height, width = samples.shape[:2]
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[samples.size // (height * width)]
    file = BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    raw = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    data = zlib.compress(np.pad(raw, ((0, 0), (1, 0))).tobytes())
    for kind, content in ((b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")):
        PngImagePlugin.putchunk(file, kind, content)
    file.seek(0)
    return file
