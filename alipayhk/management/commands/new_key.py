"""`new_key --mall TAG`: makes an RSA pair of ours and prints the half that AlipayHK gets; `--use` puts it to use."""

from argparse import ArgumentParser

from alipayhk import key_pairs
from alipayhk.models import Credential
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Make an RSA-2048 pair for a mall; its private half stays here, sealed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mall", metavar="TAG", required=True)
        parser.add_argument("--client-id", metavar="ID", help="if the mall has several credentials")
        parser.add_argument(
            "--use",
            metavar="VERSION",
            type=int,
            help="sign with this pair from now on; AlipayHK must hold it",
        )

    def handle(self, *_: object, mall: str, client_id: str | None, use: int | None, **__: object) -> None:
        credential = self._credential(mall, client_id)
        if use is not None:
            self._use(credential, use)
            return
        key = key_pairs.make(credential=credential, now=clock.now())
        self.stdout.write(key.public_key)
        self.stdout.write(f"version {key.version}, {key.get_state_display()}")
        self.stdout.write(f"SHA-256 {key.fingerprint}")
        if key.state == key_pairs.PREPARED:
            self.stderr.write(
                f"Give the first line to AlipayHK; then: new_key --mall {mall} --use {key.version}"
            )

    def _use(self, credential: Credential, version: int) -> None:
        try:
            key = key_pairs.use(credential=credential, version=version)
        except key_pairs.NotUsable as error:
            self.refuse(f"--use {version}: {error}")
        self.stdout.write(f"version {key.version}, {key.get_state_display()}")

    def _credential(self, tag: str, client_id: str | None) -> Credential:
        found = list(Credential.objects.filter(mall__tag=tag).order_by("pk"))
        if client_id:
            found = [credential for credential in found if credential.client_id == client_id]
        if not found:
            self.refuse(f"{tag}: there is no such mall with such a credential; register it first.")
        if len(found) > 1:
            names = ", ".join(credential.client_id for credential in found)
            self.refuse(f"{tag}: name one of its credentials with --client-id: {names}.")
        return found[0]
