"""`upload_batch --mall TAG --member USER_ID --batch NO [--json]`: fetches a manual upload and judges its lines.

The member's access token comes by standard input, so that no list of processes shows it; without one there, the
token of their sign-in in the mini-app is used.
"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from alipayhk import messages, miniapp, uploads
from alipayhk.models import Credential
from alipayhk.uploads import Order, Told, UploadFailed
from alipayhk.wallet_tokens import AuthorizationEnded
from members.models import Pass
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Fetch the payments a member picked in AlipayHK; the same batch again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument("--member", required=True, metavar="USER_ID", help="the AlipayHK user")
        parser.add_argument("--batch", required=True, metavar="NO")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON")

    def handle(self, *_: object, mall: str, member: str, batch: str, as_json: bool, **__: Any) -> None:
        credential = self._credential(mall)
        try:
            told = _upload(self._pass(member, credential), credential, batch)
        except (UploadFailed, AuthorizationEnded) as failed:
            self.refuse(f"{failed.code}: {type(failed).__doc__}", status=1)
        lines = [uploads.document(one) for one in told]
        points = sum(one.points for one in told if not one.is_repeat)
        document = {"batch": batch, "points": points, "lines": lines}
        self.stdout.write(json.dumps(document, ensure_ascii=False) if as_json else _text(document))

    def _credential(self, tag: str) -> Credential:
        found = Credential.objects.select_related("mall__group").filter(mall__tag=tag).order_by("-pk").first()
        return found or self.refuse(f"--mall: there is no mall {tag} that calls AlipayHK.")

    def _pass(self, user_id: str, credential: Credential) -> Pass:
        passes = Pass.objects.select_related("program").filter(program__group=credential.mall.group_id)
        found = passes.filter(wallet=messages.WALLET, user_id=user_id).first()
        return found or self.refuse(f"--member: nobody has joined as {user_id}.")


def _upload(wallet_pass: Pass, credential: Credential, batch: str) -> list[Told]:
    token = "" if sys.stdin.isatty() else sys.stdin.readline().strip()
    now = clock.now()
    if not token:
        return miniapp.submit_batch(
            wallet_pass=wallet_pass, credential=credential, batch_number=batch, now=now
        )
    order = Order(wallet_pass=wallet_pass, batch_number=batch, access_token=token)
    return uploads.upload(order=order, credential=credential, now=now)


def _text(document: dict[str, Any]) -> str:
    words = [f"{document['batch']}: {len(document['lines'])} payments, {document['points']} points"]
    for line in document["lines"]:
        fault = f" ({line['field']} {line['detail']})" if line["detail"] else ""
        words.append(f"  {line['line']} {line['number']} {line['verdict']}: {line['message_en']}{fault}")
    return "\n".join(words)
