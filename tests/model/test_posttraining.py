"""Post-training from end to end in small: reward model, DPO, GRPO and PPO on the common Run, each gone on with after a kill."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import Shape
from textmill.model.data.batch import Batch
from textmill.model.data.order import order
from textmill.model.generation.language_model import LanguageModel
from textmill.model.posttraining.comparisons import answer_row, read_comparisons
from textmill.model.posttraining.losses import bradley_terry, dpo
from textmill.model.posttraining.pairs import in_order, pairs_of
from textmill.model.posttraining.policy import ActorCritic, train_policy
from textmill.model.posttraining.prefer import answer_log_probabilities, reference_of, train_prefer
from textmill.model.posttraining.reward import RewardModel, calibration_error, load_reward, train_reward
from textmill.model.posttraining.rollouts import Drawn
from textmill.model.posttraining.rows import Row, batch_of, log_probabilities
from textmill.model.posttraining.settings import GrpoSettings, PpoSettings, PreferSettings, RewardSettings
from textmill.model.posttraining.start import start_from
from textmill.model.posttraining.tasks import KINDS, Task, generate, is_right
from textmill.model.posttraining.watch import collapse, overoptimised
from textmill.model.training.checkpoint import State, latest, load_model, save
from textmill.model.training.settings import RunSettings
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
SHAPE = Shape(layers=2, width=64, heads=2, head_width=32, kv_heads=2, mlp=128, tied=True)
KIND = ("last word",)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A run whose model was taught answers of mixed quality: the last word, or as often the first."""
    home = tmp_path_factory.mktemp("start")
    tasks = list(generate(600, 1, held_out=False, kinds=KIND))
    texts = [f"{task.prompt} {task.answer}" for task in tasks]
    write_tokenizer(home, train(texts, TokenizerSettings(420)))
    encoder = Encoder.load(home)
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPE, encoder.vocab_size, 128, encoder.end_of_text))
    model.initialise(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = [answer_row([{"role": "user", "content": task.prompt}],
                       task.answer if n % 2 else task.prompt.split(": ")[1].split()[0].rstrip("?"), encoder, "") for n, task in enumerate(tasks)]
    for step in range(240):
        batch = batch_of([rows[(step * 24 + n) % len(rows)] for n in range(24)], encoder.end_of_text)
        (-log_probabilities(model, batch).sum() / batch.target_count).backward()
        optimizer.step()
        optimizer.zero_grad()
    save(home, State(RunSettings(steps=1), {}, 1, 1, 1.0), model, [])
    return home


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("comparisons") / "comparisons.jsonl"
    lines = [{"prompt": task.prompt, "chosen": task.answer, "rejected": task.prompt.split(": ")[1].split()[0].rstrip("?")}
             for task in generate(400, 2, held_out=False, kinds=KIND)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines if line["chosen"] != line["rejected"]))
    return path


def figures(home: Path) -> list[float]:
    return [line["validation"] for line in map(json.loads, (home / "log.jsonl").read_text().splitlines()) if "validation" in line]


def test_tasks_are_of_the_seed_computed_and_split_by_prompt():
    assert list(generate(70, 3, False)) == list(generate(70, 3, False)) != list(generate(70, 4, False))
    learned, kept = ({task.prompt for task in generate(2000, 5, held_out)} for held_out in (False, True))
    assert not learned & kept and kept
    for task in generate(700, 6, True):
        assert is_right(task, f" {task.answer.upper()}. ") and not is_right(task, task.answer + "x") and not is_right(task, "")
    assert {task.kind for task in generate(7, 1, False)} == set(KINDS)
    assert is_right(Task("", "", "cat, dog"), "cat,  dog") and not is_right(Task("", "", "cat, dog"), "dog, cat")


def test_rows_learn_the_answer_alone_and_are_padded_apart():
    batch = batch_of([Row((1, 2, 3), (4, 5)), Row((6,), (7,))], 0)
    assert batch.tokens.tolist() == [[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]] and batch.lengths == (5, 2, 3)
    assert batch.targets.tolist() == [[NO_TARGET, NO_TARGET, 4, 5, NO_TARGET], [7] + [NO_TARGET] * 4] and batch.target_count == 3


