"""The vendor's SDK as a peer: reads a list of jobs as JSON on standard input, writes their answers.

Runs in the SDK's own environment, so it imports nothing of ours. A job that the SDK fails says how.
"""

import http.client
import json
import sys
from collections.abc import Callable
from typing import Any

# The SDK is installed in an environment of its own, where the type checker does not look.
from com.alipay.ams.api import default_alipay_client  # type: ignore[import-not-found]
from com.alipay.ams.api.default_alipay_client import DefaultAlipayClient  # type: ignore[import-not-found]
from com.alipay.ams.api.request.alipay_request import AlipayRequest  # type: ignore[import-not-found]
from com.alipay.ams.api.tools import signature_tool, webhook_tool  # type: ignore[import-not-found]


def sign(*, path: str, client_id: str, time: str, body: str, private_key: str) -> str:
    """The bare signature, as the SDK puts it behind `signature=`."""
    signed: str = signature_tool.sign("POST", path, client_id, time, body, private_key)
    return signed


def verify_webhook(*, path: str, client_id: str, time: str, body: str, header: str, public_key: str) -> bool:
    """What a merchant calls on a notice: takes the whole Signature header."""
    is_genuine: bool = webhook_tool.check_signature("POST", path, client_id, time, body, header, public_key)
    return is_genuine


def post(
    *, host: str, port: int, path: str, client_id: str, body: str, private_key: str, public_key: str
) -> str:
    """Let the SDK's client sign, send and verify; the answer's body, if the SDK finds it genuine.

    Only its transport is ours: the SDK knows no port but 443, sends the absolute form of the target,
    and looks headers up in lower case only.
    """

    def do_post(url: str, headers: dict[str, str], text: str) -> tuple[list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.request("POST", path, body=text.encode(), headers=headers)
        response = connection.getresponse()
        found = [(name.lower(), value) for name, value in response.getheaders()]
        answer = response.read()
        connection.close()
        return found, answer

    default_alipay_client.do_post = do_post
    request = AlipayRequest(path)
    request.to_ams_json = lambda: body
    client = DefaultAlipayClient(f"http://{host}", client_id, private_key, public_key)
    answer: str = client.execute(request)
    return answer


JOBS: dict[str, Callable[..., object]] = {"sign": sign, "verify_webhook": verify_webhook, "post": post}


def done(job: dict[str, Any]) -> dict[str, Any]:
    call = JOBS[job.pop("do")]
    try:
        return {"value": call(**job)}
    except Exception as error:  # the SDK raises whatever its libraries raise
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    json.dump([done(job) for job in json.load(sys.stdin)], sys.stdout)
