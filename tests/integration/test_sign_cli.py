"""The commands keys, trust and sign, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from filigrane.app.sign import SignRequest, sign_file
from filigrane.cli import keys, sign, trust
from filigrane.core.errors import FiligraneError, NotFound, UnreadableInput, UsageError
from filigrane.core.image import encode
from filigrane.core.settings import load
from filigrane.core.values import Integrity, Pixels, Trust
from filigrane.provenance import trust as anchors
from filigrane.provenance.keys import KeyFiles
from filigrane.provenance.read import read_manifest

AI = ("--source-type", "trainedAlgorithmicMedia")


def run(*arguments: object) -> Result:
    """Run the three commands; their own errors come out as exceptions."""
    app = typer.Typer()
    for command in (keys, trust, sign):
        command.register(app)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, FiligraneError):
        raise result.exception
    return result


@pytest.fixture
def picture(tmp_path: Path, scene: Pixels) -> Path:
    path = tmp_path / "apple.png"
    path.write_bytes(encode(scene[:80, :80].copy(), "png"))
    return path


@pytest.fixture
def ready(home: Path) -> Path:
    assert run("keys", "init", "--name", "Test Org").exit_code == 0
    return home


def test_keys_are_made_listed_and_renewed(home: Path) -> None:
    assert json.loads(run("keys", "list", "--json").stdout) == []
    made = json.loads(run("keys", "init", "--alg", "ed25519", "--json").stdout)
    assert [(key["role"], key["algorithm"]) for key in made] == [("authority", "secp256r1"), ("signing", "Ed25519")]
    assert json.loads(run("keys", "list", "--json").stdout) == made
    renewed = json.loads(run("keys", "renew", "--json").stdout)
    assert renewed[0] == made[0] and renewed[1]["id"] != made[1]["id"]
    assert KeyFiles(home / "keys").leaf_key.stat().st_mode & 0o077 == 0


def test_keys_are_not_overwritten_unless_forced(ready: Path, picture: Path, tmp_path: Path) -> None:
    signed = tmp_path / "old.png"
    run("sign", picture, "-o", signed, *AI)
    with pytest.raises(UsageError, match="--force"):
        run("keys", "init")
    assert "stays trusted" in run("keys", "init", "--force").stderr
    found = read_manifest(signed.read_bytes(), "png", anchors.load(ready))
    assert found is not None and found.trust is Trust.TRUSTED


def test_a_loose_key_is_listed_with_its_problem(ready: Path) -> None:
    KeyFiles(ready / "keys").leaf_key.chmod(0o644)
    assert "chmod 600" in json.loads(run("keys", "list", "--json").stdout)[1]["problem"]


def test_unknown_algorithms_are_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="ed25519"):
        run("keys", "init", "--alg", "rot13")


def test_signing_writes_a_trusted_file(ready: Path, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "signed.png"
    result = run("sign", picture, "-o", target, *AI, "--tc260", "--system", "SD", "--system-version", "1.5")
    assert result.stdout == f"{target}\n"
    found = read_manifest(target.read_bytes(), "png", anchors.load(ready))
    assert found is not None
    assert (found.integrity, found.trust) == (Integrity.INTACT, Trust.TRUSTED)
    assert found.software_agents == ("SD 1.5",)
    assert b"TC260" in target.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_sidecar_is_written_beside(ready: Path, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    assert run("sign", picture, "-o", target, *AI, "--sidecar").stdout.splitlines()[1].endswith("out.c2pa")
    found = read_manifest(target.read_bytes(), "png", anchors.load(ready), target.with_suffix(".c2pa").read_bytes())
    assert found is not None and found.integrity is Integrity.INTACT


def test_files_are_replaced_only_when_asked(ready: Path, picture: Path) -> None:
    before = picture.read_bytes()
    with pytest.raises(UsageError, match="--force"):
        run("sign", picture, "-o", picture, *AI)
    assert picture.read_bytes() == before
    run("sign", picture, "-o", picture, *AI, "--force")
    run("sign", picture, "-o", picture, "--source-type", "humanEdits", "--force")
    found = read_manifest(picture.read_bytes(), "png", anchors.load(ready))
    assert found is not None
    assert found.actions == ("c2pa.opened", "c2pa.edited.metadata")
    assert found.ingredients[0].manifest is not None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--source-type", "magic"), "trainedAlgorithmicMedia"),
        ((*AI, "--system-version", "2"), "--system"),
        ((*AI, "--require-timestamp"), "--timestamp-url"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    ready: Path, picture: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        run("sign", picture, "-o", tmp_path / "out.png", *arguments)
    assert not (tmp_path / "out.png").exists()


def test_the_ending_must_fit_the_format(ready: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png"):
        run("sign", picture, "-o", tmp_path / "out.jpg", *AI)


def test_what_is_no_picture_is_said_to_be_that(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no picture")
    with pytest.raises(UnreadableInput):
        run("sign", tmp_path / "note.png", "-o", tmp_path / "out.png", *AI)


def test_signing_without_keys_says_how_to_make_them(home: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="keys init"):
        run("sign", picture, "-o", tmp_path / "out.png", *AI)


def test_an_unreachable_time_stamp_authority_is_warned_of(ready: Path, picture: Path, tmp_path: Path) -> None:
    result = run("sign", picture, "-o", tmp_path / "out.png", *AI, "--timestamp-url", "http://127.0.0.1:1/")
    assert result.exit_code == 0 and "gave no time stamp" in result.stderr.replace("\n", " ")


def test_trust_lists_imports_and_refuses_leaves(ready: Path, tmp_path: Path) -> None:
    files = KeyFiles(ready / "keys")
    assert run("trust", "import", files.authority, "--name", "friends").stdout == "friends: 1 authority\n"
    listed = json.loads(run("trust", "list", "--json").stdout)
    assert [(anchor["source"], anchor["expired"]) for anchor in listed] == [("local", False), ("friends", False)]
    with pytest.raises(UsageError, match="only CA certificates"):
        run("trust", "import", files.leaf)
    with pytest.raises(NotFound):
        run("trust", "import", tmp_path / "absent.pem")


def test_trust_update_fetches_only_what_it_may(ready: Path) -> None:
    with pytest.raises(UsageError, match="https"):
        run("trust", "update", "--url", "http://example.org/list.pem")


@pytest.mark.parametrize("target", [".", "/"])
def test_a_folder_is_no_place_for_a_sidecar(ready: Path, picture: Path, target: str) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        run("sign", picture, "-o", target, "--sidecar", *AI)


def test_a_name_that_is_no_text_is_signed_under_one_that_is(ready: Path, picture: Path, tmp_path: Path) -> None:
    signed = tmp_path / "caf\udce9.png"
    sign_file(SignRequest(picture, signed, "digitalCapture"), load())
    manifest = read_manifest(signed.read_bytes(), "png", anchors.load(ready))
    assert manifest is not None and manifest.title == "caf .png"


def test_an_authority_that_is_no_address_is_refused(ready: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="http"):
        run("sign", picture, "-o", tmp_path / "out.png", "--timestamp-url", "http://caf\udce9", *AI)
