"""Words to vectors: a byte-pair tokenizer in CLIP's format, learned from our captions, and a small text encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TOKENS = 24
"""Longest prompt in tokens, with both ends; longer ones are cut."""

WIDTH = 128
_START, _END = "<|startoftext|>", "<|endoftext|>"


def learn_tokenizer(captions: Iterable[str], folder: Path, *, size: int = 1536) -> CLIPTokenizer:
    """Learn byte-pair merges (Sennrich et al. 2016) and store ``vocab.json`` and ``merges.txt`` as CLIP does."""
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=_END, fuse_unk=False))
    learner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    learner.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=size - 258, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False
        ),
    )
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words = list(dict.fromkeys([*words, *("".join(pair) for pair in merges), _START, _END]))
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=TOKENS
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder of the shipped layout."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=3 * WIDTH, projection_dim=WIDTH,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=TOKENS, hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return CLIPTextModel(config)
