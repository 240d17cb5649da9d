"""`policy waiver keygen`: an approver's key, and the entry that names it in approvers.yaml."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from policy_engine.model.approvers import ROLES, WAIVERS


@click.command("keygen", epilog="Example: policy waiver keygen ops-lead.key --identity ann@acme.example")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--identity", metavar="NAME", required=True, help="The name or address by which the person asks.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What the person may do; repeatable.  [default: waiver-approver]",
)
@click.option("--id", "identifier", metavar="ID", help="What the ledger calls the person.  [default: made up]")
def command(file: Path, identity: str, roles: tuple[str, ...], identifier: str | None) -> None:
    """Make a signing key, and print the entry for approvers.yaml.

    FILE is the approver's own (mode 0600), and stays with them. The id and the key's name stand in the ledger for good:
    they are made up, and name nobody.
    """
    from policy_audit.commitment import disclose
    from policy_audit.errors import AuditError
    from policy_audit.keys import generate_signer, write_key_file

    from policy_engine.cli.output import to_yaml
    from policy_engine.errors import Problem, UsageError

    name = identifier or f"approver-{secrets.token_hex(4)}"
    try:
        signer = generate_signer(name)
        write_key_file(file, signer)
    except AuditError as error:
        raise UsageError(Problem(error.code, error.message, help=error.help)) from error
    entry = {
        "identities": [identity],
        "salt": disclose("approver", identity).salt,
        "keys": [{"key": signer.verifier_key}],
        "roles": list(dict.fromkeys(roles)) or [WAIVERS],
    }
    click.echo(to_yaml({"approvers": {name: entry}}), nl=False)
