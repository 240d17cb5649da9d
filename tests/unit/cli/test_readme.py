"""The README's sections on rules, waivers and evidence, done by a reader in an empty folder."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy_engine.loading.policy import load_policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import code
from tests.unit.impact.repositories import commit

pytestmark = pytest.mark.usefixtures("shipped_cases_run_once")

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
Policy = Callable[..., Outcome]


def blocks(section: str, language: str) -> list[str]:
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(section: str) -> Iterator[list[str]]:
    """The words of each command, without the comment behind it."""
    for block in blocks(section, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


@pytest.fixture
def reader(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], Outcome]:
    """Run a command of the README; nobody is named until it says so."""
    monkeypatch.delenv("POLICY_ACTOR")
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "triage.yaml").write_text(blocks("A first workload", "yaml")[0], encoding="utf-8")
    for text in blocks("Rules of your own", "yaml"):
        path = tmp_path / text.split()[1].rstrip(":")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    soon = (datetime.now(UTC).date() + timedelta(days=60)).isoformat()

    def run(words: list[str]) -> Outcome:
        if words[0] == "export":
            monkeypatch.setenv(*words[1].split("=", 1))
            return Outcome(0, "", "")
        assert words[0] == "policy"
        return policy(*(soon if re.fullmatch(r"\d{4}-\d\d-\d\d", word) else word for word in words[1:]))

    return run


def done(found: Outcome) -> Outcome:
    assert found.status == 0, found.err
    return found


def name_ann(reader: Callable[[list[str]], Outcome], folder: Path, role: str) -> None:
    """Make the key as the comment says, and put its entry and the README's setting into the layer."""
    text = next(text for text in blocks("Waivers", "yaml") if "approvers.yaml" in text)
    match = re.search(r"`(policy waiver keygen [^`]*)`", text)
    assert match is not None
    made = done(reader(match[1].split())).out.replace("waiver-approver", role)
    (settings,) = re.findall(r"^waivers: .*$", text, re.MULTILINE)
    (folder / "acme" / "approvers.yaml").write_text(f"{made}{settings}\n", encoding="utf-8")


def test_rules_of_your_own(reader: Callable[[list[str]], Outcome], tmp_path: Path) -> None:
    for words in commands("Rules of your own"):
        done(reader(words))
    name_ann(reader, tmp_path, "policy-activator")
    (line,) = re.findall(r"`(policy rules activate [^`]*)`", README)
    assert "in force" in done(reader(line.split())).out
    done(reader("policy rules activations --at 2999-01-01T00:00:00Z".split()))


def test_a_change_of_rules(reader: Callable[[list[str]], Outcome], tmp_path: Path) -> None:
    done(reader(["policy", "evaluate", "triage.yaml"]))
    commit(tmp_path)
    for words in commands("A change of rules"):
        found = done(reader([load_policy().digest if word.startswith("sha256:") else word for word in words]))
    assert "self_hosting_spend_usd_per_month" in found.out
    assert "1 decided again" in found.out


def test_the_approvers_that_are_shown_are_read_as_such(tmp_path: Path) -> None:
    layer = tmp_path / "acme"
    layer.mkdir()
    text = next(text for text in blocks("Waivers", "yaml") if "approvers.yaml" in text)
    (layer / "approvers.yaml").write_text(text, encoding="utf-8")
    (person,) = load_policy([layer]).approvers.people.values()
    assert person.namespaces == ("default",), "the namespace of the README's workload"


def test_waivers(reader: Callable[[list[str]], Outcome], tmp_path: Path) -> None:
    path = tmp_path / "triage.yaml"
    given = README.partition("\n## Waivers\n")[2]
    (proposal,) = re.findall(r"`(\{deployment: self_hosted[^`]*\})`", given)
    text = re.sub(r"proposal: .*", f"proposal: {proposal}", path.read_text(encoding="utf-8"))
    path.write_text(text.replace("mlops: building", "mlops: none"), encoding="utf-8")
    name_ann(reader, tmp_path, "waiver-approver")
    denied = " ".join(reader("policy evaluate triage.yaml --policy acme".split()).out.split())
    assert denied.startswith("DENY")
    match = re.search(r"policy waiver request (\w+) ", denied)
    assert match is not None
    outputs = [
        done(reader([match[1] if re.fullmatch(r"[0-9a-f]{8}", word) else word for word in words])).out
        for words in commands("Waivers")
    ]
    (granted,) = [out for out in outputs if "granted" in out]
    assert outputs[-1].startswith("ALLOW WITH CONDITIONS")
    assert reader("policy evaluate triage.yaml --policy acme".split()).out.startswith("ALLOW WITH CONDITIONS")
    identifier = re.findall(r"waiver ([0-9a-f]{16})", granted)[0]
    for line in re.findall(r"`(policy waiver (?:list|show ID|revoke ID)[^`]*)`", given.partition("\n## ")[0]):
        done(reader([{"ID": identifier}.get(word, word) for word in line.split()]))
    assert reader("policy evaluate triage.yaml --policy acme".split()).out.startswith("DENY")
    assert done(reader("policy audit replay --all".split()))


def test_baselines(reader: Callable[[list[str]], Outcome], tmp_path: Path) -> None:
    statuses = [reader(words).status for words in commands("Baselines")]
    assert statuses == [1, 0]
    text = next(text for text in blocks("Baselines", "yaml") if "accepts" in text)
    (tmp_path / "acme" / "approvers.yaml").write_text(text, encoding="utf-8")
    assert load_policy([tmp_path / "acme"]).approvers.baseline == "waivable"
    assert reader("policy gate triage.yaml --policy acme --baseline baseline.yaml".split()).status == 1


def test_a_reader_who_names_nobody_is_told_so(reader: Callable[[list[str]], Outcome]) -> None:
    done(reader("policy evaluate triage.yaml".split()))
    given = "--rule x --reason r --ticket t --until 2999-01-01 -o w.yaml".split()
    assert code(reader(["policy", "waiver", "request", "0", *given])) == "no-actor"


def test_evidence(reader: Callable[[list[str]], Outcome], tmp_path: Path) -> None:
    name_ann(reader, tmp_path, "evidence-approver")
    (tmp_path / "ann.key").rename(tmp_path / "counsel.key")
    stated = next(text for text in blocks("Evidence", "yaml")).partition("# acme/")[0].splitlines()
    text = (tmp_path / "triage.yaml").read_text(encoding="utf-8")
    for line in stated[1:]:
        if (match := re.search(r"file: ([^,]+),", line)) is not None:
            path = tmp_path / match[1]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"content")
            line = line.replace("...", hashlib.sha256(b"content").hexdigest())
        text += f"{line}\n"
    (tmp_path / "workload.yaml").write_text(text, encoding="utf-8")
    for words in commands("Evidence"):
        found = done(reader(words))
    assert "dpa approved" in " ".join(found.out.split())
