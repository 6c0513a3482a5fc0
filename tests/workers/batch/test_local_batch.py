"""Whole runs on the real, tiny model."""

import json
from pathlib import Path
from typing import Any

from model.tokenizer import Tokenizer
from tests.workers.batch.batch_files import BatchFiles, run, texts
from workers.batch.local_batch import engine_settings
from workers.engine.settings import EngineSettings


def line(prompt: str, max_tokens: int = 6, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "max_tokens": max_tokens, "seed": 7, "ignore_model_stops": True, **more}


def test_results_do_not_depend_on_what_else_is_in_the_batch(tmp_path: Path, folder: Path) -> None:
    lines = [line("once upon a time", 9), line("in", 2, temperature=0.5), line("a", 12, n=2), line("the", 5)]
    together = BatchFiles.of(tmp_path, lines)
    summary = run(together, folder, deterministic=True)
    assert (summary.num_done, summary.num_failed) == (4, 0)
    assert summary.num_output_tokens == 9 + 2 + 24 + 5
    assert summary.num_prompt_tokens == sum(len(each["prompt"]) for each in lines)
    for number, each in enumerate(lines, start=1):
        (tmp_path / str(number)).mkdir()
        alone = BatchFiles.of(tmp_path / str(number), [each])
        run(alone, folder, max_running=1, deterministic=True)
        assert alone.by_line[1]["choices"] == together.by_line[number]["choices"]
    first, second = texts(together.by_line[3])
    assert first != second


