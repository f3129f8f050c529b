"""The classifier's head: labelled texts and their sides, features that depend on the text alone, the fit, a run, and measure."""

import gzip
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zstandard
from safetensors.torch import load_file

from tests.command_line import hashes, put_sample, refused, table
from tests.command_line import run as run_stage
from tests.measure.test_measurements import documents
from textmill.base.sealed import seal, unseal
from textmill.base.strict import SettingsError
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import Shape
from textmill.model.classification import figures
from textmill.model.classification.fit import fit, loss, temperature
from textmill.model.classification.head import HeadModel, features_of, read_ids, texts_of
from textmill.model.classification.labelled import SIDES, read_labelled
from textmill.model.classification.settings import HeadSettings
from textmill.model.classification.train import CARD, train_head, trained_card
from textmill.model.data.batch import Batch
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.training.checkpoint import State, load_model, save, trained
from textmill.model.training.settings import RunSettings
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.learned.head import positive_classes
from textmill.pipelines.learned.scores import roc_auc
from textmill.pipelines.measure.named_inputs import changed_since
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import measure_batch, open_tools, table_hashes
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
SHAPE = Shape(layers=2, width=64, heads=2, head_width=32, kv_heads=2, mlp=128, tied=True)
GOOD = ["river", "mill", "water", "wheel", "meadow", "morning", "boat", "rope", "village", "bread", "garden", "winter", "stone", "bridge", "letter"]
BAD = ["casino", "bonus", "pills", "cheap", "online", "spins", "loan", "credit", "offer", "buy", "now", "win", "jackpot", "discount", "free"]
ORIGIN = {"file": "rows.jsonl", "columns": ["text", "label"]}


def rows(count: int = 120) -> list[dict]:
    """Texts of which three quarters are of words of their label, the rest of the other's; the score is the share of good words."""
    draw, result = random.Random(5), []
    for number in range(count):
        good = [draw.random() < (0.75 if number % 2 == 0 else 0.25) for _ in range(draw.randint(5, 60))]
        result.append({"text": " ".join(draw.choice(GOOD if each else BAD) for each in good), "label": "spam" if number % 2 else "ham",
                       "score": round(4 * sum(good) / len(good)), "host": f"h{number % 17}"})
    return result


def written(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("start")
    write_tokenizer(home, train([" ".join(GOOD + BAD)] * 20, TokenizerSettings(390)))
    encoder = Encoder.load(home)
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPE, encoder.vocab_size, 128, encoder.end_of_text))
    model.initialise(1)
    with torch.no_grad():               # layers that do something
        for name, weight in model.named_parameters():
            if name.endswith(model.RESIDUAL):
                weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(2))
    save(home, State(RunSettings(steps=1), {}, 1, 1, 1.0), model, [])
    return home


SETTINGS = HeadSettings(held_out=0.3, development=0.2)


def labelled(path: Path, settings: HeadSettings = SETTINGS, label: str = "label", group: str | None = None):
    return read_labelled(path, "text", label, group, settings.regression, settings.held_out, settings.development)


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("texts") / "rows.jsonl", rows())


def test_every_form_of_file_in_any_order_gives_the_same_texts(texts, tmp_path):
    lines = texts.read_text().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_text("".join(random.Random(1).sample(lines, len(lines))))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(texts.read_bytes()))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(texts.read_bytes()))
    pq.write_table(pa.Table.from_pylist(rows()), tmp_path / "a.parquet")
    first = labelled(texts)
    assert first.classes == ("ham", "spam") and first.left_out == 0 and len(first.texts) == 120
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"):
        other = labelled(tmp_path / name)
        assert (other.texts, other.labels.tolist(), other.sides.tolist()) == (first.texts, first.labels.tolist(), first.sides.tolist())
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(texts.read_bytes())[:-30])
    with pytest.raises(ModelError, match=r"torn\.jsonl\.gz cannot be read"):
        labelled(tmp_path / "torn.jsonl.gz")