def test_a_model_with_a_window_is_trained_with_it():
    """Held against the cache that decoding has."""
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPE._replace(window=3), 64, 32, 0))
    model.initialise(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(weight.numel()))
    rows = [Row(tuple(range(1, 9)), (9, 10, 11)), Row((5, 6), (7,))]
    with torch.no_grad():
        found = log_probabilities(model, batch_of(rows, 0))
        reward, critic = RewardModel(model), ActorCritic(model, 0.1)
        reward.score.weight.fill_(1.0)
        for number, row in enumerate(rows):
            ids = torch.tensor([row.prompt + row.answer])
            hidden = model.hidden(ids, model.cache(1, len(row)))
            logs = (hidden @ model.output().T).log_softmax(-1)[0]
            expected = [float(logs[place - 1, ids[0, place]]) for place in range(len(row.prompt), len(row))]
            for values in (found, critic(batch_of(rows, 0))[0]):
                assert values[number, len(row.prompt) - 1:len(row) - 1].tolist() == pytest.approx(expected, abs=1e-4)
            assert float(reward(batch_of(rows, 0))[number]) == pytest.approx(float(hidden[0, -1].sum()), abs=1e-3)


def test_every_comparison_once_a_pass_in_another_order_each():
    taken = [number for step in range(10) for batch in order(20, step, 2, 2, seed=1) for number in batch]
    assert sorted(taken[:20]) == sorted(taken[20:]) == list(range(20)) and taken[:20] != taken[20:]
    assert order(20, 3, 2, 2, 1) == order(20, 3, 2, 2, 1) != order(20, 3, 2, 2, 2)


@pytest.mark.parametrize(("line", "said"), [
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, "chosen and rejected are equal"),
    ({"prompt": "a", "chosen": "b"}, "has no prompt with a chosen and a rejected answer"),
    ({"prompt": [{"role": "assistant", "content": "x"}], "chosen": "b", "rejected": "c"}, "messages that end before the assistant"),
    ({"prompt": [{"role": "clown", "content": "x"}], "chosen": "b", "rejected": "c"}, "unknown role 'clown'"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "margin": -1}, "margin is -1"),
    ({"prompt": "a", "ranking": ["b"]}, "ranking is no list of two texts or more, from the best to the worst"),
    ({"prompt": "a", "ranking": "bc"}, "ranking is no list of two texts or more"),
    ({"prompt": "a", "ranking": ["b", "c", "b"]}, "two answers of the ranking are equal"),
    ({"prompt": "a", "ranking": ["b", "c"], "chosen": "b"}, "has both a ranking and chosen or rejected"),
    ({"prompt": "a", "ranking": ["b", "c", "d"], "margin": 1}, "a margin is between two answers, and the ranking has 3"),
    ({"prompt": "word " * 300, "chosen": "b", "rejected": "c"}, "no comparison to learn from .1 are longer than 128 tokens")])
def test_wrong_comparisons_get_their_sentence(start, tmp_path, line, said):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(line))
    with pytest.raises(ModelError, match=said):
        read_comparisons(tmp_path / "pairs.jsonl", start_from(start).encoder, 128, 0.5)
    (tmp_path / "pairs.jsonl").write_text("{")
    with pytest.raises(ModelError, match="line 1: is no JSON"):
        read_comparisons(tmp_path / "pairs.jsonl", start_from(start).encoder, 128, 0.5)


@pytest.fixture(scope="module")
def rankings(tmp_path_factory) -> Path:
    """Rankings of three, pairs as rankings of two, and pairs."""
    path = tmp_path_factory.mktemp("rankings") / "rankings.jsonl"
    lines = []
    for number, task in enumerate(generate(60, 2, held_out=False, kinds=KIND)):
        first, *_, before = task.prompt.split(": ")[1].rstrip("?").split()[:-1]
        answers = [task.answer, before, first][:2 + number % 2]
        lines.append({"prompt": task.prompt} | ({"ranking": answers} if number % 3 else {"chosen": answers[0], "rejected": answers[-1]}))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines if len(set(line.get("ranking", "ab"))) == len(line.get("ranking", "ab"))))
    return path


