"""An issuer of OpenID Connect on loopback: its keys over HTTP, and any token one can think of."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "clinic-app"


def b64(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(slots=True)
class Idp:
    """One issuer; `fetches` counts how often its keys were asked for."""

    url: str = ""
    fetches: int = 0
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def add(self, kid: str, key: Any) -> None:
        self.keys[kid] = ("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256", key)

    def jwks(self) -> bytes:
        listed = []
        for kid, (algorithm, key) in self.keys.items():
            kind = RSAAlgorithm if algorithm == "RS256" else ECAlgorithm
            jwk = kind.to_jwk(key.public_key(), as_dict=True)
            listed.append({**jwk, "kid": kid, "use": "sig", "alg": algorithm})
        return json.dumps({"keys": listed}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        made = {
            "iss": self.url,
            "sub": "somebody",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            **changed,
        }
        return {name: value for name, value in made.items() if value is not None}

    def token(self, *, kid: str = "rsa", key: Any = None, **claims: Any) -> str:
        algorithm, own = self.keys.get(kid, ("RS256", self.keys["rsa"][1]))
        payload = json.dumps(self.claims(**claims)).encode()  # PyJWT refuses some bad claims
        return jwt.PyJWS().encode(payload, key or own, algorithm, headers={"kid": kid})

    def code(self, challenge: str, **claims: Any) -> str:
        """Return a code, as after somebody has signed in at its page."""
        made = secrets.token_hex(8)
        self.codes[made] = {"challenge": challenge, "claims": claims}
        return made

    def answer(self, form: dict[str, str], authorization: str) -> bytes | None:
        """Return what the token endpoint says; None: it refuses."""
        self.asked.append({**form, "authorization": authorization})
        known = self.codes.pop(form.get("code", ""), None)
        proof = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if known is None or proof != known["challenge"]:
            return None
        tokens = {"id_token": self.token(**known["claims"]), "access_token": "of no use here"}
        return json.dumps(tokens).encode()

    def unsigned(self, algorithm: str = "none") -> str:
        head = {"alg": algorithm, "typ": "JWT", "kid": "rsa"}
        return f"{b64(head)}.{b64(self.claims())}."

    def confused(self, algorithm: str = "HS256") -> str:
        """Return a token whose HMAC is keyed by the public key, which everybody has."""
        pem = self.keys["rsa"][1].public_key()
        secret = pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        text = f"{b64({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{b64(self.claims())}"
        return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


@contextmanager
def running_idp() -> Iterator[Idp]:
    """Serve an issuer with one RSA key and one of a curve."""
    idp = Idp()
    idp.add("rsa", rsa.generate_private_key(65537, 2048))
    idp.add("curve", ec.generate_private_key(ec.SECP256R1()))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            idp.fetches += 1
            body = idp.jwks()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(parse_qsl(sent))
            body = idp.answer(form, self.headers.get("Authorization", ""))
            self.send_response(400 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    idp.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield idp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
