"""Captions of pocket scenes, and the tokenizer learnt from them."""

from __future__ import annotations

import json
from pathlib import Path

from d3s_utils.ground.words import BACKGROUNDS, CLASSES, prompt

MERGES = 512  # byte pairs joined: enough for nearly every word of the captions to be one token
EMPTY, BARE, SHORT = 0.10, 0.05, 0.30  # shares: no caption; no object; no definition


def bare_caption(background: str) -> str:
    """Caption of a scene without an object."""
    return f"a photo {background}"


def caption(class_name: str, background: str, definition: bool = True) -> str:
    """The paper's prompt for a scene of the pocket world."""
    meaning = CLASSES.set_index("class_name").loc[class_name, "definition"] if definition else None
    return prompt(class_name, meaning, background)


def all_captions() -> list[str]:
    """Every caption the generator is trained on, the empty one first."""
    pairs = [(name, background) for name in CLASSES["class_name"] for background in BACKGROUNDS]
    with_object = [caption(*pair, definition=definition) for definition in (True, False) for pair in pairs]
    return ["", *[bare_caption(background) for background in BACKGROUNDS], *with_object]


def learn_tokenizer(folder: Path):
    """A CLIPTokenizer whose byte-pair vocabulary is learnt from the captions; also saved to `folder`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    base = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    reference = CLIPTokenizer()  # CLIP's own normaliser and splitting, so that learning sees what encoding will see
    base.normalizer = reference.backend_tokenizer.normalizer or normalizers.Lowercase()
    base.pre_tokenizer = reference.backend_tokenizer.pre_tokenizer or pre_tokenizers.Whitespace()
    base.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=512 + MERGES,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    base.train_from_iterator(all_captions(), trainer)
    learnt = json.loads(base.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learnt["merges"]]
    tokenizer = CLIPTokenizer(vocab=learnt["vocab"], merges=merges)
    longest = max(len(tokenizer(text)["input_ids"]) for text in all_captions())
    tokenizer.model_max_length = 8 * -(-longest // 8)
    tokenizer.save_pretrained(folder)
    return tokenizer