def test_a_text_counts_once_a_group_is_on_one_side_and_contradictions_are_left_out(tmp_path):
    path = written(tmp_path / "rows.jsonl", [*rows(), rows()[0], rows()[3], rows()[3] | {"label": "ham"}, {"text": " ", "label": "ham", "host": "h1"}])
    found = labelled(path)
    assert found.left_out == 1 + 3 + 1 and len(found.texts) == 119 and rows()[3]["text"] not in found.texts
    by_host = labelled(written(path, rows()), group="host")
    sides = {row["host"]: {int(by_host.sides[by_host.texts.index(each["text"])]) for each in rows() if each["host"] == row["host"]} for row in rows()}
    assert all(len(each) == 1 for each in sides.values()) and {side for each in sides.values() for side in each} == {0, 1, 2}
    scores = labelled(path, HeadSettings(regression=True), "score")
    assert scores.classes == () and set(scores.labels.tolist()) == {0.0, 1, 2, 3, 4}
    assert labelled(path, label="score").classes == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(("lines", "said", "settings"), [
    ([{"text": "a"}], r"row 1: has no label in 'label'; name its column with --label-column", {}),
    ([{"label": "a"}], r"row 1: has no text in 'text'; name its column with --text-column", {}),
    ([{"text": "a", "label": "x"}] * 3, r"every label is 'x', so there is nothing to tell apart", {}),
    ([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], r"no text of class .* is on the side", {}),
    ([{"text": str(n), "label": n} for n in range(200)], r"has 200 different labels, and 100 can be told apart; set `head.regression`", {}),
    ([{"text": "a", "label": "x"}], r"row 1: the label 'x' is no score; give numbers", {"regression": True}),
    ([{"text": "a", "label": float("nan")}], r"row 1: has no label in 'label'", {}),
    ([{"text": "half \ud83d of one", "label": "x"}], r"row 1: the text has half a character", {}),
    ([[1]], r"row 1: is no JSON object", {})])
def test_wrong_labels_get_their_sentence(tmp_path, lines, said, settings):
    with pytest.raises(ModelError, match=said):
        labelled(written(tmp_path / "rows.jsonl", lines), replace(HeadSettings(), **settings))


