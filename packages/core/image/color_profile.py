"""Convert images between ICC colour profiles and sRGB."""

import struct
from functools import cache
from io import BytesIO

from PIL import Image, ImageCms


@cache
def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB, as the same bytes in every process."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS writes the current time into the header; a constant date makes output files reproducible.
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return an image as sRGB with 8 bits per channel.

    A profile that is damaged or belongs to another colour space is ignored, as image viewers do.

    Args:
        image: Image of mode L, RGB, CMYK or LAB.
        profile: Its ICC profile; None for sRGB.
    """
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")  # grey images often carry the RGB profile of a display
        # The lookup table of Little CMS is accurate for RGB, but wrong by up to 20 levels for dark grey and for Lab.
        flags = ImageCms.Flags.HIGHRESPRECALC if image.mode == "RGB" else ImageCms.Flags.NOOPTIMIZE
        srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL
        return ImageCms.buildTransform(source, srgb, image.mode, "RGB", intent, flags).apply(image)
    except (OSError, ValueError, ImageCms.PyCMSError):
        return image.convert("RGB")
