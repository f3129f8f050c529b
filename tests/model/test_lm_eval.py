"""The exported model in lm-evaluation-harness, offline, on a task from a JSONL: its figures are those of `textmill evaluate`."""

import json
from dataclasses import replace

import pytest
import torch

from tests.model.test_evaluation import SETTINGS
from textmill.cli import main
from textmill.model.evaluation.tasks import answers, log_probability, parts, read_items
from textmill.model.generation.language_model import LanguageModel
from textmill.model.training.pretrain import pretrain

pytestmark = pytest.mark.slow

TASK = """task: own
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
target_delimiter: " "
metric_list: [{{metric: acc_norm, aggregation: mean, higher_is_better: true}}]
"""
WORDS = ["the", "house", "water", "and", "of", "in a", "people", "information", "read", "to be", "was", "never", "year", "old"]


def test_its_figures_are_ours(milled, tmp_path, monkeypatch, capsys):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install 'lm-eval[hf]'")
    pytest.importorskip("accelerate", reason="lm-eval has no models of transformers: pip install 'lm-eval[hf]'")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    cpu = torch.device("cpu")
    pretrain(milled[0] / "blocks/mixture", tmp_path / "run", replace(SETTINGS, steps=4, validation_blocks=1), cpu)
    assert main(["export", "--run", str(tmp_path / "run"), "--to", str(tmp_path / "exported")]) == 0
    rows = [{"question": f"It is {WORDS[n]}", "choices": WORDS[n + 1:n + 4], "answer": n % 3} for n in range(10)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.yaml").write_text(TASK.format(items=tmp_path / "own.jsonl"))
    found = simple_evaluate(model="hf", model_args=f"pretrained={tmp_path / 'exported'},dtype=float32", tasks=["own"], device="cpu",
                            task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False), batch_size=4)
    model, items = LanguageModel.load(tmp_path / "run", cpu), read_items(tmp_path / "own.jsonl")
    masking = model.decoder.masking(torch.float32, model.decoder.context_length)
    logged = sorted(found["samples"]["own"], key=lambda sample: sample["doc_id"])
    for item, sample in zip(items, logged, strict=True):
        theirs = [float(each[0]) for each in sample["filtered_resps"]]
        assert theirs == pytest.approx([log_probability(model, masking, *parts(item, choice)) for choice in item.choices], rel=0.02)
    right = [answer == item.answer for answer, item in zip(answers(model, items), items, strict=True)]
    assert found["results"]["own"]["acc_norm,none"] == pytest.approx(sum(right) / len(right), abs=0.11)