def opened(start: Path) -> tuple[HeadModel, object]:
    checkpoint, home = trained(start)
    decoder = load_model(checkpoint, CPU).eval()
    return HeadModel(decoder, 2), open_tokenizer(home, decoder.vocab_size)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_features_are_a_mean_over_windows_read_alone(start, pooling):
    model, tokenizer = opened(start)
    text, window = " ".join(GOOD * 4), 24
    ids = read_ids(tokenizer, text, model.decoder.end_of_text, 512)
    assert read_ids(tokenizer, text, model.decoder.end_of_text, 10) == ids[:10] and len(ids) > 2 * window
    sums = torch.zeros(64)
    for place in range(0, len(ids), window - 1):
        part = ids[place:place + window - 1]
        tokens = torch.tensor([[model.decoder.end_of_text, *part]])
        with torch.no_grad():
            hidden = model.decoder.hidden(tokens, by_document(Batch(tokens, tokens, (tokens.shape[1],), ("",), 0)))[0]
        sums += (hidden[1:].mean(0) if pooling == "mean" else hidden[-1]) * len(part)
    alone = features_of(model, ids, window, pooling)
    torch.testing.assert_close(alone, sums / len(ids), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        together = model.features(texts_of([ids[:5], ids, (), ids[3:40]], torch.zeros(4), window, pooling, model.decoder.end_of_text))
    torch.testing.assert_close(together[1], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[2], features_of(model, (), window, pooling), rtol=1e-4, atol=1e-5)


def test_the_fit_is_at_its_optimum_and_calibrated():
    random_ = torch.Generator().manual_seed(1)
    features = torch.randn(400, 6, generator=random_) * torch.tensor([1, 10, 0.1, 1, 1, 1.0]) + 3
    truth = (features - 3) @ torch.tensor([[1, 0.1, 5, 0, 0, 0], [-1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0.0]]).T
    labels = torch.multinomial(truth.softmax(1), 1, generator=random_)[:, 0]
    head, strength = fit(features[:300], labels[:300], features[300:], labels[300:], 3)
    weight, bias = (each.clone().requires_grad_() for each in head)
    objective = torch.nn.functional.cross_entropy(features[:300].double() @ weight.T + bias, labels[:300])
    objective = objective + strength / 2 * ((weight * features[:300].double().std(0)) ** 2).sum()
    objective.backward()
    assert float(weight.grad.abs().max()) < 1e-3 and float(bias.grad.abs().max()) < 1e-4
    assert loss(head(features[300:]), labels[300:]) < 0.9 * np.log(3)
    scores = (truth[:, 0] * 2 + 1).double()
    line, _ = fit(features[:300], scores[:300], features[300:], scores[300:], 0)
    assert loss(line(features[300:]), scores[300:]) < 1e-3
    assert temperature(truth.double() * 2.5, labels) == pytest.approx(2.5, rel=0.25)


def test_figures_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    labels = np.array([0, 0, 1, 1])
    found = figures.of_classes(probabilities, labels, np.array([0.75, 0.25]))
    assert found["accuracy"] == found["macro-F1"] == 0.5 and found["ROC-AUC"] == 0.75 == roc_auc(probabilities[:, 1], labels == 1)
    assert found["log loss"] == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.2]).mean())
    assert found["majority accuracy"] == 0.5 and found["majority macro-F1"] == pytest.approx(1 / 3)
    assert found["log loss of shares"] == pytest.approx(-np.log([0.75, 0.75, 0.25, 0.25]).mean())
    assert found["calibration error"] == pytest.approx((0.1 + 0.6 + 0.3 + 0.8) / 4)
    scores = figures.of_scores(np.array([1.0, 2, 4]), np.array([1.0, 2, 2]), 2.0)
    assert scores["root mean squared error"] == pytest.approx((4 / 3) ** 0.5) and scores["that of the mean"] == pytest.approx((1 / 3) ** 0.5)
    assert scores["rank correlation"] == pytest.approx(np.corrcoef([1, 2, 3], [1, 2.5, 2.5])[0, 1])
    assert set(found) | set(scores) == set(figures.NAMES)


def test_a_frozen_head_tells_texts_apart_and_gives_the_same_bytes_in_any_order(start, texts, tmp_path):
    settings = SETTINGS
    line = train_head(start, labelled(texts), tmp_path / "one", settings, CPU, ORIGIN)
    card = trained_card(tmp_path / "one")
    assert card["figures"]["accuracy"] > card["figures"]["majority accuracy"] + 0.2 and card["figures"]["ROC-AUC"] > 0.85, line
    before = load_model(trained(start)[0], CPU).state_dict()
    model = HeadModel(load_model(trained(start)[0], CPU), 2)
    model.load_state_dict(load_file(tmp_path / "one/step-00000001/model.safetensors"))
    assert all(torch.equal(weight, before[name]) for name, weight in model.decoder.state_dict().items())
    shuffled = written(tmp_path / "rows.jsonl", random.Random(3).sample(rows(), 120))
    train_head(start, labelled(shuffled), tmp_path / "two", settings, CPU, ORIGIN)
    assert ((tmp_path / "two/step-00000001/model.safetensors").read_bytes() == (tmp_path / "one/step-00000001/model.safetensors").read_bytes())
    assert train_head(start, labelled(texts), tmp_path / "one", settings, CPU, ORIGIN).startswith("head: up to date; on ")
    (tmp_path / "one" / CARD).unlink()
    assert train_head(start, labelled(texts), tmp_path / "one", settings, CPU, ORIGIN) == line
    with pytest.raises(ModelError, match=r"holds a run of another kind .pooling was mean, is last"):
        train_head(start, labelled(texts), tmp_path / "one", replace(settings, pooling="last"), CPU, ORIGIN)
    with pytest.raises(ModelError, match="it is a classifier, which gives scores and no text"):
        load_model(tmp_path / "one/step-00000001", CPU)


