"""The configuration file: its defaults, its strictness, its words; the example and the page that show it."""

import re
from pathlib import Path

import pytest

from cluster.config.config import Config, EngineConfig, TlsConfig
from cluster.config.config_file import load_config, parse_config
from cluster.config.keys import ConfigKey, every_key
from protos.errors import ConfigError
from workers.engine.settings import DraftSettings, EngineSettings

ROOT = Path(__file__).parents[3]


def load(folder: Path, text: str) -> Config:
    path = folder / "mesh.yaml"
    path.write_text(text)
    return load_config(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return str(raised.value).replace(f"{folder}/", "")


def test_a_model_is_enough(tmp_path: Path) -> None:
    assert load(tmp_path, "model: gpt-oss-20b") == Config(model="gpt-oss-20b")


def test_the_engine_of_an_empty_section_is_the_default_one(tmp_path: Path) -> None:
    assert load(tmp_path, "model: m\nengine:\n").engine.settings == EngineSettings()


def test_every_kind_of_value_arrives(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        model: 2024-01-01
        engine: {device: "cuda:1", dtype: bfloat16, deterministic: yes, cache_gb: 3, drafts: 5}
        cluster: {ray: "10.0.0.1:6379", experts: {workers: 7, memory_gb: 1.5}}
        gateway: {http_port: 0, model_name: oss, aliases: [gpt, "20b"], limits: {resume_s: 5}, tls: true}
        router: {combine: reduced}
        tls: {ca: /a, certificate: b, key: c}
        """,
    )
    assert config.model == "2024-01-01"
    assert config.engine == EngineConfig(
        device="cuda:1", dtype="bfloat16", deterministic=True, cache_gb=3.0, drafts=5
    )
    assert (config.cluster.ray, config.cluster.experts.workers) == ("10.0.0.1:6379", 7)
    assert config.cluster.experts.memory_gb == 1.5
    assert config.router.combine == "reduced"
    assert (config.gateway.model_name, config.gateway.aliases) == ("oss", ("gpt", "20b"))
    assert (config.gateway.limits.resume_s, config.gateway.limits.max_calls) == (5.0, 4096)
    assert config.tls == TlsConfig(ca=Path("/a"), certificate=Path("b"), key=Path("c"))


def test_a_step_has_room_for_all_that_run(tmp_path: Path) -> None:
    settings = load(tmp_path, "model: m\nengine: {max_running: 700, drafts: 3}").engine.settings
    assert settings.tokens_per_step == 700
    assert settings.drafts == DraftSettings(num_tokens=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mesh.yaml: the key model is missing; it is a folder, or the name of a pulled model"),
        ("- a", 'mesh.yaml: it holds ["a"]; write keys with values, such as `model: NAME`'),
        ("model: 7", "mesh.yaml, line 1: model is 7; it must be a valid string"),
        (
            "model: m\nengine:\n  max_runing: 3",
            "mesh.yaml, line 3: the key engine.max_runing is unknown; did you mean engine.max_running?",
        ),
        (
            "model: m\nengine: {stages: 3}",
            "mesh.yaml, line 2: the key engine.stages is unknown; did you mean cluster.attention.stages?",
        ),
        (
            "model: m\n1: 2",
            "mesh.yaml, line 2: the key 1 is unknown; known here are model, engine, gateway, ",
        ),
        ("model: m\ngateway: 5", "line 2: gateway is 5; it is a section, with the keys host, http_port, "),
        ('model: m\ngateway: {http_port: "80"}', 'gateway.http_port is "80"; it must be a valid integer'),
        ("model: m\ngateway: {grpc_port: yes}", "gateway.grpc_port is true; it must be a valid integer"),
        ("model: m\ngateway: {grpc_port: 70000}", "port is 70000; it must be less than or equal to 65535"),
        ("model: m\ngateway: {aliases: a}", 'line 2: gateway.aliases is "a"; it must be a valid '),
        ("model: m\ngateway: {limits: {max_calls: 0}}", "max_calls is 0; it must be greater than or equal"),
        ("model: m\ngateway: {tls: true}", "mesh.yaml: gateway.tls is true, and there is no section tls"),
        ("model: m\nengine: {device: gpu}", 'device is "gpu"; it can be cpu, cuda or cuda:1'),
        ("model: m\nengine: {dtype: int4}", "dtype is \"int4\"; it must be 'float32' or 'bfloat16'"),
        ("model: m\nengine: {cache_gb: .inf}", "cache_gb is Infinity; it must be a finite number"),
        (
            "model: m\nengine: {tokens_per_step: 3}",
            "mesh.yaml: engine: tokens_per_step is 3; it must be at least 64",
        ),
        (
            "model: m\ntls:\n  ca: x\n  key: y",
            "mesh.yaml, line 2: the key tls.certificate is missing; it is ",
        ),
        ("model: m\nmodel: n", "mesh.yaml: line 2: the key model stands here twice"),
        ("model: &m [*m]", "mesh.yaml: line 1: anchors (&), aliases (*) and tags (!) are not understood"),
        ("model: !!binary aGk=", "mesh.yaml: line 1: anchors"),
        ("model: m\n{a: b}: 2", "mesh.yaml: line 2: a key here is not a word"),
        ("model: [", "mesh.yaml: line 1: this is not YAML: "),
    ],
)
def test_what_cannot_be_obeyed_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = refusal(
        tmp_path, "model: m\nzoo: 1\ngateway: {http_port: x}\nengine: {drafts: -1}\n"
    ).splitlines()
    assert [re.findall(r"line (\d)", line) for line in lines] == [["2"], ["3"], ["4"]]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.yaml: there is no such file"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match=r"it cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"model: \xe9t\xe9")
    with pytest.raises(ConfigError, match=r"latin.yaml: byte 7 is not UTF-8"):
        load_config(tmp_path / "latin.yaml")


def test_values_without_a_file_are_held_to_the_same_rules() -> None:
    assert parse_config({"model": "m"}, "flags") == Config(model="m")
    with pytest.raises(ConfigError, match=r"^flags: the key modle is unknown; did you mean model\?"):
        parse_config({"model": "m", "modle": 1}, "flags")


def test_the_example_is_the_default() -> None:
    assert load_config(ROOT / "examples" / "mesh.yaml") == Config(model="gpt-oss-20b")


def test_the_example_has_every_key() -> None:
    written = set(re.findall(r"^#? *(\w+):", (ROOT / "examples" / "mesh.yaml").read_text(), re.MULTILINE))
    assert written == {key.name for key in every_key()}


def test_the_page_has_every_key_with_its_default() -> None:
    page = (ROOT / "docs" / "config.md").read_text()
    rows = [
        f"| `{key.full_name}` | {default_cell(key)} | {key.description} |"
        for key in every_key()
        if not key.is_section
    ]
    assert re.findall(r"^\| `.+$", page, re.MULTILINE) == rows


def default_cell(key: ConfigKey) -> str:
    if key.default is None:
        return "must be there"
    return f"`{key.default}`" if key.default else "empty"


def test_every_key_says_what_it_means() -> None:
    assert [key.full_name for key in every_key() if not key.description] == []
