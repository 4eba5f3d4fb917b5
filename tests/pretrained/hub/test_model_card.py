"""The model card: valid for the Hub, readable for a stranger, and nothing in a config can break out of it."""

from __future__ import annotations

import re

import pytest
import yaml

from pretrained.checkpoint import Config
from pretrained.hub.model_card import is_edited, model_card
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.system.errors import InputError

SPEC = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
TRAINING = {
    "command": "python -m trainer dcgan-mnist --kimg 2 --seed 7",
    "recipe": "dcgan-mnist",
    "data": "mnist",
    "data_licence": "CC BY-SA 3.0",
    "licence": "MIT",
    "kimg": 2.0,
    "seed": 7,
    "minutes": 12.3456,
    "hardware": "2 CPU cores",
    "versions": {"torch": "2.15.0", "ganvas": "0.1.0"},
    "loss": "non-saturating",
    "losses": {"D": 0.123456},
    "metrics": [{"name": "FID", "value": 12.5, "data": "mnist"}],
}


def config(name: str = "tiny", pipeline: str = "generate", **training: object) -> Config:
    return Config(name, pipeline, SPEC, {"noise": "normal"}, training=training)


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_says_what_it_is_how_it_was_made_and_how_to_use_it() -> None:
    card = model_card(config(**TRAINING), "alice/tiny")
    head = front_matter(card)
    assert head["library_name"] == "ganvas"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert head["tags"] == ["ganvas", "gan", "dcgan"]
    assert head["license"] == "mit"
    assert head["datasets"] == ["ylecun/mnist"]
    result = head["model-index"][0]["results"][0]
    assert result["metrics"][0] == {"type": "fid", "name": "FID", "value": 12.5}
    assert result["dataset"] == {"type": "ylecun/mnist", "name": "mnist"}
    for text in (
        "# tiny",
        "(samples.png)",
        "python -m pretrained sample alice/tiny",
        'pretrained.load("alice/tiny")',
        TRAINING["command"],
        "| Seed | 7 |",
        "| Time, minutes | 12.35 |",
        "| Versions | torch 2.15.0, ganvas 0.1.0 |",
        "| FID | 12.5 | mnist |",
    ):
        assert text in card, text


@pytest.mark.parametrize(
    ("ability", "words"),
    [
        ({}, []),
        ({"style": True}, ["mix tiny --rows"]),
        ({"encode": True}, ["reconstruct tiny --input", "interpolate tiny --input"]),
        ({"text": {"vocabulary": ["cat"], "examples": ["it's a\n cat"]}}, ["--text 'it'\"'\"'s a cat'"]),
    ],
)
def test_a_card_says_what_else_the_checkpoint_can_do(ability, words) -> None:
    card = model_card(Config("tiny", "generate", SPEC, {"noise": "normal", **ability}))
    commands = [line for line in card.splitlines() if line.startswith("python -m pretrained")]
    assert len(commands) == 1 + len(words)
    assert all(word in command for word, command in zip(words, commands[1:]))


UNET = {"class": "unet.Generator", "size": 32, "inputs": 1, "channels": 3, "width": 4}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"source": {"kind": "sketch", "name": "edges", "target": "emoji"}, "size": 32},
            [
                "translates images, 32×32 pixels",
                "a sketch, in black lines on white (edges), the output emoji",
                "cropped to the centre",
                "translate tiny --input photo.png --degrade --out out.png",
            ],
        ),
        (
            {"source": {"kind": "picture"}, "size": None, "strength": True},
            ["Images of any size are accepted.", "from 0 to 1", "--strength 0.5"],
        ),
        (
            {"source": {"kind": "mask"}, "size": 32, "mask": True},
            ["white in the hole", "--input in.png --mask mask.png", ', mask=Image.open("mask.png"))'],
        ),
        ({"source": {"kind": "downsample"}, "scale": 4}, ["a small picture", "4 times larger"]),
        (
            {"source": {"kind": "picture"}, "size": 32, "second": {"kind": "pose", "channels": 3}},
            ["--input in.png --second second.png", ', second=Image.open("second.png"))'],
        ),
        (
            {"source": {"kind": "labels", "palette": {"<b>wall</b>": "#0055ff"}}, "size": 32},
            ["a map of labels", " Labels: &lt;b&gt;wall&lt;/b&gt; \\#0055ff."],
        ),
    ],
)
def test_a_card_says_what_a_translator_reads_and_makes(given, words) -> None:
    card = model_card(Config("tiny", "translate", UNET, given))
    assert front_matter(card)["pipeline_tag"] == "image-to-image"
    assert "python -m pretrained translate tiny --input in.png" in card
    assert 'pretrained.load("tiny").translate(Image.open("in.png")' in card
    assert "(samples.png)" in card
    assert "sample(range" not in card
    assert ("--degrade" in card) == (given["source"]["kind"] in DEGRADATIONS)
    for text in words:
        assert text in card, text