def test_the_whole_model_trained_goes_on_to_the_same_bytes(start, texts, tmp_path):
    settings = replace(SETTINGS, frozen=False, lr=0.001, epochs=4, validation_every=8, save_every=8)
    train_head(start, labelled(texts), tmp_path / "whole", settings, CPU, ORIGIN)
    figures_ = [line["validation"] for line in map(json.loads, (tmp_path / "whole/log.jsonl").read_text().splitlines()) if "validation" in line]
    assert min(figures_) < figures_[0]
    train_head(start, labelled(texts), tmp_path / "other", settings, CPU, ORIGIN)
    last = sorted((tmp_path / "other").glob("step-*"))[-1]
    shutil.rmtree(last)
    (tmp_path / "other" / CARD).unlink()
    train_head(start, labelled(texts), tmp_path / "other", settings, CPU, ORIGIN)
    for name in (f"{last.name}/model.safetensors", CARD):
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_training_that_makes_it_worse_says_so(start, texts, tmp_path):
    settings = replace(SETTINGS, frozen=False, lr=0.1, epochs=1, warmup=0)
    line = train_head(start, labelled(texts), tmp_path / "run", settings, CPU, ORIGIN)
    assert re.search(r"; the loss on development texts was lower with the head alone \(0\.\d{4}, now \d+\.\d{4}\): lower `head.lr`", line), line
    assert "lower with the head alone" not in train_head(start, labelled(texts), tmp_path / "frozen", SETTINGS, CPU, ORIGIN)


@pytest.fixture(scope="module")
def published(start, texts, tmp_path_factory) -> Path:
    """A data folder with two heads of the command: of classes, and of scores with its whole model trained."""
    data = tmp_path_factory.mktemp("data")
    common = ["--from", str(start), "--labels", str(texts), "--data", str(data), "--set", "head.held_out=0.3", "--set", "head.development=0.2"]
    assert main(["head", *common, "--run", str(data / "own"), "--name", "own", "--positive", "ham", "--set", "head.max_tokens=64"]) == 0
    assert main(["head", *common, "--run", str(data / "score"), "--name", "score", "--label-column", "score", "--set", "head.regression=true",
                 "--set", "head.frozen=false", "--set", "head.epochs=1"]) == 0
    return data


def test_measure_scores_by_ones_own_model_whatever_the_batch(published):
    data = Folder(str(published))
    tools = open_tools(MeasureSettings(classifier="own"), data)
    texts = [" ".join(GOOD * 9), " ".join(BAD), "", "!!", "river casino", *(row["text"] for row in rows(30)), " ".join(GOOD)]
    whole = [row["classifier_score"] for row in measure_batch(documents(*texts), tools).to_pylist()]
    assert whole[0] > 0.6 > 0.4 > whole[1] and whole[2] is whole[3] is None and all(0 <= each <= 1 for each in whole if each is not None)
    alone = [measure_batch(documents(text), tools).to_pylist()[0]["classifier_score"] for text in texts[::-1]][::-1]
    assert alone == whole
    other = [measure_batch(documents(*texts[start:start + 7]), open_tools(MeasureSettings(classifier="own"), data)).to_pylist()
             for start in range(0, len(texts), 7)]
    assert [row["classifier_score"] for part in other for row in part] == whole
    scores = open_tools(MeasureSettings(classifier="score"), data).classifier
    good, bad = scores.scorer.score([" ".join(GOOD), " ".join(BAD)])
    assert scores.scorer.card["span"][0] >= 0 and 1 >= good > bad >= 0


