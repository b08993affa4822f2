"""Who may call what, for gRPC and HTTP alike."""

from __future__ import annotations

from caffe_sdk.errors import AccessError, CredentialsError
from caffe_sdk.server.security import rights
from caffe_sdk.server.security.rights import Right
from caffe_sdk.server.security.tokens import Identity, Tokens

ANYBODY = Identity("", Right.ADMIN)
"""Who calls a server that asks for no tokens."""

NOBODY = Identity("", Right.OPEN)
"""Who calls without a token what takes none."""


class Access:
    """Tells who makes a call by its ``authorization`` header, and refuses what they have no right to.

    Without tokens everybody who can connect may call everything.
    """

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def admit_call(self, method: str, authorization: str | None) -> Identity:
        """Who makes a gRPC call ``/package.Service/Method``.

        Raises CredentialsError (UNAUTHENTICATED, HTTP 401) without a token that is known, AccessError
        (PERMISSION_DENIED, HTTP 403) where its right does not reach.
        """
        return self._admit(rights.of_call(method), authorization)

    def admit_path(self, path: str, authorization: str | None) -> Identity:
        """Who asks for an HTTP path (its query left out). Raises as `admit_call` does."""
        return self._admit(rights.of_path(path), authorization)

    def _admit(self, needed: Right, authorization: str | None) -> Identity:
        if self._tokens is None:
            return ANYBODY
        if needed is Right.OPEN:
            return NOBODY
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CredentialsError("authorization", "no token came with the call", "send 'authorization: Bearer TOKEN'")
        identity = self._tokens.find(token.strip())
        if identity is None:
            raise CredentialsError("authorization", "the token is not known", "ask the operator for another one")
        if identity.right < needed:
            what = f"the right '{identity.right.name.lower()}' does not reach"
            raise AccessError("authorization", what, f"the call takes the right '{needed.name.lower()}'")
        return identity
