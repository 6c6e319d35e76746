"""Signs as Amazon SNS does, with a certificate of its own that a loopback server hands out."""

import json
import threading
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chroniccare.notifications.receipts import rules

TOPIC = "arn:aws:sns:us-east-1:123456789012:receipts"
SECRET = "a secret that only the gateway knows, 32+"


def _certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=9999))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@dataclass
class Amazon:
    """A key, its certificate on loopback, and the messages it signs."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        pages = {
            "/cert.pem": _certificate(self.key),
            "/ec.pem": _certificate(ec.generate_private_key(ec.SECP256R1())),
            "/no.pem": b"no certificate",
            "/huge.pem": b"x" * 100_000,
        }
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                path = self.path.partition("?")[0]
                if path == "/moved.pem":
                    self.send_response(302)
                    self.send_header("Location", "/cert.pem")
                    self.end_headers()
                    return
                body = b"<ok/>" if path == "/" else pages.get(path)
                status = 503 if path == "/down.pem" else 404 if body is None else 200
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def message(self, event: Any, *, at: datetime, **changes: Any) -> dict[str, Any]:
        """Return a signed message; `changes` are made before it is signed."""
        made = {
            "Type": "Notification",
            "MessageId": str(uuid4()),
            "TopicArn": TOPIC,
            "Message": event if isinstance(event, str) else json.dumps(event),
            "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": "2",
            "SigningCertURL": f"{self.url}/cert.pem",
        } | changes
        algorithm = SHA1() if made["SignatureVersion"] == "1" else SHA256()  # noqa: S303
        text = rules.signed_text(made) or b""
        made["Signature"] = b64encode(self.key.sign(text, padding.PKCS1v15(), algorithm)).decode()
        return made
