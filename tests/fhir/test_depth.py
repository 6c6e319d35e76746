"""No body is so deep that reading it, or writing it again, would fail."""

import orjson
import pytest

from chroniccare.fhir import validation
from tests.fhir.test_validation import issues


@pytest.mark.parametrize("depth", [30, 31, 32, 200, 2_000])
def test_what_is_nested_too_deeply_is_refused_before_it_is_read(depth: int) -> None:
    extension = b'{"url":"http://x","extension":[' * depth + b'{"url":"]}","valueBoolean":true}'
    body = b'{"resourceType":"Basic","code":{"text":"[[[{{{"},"extension":[%s]}' % (
        extension + b"]}" * depth
    )
    deep = 2 * depth + 3 > validation.MAX_DEPTH
    found = issues(body, "Basic")
    assert found == ([("too-long", "Basic")] if deep else [])
    if depth < 500:
        assert issues(orjson.loads(body), "Basic") == found


@pytest.mark.parametrize(
    "inner",
    [
        b'"resource":{"resourceType":"Bundle","type":"collection","entry":[{%s}]}',
        b'"extension":[{"url":"http://x","extension":[{"url":"http://x",%s}]}]',
        b'"response":{"status":"","outcome":{"resourceType":"Bundle","type":"","entry":[{%s}]}}',
    ],
    ids=["bundles in bundles", "extensions", "outcomes"],
)
@pytest.mark.parametrize("depth", [1, 100, 400])
def test_no_bundle_is_deeper_than_any_other_body(inner: bytes, depth: int) -> None:
    body = b'"fullUrl":"urn:x"'
    for _ in range(depth):
        body = inner.replace(b"%s", body)
    body = b'{"resourceType":"Bundle","type":"collection","entry":[{%s}]}' % body
    found = issues(body, "Bundle")
    assert (found == [("too-long", "Bundle")]) == (depth > 1)
