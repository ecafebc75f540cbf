import json
from pathlib import Path

from core.config.transfer_config import TransferConfig
from core.runs.record import write_record


def test_write_record_writes_json_into_a_new_folder(tmp_path: Path) -> None:
    record = {"config": TransferConfig(image_size=99).to_dict(), "losses": [{"loss": 0.1}]}
    write_record(tmp_path / "deep" / "run.json", record)
    assert json.loads((tmp_path / "deep" / "run.json").read_text()) == record
