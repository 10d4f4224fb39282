import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib import access
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, token, with_token
from tests.errors import error
from tests.pictures import base64_picture

UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
WITH_CALLER = [("POST", "/items"), ("POST", "/images"), ("GET", "/images"), ("GET", f"/images/{UNKNOWN}")]
BODY = {"image_data": base64_picture()}


class TestOpen:
    """Without authentication, the request names the caller."""

    def test_only_the_owner_can_see_and_delete_a_private_image(self, api: Api) -> None:
        path = f"/images/{api.upload(visibility='private')['image_id']}"
        for stranger in (api, Api(api.client, {"X-User-Id": "bob"})):
            assert stranger.get(path).status_code == 404
            assert stranger.call("DELETE", path).status_code == 404
        assert api.get(f"{path}?user_id=alice").status_code == 200
        owner = Api(api.client, {"X-User-Id": "alice"})
        assert owner.get(path).status_code == 200
        assert owner.call("DELETE", path).status_code == 200

    @pytest.mark.parametrize("user_id", ["a/b", "a\\b", "..", "a\x00b", "x" * 129])
    def test_a_caller_has_a_name_that_can_own_an_image(self, api: Api, stores: Stores, user_id: str) -> None:
        caller = Api(api.client, {"X-User-Id": user_id})
        for method, path in (
            ("POST", "/items"),
            ("POST", "/images"),
            ("GET", "/images"),
            ("GET", f"/images/{UNKNOWN}"),
        ):
            answer = caller.call(method, path, {"user_id": "alice", **BODY})
            assert (answer.status_code, answer.json_body["error"][:8]) == (400, "user_id ")
        assert caller.get("/items").json_body["items"] == []
        assert stores.are_empty()

    def test_anyone_can_see_and_delete_a_public_image(self, api: Api) -> None:
        path = f"/images/{api.upload()['image_id']}"
        assert api.get(path).status_code == 200
        assert api.call("DELETE", path).status_code == 200