def test_a_ranking_is_all_its_pairs_which_weigh_as_much_as_one(start, rankings):
    """Held against a loop over rankings and pairs, each answer read alone: rewards, and means of log-ratios per token (DPO)."""
    begin = start_from(start)
    data = read_comparisons(rankings, begin.encoder, 128, 0.2)
    assert "rankings" in data.words and {len(each.answers) for each in data.learned} == {2, 3}
    numbers, pad = [5, 0, 2, 1, 7, 3], begin.encoder.end_of_text
    pairs, some = pairs_of(data.learned, numbers, pad), [data.learned[number] for number in numbers]
    assert pairs.target_count == len(numbers) and len(pairs.rows.tokens) == sum(len(each.answers) for each in some)

    model = RewardModel(begin.model(CPU))
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(3))
    reward = {row: model(batch_of([row], pad))[0] for each in some for row in each.answers}
    naive = sum(-(reward[better] - reward[worse]).sigmoid().log() / (len(each.answers) * (len(each.answers) - 1) / 2)
                for each in some for place, better in enumerate(each.answers) for worse in each.answers[place + 1:])
    loss = (pairs.weights * bradley_terry(*pairs.apart(model(pairs.rows)), pairs.margins)).sum()
    assert float(loss.detach()) == pytest.approx(float(naive.detach()), rel=1e-4)

    decoder = begin.model(CPU)
    reference = reference_of(decoder, in_order(data.learned, 4, pad), per_token=True)
    with torch.no_grad():
        decoder.output().add_(0.02 * torch.randn(decoder.output().shape, generator=torch.Generator().manual_seed(5)))
        ratio = {row: mean_log_probability(decoder, row) - mean_log_probability(begin.model(CPU), row) for each in some for row in each.answers}
        better, worse = pairs.apart(answer_log_probabilities(decoder, pairs, True) - reference[pairs.answers])
        found = (pairs.weights * dpo(better, worse, 0.7)).sum()
    naive = sum(-math.log(1 / (1 + math.exp(-0.7 * (ratio[better] - ratio[worse])))) / (len(each.answers) * (len(each.answers) - 1) / 2)
                for each in some for place, better in enumerate(each.answers) for worse in each.answers[place + 1:])
    assert float(found) == pytest.approx(naive, rel=5e-3), "the reference is in bfloat16 where that is fast"


def mean_log_probability(model, row: Row) -> float:
    """Per token of the answer, a token at a time."""
    ids = torch.tensor([row.prompt + row.answer])
    logs = model.logits(ids, by_document(Batch(ids, ids, (ids.shape[1],), ("",), 0))).log_softmax(-1)[0]
    return sum(float(logs[place - 1, ids[0, place]]) for place in range(len(row.prompt), len(row))) / len(row.answer)


def test_rankings_train_and_go_on_to_the_same_bytes(start, rankings, tmp_path):
    settings = RewardSettings(steps=30, epochs=None, batch=8, lr=0.003, validation_every=15, save_every=15, optimizer="adamw", held_out=0.2)
    train_reward(start, rankings, tmp_path / "reward", settings, CPU)
    preferring = PreferSettings(steps=20, epochs=None, batch=8, lr=0.001, validation_every=10, save_every=10, optimizer="adamw", per_token=True,
                                held_out=0.2)
    train_prefer(start, rankings, tmp_path / "prefer", preferring, CPU)
    assert figures(tmp_path / "prefer")[0] == 0.5 < figures(tmp_path / "prefer")[-1]
    train_reward(start, rankings, tmp_path / "other", settings, CPU)
    shutil.rmtree(tmp_path / "other/step-00000030")
    train_reward(start, rankings, tmp_path / "other", settings, CPU)
    assert ((tmp_path / "other/step-00000030/model.safetensors").read_bytes()
            == (tmp_path / "reward/step-00000030/model.safetensors").read_bytes())


def test_a_reward_model_ranks_held_out_pairs_and_goes_on_to_the_same_bytes(start, comparisons, tmp_path):
    settings = RewardSettings(steps=120, epochs=None, batch=16, lr=0.003, validation_every=40, save_every=40, optimizer="adamw")
    summary = train_reward(start, comparisons, tmp_path / "reward", settings, CPU)
    assert summary.startswith("reward: validation 0.5000 → ") and max(figures(tmp_path / "reward")) > 0.6
    train_reward(start, comparisons, tmp_path / "other", settings, CPU)
    shutil.rmtree(tmp_path / "other/step-00000120")
    train_reward(start, comparisons, tmp_path / "other", settings, CPU)
    assert ((tmp_path / "other/step-00000120/model.safetensors").read_bytes()
            == (tmp_path / "reward/step-00000120/model.safetensors").read_bytes())
    load_reward(latest(tmp_path / "reward"), CPU)
    with pytest.raises(ModelError, match="it is a reward model, which gives scores and no text"):
        load_model(latest(tmp_path / "reward"), CPU)
    with pytest.raises(ModelError, match="holds no reward model"):
        load_reward(latest(start), CPU)


def test_calibration_is_the_gap_between_chance_and_what_comes_true():
    assert calibration_error(torch.tensor([20.0] * 10)) == pytest.approx(0, abs=1e-3)
    assert calibration_error(torch.tensor([20.0] * 5 + [-20.0] * 5)) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("method", ["dpo", "ipo"])
def test_preferring_moves_towards_the_chosen_answers(start, comparisons, tmp_path, method):
    settings = PreferSettings(steps=40, epochs=None, batch=16, lr=0.001, validation_every=40, save_every=40, optimizer="adamw", method=method)
    train_prefer(start, comparisons, tmp_path / method, settings, CPU)
    before, after = figures(tmp_path / method)
    assert before == 0.5 and after > 0.8
    assert accuracy(start) + 0.05 < accuracy(tmp_path / method)


