"""What stands below one prefix of a bucket of S3. Each call is one request; a list is several."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chroniccare.core.errors import Unavailable
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings
from chroniccare.settings_fhir import BUCKET

if TYPE_CHECKING:
    from chroniccare.platform.aws import Client

_RETRY_S = 30
_MISSING = "NoSuchKey"


@dataclass(slots=True)
class Bucket:
    """A bucket, as far as its keys begin with a prefix, which is empty or ends with a slash.

    Attributes:
        client: of S3; credentials come from AWS's default chain.
    """

    name: str
    prefix: str
    client: "Client"

    @classmethod
    def at(cls, url: str, settings: Settings) -> "Bucket":
        """Return what is at `s3://bucket/prefix`; `settings_fhir` has looked at its form."""
        from chroniccare.platform.aws import Client  # noqa: PLC0415  see tests/checks/code.py

        found = BUCKET.fullmatch(url)
        if found is None:
            raise ValueError("no address of a bucket")
        prefix = f"{found['prefix']}/" if found["prefix"] else ""
        client = Client("s3", settings.aws_region, settings.aws_endpoint_url)
        return cls(found["name"], prefix, client)

    async def put(self, key: str, data: bytes) -> None:
        """Write an object, whole; who writes it again replaces it.

        Raises:
            Unavailable: it is not known whether it is there.
            AwsError: S3 refuses.
        """
        await self._call("put_object", Key=self.prefix + key, Body=data)

    async def get(self, key: str) -> bytes | None:
        """Return an object; None: it is not there. Raises what `put` does."""
        try:
            answer = await self._call("get_object", Key=self.prefix + key)
            async with answer["Body"] as body:
                data: bytes = await body.read()
        except AwsError as error:
            if error.aws == _MISSING:
                return None
            raise
        return data

    async def folders(self, key: str) -> list[str]:
        """Return what follows `key`, up to the next slash, of all that is there."""
        begin = self.prefix + key
        found: list[str] = []
        async for page in self._pages(Prefix=begin, Delimiter="/"):
            listed = page.get("CommonPrefixes", [])
            found += [one["Prefix"][len(begin) :].rstrip("/") for one in listed]
        return found

    async def remove(self, key: str) -> None:
        """Remove all that begins with `key`, as far as the bucket keeps no versions.

        Raises:
            AwsError: something is left.
        """
        async for page in self._pages(Prefix=self.prefix + key):
            named = [{"Key": one["Key"]} for one in page.get("Contents", [])]
            if not named:
                continue
            gone = await self._call("delete_objects", Delete={"Objects": named, "Quiet": True})
            if gone.get("Errors"):
                raise AwsError("rejected", "not_removed", gone["Errors"][0].get("Code", ""))

    async def _pages(self, **parameters: Any) -> Any:
        token: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", **parameters, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await self.client.call(operation, Bucket=self.name, **parameters)
        except AwsError as error:
            if error.kind == "rejected":
                raise
            raise Unavailable(retry_after=_RETRY_S) from None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def is_bucket(url: str) -> bool:
    """Say whether a setting names a bucket, and not a directory."""
    return url.startswith("s3://")
