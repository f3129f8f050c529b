"""The tokenizer's files for others: transformers, tiktoken and GGUF give the ids of `tokenizer.json`, and nothing is prepended."""

import json
import random

import pyarrow as pa
import pytest

from tests.command_line import refused
from textmill.cli import main
from textmill.tokenizer.bpe import PATTERNS, TokenizerError, tokenizer_json
from textmill.tokenizer.chat import chat_template
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.files import export_files, gguf_metadata, pattern_name, special_ids, standard_files, template_in
from textmill.tokenizer.special import END_OF_TEXT, RESERVED, SPECIAL_TOKENS
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

TEXTS = ["The miller grinds the corn, and the mill grinds on.\n" * 3, "Der Müller mahlt das Korn, 1234 Säcke.\n" * 3,
         "Мельник мелет зерно. " * 4, "粉屋は麦を挽く。" * 5, "  indented\n\n\tlines don't stop  \n" * 3]
TRAINED = train(TEXTS, TokenizerSettings(vocab_size=390))
ENCODER = Encoder(TRAINED)
BARE = tokenizer_json([], "llama-bpe", [END_OF_TEXT])
STRANGE = [*TEXTS, "", " ", "\0", "a\u200db", "<|endoftext|> <|user|>", "".join(map(chr, range(0x250)))]


def ids(text):
    return ENCODER.encode(pa.array([text]))[0].as_py()


def test_special_tokens_come_last_in_their_order():
    assert list(special_ids(TRAINED).items()) == [(token, 365 + n) for n, token in enumerate(SPECIAL_TOKENS)]
    assert SPECIAL_TOKENS[:9] == ("<|endoftext|>", "<|pad|>", "<|system|>", "<|developer|>", "<|user|>", "<|assistant|>", "<|end|>",
                                  "<|tool_call|>", "<|tool_result|>") and len(RESERVED) == 16 and len(SPECIAL_TOKENS) == 25


def test_transformers_opens_the_folder_with_its_special_tokens_and_prepends_nothing(tmp_path):
    transformers = pytest.importorskip("transformers")
    write_tokenizer(tmp_path, TRAINED)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == standard_files(TRAINED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path), local_files_only=True)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (365, 365, 366)
    assert sorted(tokenizer.all_special_tokens) == sorted(SPECIAL_TOKENS) and tokenizer.model_max_length == 8192
    assert tokenizer.chat_template == chat_template(SPECIAL_TOKENS)
    for text in STRANGE:
        split = tokenizer(text, split_special_tokens=True)
        assert split["input_ids"] == ids(text) and list(split) == ["input_ids", "attention_mask"]
        assert tokenizer.decode(ids(text), clean_up_tokenization_spaces=False) == text
    assert tokenizer("a<|user|>")["input_ids"] == [97, 369]         # the rule of the hub: a plain call takes it for the token
    assert tokenizer(["a", "bcd"], padding=True)["input_ids"][0][-1] == 366
    generation = transformers.GenerationConfig.from_pretrained(str(tmp_path))
    assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == (365, [371, 365], 366)


def test_one_switch_serves_both_texts_and_templates():
    """Why tokenizer_config.json has no `split_special_tokens`: the template's own tokens would be text."""
    config = json.loads(standard_files(TRAINED)["tokenizer_config.json"])
    assert "split_special_tokens" not in config and config["add_bos_token"] is config["add_eos_token"] is False


@pytest.mark.parametrize("split", [False, True])
def test_the_switch_breaks_a_template_unless_the_call_turns_it_back(tmp_path, split):
    transformers = pytest.importorskip("transformers")
    write_tokenizer(tmp_path, TRAINED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path), split_special_tokens=split, local_files_only=True)
    messages = [{"role": "user", "content": "corn"}]
    given = [tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **more)["input_ids"] for more in (
        {}, {"tokenizer_kwargs": {"split_special_tokens": False}})]
    assert (369 in given[0]) is not split and 369 in given[1]


def test_transformers_can_keep_what_is_spelled(tmp_path):
    transformers = pytest.importorskip("transformers", "5.20")
    write_tokenizer(tmp_path, TRAINED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path), local_files_only=True)
    found = tokenizer.apply_chat_template([{"role": "user", "content": "a <|end|>"}], return_dict=True, sanitize_control_tokens=True)
    assert [number for number in found["input_ids"] if number >= 365] == [365, 369, 371]


