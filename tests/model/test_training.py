"""A run: it learns, it survives a kill with the same bytes, it refuses what is not its own, and its figures are right."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.command_line import refused
from tests.model.test_architecture import small_model
from tests.model.test_blocks import LENGTH, LETTER_A, name_tokenizer, small_mixture, write_tokenizer
from tests.paths import ROOT
from textmill import load_tokenizer
from textmill.base.blocks_format import CHAT_FILES, NO_TARGET
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES
from textmill.model.data.blocks import PackedMixture
from textmill.model.export.hugging_face import export
from textmill.model.generation.distribution import Batch, next_token
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sample import continuations, sample
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.training.checkpoint import latest, load_state
from textmill.model.training.loop import next_token_loss, train
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings
from textmill.model.training.validate import Size, bits_per_byte, token_bytes
from textmill.tokenizer.chat import render
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import SPECIAL_TOKENS
from textmill.tokenizer.training import TokenizerSettings
from textmill.tokenizer.training import train as train_bpe
from textmill.tokenizer.training import write_tokenizer as write_bpe

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
torch.set_num_threads(1)                                        # models this small only wait for a second thread
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
SETTINGS = TrainSettings(steps=12, batch=2, accumulate=2, warmup=2, validation_every=6, save_every=6, optimizer="adamw", lr=0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Blocks, and a run on them that learned to count."""
    folder = tmp_path_factory.mktemp("trained")
    small_mixture(folder / "blocks", blocks=40)
    summary = pretrain(folder / "blocks", folder / "run", replace(SETTINGS, steps=150), CPU)
    return folder, summary


def test_a_run_learns_and_says_so(trained):
    folder, summary = trained
    state = load_state(latest(folder / "run"), TrainSettings)
    assert (state.step, state.tokens) == (150, 150 * 4 * LENGTH)
    assert state.validation_start > 8 and state.validation_end < 0.3 * state.validation_start
    assert summary.startswith(f"train: validation {state.validation_start:.4f} → {state.validation_end:.4f} bits per byte, 19,200 tokens, ")
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "loss" in line] == list(range(1, 151))
    assert [line["step"] for line in log if "validation" in line] == list(range(0, 151, 6))
    assert log[0]["entries"].keys() == {"up", "down"}
    assert sorted(path.name for path in (folder / "run").iterdir()) == [
        "log.jsonl", "step-00000144", "step-00000150", "tokenizer.json", "tokenizer_config.json"]
    assert pretrain(folder / "blocks", folder / "run", replace(SETTINGS, steps=150), CPU).startswith("train: up to date; validation ")


