"""The same numbers as TRL: loss and gradients of fine-tuning, DPO, IPO and the reward model, on the same rows and weights.

TRL is no dependency: `pip install trl` (1.x) into the test environment runs this; without it the tests skip. TRL 1.x has no PPO, so
that one is held to references of its paper's formulas (test_losses)."""

import pytest
import torch

from tests.model.test_posttraining import comparisons, start
from textmill.base.blocks_format import NO_TARGET
from textmill.model.export.hugging_face import export
from textmill.model.posttraining.comparisons import read_comparisons
from textmill.model.posttraining.losses import bradley_terry, dpo, ipo
from textmill.model.posttraining.pairs import pairs_of
from textmill.model.posttraining.prefer import answer_log_probabilities
from textmill.model.posttraining.reward import RewardModel
from textmill.model.posttraining.start import start_from

trl = pytest.importorskip("trl", reason="trl is not installed")
pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
__all__ = ["comparisons", "start"]          # fixtures


@pytest.fixture(scope="module")
def setting(start, comparisons, tmp_path_factory):
    """The model by us and by transformers, four pairs as rows, and the same as TRL's inputs."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("exported") / "model"
    export(start, folder)
    begin = start_from(start)
    data = read_comparisons(comparisons, begin.encoder, 128, 0.2)
    pairs = pairs_of(data.learned, range(4), begin.encoder.end_of_text)
    answers = pairs.rows.targets != NO_TARGET
    places = torch.arange(answers.shape[1])
    lengths = torch.where(answers, places, -1).amax(1, keepdim=True) + 2
    inputs = {"input_ids": pairs.rows.tokens, "attention_mask": (places < lengths).long(),
              "completion_mask": torch.cat([torch.zeros(len(answers), 1), answers[:, :-1]], 1).long()}
    theirs = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager") for _ in range(2)]
    return begin, pairs, inputs, theirs, AutoTokenizer.from_pretrained(folder), folder


def moved(model, seed=5):
    """The same small change of a model's embedding, by us and by transformers, so that it differs from the reference."""
    weight = model.get_input_embeddings().weight if hasattr(model, "get_input_embeddings") else model.output()
    with torch.no_grad():
        weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    return weight


def test_fine_tuning_has_the_loss_of_transformers(setting):
    begin, pairs, inputs, (theirs, _), *_ = setting
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    expected = theirs(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels).loss
    ours = -answer_log_probabilities(begin.model(CPU), pairs, False).sum() / pairs.rows.target_count
    assert float(ours.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


@pytest.mark.parametrize("method", ["dpo", "ipo"])
def test_preferring_has_the_loss_and_gradients_of_trl(setting, method, tmp_path):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    begin, pairs, inputs, (_, reference), tokenizer, folder = setting
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    arguments = trl.DPOConfig(output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, beta=0.3,
                              loss_type=["ipo" if method == "ipo" else "sigmoid"], gradient_checkpointing=False)
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2)
    trainer = trl.DPOTrainer(model=policy, ref_model=reference, args=arguments, train_dataset=rows, processing_class=tokenizer)
    policy = trainer.model
    weight = moved(policy)
    policy.eval()
    expected = trainer._compute_loss(policy, dict(inputs), False)
    expected.backward()

    model, per_token = begin.model(CPU), method == "ipo"
    with torch.no_grad():
        before = answer_log_probabilities(model, pairs, per_token)
    own = moved(model)
    chosen, rejected = (answer_log_probabilities(model, pairs, per_token) - before).chunk(2)
    loss = (ipo(chosen, rejected, 0.3) if method == "ipo" else dpo(chosen, rejected, 0.3)).mean()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-3)
    torch.testing.assert_close(own.grad, weight.grad, rtol=1e-2, atol=1e-4 * float(weight.grad.abs().max()) + 1e-6)


def test_a_reward_model_has_the_loss_and_gradients_of_trl(setting, tmp_path):
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification

    begin, pairs, inputs, _, tokenizer, folder = setting
    theirs = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32, attn_implementation="eager")
    theirs.config.pad_token_id = tokenizer.pad_token_id
    model = RewardModel(begin.model(CPU))
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(3))
        theirs.score.weight.copy_(model.score.weight)
    rows = Dataset.from_list([{"chosen": "b", "rejected": "c"}] * 2)
    arguments = trl.RewardConfig(output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False)
    trainer = trl.RewardTrainer(model=theirs, args=arguments, train_dataset=rows, processing_class=tokenizer)
    theirs = trainer.model
    theirs.eval()
    margin = torch.tensor([0.0, 0.5, 1.0, 0.1])
    padded = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, theirs.config.pad_token_id)
    expected = trainer.compute_loss(theirs, {"input_ids": padded, "attention_mask": inputs["attention_mask"], "margin": margin})
    expected.backward()
    chosen, rejected = model(pairs.rows).chunk(2)
    loss = bradley_terry(chosen, rejected, margin).mean()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-3)
    torch.testing.assert_close(model.score.weight.grad, theirs.score.weight.grad, rtol=1e-3, atol=1e-4)
    theirs_grad, ours = theirs.get_input_embeddings().weight.grad, model.decoder.output().grad
    torch.testing.assert_close(ours, theirs_grad, rtol=1e-2, atol=1e-4 * float(theirs_grad.abs().max()))
