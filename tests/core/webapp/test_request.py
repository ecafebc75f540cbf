"""Transfer requests: checks before the submission, the run record, and the files of the result."""

import json
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.embedded_record import read_record
from core.webapp.job_queue import JobQueue
from core.webapp.limits import Limits, set_limits
from core.webapp.request import StyleChoice, TransferRequest, submit_request
from core.webapp.uploads import SessionDir, UploadedImage
from support.objectives import OPTIONS

SHORT = TransferConfig(image_size=32, iterations=2, strength=0.5)


def add(session: SessionDir, path: Path, name: str = "") -> UploadedImage:
    return session.add(name or path.name, name or path.name, path.read_bytes, "image")


def submit(
    content: Path,
    style: Path,
    mask: Path | None = None,
    config: TransferConfig = SHORT,
    style_mask: Path | None = None,
) -> TransferRequest:
    """Submit a request and run its job."""
    queue, session = JobQueue(), SessionDir()
    region, part = (add(session, path) if path else None for path in (mask, style_mask))
    choice = StyleChoice(add(session, style), 1.0, region, part)
    request = submit_request(queue, session, add(session, content), [choice], config)
    queue.run_next()
    assert request.job.state == "finished", request.job.error
    return request


@pytest.fixture
def mask_path(tmp_path: Path) -> Path:
    """A mask, 96 x 64, whose left half is white."""
    path = tmp_path / "left.png"
    Image.fromarray(np.uint8([[255] * 48 + [0] * 48] * 64)).save(path)
    return path


def test_record_contains_file_names_instead_of_paths_on_the_server(
    tiny_vgg: None, content_path: Path, style_path: Path, mask_path: Path
) -> None:
    request = submit(content_path, style_path, mask_path)
    assert request.job.result is not None
    record = json.dumps(request.job.result.record)
    assert "style-transfer-page-" not in record
    for name in ("cup.png", "night.jpg", "left.png"):
        assert json.dumps(name) in record


def test_record_contains_no_folder_of_the_light_installation(
    light_folder: Path, content_path: Path, style_path: Path
) -> None:
    request = submit(content_path, style_path, config=SHORT.with_options(**OPTIONS))
    assert request.job.result is not None
    assert request.job.result.record["config"]["objective"] == "objective.onnx"
    assert str(light_folder) not in json.dumps(request.job.result.record)


def test_result_file_contains_the_image_and_its_record(tiny_vgg: None, content_path: Path, style_path: Path) -> None:
    request = submit(content_path, style_path)
    assert request.stem == "cup-night"
    path = content_path.with_name("result.png")
    path.write_bytes(request.result_file("png"))
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (32, 21))
    assert json.loads(read_record(path) or "")["content"]["path"] == "cup.png"
    path.write_bytes(request.result_file("jpg"))
    with Image.open(path) as image:
        assert image.format == "JPEG"


def test_comparison_shows_both_images_at_the_size_of_the_result(
    tiny_vgg: None, content_path: Path, style_path: Path
) -> None:
    before, after = submit(content_path, style_path).comparison
    assert before.size == after.size == (32, 21)


def test_command_names_the_images_the_masks_and_the_output(
    tiny_vgg: None, content_path: Path, style_path: Path, mask_path: Path
) -> None:
    part = mask_path.with_name("part.png")
    part.write_bytes(mask_path.read_bytes())
    command = submit(content_path, style_path, mask_path, style_mask=part).command("jpg")
    assert command == (
        "python -m core.transfer --content cup.png --style night.jpg --region left.png=night.jpg "
        "--style-mask part.png=night.jpg --image-size 32 --strength 0.5 --iterations 2 --output cup-night.jpg"
    )


def test_image_files_remain_until_the_job_has_ended(tiny_vgg: None, content_path: Path, style_path: Path) -> None:
    queue, session = JobQueue(), SessionDir()
    content, style = add(session, content_path), add(session, style_path)
    request = submit_request(queue, session, content, [StyleChoice(style, 1.0, None)], SHORT)
    del session
    assert content.path.exists()
    queue.run_next()
    assert request.job.state == "finished", request.job.error
    assert not content.path.exists()


def test_long_names_give_a_result_of_a_shorter_name(
    tiny_vgg: None, tmp_path: Path, content_path: Path, style_path: Path
) -> None:
    session, queue = SessionDir(), JobQueue()
    names = ("猫" * 80 + ".png", *("é" * 120 + f"{number}.png" for number in range(4)))
    content, *styles = (session.add(name, name, content_path.read_bytes, "image") for name in names)
    request = submit_request(queue, session, content, [StyleChoice(style, 1.0, None) for style in styles], SHORT)
    queue.run_next()
    assert len(request.stem.encode()) <= 200
    assert request.stem.endswith("é3")
    with Image.open(BytesIO(request.result_file("png"))) as image:
        assert image.size == (32, 21)


def test_the_memory_limit_of_the_page_applies_and_its_error_contains_no_folder(
    tiny_vgg: None, content_path: Path, style_path: Path, restored_limits: None
) -> None:
    set_limits(Limits(memory=10_000))
    queue, session = JobQueue(), SessionDir()
    styles = [StyleChoice(add(session, style_path), 1.0, None)]
    config = SHORT.with_options(max_memory=10**14)
    request = submit_request(queue, session, add(session, content_path), styles, config)
    queue.run_next()
    assert request.job.error.endswith("is available: scale it down or raise --max-memory")

    content = add(session, content_path, "other.png")
    content.path.unlink()
    request = submit_request(queue, session, content, styles, SHORT)
    queue.run_next()
    assert request.job.error == "content other.png does not exist: check the path"


def test_submit_request_rejects_too_large_outputs(tmp_path: Path, style_path: Path, restored_limits: None) -> None:
    path = tmp_path / "wide.png"
    Image.new("L", (400, 100)).save(path)
    session = SessionDir()
    styles = [StyleChoice(add(session, style_path), 1.0, None)]
    set_limits(Limits(image_size=128))
    config = TransferConfig(image_size=128, image_size_side="short")
    message = "^the output would have 512x128 px, more than this page's limit of 128x128 px: choose a smaller"
    with pytest.raises(UsageError, match=message):
        submit_request(JobQueue(), session, add(session, path), styles, config)


def test_submit_request_rejects_equal_file_names(tmp_path: Path, content_path: Path, style_path: Path) -> None:
    session = SessionDir()
    same = tmp_path / "cup.png"
    shutil.copy(style_path, same)
    content = add(session, content_path)
    style = session.add("other", "cup.png", same.read_bytes, "style image")
    with pytest.raises(UsageError, match=r"^two images have the same file name"):
        submit_request(JobQueue(), session, content, [StyleChoice(style, 1.0, None)], SHORT)