def command(blocks: Path, home: Path, settings: Path) -> list[str]:
    return [sys.executable, "-m", "textmill", "train", "--blocks", str(blocks), "--run", str(home), "--settings", str(settings),
            "--device", "cpu"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_killed_and_started_again_gives_the_same_bytes(optimizer, tmp_path):
    blocks = small_mixture(tmp_path / "blocks", length=128)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"train": {"steps": 24, "accumulate": 2, "save_every": 2, "validation_every": 12,
                                              "optimizer": optimizer}}))
    root = ROOT
    subprocess.run(command(blocks, tmp_path / "whole", settings), cwd=root, env=ENVIRONMENT, check=True, capture_output=True)
    process = subprocess.Popen(command(blocks, tmp_path / "killed", settings), cwd=root, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while not list((tmp_path / "killed").glob("step-*")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stopped = load_state(latest(tmp_path / "killed"), TrainSettings).step
    assert 0 < stopped < 24
    again = subprocess.run(command(blocks, tmp_path / "killed", settings), cwd=root, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert f"from step {stopped}" in again.stderr
    for name in ("model.safetensors", "optimizer.safetensors", "decoder.json"):
        assert ((tmp_path / "killed" / "step-00000024" / name).read_bytes()
                == (tmp_path / "whole" / "step-00000024" / name).read_bytes()), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert steps == list(range(1, 25))


def test_a_run_of_another_kind_is_refused_and_replaced_on_request(tmp_path, capsys):
    blocks, home = small_mixture(tmp_path / "blocks"), tmp_path / "run"
    pretrain(blocks, home, SETTINGS, CPU)
    with pytest.raises(ModelError, match=r"another kind \(lr was 0.01, is 0.02\): train into another folder with --run"):
        pretrain(blocks, home, replace(SETTINGS, lr=0.02), CPU)
    small_mixture(tmp_path / "blocks", blocks=20)
    with pytest.raises(ModelError, match="the blocks have changed"):
        pretrain(blocks, home, SETTINGS, CPU)
    assert pretrain(blocks, home, SETTINGS, CPU, replace_run=True).startswith("train: validation ")
    assert load_state(latest(home), TrainSettings).sources["blocks"] == PackedMixture(blocks).identity()
    for checkpoint in home.glob("step-*"):
        (checkpoint / "state.json").write_text("{}")
    with pytest.warns(UserWarning, match="step-00000012 is damaged"), pytest.raises(ModelError, match="step-00000006 cannot be taken up"):
        pretrain(blocks, home, SETTINGS, CPU)


def test_a_loss_that_is_not_a_number_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    blocks, home = small_mixture(tmp_path / "blocks"), tmp_path / "run"
    monkeypatch.setattr("textmill.model.training.loop.learning_rate", lambda step, settings: 0.01 if step < 7 else float("nan"))
    with pytest.raises(ModelError, match=r"not a number at step 9; the last good checkpoint is .*step-00000006"):
        pretrain(blocks, home, SETTINGS, CPU)
    assert all(tensor.isfinite().all() for tensor in load_file(home / "step-00000006" / "model.safetensors").values())


def test_every_target_of_an_update_weighs_the_same(tmp_path):
    """Two batches of one block, with unequal numbers of targets, are one batch of two."""
    train_split = PackedMixture(small_mixture(tmp_path / "blocks", blocks=4)).train
    part = train_split.read([0])
    thin = replace(part, targets=part.targets.index_fill(1, torch.arange(3, LENGTH), NO_TARGET))
    thin = replace(thin, target_count=int((thin.targets != NO_TARGET).sum()))
    other = train_split.read([1])
    both = replace(thin, tokens=torch.cat([thin.tokens, other.tokens]), targets=torch.cat([thin.targets, other.targets]),
                   lengths=thin.lengths + other.lengths, target_count=thin.target_count + other.target_count)
    losses = []
    for batches in ([thin, other], [both]):
        model = small_model("qwen3")
        optimizers = [each.optimizer for each in OPTIMIZERS["adamw"](model, SETTINGS.lr, SETTINGS.weight_decay)]
        losses += [float(update.loss) for update in train(model, optimizers, next_token_loss(by_document), lambda step, given=batches: given,
                                                          replace(SETTINGS, steps=1), torch.float32)]
    assert thin.target_count < other.target_count and losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_bytes_of_tokens_are_those_of_the_text(tmp_path):
    from tokenizers import Tokenizer

    end, _ = write_tokenizer(tmp_path)
    sizes, tokenizer = token_bytes(tmp_path / "tokenizer.json", 300), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("the river runs", "é 水 🦊 naïve", "\x00\n"):
        assert int(sizes[tokenizer.encode(text).ids].sum()) == len(text.encode())
    assert sizes[end] == 0 and sizes[tokenizer.token_to_id("Ã")] == 1       # half of é; decode() would say three bytes
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"▁the": 0}}, "added_tokens": []}')
    with pytest.raises(ModelError, match="not byte-level"):
        token_bytes(tmp_path / "tokenizer.json", 1)


def test_bits_per_byte_by_hand(tmp_path):
    """A model that finds all 300 ids equally likely needs log2(300) bits a token, here one byte each."""
    mixture = PackedMixture(small_mixture(tmp_path / "blocks"))
    model = small_model("qwen3")
    torch.nn.init.zeros_(model.lm_head.weight)
    sizes = token_bytes(mixture.tokenizer, 300)
    overall, entries, behind = bits_per_byte(model, mixture.validation.in_order(4), by_document, sizes, CPU, torch.float32)
    assert overall == pytest.approx(math.log2(300), rel=1e-6)
    assert entries == pytest.approx({"down": math.log2(300), "up": math.log2(300)}, rel=1e-6)
    assert behind == {"down": Size(0, 90), "up": Size(0, 90)}
    double, _, _ = bits_per_byte(model, mixture.validation.in_order(4), by_document, 2 * sizes, CPU, torch.float32)
    assert double == pytest.approx(math.log2(300) / 2, rel=1e-6)