def accuracy(run: Path) -> float:
    """Share of held-out tasks whose right answer is likelier than the first word."""
    model, encoder = LanguageModel.load(run, CPU).decoder, Encoder.load(run)
    right = total = 0
    for task in generate(60, 9, held_out=True, kinds=KIND):
        first = task.prompt.split(": ")[1].split()[0].rstrip("?")
        if first == task.answer:
            continue
        rows = [answer_row([{"role": "user", "content": task.prompt}], text, encoder, "") for text in (task.answer, first)]
        with torch.no_grad():
            chances = log_probabilities(model, batch_of(rows, encoder.end_of_text)).sum(1)
        right, total = right + bool(chances[0] > chances[1]), total + 1
    return right / total


@pytest.mark.parametrize("settings", [
    GrpoSettings(steps=48, lr=0.0003, batch=32, prompts=8, answers=8, max_tokens=8, validation_every=16, save_every=24, optimizer="adamw"),
    PpoSettings(steps=96, lr=0.001, batch=32, prompts=16, answers=4, passes=2, max_tokens=8, validation_every=32, save_every=48, optimizer="adamw")],
    ids=["grpo", "ppo"])
def test_reinforcement_chooses_what_is_rewarded_and_goes_on_to_the_same_bytes(start, tmp_path, settings):
    summary = train_policy(start, tmp_path / "run", settings, CPU, KIND)
    assert "of held-out tasks right" in summary
    found = figures(tmp_path / "run")
    assert max(found[1:]) > found[0] + 0.08, found
    half = settings.save_every
    train_policy(start, tmp_path / "other", settings, CPU, KIND)
    shutil.rmtree(tmp_path / f"other/step-{settings.steps:08d}")
    assert (tmp_path / f"other/step-{half:08d}").is_dir()
    train_policy(start, tmp_path / "other", settings, CPU, KIND)
    last = f"step-{settings.steps:08d}"
    assert load_file(tmp_path / "other" / last / "model.safetensors").keys() == load_file(tmp_path / "run" / last / "model.safetensors").keys()
    assert (tmp_path / "other" / last / "model.safetensors").read_bytes() == (tmp_path / "run" / last / "model.safetensors").read_bytes()
    load_model(latest(tmp_path / "run"), CPU)


def test_a_model_that_leaves_its_language_is_stopped(start, tmp_path):
    settings = GrpoSettings(steps=64, lr=0.05, batch=32, prompts=8, answers=8, max_tokens=8, validation_every=8, save_every=8, kl=0.0, warmup=0,
                            optimizer="adamw", most_kl=0.5)
    with pytest.raises(ModelError, match=r"nats a token away from the model it started from, and most_kl is 0.5: it has left its language"):
        train_policy(start, tmp_path / "run", settings, CPU, KIND)


def test_a_policy_that_goes_wrong_is_told_how(tmp_path):
    task = Task("dates", "?", "May")
    fine = [Drawn(task, Row((1, number), (5, number)), "a", number > 1) for number in range(4)]
    assert collapse(fine, 0.1, GrpoSettings()) is None
    assert "has left its language" in collapse(fine, 3.1, GrpoSettings())
    assert "no answer comes to an end" in collapse([each._replace(ended=False) for each in fine], 0.1, GrpoSettings())
    same = [each._replace(row=Row(each.row.prompt, (5, 6))) for each in fine]
    assert "all 4 answers to 4 prompts are the same" in collapse(same, 0.1, GrpoSettings())
    log = tmp_path / "log.jsonl"
    assert overoptimised(log, 0.1, 0.9) is None                 # nothing was measured before
    log.write_text("".join(json.dumps(line) + "\n" for line in (
        {"step": 0, "validation": 0.6, "entries": {}}, {"step": 1, "loss": 1.0},
        {"step": 40, "validation": 0.6, "entries": {"reward": 0.2}})))
    assert overoptimised(log, 0.5, 0.9) is None and overoptimised(log, 0.3, 0.1) is None and overoptimised(log, 0.3, None) is None
    assert "the reward rose from 0.200 to 0.900 while 0.300 of held-out tasks are right, after 0.600" in overoptimised(log, 0.3, 0.9)


def test_settings_that_cannot_be_are_named():
    assert list(replace(GrpoSettings(), batch=48).problems()) == ["batch: a round has 128 answers, which 48 does not divide"]
    assert "give multiples of 8" in next(replace(GrpoSettings(), batch=16, save_every=12).problems())
    assert not list(PpoSettings().problems()) and not list(GrpoSettings().problems()) and not list(PreferSettings().problems())
