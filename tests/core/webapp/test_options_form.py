"""The option widgets, in Streamlit's test runner."""

from typing import Any

import pytest

from core.config.options import options_of
from core.config.presets import EFFORTS, PRESETS
from core.config.style_losses import STYLE_LOSSES
from core.config.transfer_config import TransferConfig
from core.webapp.durations import DurationEstimate, duration_text
from support.webapp import FakeSpeed

testing = pytest.importorskip("streamlit.testing.v1", reason="Streamlit is not installed")


def form() -> None:
    import streamlit as st

    from core.webapp.options_form import choose_options

    st.session_state["chosen"] = choose_options(st.session_state.get("estimate"))


@pytest.fixture
def test() -> Any:
    return testing.AppTest.from_function(form, default_timeout=600).run()


def chosen(test: Any) -> TransferConfig:
    assert not test.exception
    return TransferConfig.from_options(test.session_state["chosen"])


def test_form_returns_every_option_at_its_default(test: Any) -> None:
    assert test.session_state["chosen"].keys() == set(options_of(TransferConfig))
    assert chosen(test) == TransferConfig(strength=0.5)


def test_visitors_choose_no_files_of_the_server() -> None:
    from core.webapp.options_form import SERVER_OPTIONS

    files = {name for name, option in options_of(TransferConfig).items() if option.kind == "file" and not option.names}
    assert files <= set(SERVER_OPTIONS)


@pytest.mark.parametrize("preset", PRESETS)
def test_choosing_a_preset_sets_its_options(preset: str, test: Any) -> None:
    test.selectbox[0].set_value(preset).run()
    assert chosen(test) == TransferConfig.preset(preset)


@pytest.mark.parametrize("effort", EFFORTS)
def test_choosing_an_effort_sets_its_options(effort: str, test: Any) -> None:
    test.button_group(key="effort").set_value(effort).run()
    assert chosen(test) == TransferConfig.effort(effort, strength=0.5)


def test_effort_overrides_the_preset_and_its_widgets_override_the_effort(test: Any) -> None:
    test.selectbox[0].set_value("johnson").run()
    test.button_group(key="effort").set_value("best").run()
    assert chosen(test) == TransferConfig.preset("johnson", **EFFORTS["best"])
    test.number_input(key="johnson best iterations").set_value(7).run()
    assert chosen(test) == TransferConfig.preset("johnson", iterations=7)
    assert "0.35 epochs of 20 evaluations" in [caption.value for caption in test.caption]


def test_effort_keeps_the_other_options(test: Any) -> None:
    test.selectbox(key="toolkit pooling").set_value("average")
    test.button_group(key="effort").set_value("draft").run()
    assert chosen(test) == TransferConfig.effort("draft", pooling="average", strength=0.5)


def duration_captions(test: Any) -> list[str]:
    assert not test.exception
    return [caption.value for caption in test.caption if caption.value.startswith("On this machine")]


@pytest.mark.parametrize("effort", EFFORTS)
def test_durations_of_all_efforts_are_shown_when_the_speed_is_known(effort: str, test: Any) -> None:
    speed = FakeSpeed(None)
    test.session_state["estimate"] = DurationEstimate(speed, (100, 100), [])
    test.number_input(key="toolkit image_size").set_value(100)
    test.button_group(key="effort").set_value(effort).run()
    assert duration_captions(test) == []
    evaluations = {name: TransferConfig.effort(name).iterations for name in EFFORTS}
    speed.known = 10 / (evaluations["draft"] * 132**2)  # with a padding of 16
    test.run()
    texts = [f"{name} {duration_text(10 * count / evaluations['draft'])}" for name, count in evaluations.items()]
    assert duration_captions(test) == [f"On this machine: {', '.join(texts)}"]


def test_durations_are_hidden_for_unmeasured_or_invalid_options(test: Any) -> None:
    test.session_state["estimate"] = DurationEstimate(FakeSpeed(1e-6), (100, 100), [])
    assert len(duration_captions(test.run())) == 1
    test.selectbox(key="toolkit style_loss").set_value("wasserstein").run()
    assert duration_captions(test) == []
    test.selectbox(key="toolkit style_loss").set_value("gram")
    test.text_input(key="toolkit style_weight").set_value("1,2").run()
    assert duration_captions(test) == []


def test_form_returns_the_values_of_its_widgets(test: Any) -> None:
    test.slider[0].set_value(80)
    test.selectbox(key="toolkit style_loss").set_value("wasserstein")
    test.text_input(key="toolkit style_weight").set_value("1, 2, 3, 4, 5.5")
    test.number_input(key="toolkit tv_weight").set_value(0.1 + 0.2)
    test.selectbox(key="toolkit weights_preprocessing").set_value("caffe")
    test.run()
    assert chosen(test) == TransferConfig(
        strength=0.8, style_loss="wasserstein", style_weight=(1, 2, 3, 4, 5.5),
        tv_weight=0.1 + 0.2, weights_preprocessing="caffe",
    )  # fmt: skip


def test_toggle_disables_the_strength(test: Any) -> None:
    test.toggle[0].set_value(True).run()
    assert chosen(test).strength is None
    assert test.slider[0].disabled


def test_form_offers_no_option_that_names_a_file_on_the_server(test: Any) -> None:
    names = {str(widget.key).partition(" ")[2] for widget in (*test.text_input, *test.number_input)}
    assert names.isdisjoint({"save_every", "extractor", "objective", "weights", "init"})


def test_form_offers_every_registered_style_loss(test: Any) -> None:
    selectbox = test.selectbox(key="toolkit style_loss")
    assert selectbox.options == list(STYLE_LOSSES)
    assert all(spec.help in selectbox.help for spec in STYLE_LOSSES.values())