def test_a_sample_counts_on_and_is_repeatable(trained):
    folder, _ = trained
    greedy = sample(folder / "run", "ABCDEFG", 1, 5, SamplingSettings(temperature=0), CPU)
    assert greedy == ["ABCDEFGHIJKL"]
    two, three = (sample(folder / "run", "ABC", count, 12, SamplingSettings(temperature=5.0, seed=4), CPU) for count in (2, 3))
    assert three[:2] == two and len(set(three)) == 3
    assert sample(folder / "run", "ABC", 2, 12, SamplingSettings(temperature=5.0, seed=9), CPU) != two


def test_drawing_a_token():
    logits = torch.log(torch.tensor([0.1, 0.5, 0.15, 0.25]))

    def drawn(**how) -> list[int]:
        uniform = random.Random(1)
        return sorted({next_token(logits, SamplingSettings(**{"temperature": 1.0} | how), uniform.random()) for _ in range(300)})

    assert drawn() == [0, 1, 2, 3]
    assert drawn(top_k=2) == [1, 3] and drawn(top_k=9) == [0, 1, 2, 3]
    assert drawn(top_p=0.5) == [1] and drawn(top_p=0.6) == [1, 3] and drawn(top_p=1.0) == [0, 1, 2, 3]
    assert drawn(temperature=0.0) == [1]