def test_the_receipts_name_the_head_and_measure_gives_the_same_bytes_with_any_number_of_workers(published, tmp_path):
    settings = MeasureSettings(classifier="own")
    hashes_ = table_hashes(settings, Folder(str(published)))
    facts = published / "classifiers/own/classifier.json"
    assert {"classifier", "torch"} <= hashes_.keys() and "torch" not in table_hashes(MeasureSettings())
    found = []
    for workers in (1, 2):
        data = put_sample(tmp_path / str(workers))
        shutil.copytree(published / "classifiers", data / "classifiers")
        assert run_stage("extract", data).returncode == 0
        ran = run_stage("measure", data, workers, "--set", "measure.classifier=own")
        assert ran.returncode == 0, ran.stderr
        found.append(hashes(data))
    assert found[0] == found[1]
    signals = table(tmp_path / "1", "signals")
    assert signals["classifier_score"].null_count < len(signals) / 2 and len(set(signals["classifier_score"].to_pylist())) > 20
    assert changed_since(settings, ["text"], Folder(str(published))) == []
    labels = Path(json.loads(facts.read_text())["card"]["texts"]["file"])
    before = labels.read_bytes()
    labels.write_bytes(before + b'{"text": "one more", "label": "ham"}\n')
    assert changed_since(settings, ["text"], Folder(str(published))) == ["the texts of the classifier own have changed since it was made"]
    labels.write_bytes(before)
    facts.write_bytes(seal(unseal(facts.read_bytes()) | {"positive": ["spam"]}))
    assert table_hashes(settings, Folder(str(published)))["classifier"] != hashes_["classifier"]
    facts.write_bytes(seal(unseal(facts.read_bytes()) | {"positive": ["ham"]}))


def test_what_is_no_classifier_is_a_sentence(published, tmp_path, capsys, start, texts):
    data = shutil.copytree(published / "classifiers", tmp_path / "classifiers").parent
    weights = data / "classifiers/own/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(SettingsError, match=r"own is not a classifier .model\.safetensors is not the one .* make it again with `textmill head`"):
        open_tools(MeasureSettings(classifier="own"), Folder(str(data)))
    facts = data / "classifiers/score/classifier.json"
    facts.write_bytes(seal(unseal(facts.read_bytes()) | {"card": {"kind": "classes"}}))
    with pytest.raises(SettingsError, match=r"score is not a classifier .* make it again with `textmill head`"):
        open_tools(MeasureSettings(classifier="score"), Folder(str(data)))
    common = ["head", "--from", str(start), "--labels", str(texts), "--run", str(tmp_path / "run")]
    assert refused(capsys, *common, "--name", "a/b", "--positive", "x").splitlines()[1] == (
        "head: --positive x: the classes are ham, spam; name one or several of them")
    assert refused(capsys, *common, "--name", "n") == "head: --positive: say which classes the score is the probability of; there are ham, spam"
    assert not (tmp_path / "run").exists()


def test_the_positive_class_is_said_or_plain():
    assert positive_classes(["0", "1"], []) == ["1"] and positive_classes(["false", "true"], []) == ["true"] and positive_classes([], []) == []
    assert positive_classes(["1", "2", "3"], ["3", "2"]) == ["3", "2"]
    for classes, given, said in ((["a", "b"], ["a", "b"], "all classes"), ([], ["a"], "predicts scores and has no classes"), (["2", "3"], [], "say which")):
        with pytest.raises(SettingsError, match=said):
            positive_classes(classes, given)


def test_settings_that_cannot_be_are_named():
    assert list(replace(HeadSettings(), pooling="max", window=1, held_out=0.9, development=0.1).problems()) == [
        "pooling: 'max' is not one of mean, last", "window: the first token of a window is end-of-text; give 2 or more",
        "held_out and development: together all texts, so nothing is left to learn from; give less"]
    assert not list(HeadSettings().problems()) and SIDES == ("learned", "development", "held out")