def test_a_card_of_a_bare_config_names_nothing_that_is_not_known() -> None:
    card = model_card(config(), samples=False)
    assert front_matter(card).keys() == {"library_name", "pipeline_tag", "tags"}
    assert "samples.png" not in card
    assert "None" not in card
    assert "unknown" not in card


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
        ("CC BY-SA 3.0", {"license": "cc-by-sa-3.0"}),
        ("My own: terms\n", {"license": "other", "license_name": "my-own-terms"}),
    ],
)
def test_a_licence_becomes_one_that_the_hub_takes(licence: str, expected: dict) -> None:
    head = front_matter(model_card(config(licence=licence)))
    assert {key: value for key, value in head.items() if key.startswith("license")} == expected


@pytest.mark.parametrize(
    ("data", "datasets"),
    [("hub:bob/cats", ["bob/cats"]), ("hub:bob/cats\n- evil", None), ("/home/alice/pictures", None), (7, None)],
)
def test_only_a_data_set_of_the_hub_is_linked(data: object, datasets: list[str] | None) -> None:
    assert front_matter(model_card(config(data=data))).get("datasets") == datasets


NASTY = [
    "---\nlicense: evil\n---",
    "x\n# heading",
    "<script>alert(1)</script>",
    "![p](https://example.org/p.png)",
    "a | b | c",
    "```\nafter the fence",
    "'\"{{}}: [&*",
    "<!-- ",
    "\u2028\u0085\x00\x1b[31m",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_of_a_config_breaks_out(text: str) -> None:
    keys = ("command", "recipe", "data", "data_licence", "licence", "hardware", "loss")
    training = dict.fromkeys(keys, text) | {
        "versions": {text: text},
        "metrics": [{"name": text, "value": 1.0, "data": text}, {"name": "FID", "value": text}],
    }
    card, plain = model_card(config(text, **training)), model_card(config("x", **TRAINING))
    head = front_matter(card)
    assert head["library_name"] == "ganvas"
    assert head.get("license") != "evil"
    body, plain_body = (text.split("---\n", 2)[2] for text in (card, plain))
    outside = re.sub(r"(`{3,})\w+\n.*?\n\1\n", "", body, flags=re.DOTALL)
    assert "<script" not in outside
    assert "](https:" not in outside.replace("\\]\\(", "")
    assert len(re.findall(r"^#", outside, re.MULTILINE)) == len(re.findall(r"^#+ ", plain_body, re.MULTILINE))
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in outside.splitlines() if line.startswith("|")}
    assert cells <= {3, 4}
    assert outside.count("<!--") == 1
    assert not is_edited(card)


@pytest.mark.parametrize(
    ("change", "edited"),
    [
        (lambda card: card, False),
        (lambda card: card.replace("\n", "\r\n"), False),
        (lambda card: card + "\n", False),
        (lambda card: "", False),
        (lambda card: card + "more", True),
        (lambda card: card.replace("# tiny", "# Tiny"), True),
        (lambda card: card.replace("license: mit", "license: gpl-3.0"), True),
        (lambda card: card[: card.index("<!--")], True),
        (lambda card: "my own words", True),
    ],
)
def test_a_card_knows_whether_a_person_changed_it(change, edited: bool) -> None:
    assert is_edited(change(model_card(config(**TRAINING)))) == edited


def test_an_unknown_pipeline_is_refused() -> None:
    with pytest.raises(InputError, match="generate, translate"):
        model_card(config(pipeline="dream"))