def test_the_export_is_refused_where_its_tokenizer_reads_otherwise_than_training(trained, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("textmill.model.export.hugging_face.document_ids", lambda *_: [1, 2])
    with pytest.raises(ModelError, match=r"its tokenizer reads .* as \[299, .*\], training as \[1, 2\]"):
        export(trained[0] / "run", tmp_path / "hf")


def test_a_prompt_is_text_and_so_is_all_that_the_model_says(trained, monkeypatch):
    model = LanguageModel.load(trained[0] / "run", CPU)
    prompt = "a <|endoftext|> b é 水\n"
    drawn = iter([[299, LETTER_A], [299]])
    monkeypatch.setattr(Batch, "draw", lambda self, logits, uniform: (torch.tensor(next(drawn)), logits))
    assert continuations(model, prompt, 2, 9, SamplingSettings()) == [prompt, f"{prompt}A"]
    fed = model.ids(prompt)
    assert fed[0] == 299 and 299 not in fed[1:]


def test_a_text_ends_at_any_special_token(trained, monkeypatch):
    """Drawn: A, then the special token 298, then B; nothing of it is shown, nor what would come after."""
    model = LanguageModel.load(trained[0] / "run", CPU)
    drawn = iter([LETTER_A, 298, LETTER_A + 1])
    monkeypatch.setattr("textmill.model.generation.language_model.special_ids", lambda tokenizer: {298, 299})
    monkeypatch.setattr(Batch, "draw", lambda self, logits, uniform: (torch.tensor([next(drawn)]), logits))
    assert continuations(model, "x", 1, 3, SamplingSettings()) == ["xA"] and next(drawn) == LETTER_A + 1


def test_any_temperature_draws_and_chances_that_are_no_numbers_are_a_sentence():
    logits, uniform = torch.tensor([1.0, 3.0, 2.5]), random.Random(1)
    for temperature in (5e-324, 1e-45, 1e-38, 1e-3):
        assert {next_token(logits, SamplingSettings(temperature, top_p=p), uniform.random()) for p in (None, 0.5) for _ in range(9)} == {1}
    assert {next_token(logits, SamplingSettings(1e308), uniform.random()) for _ in range(99)} == {0, 1, 2}
    for bad in (math.nan, math.inf, -math.inf):
        for temperature in (0.0, 1.0):
            with pytest.raises(ModelError, match="chances that are no numbers"):
                next_token(torch.tensor([1.0, bad]), SamplingSettings(temperature), 0.5)


def test_what_a_terminal_gives_and_takes_is_never_a_traceback(trained, tmp_path, capsys):
    run = str(trained[0] / "run")
    command = [sys.executable, "-m", "textmill", "sample", "--run", run, "--tokens", "1", "--temperature", "0", "--device", "cpu", "--prompt"]
    ran = subprocess.run([*command, "水"], capture_output=True, cwd=ROOT, env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0 and ran.stdout.startswith(b"\\u6c34"), ran.stderr
    ran = subprocess.run([*command, b"\xff"], capture_output=True, cwd=ROOT, env=ENVIRONMENT)
    assert (ran.returncode, ran.stderr) == (1, b"sample: the text has bytes that are not UTF-8; write it in UTF-8\n")
    assert refused(capsys, "sample", "--run", run, "--seed", str(1 << 64)) == f"sample: seed must be 0 to {(1 << 63) - 1}, is {1 << 64}"
    assert main(["sample", "--run", run, "--seed", str((1 << 63) - 1), "--count", "2", "--tokens", "1", "--device", "cpu"]) == 0
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"train: {{seed: {1 << 64}}}")
    assert f"seed is {1 << 64}; give 0 to {(1 << 63) - 1}" in refused(capsys, "train", "--blocks", "b", "--run", "r", "--settings", str(settings))


def test_a_tokenizer_of_another_size_is_refused(trained, tmp_path, capsys):
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    tokenizer = Tokenizer.from_file(str(tmp_path / "run/tokenizer.json"))
    tokenizer.add_tokens(["more"])
    tokenizer.save(str(tmp_path / "run/tokenizer.json"))
    assert "has 301 tokens and the model 300; copy the one of the blocks" in refused(capsys, "sample", "--run", str(tmp_path / "run"))


def test_a_sample_ends_at_end_of_text_and_at_the_context(trained):
    model = LanguageModel(small_model("gpt2"), load_tokenizer(trained[0] / "run"), Path())      # reads 48 tokens

    def tokens(token: int) -> list[list[int]]:
        request = Request((299, 1, 2), SamplingSettings(logit_bias={token: 1e4}), 100)
        return [answer.tokens for answer in Engine(model).run([request] * 2)]

    assert tokens(7) == [[7] * 45] * 2
    assert tokens(299) == [[], []]
    with pytest.raises(ModelError, match="the prompt has 48 tokens and the model reads 48; shorten it"):
        Engine(model).add(Request((1,) * 48, max_tokens=1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_is_exported_to_transformers(architecture, tmp_path):
    transformers = pytest.importorskip("transformers")
    blocks = small_mixture(tmp_path / "blocks")
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, architecture=architecture, steps=4), CPU)
    kinds = {"qwen3": "Qwen3ForCausalLM", "qwen3-moe": "Qwen3MoeForCausalLM", "gpt2": "GPT2LMHeadModel",
             "gpt2-sinusoidal": "GPT2LMHeadModel", "gpt2-alibi": "MptForCausalLM"}
    if architecture == "gpt2-relative":
        with pytest.raises(ModelError, match="cannot be exported: transformers has no decoder with T5's relative positions"):
            export(tmp_path / "run", tmp_path / "hf")
        assert not (tmp_path / "hf").exists()
        return
    assert f"opens as {kinds[architecture]}, its logits differ by at most " in export(tmp_path / "run", tmp_path / "hf")
    assert sorted(path.name for path in (tmp_path / "hf").iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf", local_files_only=True)
    start = [299, *tokenizer("ABC", add_special_tokens=False)["input_ids"]]
    continued = theirs.generate(torch.tensor([start]), max_new_tokens=10, do_sample=False)[0].tolist()[len(start):]
    model = LanguageModel.load(tmp_path / "run", CPU)
    ours = Engine(model).run([Request(tuple(start), SamplingSettings(temperature=0), 10)])[0].tokens
    assert ours == continued[:continued.index(299)] if 299 in continued else ours == continued
    text = "ABC <|endoftext|> é 水"
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.model_max_length) == (299, 299, LENGTH)
    read = load_tokenizer(tmp_path / "run").encode(text, add_special_tokens=False).ids
    assert tokenizer(text)["input_ids"] == [299, *read] and 299 not in read
    assert tokenizer([text, "AB"], padding=True)["input_ids"][1].count(299) == 1 + len(read) - 2
    from_library = Tokenizer.from_file(str(tmp_path / "hf/tokenizer.json"))
    assert from_library.encode("ABC").ids == [299, *read[:3]] and tokenizer.decode([299, *read]).endswith(text)
    tokens = torch.tensor([[299, *read]])
    ours = model.decoder.logits(tokens, model.decoder.cache(1, tokens.shape[1]))
    with torch.no_grad():
        torch.testing.assert_close(theirs.float()(**tokenizer(text, return_tensors="pt")).logits, ours, atol=1e-4, rtol=1e-4)
    with pytest.raises(ModelError, match="is there already and not empty"):
        export(tmp_path / "run", tmp_path / "hf")


def test_a_chat_template_goes_from_the_blocks_to_the_export(tmp_path):
    transformers = pytest.importorskip("transformers")
    words = [f"the {noun} runs through a green valley é" for noun in ("river", "road", "train", "hare", "mountain")] * 9
    text = train_bpe(words, TokenizerSettings(vocab_size=300, special_tokens=[*SPECIAL_TOKENS[1:], SPECIAL_TOKENS[0]]))
    blocks = small_mixture(tmp_path / "blocks")
    write_bpe(blocks, text)
    name_tokenizer(blocks)
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1), CPU)
    for name in CHAT_FILES:
        assert (tmp_path / "run" / name).read_bytes() == (blocks / name).read_bytes()
    assert "its logits differ by at most " in export(tmp_path / "run", tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf", local_files_only=True)
    messages = [{"role": "user", "content": "the river"}, {"role": "assistant", "content": "é"}]
    given = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = render(messages, Encoder(text))
    assert (given["input_ids"], given["assistant_masks"]) == (ids.tolist(), mask.tolist()) and ids[0] == 299
    assert tokenizer("the <|end|>", split_special_tokens=True)["input_ids"] == [299, *Encoder(text).encode(pa.array(["the <|end|>"]))[0].as_py()]
    generation = transformers.GenerationConfig.from_pretrained(tmp_path / "hf")
    end, pad = (Encoder(text).special[token] for token in ("<|end|>", "<|pad|>"))
    assert (generation.eos_token_id, generation.pad_token_id, tokenizer.pad_token_id) == ([end, 299], pad, pad)
    (tmp_path / "run/chat_template.jinja").write_text("{% if %}")
    with pytest.raises(ModelError, match=r"run: the chat template in chat_template.jinja does not compile \(.*\); copy it again"):
        export(tmp_path / "run", tmp_path / "other")
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1, seed=2), CPU, replace_run=True)
    assert (tmp_path / "run/chat_template.jinja").read_bytes() == (blocks / "chat_template.jinja").read_bytes()