class TestTokens:
    """The caller is the subject of the token."""

    @pytest.fixture(autouse=True)
    def verified(self, configured: Callable[..., None]) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET)

    def test_an_owner_can_upload_list_and_delete(self, api: Api, stores: Stores) -> None:
        alice = with_token(api, token("alice"))
        image_id = alice.upload(visibility="private")["image_id"]
        assert alice.get(f"/images/{image_id}").status_code == 200
        assert alice.listed("user_id=alice") == [image_id]
        assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
        assert stores.are_empty()

    def test_anonymous_callers_can_only_read_public_images(self, api: Api) -> None:
        alice = with_token(api, token("alice"))
        public, private = alice.upload()["image_id"], alice.upload(visibility="private")["image_id"]
        assert api.listed("user_id=alice") == [public]
        assert api.get(f"/images/{public}").status_code == 200
        assert api.get(f"/images/{private}?user_id=alice").status_code == 404
        assert api.call("DELETE", f"/images/{private}").status_code == 404
        for answer in (
            api.call("POST", "/images", {"user_id": "alice", **BODY}),
            api.call("DELETE", f"/images/{public}"),
        ):
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json_body == error("This request needs a bearer token.")

    def test_a_caller_cannot_write_for_another_user(self, api: Api) -> None:
        public = with_token(api, token("alice")).upload()["image_id"]
        bob = with_token(api, token("bob"))
        assert bob.get(f"/images/{public}").status_code == 200
        for answer in (
            bob.call("POST", "/images", {"user_id": "alice", **BODY}),
            bob.call("DELETE", f"/images/{public}"),
        ):
            assert (answer.status_code, answer.json_body) == (403, error("The token belongs to another user_id."))

    @pytest.mark.parametrize(
        "invalid",
        [
            "nonsense",
            token("alice", "t" * 32),
            token("alice", "t" * 32, exp=datetime.now(UTC) - timedelta(minutes=1)),
            jwt.encode({"sub": "alice"}, SECRET, "HS256"),
            jwt.encode({"exp": datetime.now(UTC) + timedelta(minutes=5)}, SECRET, "HS256"),
            jwt.encode({"sub": "alice", "exp": datetime.now(UTC) + timedelta(minutes=5)}, "", "none"),
        ],
        ids=["nonsense", "another secret", "another secret, expired", "without expiry", "without subject", "unsigned"],
    )
    def test_an_invalid_token_is_refused_also_for_reading(self, api: Api, invalid: str) -> None:
        answer = with_token(api, invalid).get("/images")
        assert (answer.status_code, answer.json_body) == (401, error("The bearer token is not valid."))

    def test_a_token_that_has_expired_is_refused_and_says_so(self, api: Api) -> None:
        expired = token("alice", exp=datetime.now(UTC) - timedelta(minutes=1))
        answer = with_token(api, expired).get("/images")
        assert (answer.status_code, answer.json_body) == (401, error("The bearer token has expired."))

    @pytest.mark.parametrize("subject", ["", " ", " alice", "a/b", "a\\b", "..", "a\nb", "\ud83d", "\uffff", "x" * 129])
    def test_a_subject_that_cannot_be_a_user_id_is_refused(self, api: Api, stores: Stores, subject: str) -> None:
        caller = with_token(api, token(subject))
        for method, path in (
            ("POST", "/items"),
            ("POST", "/images"),
            ("GET", "/images"),
            ("GET", f"/images/{UNKNOWN}"),
        ):
            answer = caller.call(method, path, {"user_id": "alice", **BODY})
            assert (answer.status_code, answer.json_body["error"][:25]) == (403, "The subject of the token ")
        assert api.get("/items").json_body["items"] == []
        assert stores.are_empty()

    def test_a_token_for_another_audience_is_refused(self, api: Api, configured: Callable[..., None]) -> None:
        configured(JWT_AUDIENCE="images")
        assert with_token(api, token("alice", aud="images")).get("/images").status_code == 200
        for other in (token("alice", aud="payroll"), token("alice")):
            assert with_token(api, other).get("/images").status_code == 401


class TestIssuer:
    """The keys come from the JWKS of an OIDC issuer."""

    KEY = rsa.generate_private_key(65537, 2048)
    ISSUER = "https://issuer.example"

    @pytest.fixture
    def jwks_url(self) -> Iterator[str]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.KEY.public_key()))
        keys = json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}).encode()

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Keys) as server:
            threading.Thread(target=server.serve_forever).start()
            yield f"http://127.0.0.1:{server.server_port}/jwks.json"
            server.shutdown()

    @pytest.fixture(autouse=True)
    def verified(self, configured: Callable[..., None], jwks_url: str) -> None:
        access._issuer_keys.cache_clear()
        configured(AUTH="jwt", JWT_ISSUER=self.ISSUER, JWT_JWKS_URL=jwks_url)

    def signed(self, **claims: object) -> str:
        return token("alice", self.KEY, "RS256", {"kid": "one"}, **{"iss": self.ISSUER, **claims})

    def test_only_tokens_of_the_issuer_are_accepted(self, api: Api) -> None:
        assert with_token(api, self.signed()).get("/images?user_id=alice").status_code == 200
        for other in (
            self.signed(iss="https://other.example"),
            token("alice", rsa.generate_private_key(65537, 2048), "RS256", {"kid": "one"}, iss=self.ISSUER),
            token("alice", self.KEY, "RS256", {"kid": "two"}, iss=self.ISSUER),
            token("alice", SECRET, "HS256", {"kid": "one"}, iss=self.ISSUER),
        ):
            assert with_token(api, other).get("/images").status_code == 401

    def test_a_request_is_a_503_if_the_keys_are_unavailable(self, api: Api, configured: Callable[..., None]) -> None:
        access._issuer_keys.cache_clear()
        configured(JWT_JWKS_URL="http://127.0.0.1:1/jwks.json")
        answer = with_token(api, self.signed()).get("/images")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