def test_drafts_change_nothing_but_their_count(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    bias = {str(token_id): 30 for token_id in tokenizer.encode("abc")}
    lines = [line("abcabcabcabcabc", 20, logit_bias=bias, temperature=0.3)]
    plain, drafted = BatchFiles.of(tmp_path, lines), BatchFiles(tmp_path / "in.jsonl", tmp_path / "2.jsonl")
    run(plain, folder, deterministic=True)
    summary = run(drafted, folder, deterministic=True, drafts=3)
    assert drafted.by_line[1]["choices"] == plain.by_line[1]["choices"]
    assert summary.num_drafted > 0
    assert summary.num_drafted == drafted.by_line[1]["usage"]["drafted_tokens"]


def test_logprobs_and_the_prompt_given_back(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    lines = [
        line("thé", 3, logprobs=2),
        line("thé", 3, logprobs=0, n=2),
        line("thé", 1, echo=True),
        line("thé", 0, prompt_logprobs=1),
        line("thé", 1, echo=True, prompt_logprobs=0),
        line("thé", 3),
    ]
    files = BatchFiles.of(tmp_path, lines)
    run(files, folder)
    results = files.by_line
    (choice,) = results[1]["choices"]
    assert [position["token_id"] for position in choice["logprobs"]] == choice["token_ids"]
    assert [len(position["top"]) for position in choice["logprobs"]] == [2, 2, 2]
    assert all(position["logprob"] < 0 for position in choice["logprobs"])
    for wide in results[2]["choices"]:
        assert [position["token_id"] for position in wide["logprobs"]] == wide["token_ids"]
        assert [position["top"] for position in wide["logprobs"]] == [[], [], []]
    prompt = tokenizer.encode("thé")
    assert results[3]["prompt"] == {"text": "thé", "token_ids": prompt}
    scores = results[4]["prompt"]["logprobs"]
    assert results[4]["prompt"].keys() == {"logprobs"}
    assert scores[0] is None
    assert [score["token_id"] for score in scores[1:]] == prompt[1:]
    assert results[4]["choices"] == [{"index": 0, "text": "", "token_ids": [], "finish_reason": "length"}]
    assert results[5]["prompt"].keys() == {"text", "token_ids", "logprobs"}
    assert results[6].keys() == {"line", "id", "input", "choices", "usage"}
    assert results[6]["choices"][0].keys() == {"index", "text", "token_ids", "finish_reason"}


def test_what_stops_a_choice_is_said(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    end, (b, c) = tokenizer.special_ids["<|return|>"], tokenizer.encode("bc")
    lines = [
        line("x", 200, choice=["hello world"], stop="o w"),
        line("x", 200, regex="[a]{50}", stop=["zzz", "aaa"]),
        line("x", 5, choice=["ab"], stop_token_ids=[c, b]),
        line("x", 5, grammar="start: <|return|>", ignore_model_stops=False),
        line("x", 5, choice=["ab"]),
        line("x", 5, regex="[a]{50}"),
    ]
    files = BatchFiles.of(tmp_path, lines)
    run(files, folder)
    choices = [result["choices"][0] for _, result in sorted(files.by_line.items())]
    assert [(choice["text"], choice.get("stopped_by")) for choice in choices] == [
        ("hell", "o w"),
        ("", "aaa"),
        ("a", b),
        ("", end),
        ("ab", None),
        ("aaaaa", None),
    ]
    assert [choice["finish_reason"] for choice in choices] == ["stop"] * 5 + ["length"]
    assert choices[2]["token_ids"] == tokenizer.encode("ab"), "a stop token is given out, its text is not"
    assert "stopped_by" not in choices[4]


def test_grammars_hold_and_a_bad_one_says_where(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    properties = {"a": {"type": "integer", "minimum": 5, "maximum": 99}, "b": {"enum": ["x", "yy"]}}
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    tight = {"logit_bias": {str(token_id): -100 for token_id in tokenizer.encode(" \t\r\n")}}
    lines = [
        line("x", 200, json_schema=schema, **tight),
        line("x", 100, choice=["yes", "no"]),
        line("x", 100, regex="[ab]{3}c"),
        line("x", 100, grammar='start: "q" "r"'),
        line("x", 9, json_schema={"type": "object", "properties": {"a": {"type": "strange"}}}),
        line("x", 9, regex="a(b"),
        line("x", 9, grammar='start: "q" missing'),
        line("x", 4),
    ]
    files = BatchFiles.of(tmp_path, lines)
    summary = run(files, folder)
    results = files.by_line
    found = json.loads(texts(results[1])[0])
    assert 5 <= found["a"] <= 99
    assert found["b"] in ("x", "yy")
    assert texts(results[2])[0] in ("yes", "no")
    assert texts(results[3])[0][3] == "c"
    assert texts(results[4]) == ["qr"]
    for number, place in ((5, "json_schema at /properties/a"), (6, "regex at line 1, column 2"), (7, "lark")):
        assert results[number]["error"]["type"] == "InvalidGrammarError"
        assert results[number]["error"]["message"].startswith(place)
    assert len(results[8]["choices"][0]["token_ids"]) == 4
    assert (summary.num_done, summary.num_failed) == (8, 3)


def test_what_only_the_engine_can_refuse_is_an_error_line(tmp_path: Path, folder: Path) -> None:
    lines = [
        line("x", 100_000),
        {"prompt": [9999], "max_tokens": 1},
        line("x", 1, stop_token_ids=[-1]),
        line("x", 1, logit_bias={"9999": 1}),
        line("x", 2000, timeout_s=0.05),
        line("x", 2),
    ]
    files = BatchFiles.of(tmp_path, lines)
    run(files, folder)
    results = files.by_line
    words = {
        1: "max_tokens 100000",
        2: "a prompt token is 9999",
        3: "a stop token is -1",
        4: "names token 9999",
    }
    for number, sentence in words.items():
        assert results[number]["error"]["type"] == "InvalidRequestError"
        assert sentence in results[number]["error"]["message"]
    assert results[5]["error"]["type"] == "DeadlineExpiredError"
    assert results[5]["error"]["retryable"] is True
    assert "choices" in results[6]


def test_failed_lines_are_done_again_when_they_are_taken_out(tmp_path: Path, folder: Path) -> None:
    files = BatchFiles.of(tmp_path, [line("x", 2), line("x", 2000, timeout_s=0.05), line("y", 2)])
    run(files, folder)
    kept = [each for each in files.output.read_bytes().splitlines(keepends=True) if b'"error":' not in each]
    assert len(kept) == 2
    files.output.write_bytes(b"".join(kept))
    summary = run(files, folder)
    assert (summary.num_done_before, summary.num_done) == (2, 1)
    assert len(files.by_line) == 3


def test_a_model_without_a_tokenizer_takes_token_ids(tmp_path: Path, folder: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            (bare / path.name).symlink_to(path)
    files = BatchFiles.of(
        tmp_path, [{"prompt": [5, 6], "max_tokens": 3}, line("x"), {"prompt": [5], "stop": "x"}]
    )
    run(files, bare)
    assert len(files.by_line[1]["choices"][0]["token_ids"]) == 3
    assert texts(files.by_line[1]) == [""]
    for number in (2, 3):
        assert "no tokenizer.json" in files.by_line[number]["error"]["message"]


def test_the_widest_line_fits_the_narrowest_engine(tmp_path: Path, folder: Path) -> None:
    files = BatchFiles.of(tmp_path, [line("x", 1, n=128)])
    run(files, folder, max_running=1)
    assert len(files.by_line[1]["choices"]) == 128


def test_lines_that_begin_alike_share_what_is_computed(tmp_path: Path, folder: Path) -> None:
    files = BatchFiles.of(tmp_path, [line("the same beginning " * 9 + end, 2) for end in "abcd"])
    summary = run(files, folder, max_running=1)
    assert summary.num_cached_tokens > 3 * 100
    assert summary.num_cached_tokens == sum(result["usage"]["cached_tokens"] for result in files.results)


def test_the_default_tokens_per_step_is_that_of_the_engine() -> None:
    assert engine_settings(64, None, 0).tokens_per_step == EngineSettings().tokens_per_step
    assert engine_settings(4096, None, 0).tokens_per_step == 4096
    assert engine_settings(4, 100, 0).tokens_per_step == 100