def test_a_tokenizer_of_end_of_text_alone_pads_with_it_and_has_no_template():
    files = standard_files(BARE)
    assert sorted(files) == ["generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    assert json.loads(files["generation_config.json"]) == {"bos_token_id": 256, "eos_token_id": 256, "pad_token_id": 256}
    assert json.loads(files["special_tokens_map.json"]) == {
        "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT, "additional_special_tokens": []}
    with pytest.raises(TokenizerError, match=r"has no special token <\|endoftext\|>"):
        standard_files(tokenizer_json([], "qwen2", ["<|other|>"]))


def test_tiktoken_gives_the_same_ids(tmp_path):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import load_tiktoken_bpe

    path = tmp_path / "mill.tiktoken"
    path.write_bytes(export_files(TRAINED, "mill")["mill.tiktoken"])
    encoding = tiktoken.Encoding("mill", pat_str=PATTERNS["gpt-4o"], mergeable_ranks=load_tiktoken_bpe(str(path)),
                                 special_tokens=special_ids(TRAINED), explicit_n_vocab=390)
    draw = random.Random(1)
    learned = [token.decode("utf-8", "replace") for token in ENCODER.bytes[256:365]]
    for text in [*STRANGE, *("".join(draw.choices(learned, k=8)) for _ in range(2000))]:
        assert encoding.encode(text, disallowed_special=()) == ids(text)
    assert encoding.encode("<|user|>", allowed_special="all") == [369]


def test_gguf_has_the_vocabulary_merges_ids_and_template(tmp_path):
    gguf = pytest.importorskip("gguf")
    (tmp_path / "mill.gguf").write_bytes(export_files(TRAINED, "mill")["mill.gguf"])
    assert (tmp_path / "mill.gguf").read_bytes() == gguf_metadata(TRAINED, "mill", chat_template(SPECIAL_TOKENS))
    fields = gguf.GGUFReader(tmp_path / "mill.gguf").fields
    read = {name.removeprefix("tokenizer."): field.contents() for name, field in fields.items() if name.startswith("tokenizer.")}
    model = json.loads(TRAINED)["model"]
    assert read.pop("ggml.tokens") == [*model["vocab"], *SPECIAL_TOKENS]
    assert read.pop("ggml.token_type") == [gguf.TokenType.NORMAL] * 365 + [gguf.TokenType.CONTROL] * 25
    assert read.pop("ggml.merges") == [" ".join(merge) for merge in model["merges"]]
    assert read == {
        "ggml.model": "gpt2", "ggml.pre": "gpt-4o", "ggml.bos_token_id": 365, "ggml.eos_token_id": 365, "ggml.eot_token_id": 371,
        "ggml.padding_token_id": 366, "ggml.add_bos_token": False, "ggml.add_eos_token": False,
        "chat_template": chat_template(SPECIAL_TOKENS)}


def test_the_pattern_is_named_as_llama_cpp_names_it():
    for name in PATTERNS:
        assert pattern_name(tokenizer_json([], name, [END_OF_TEXT])) == name
    read = json.loads(BARE)
    read["pre_tokenizer"]["pretokenizers"] = read["pre_tokenizer"]["pretokenizers"][1:]
    read["pre_tokenizer"]["pretokenizers"][0]["use_regex"] = True
    assert pattern_name(json.dumps(read)) == "gpt-2"
    read["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "mine"}}
    with pytest.raises(TokenizerError, match=r"llama\.cpp has no name for the pattern of this tokenizer; it knows gpt-2, llama-bpe"):
        gguf_metadata(json.dumps(read), "mill", None)


def test_the_command_writes_them_and_keeps_what_the_tokenizer_came_with(tmp_path, capsys):
    pytest.importorskip("gguf")
    folder, to = tmp_path / "data/tokenizers/mill", tmp_path / "files"
    asked = ["tokenizer-files", "mill", "--data", str(tmp_path / "data"), "--to", str(to)]
    assert refused(capsys, *asked).startswith("tokenizer-files: there is no tokenizer 'mill' in ")
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(TRAINED, "utf-8")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert main(asked) == 0
    assert capsys.readouterr().out == (f"tokenizer-files: 390 tokens, 25 of them special, in {to}: tokenizer_config.json, special_tokens_map.json, "
                                       "generation_config.json, tokenizer.json, mill.tiktoken, mill.gguf\n")
    files = {path.name: path.read_bytes() for path in to.iterdir()}
    assert files["tokenizer_config.json"] == (folder / "tokenizer_config.json").read_bytes() and template_in(files) == "{{ messages }}"
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages"}')
    assert "the chat template in tokenizer_config.json does not compile" in refused(capsys, *asked)
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    assert "has no BPE" in refused(capsys, *asked)
    to.joinpath("more").write_text("")
    (folder / "tokenizer.json").write_text(TRAINED, "utf-8")
    assert main(asked) == 0 and to.joinpath("more").exists() and to.joinpath("chat_template.jinja").exists()


def test_a_tokenizer_with_end_of_text_inside_its_vocabulary_as_gpt2_has_it(tmp_path):
    """Hugging Face's file of GPT-2: `<|endoftext|>` is in the vocabulary and among the added tokens, with one id; merges are text."""
    read = json.loads(tokenizer_json([("t", "h"), ("th", "e")], "gpt-2", [END_OF_TEXT]))
    read["model"]["vocab"][END_OF_TEXT] = 258
    read["model"]["merges"] = ["t h", "th e"]
    encoder = Encoder(json.dumps(read))
    assert encoder.special == {END_OF_TEXT: 258} and encoder.encode(pa.array([f"the{END_OF_TEXT}"]))[0].as_py() == [257, *END_OF_TEXT.encode()]
    files = export_files(json.dumps(read), "gpt2")
    assert files["gpt2.tiktoken"].splitlines()[-1] == b"dGhl 257" and "chat_template.jinja" not in files
    gguf = pytest.importorskip("gguf")
    (tmp_path / "gpt2.gguf").write_bytes(files["gpt2.gguf"])
    fields = gguf.GGUFReader(tmp_path / "gpt2.gguf").fields
    assert fields["tokenizer.ggml.tokens"].contents()[256:] == ["th", "the", END_OF_TEXT]
    assert fields["tokenizer.ggml.merges"].contents() == ["t h", "th e"] and fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert fields["tokenizer.ggml.token_type"].contents()[-2:] == [gguf.TokenType.NORMAL, gguf.TokenType.CONTROL]