def test_the_command_line_gives_sentences(trained, tmp_path, capsys):
    folder, _ = trained
    assert main(["sample", "--run", str(folder / "run"), "--prompt", "ABCDEFG", "--tokens", "2", "--temperature", "0", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "ABCDEFGHI\n"
    assert refused(capsys, "sample", "--run", str(tmp_path)) == (
        f"sample: there is no checkpoint in {tmp_path}; train first, or name another folder with --run")
    assert refused(capsys, "sample", "--run", str(folder / "run"), "--top-p", "0", "--tokens", "0") == (
        "sample: top_p must be above 0 and at most 1, is 0.0; count and tokens must be 1 or more")
    settings = tmp_path / "settings.json"
    settings.write_text('{"train": {"step": 5}}')
    assert refused(capsys, "train", "--blocks", "b", "--run", "r", "--settings", str(settings)) == (
        f"train: {settings}: train: unknown key 'step'; did you mean 'steps'?")
    assert refused(capsys, "train", "--blocks", str(tmp_path / "none"), "--run", str(tmp_path / "r")) == (
        f"train: there is no folder {tmp_path / 'none'}; pack the mixture, or point --blocks at a copied folder")
    assert not (tmp_path / "r").exists()


def test_the_model_half_imports_no_pipelines_and_no_beam():
    code = ("import sys, textmill.cli, textmill.model.training.pretrain, textmill.model.generation.sample, textmill.model.export.hugging_face; loaded = {name.split('.')[0] for name in sys.modules};"
            "print(sorted(loaded & {'apache_beam', 'pipelines', 'transformers', 'yaml', 'zstandard', 'rich'}))")
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert result.stdout == "[]\n"
