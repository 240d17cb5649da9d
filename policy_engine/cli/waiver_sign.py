"""`policy waiver sign`: the signature of an approver, for whoever records it: the served engine."""

from __future__ import annotations

from pathlib import Path

import click

from policy_engine.cli.waiver_common import show_waiver, signer_of


@click.command("sign", epilog="Example: policy waiver sign waiver.json --key ann.key > approval.json")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="KEYFILE", type=click.Path(path_type=Path), help="The approver's key.")
def command(*, file: Path, key: Path) -> None:
    """Sign the request in FILE, and print what `POST /v1/waivers/ID/approval` of `policy serve` takes.

    FILE is what `GET /v1/waivers/ID/file` answers. Neither ledger nor rules are read: the server says whether the
    signature counts. What is signed is shown on standard error: read it.
    """
    import json

    from policy_engine.loading.yaml_source import read_bytes
    from policy_engine.waivers.files import read_file
    from policy_engine.waivers.notes import WAIVER, signature_line

    read = read_file(read_bytes(file), str(file))
    signer = signer_of(key)
    show_waiver(read, err=True)
    line = signature_line(WAIVER, read.statement.document(), signer)
    click.echo(json.dumps({"signatures": [line]}, ensure_ascii=False))
